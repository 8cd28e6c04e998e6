"""What a sweep does once for each network, each row and each finished run, and not more often as a grid grows."""

import itertools
import json
import sys
import types

import pytest
import yaml
from conftest import ROOT

from ghostlib import atomic, results, sweep
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.models.build import ARCHITECTURE
from ghostlib.sweep import cluster, costs, table
from ghostlib.sweep.grid import Point
from ghostlib.training import setup

SMALL = {"model": "vgg16", "width": 0.0625}


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """Writes a grid of the training notebook and reads it, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def make(seeds, **values):
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump({
            "notebook": str(ROOT / "notebooks" / "train.ipynb"), "params": SMALL, "grid": values or {"kernel": [3]},
            "seeds": list(range(seeds))}))
        return sweep.read("grid.yaml")
    return make


@pytest.fixture
def calls(monkeypatch):
    """Counts the calls of a function: `calls(module, name)` is a list that grows with each."""
    def calls(module, name):
        seen, real = [], getattr(module, name)

        def counted(*args, **options):
            seen.append(args)
            return real(*args, **options)
        monkeypatch.setattr(module, name, counted)
        return seen
    return calls


def row_of(planned, point):
    return results.make_row(planned.config(point), top1=0.5, macs=10, seconds=60.0)


def finish(planned, points):
    """Leaves the rows of finished runs, as a sweep does."""
    planned.folder.mkdir(parents=True, exist_ok=True)
    for point in points:
        atomic.write_text(planned.folder / f"{point.key}.json", results.to_json(
            {"point": point.key, "notebook": planned.named, "code": planned.code, **row_of(planned, point)}))


# What is planned.

@pytest.mark.parametrize("seeds", [1, 7])
def test_a_network_is_built_once_however_many_points_have_it(seeds, grid, calls):
    built, run = calls(costs, "build"), calls(costs, "count")
    planned = grid(seeds, ratio=[1, 2], width=[0.0625, 0.125], lr=[0.1, 0.2, 0.3])
    plan = sweep.plan(planned)
    assert len(plan) == 12 * seeds and len(built) == 4 and len(run) == 1
    assert plan.groupby(["ratio", "width"]).macs.nunique().eq(1).all() and plan.macs.nunique() == 4


def test_seconds_are_estimated_by_epochs_too(grid):
    planned = grid(1, epochs=[6, 30], ratio=[1, 2])
    finish(planned, [point for point in planned.points if point.parameters["epochs"] == 6])
    plan = sweep.plan(planned).set_index(["epochs", "ratio"])
    assert plan.there[6].all() and not plan.there[30].any()
    rate = plan.seconds[6].sum() / plan.macs[6].sum()  # of six epochs
    assert list(plan.seconds[30]) == pytest.approx(list(5 * plan.macs[30] * rate), abs=0.5)


def test_a_network_is_made_of_its_architecture_and_its_seed_alone():
    """So points that agree in the architecture cost the same, whatever fields Config gets."""
    seen = set()

    class Watched:
        def __getattr__(self, name):
            seen.add(name)
            return getattr(Config(**SMALL), name)
    setup.build(Watched())
    assert seen == {*ARCHITECTURE, "seed"}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_network_that_is_not_run_costs_what_running_it_says(model, monkeypatch):
    configs = [Config(model=model, width=width, ratio=ratio, kernel=kernel, dataset="imagefolder", num_classes=classes)
               for width, ratio, kernel, classes in ((0.5, 1, 3, 10), (0.3, 2, 5, 10), (0.75, 3, 3, 7))]
    with monkeypatch.context() as patch:
        patch.setattr(costs, "count", lambda *given, once=[]: once.append(1) or count(*given) if not once else pytest.fail(
            "another was run"))
        found = costs.costs_of(configs)
    for config, cost in zip(configs, found):
        whole = count(setup.build(config), (3, config.image_size, config.image_size))
        assert cost == {"weights": whole.weights, "macs": whole.macs}


def test_a_network_with_a_layer_of_its_own_is_run_itself(monkeypatch, calls):
    def unknown(*_):
        raise InputError("layer: 'shortcut' is none of the network that was counted")
    configs = [Config(**SMALL, ratio=ratio) for ratio in (1, 2)]
    expected = costs.costs_of(configs)
    monkeypatch.setattr(costs, "recount", unknown)
    run = calls(costs, "count")
    assert costs.costs_of(configs) == expected and len(run) == 2


@pytest.mark.parametrize("record", [False, True])
def test_a_complete_grid_is_recognised_by_reading_each_row_once(record, grid, calls):
    planned = grid(6, kernel=[3, 5])
    finish(planned, planned.points)
    read, built = calls(results, "read_json"), calls(costs, "build")
    assert len(sweep.run(planned, record=record, report=lambda _: None)) == 12
    assert len(read) == 12 and not built
    assert sweep.plan(planned, there=sweep.rows_there(planned)).there.all() and len(read) == 24 and not built


@pytest.mark.parametrize("again", [False, True])
def test_a_grid_is_looked_through_and_not_each_point_for_each(again, grid, monkeypatch):
    def looks(seeds):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(Point, "__getattribute__",
                          lambda self, name: seen.append(name) or object.__getattribute__(self, name))
            planned = grid(seeds)
            finish(planned, planned.points)
            sweep.run(planned, report=lambda _: None, again=again)
        return seen.count("key")
    assert looks(80) < 1.2 * 8 * looks(10)


# What is done for each finished run.

class Clock:
    """Stands in for `time`, of which a table asks only this."""

    now = 0.0

    def monotonic(self):
        return self.now


def test_rows_of_quick_runs_are_written_together_and_those_of_slow_ones_as_they_come(grid, calls, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(table, "time", clock)
    planned = grid(40)
    real = table.write_rows
    monkeypatch.setattr(table, "write_rows", lambda *given: (real(*given), setattr(clock, "now", clock.now + 1.0)))
    written = calls(results, "write_table")
    kept = table.Table(planned, {})
    finish(planned, planned.points)
    told = sweep.rows_there(planned)

    def csv():
        return list(results.read_table(planned.folder / "rows.csv").seed)
    for point in reversed(planned.points[:30]):  # quick ones, which take no time beside the second of writing
        kept.add(told[point.key])
    assert len(written) == 1 and csv() == [29]
    assert kept.patience == table.SHARE
    kept.keep_up()
    assert len(written) == 1  # not due
    clock.now += kept.patience
    kept.keep_up()  # as the driver does while it waits
    assert len(written) == 2 and csv() == list(range(30)) and kept.patience is None  # in the grid's order
    kept.keep_up()
    assert len(written) == 2  # nothing lacks
    for number, point in enumerate(planned.points[30:], 1):
        clock.now += table.SHARE + 1
        kept.add(told[point.key])
        assert len(written) == 2 + number and len(csv()) == 30 + number


class Ray(types.ModuleType):
    """Stands in for Ray: runs are over as they are handed in, and end in their order."""

    exceptions = types.SimpleNamespace(RayError=ZeroDivisionError)

    def __init__(self, ended):
        super().__init__("ray")
        self.ended, self.asked, self.puts = ended, [], []

    def init(self, **_):
        self.kept = {}

    def shutdown(self):
        pass

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2}}]

    def put(self, value):
        self.puts.append(value)
        return "put"

    def remote(self, **_):
        def hand_in(notebook, parameters, *_):
            assert notebook == "put"
            return json.dumps(parameters)  # by which the run is known
        return lambda _: types.SimpleNamespace(remote=hand_in)

    def wait(self, runs, num_returns, timeout):
        self.asked.append(len(runs))
        return runs[:1], runs[1:]

    def get(self, run):
        return self.ended(json.loads(run))


@pytest.mark.parametrize("seeds", [10, 40])
def test_a_finished_run_costs_the_driver_the_same_in_any_grid(seeds, grid, calls, monkeypatch):
    planned = grid(seeds)
    read, written = calls(results, "read_json"), calls(atomic, "write_bytes")
    before = []

    def ended(parameters):
        before.append((len(read), len(written)))
        return "executed", results.make_row(Config(**parameters), top1=0.5), {}, None
    ray = Ray(ended)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "WATCHED", 8)
    monkeypatch.setattr(table, "time", Clock())  # at which no time passes, so that the table is written once and in the end
    monkeypatch.setattr(table, "write_rows", lambda *_: setattr(table.time, "now", table.time.now + 1.0))
    found = sweep.run(planned, progress=False, report=lambda _: None)
    assert list(found.seed) == list(range(seeds))
    each = [(after[0] - first[0], after[1] - first[1]) for first, after in itertools.pairwise(before)]
    assert each == [(1, 2)] * (seeds - 1)  # its row is read; its row and its notebook are written
    assert len(read) == 2 * seeds  # each as it came, and all once more in the end
    assert len(ray.puts) == 1 and max(ray.asked) == 8 and len(ray.asked) == seeds
