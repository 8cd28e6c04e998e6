"""Sweeps: every point once, whatever is killed; bad grids refused before Ray starts."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import nbformat
import pandas as pd
import psutil
import pytest
import yaml
from click.testing import CliRunner
from conftest import ROOT

from ghostlib import results, sweep
from ghostlib.__main__ import main
from ghostlib.cores import own_cores
from ghostlib.errors import InputError, RunError
from ghostlib.lock import hold
from ghostlib.sweep import cluster
from ghostlib.sweep.cluster import npus_wanted

# A notebook of this kind is over in a second: it waits, fails if told to, and says which devices it had.
CELLS = ['value = 1\nwait = 0.0\nseed = 0\nfail = 0\nrun_dir = "run"', '''
import json, os, pathlib, time
began = time.time()
time.sleep(wait)
assert value != fail, "told to"
pathlib.Path(run_dir).mkdir()
row = {"value": value, "seed": seed, "began": began, "ended": time.time(), "threads": os.environ.get("OMP_NUM_THREADS")}
pathlib.Path(run_dir, "row.json").write_text(json.dumps(row))''']


pytestmark = pytest.mark.xdist_group("many runs")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a quick notebook; `here.grid(...)` writes a grid."""
    monkeypatch.setenv(MARK, str(tmp_path))  # by which its processes are known
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "quick.ipynb")
    monkeypatch.chdir(tmp_path)

    def grid(**fields):
        fields = {"notebook": "quick.ipynb", "grid": {"value": [1, 2, 3, 4]}, **fields}
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump({name: value for name, value in fields.items()
                                                            if value is not None}))
        return "grid.yaml"
    tmp_path_grid = type("Here", (), {"grid": staticmethod(grid), "path": tmp_path})
    return tmp_path_grid


def rows():
    return results.read_table("data/runs/grid/rows.csv")


def ghostlib(*words, **options):
    return subprocess.Popen([sys.executable, "-m", "ghostlib", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options)


MARK = "GHOSTLIB_TEST"
RUNS, ALL = ("ray::_execute", "ipykernel"), ("ray::", "raylet", "gcs_server", "ipykernel")


def standing(words=ALL):
    """This test's processes that stand: of runs, or all of Ray's and Jupyter's."""
    return {process.pid for process in psutil.process_iter(["cmdline", "environ"])
            if (process.info["environ"] or {}).get(MARK) == os.environ[MARK]
            and any(word in " ".join(process.info["cmdline"] or []) for word in words)}


def gone(words=ALL, seconds=20):
    """Waits until none is left."""
    until = time.time() + seconds
    while standing(words) and time.time() < until:
        time.sleep(0.2)
    return not standing(words)


@pytest.mark.parametrize("fields, line", [
    ({"grid": {"valeu": [1]}}, "valeu: quick.ipynb has no such parameter; did you mean value"),
    ({"params": {"sed": 1}}, "sed: quick.ipynb has no such parameter; did you mean seed"),
    ({"grid": {}}, "grid: {} given; wanted is"),
    ({"grid": {"value": []}}, r"grid: \{'value': \[\]\} given; wanted is"),
    ({"grid": None}, "grid: None given; wanted is"),
    ({"grid": {"value": [1, 2, 1]}}, "the point value 1 is there twice"),
    ({"grid": [{"value": [1, 2]}, {"value": [2]}]}, "the point value 2 is there twice"),
    ({"grid": {"seed": [-1]}}, "at seed -1: seed: -1 given"),
    ({"seeds": 3}, "seeds: 3 given; allowed is a list"),
    ({"notebok": "x"}, "notebok: no such field; did you mean notebook"),
    ({"notebook": "none.ipynb"}, "notebook: none.ipynb does not exist"),
    ({"notebook": "grid.yaml"}, "notebook: grid.yaml cannot be read"),
    ({"params": "none.yaml"}, "params: none.yaml does not exist; looked in this folder, beside grid.yaml and above it"),
    ({"notebook": "$NOT_SET_HERE/quick.ipynb"}, "notebook: .* given; the variable NOT_SET_HERE is not set"),
    ({"keep": "row.json"}, "keep: 'row.json' given; allowed is a list of names of files"),
    ({"keep": ["../row.json"]}, "keep: .* given; allowed is a list of names of files in a run's folder"),
    ({"keep": [""]}, "keep: .* given; allowed is a list of names"),
    ({"keep": ["json"]}, "keep: json given, which is a sweep's own file"),
    ({"keep": ["a.csv", "b.txt"], "record": ["b.txt"]},
     r"record: \['b.txt'\] given; allowed is a list of tables that are kept, of a.csv"),
    ({"record": "a.csv"}, "record: 'a.csv' given; allowed is a list of tables that are kept, and none is"),
])
def test_a_bad_grid_is_refused_in_one_line(here, fields, line):
    with pytest.raises(InputError, match=line):
        sweep.read(here.grid(**fields))


def test_a_notebook_without_parameters_is_refused(here):
    notebook = nbformat.read("quick.ipynb", 4)
    notebook.cells[0].metadata = {}
    nbformat.write(notebook, "quick.ipynb")
    with pytest.raises(InputError, match="quick.ipynb has no parameters; wanted is a cell with the tag"):
        sweep.read(here.grid())


def test_of_what_is_kept_all_tables_are_recorded_or_those_named(here):
    notebook = nbformat.read("quick.ipynb", 4)
    notebook.cells[0].source += '\nrun_dir = "data"'
    nbformat.write(notebook, "quick.ipynb")
    keep = {"keep": ["history.csv", "answers.csv", "last.safetensors"]}
    assert sweep.read(here.grid(**keep)).tables == ("history.csv", "answers.csv")
    assert sweep.read(here.grid(**keep, record=["history.csv"])).tables == ("history.csv",)
    assert sweep.read(here.grid(**keep, record=[])).tables == () != sweep.read(here.grid(**keep)).keep


def test_where_pixels_are_kept_makes_no_other_point(here):
    notebook = nbformat.read("quick.ipynb", 4)
    notebook.cells[0].source += '\ndata_dir = "data"'
    nbformat.write(notebook, "quick.ipynb")
    keys = [[point.key for point in sweep.read(here.grid(params={**where, "run_dir": "x"})).points]
            for where in ({}, {"decoded": "none"}, {"decoded": "disk"})]
    assert keys[0] == keys[1] == keys[2]
    assert sweep.read(here.grid(params={"decoded": "disk"})).fixed == {"decoded": "disk"}  # and it is passed on
    with pytest.raises(InputError, match="decoded none is there twice|decoded disk is there twice"):
        sweep.read(here.grid(grid={"decoded": ["none", "disk"]}))
    with pytest.raises(InputError, match="decoded: 'ram' given; allowed is 'none', 'memory' or 'disk'"):
        sweep.read(here.grid(params={"decoded": "ram"}))


def edit_code(source="1"):
    notebook = nbformat.read("quick.ipynb", 4)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, "quick.ipynb")


def test_a_key_is_the_notebooks_name_and_the_parameters(here):
    before = sweep.read(here.grid())
    keys = [point.key for point in before.points]
    assert len(set(keys)) == 4
    edit_code()
    after = sweep.read(here.grid())
    assert [point.key for point in after.points] == keys and after.code != before.code
    assert not set(keys) & {point.key for point in sweep.read(here.grid(params={"wait": 0.5})).points}
    shutil.copy("quick.ipynb", "other.ipynb")
    assert not set(keys) & {point.key for point in sweep.read(here.grid(notebook="other.ipynb")).points}


def write_rows(planned, codes, path):
    """A row of each point, as a sweep leaves them, made by these codes; a CSV file, or JSON files in a folder."""
    made = [{"point": point.key, "notebook": planned.named, "code": code, **point.parameters, "seconds": 60.0}
            for point, code in zip(planned.points, codes)]
    if path.suffix == ".csv":
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(made).to_csv(path, index=False)
        return
    path.mkdir(parents=True, exist_ok=True)
    for row in made:
        (path / f"{row['point']}.json").write_text(json.dumps(row))


def test_rows_made_by_other_code_count_and_are_said_in_one_line(here):
    planned = sweep.read(here.grid())
    write_rows(planned, [planned.code, planned.code, "other", None], planned.recorded)
    said = []
    table = sweep.run("grid.yaml", report=said.append)
    assert said == ["grid: 2 of 4 rows were made by other code of quick.ipynb and count; --again runs them anew",
                    "grid: all 4 points are there; nothing to run"]
    assert list(table.code.fillna("")) == [planned.code, planned.code, "other", ""]
    done = CliRunner().invoke(main, ["sweep", "grid.yaml", "--dry-run"]).output
    assert "2 of 4 rows were made by other code" in done and "0 of 4 to run" in done
    done = CliRunner().invoke(main, ["sweep", "grid.yaml", "--dry-run", "--again"]).output
    assert "other code" not in done and "2 of 4 to run, about 2 minutes" in done


def test_a_table_never_holds_two_rows_of_one_point(here):
    planned = sweep.read(here.grid())
    write_rows(planned, [planned.code] * 4, planned.folder)
    write_rows(planned, ["other"] * 4, planned.recorded)  # the folder's are of this code, and count
    sweep.run("grid.yaml", report=lambda _: None)
    assert list(rows().code) == [planned.code] * 4 and rows().point.is_unique
    edit_code()
    planned = sweep.read("grid.yaml")
    write_rows(planned, [planned.code] * 4, planned.recorded)  # now the recorded ones are
    assert set(sweep.run("grid.yaml", report=lambda _: None).code) == {planned.code}
    table = pd.read_csv(planned.recorded)
    pd.concat([table, table[1:2]]).to_csv(planned.recorded, index=False)
    with pytest.raises(InputError, match=f"grid.csv: point: {planned.points[1].key} stands there more than once"):
        sweep.run("grid.yaml")


def test_a_recorded_table_grows_and_loses_nothing_without_being_told_to(here):
    """It used to be replaced by the rows of the grid as it is now, so that other seeds took the recorded ones away: hours of
    computing, for a grid that is edited to add to a study. A table of one's own for each grid is one more file name."""
    planned = sweep.read(here.grid(grid={"value": [1, 2, 3]}))
    write_rows(planned, ["old"] * 3, planned.recorded)
    planned = sweep.read(here.grid(grid={"value": [3, 4]}))
    write_rows(planned, [planned.code] * 2, planned.folder)
    said = []
    sweep.run("grid.yaml", report=said.append, record=True)
    assert said[-1] == ("data/results/grid.csv: 4 rows; 1 new, 1 replaced, 2 that are not among these stay (--prune removes "
                        "them)")
    table = pd.read_csv(planned.recorded)
    assert list(table.value) == [3, 4, 1, 2] and list(table.code) == [planned.code, planned.code, "old", "old"]
    sweep.run("grid.yaml", report=said.append, record=True)  # once more: nothing is new
    assert ": 4 rows; 0 new, 0 replaced, 2 that" in said[-1] and pd.read_csv(planned.recorded).equals(table)
    done = CliRunner().invoke(main, ["sweep", "grid.yaml", "--prune"])
    assert done.exit_code == 2 and "prune: true given, and record is not" in done.output
    done = CliRunner().invoke(main, ["sweep", "grid.yaml", "--record", "--prune"])
    assert "2 rows; 0 new, 0 replaced, 2 that are not among these went" in done.output
    assert list(pd.read_csv(planned.recorded).value) == [3, 4]


@pytest.mark.slow
def test_what_is_there_is_recorded_with_its_curves_also_when_other_runs_failed(here):
    here.grid(grid={"value": [1, 2]}, params={"fail": 2}, keep=["curve.csv"])
    planned = sweep.read("grid.yaml")
    write_rows(planned, [planned.code], planned.folder)
    (planned.folder / f"{planned.points[0].key}.curve.csv").write_text("epoch,top1\n1,0.5\n2,0.6\n")
    said = []
    with pytest.raises(RunError, match="1 of 1 runs failed"):
        sweep.run("grid.yaml", record=True, report=said.append, progress=False, cpus=1)
    assert said[-2:] == ["data/results/grid.csv: 1 rows", "data/results/grid_curve.csv: 2 rows"]
    curves = results.read_table("data/results/grid_curve.csv")
    assert curves.top1.tolist() == [0.5, 0.6] and set(curves.point) == {planned.points[0].key} and set(curves.value) == {1}


def test_a_curves_own_column_is_not_overwritten_by_the_parameter_of_its_name(here):
    """An epoch's learning rate, for one, in a study that tries learning rates."""
    planned = sweep.read(here.grid(grid={"value": [1, 2]}, keep=["curve.csv"]))
    write_rows(planned, [planned.code] * 2, planned.folder)
    for point in planned.points:
        (planned.folder / f"{point.key}.curve.csv").write_text("epoch,value\n1,0.5\n2,0.25\n")
    sweep.run("grid.yaml", record=True, report=lambda _: None)
    assert results.read_table("data/results/grid_curve.csv").value.tolist() == [0.5, 0.25] * 2


def test_pruning_leaves_the_curves_of_points_that_are_in_the_grid_though_not_on_this_machine(here):
    planned = sweep.read(here.grid(grid={"value": [1, 2, 3]}, keep=["curve.csv"]))
    write_rows(planned, [planned.code] * 3, planned.folder)
    curves = [planned.folder / f"{point.key}.curve.csv" for point in planned.points]
    for path in curves:
        path.write_text("epoch,top1\n1,0.5\n")
    sweep.run("grid.yaml", record=True, report=lambda _: None)
    for path in curves[:2]:  # as in another checkout, which has but one of the runs
        path.unlink()
    here.grid(grid={"value": [2, 3]}, keep=["curve.csv"])
    said = []
    sweep.run("grid.yaml", record=True, prune=True, report=said.append)
    assert said[-1] == "data/results/grid_curve.csv: 2 rows; 0 new, 0 replaced, 1 that are not among these went"
    assert sorted(results.read_table("data/results/grid_curve.csv").value) == [2, 3]


@pytest.mark.parametrize("npus", [-1, 3])
def test_a_number_of_npus_that_no_machine_has_is_refused(npus, here):
    """Before anything divides by those that there are."""
    from ghostlib.sweep import cluster

    class Ray:
        @staticmethod
        def nodes():
            return [{"Alive": True, "Resources": {"CPU": 4, "NPU": 2}}]
    with pytest.raises(InputError, match=f"npus: {npus} given; a machine has 2 at most, allowed are 0 to 2"):
        cluster._resources(Ray, sweep.read(here.grid()), npus, None)


def test_a_table_of_something_else_is_not_replaced(here):
    planned = sweep.read(here.grid())
    write_rows(planned, [planned.code] * 4, planned.folder)
    planned.recorded.parent.mkdir(parents=True)
    planned.recorded.write_text("network,top1\nmine,0.7\n")
    with pytest.raises(InputError, match="grid.csv: holds something else than the rows of a sweep"):
        sweep.run("grid.yaml", record=True)
    assert planned.recorded.read_text() == "network,top1\nmine,0.7\n"


def test_a_grid_called_from_elsewhere_finds_its_notebook_and_its_parameters(here, tmp_path, monkeypatch):
    (here.path / "lab" / "notebooks" / "params").mkdir(parents=True)
    shutil.move("quick.ipynb", "lab/notebooks/quick.ipynb")
    (here.path / "lab" / "notebooks" / "params" / "common.yaml").write_text("wait: 0.5\n")
    fields = {"notebook": "notebooks/quick.ipynb", "params": "notebooks/params/common.yaml", "grid": {"value": [1]}}
    grid = here.path / "lab" / "notebooks" / "params" / "grid.yaml"
    grid.write_text(yaml.safe_dump(fields))
    found = []
    for folder, name in ((here.path, "lab/notebooks/params/grid.yaml"), (here.path / "lab", "notebooks/params/grid.yaml"),
                         (grid.parent, "grid.yaml"), (here.path / "lab" / "notebooks", "params/grid.yaml")):
        monkeypatch.chdir(folder)
        found.append(sweep.read(name))
    assert len({(one.named, one.points[0].key, one.code) for one in found}) == 1 and found[0].fixed == {"wait": 0.5}
    monkeypatch.chdir(here.path)
    (here.path / "notebooks").mkdir()
    shutil.copy("lab/notebooks/quick.ipynb", "notebooks/quick.ipynb")
    assert str(sweep.read("lab/notebooks/params/grid.yaml").notebook) == "notebooks/quick.ipynb"  # what is here comes first


def test_a_sweep_that_another_process_drives_is_refused(here, monkeypatch):
    monkeypatch.setattr("ghostlib.lock.PATIENCE", 0.2)
    planned = sweep.read(here.grid())
    code = ("import sys, time; from pathlib import Path; from ghostlib.lock import hold\n"
            "with hold(Path(sys.argv[1]), 'grid'): print('held', flush=True); time.sleep(60)")
    other = subprocess.Popen([sys.executable, "-c", code, str(planned.folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"grid: data/runs/grid is held by process {other.pid}"):
            sweep.run("grid.yaml", progress=False)
    finally:
        other.kill()
        other.wait()
    with hold(planned.folder, "grid"):
        pass


def test_a_ray_that_does_not_start_is_said_in_one_line(here, monkeypatch):
    """As on a machine with too much to do, where its processes take longer than it waits; found by the campaign."""
    def slow(**_):
        raise Exception("The current node timed out during startup.\nThis could happen because ...")
    monkeypatch.setattr("ray.init", slow)
    done = CliRunner().invoke(main, ["sweep", here.grid()])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("ghostlib: Ray did not start (The current node timed out during startup.")
    assert not os.path.exists("data")


@pytest.mark.slow
def test_files_of_a_run_come_back_and_one_that_it_did_not_leave_is_a_failure(here):
    edit_code("pathlib.Path(run_dir, 'weights').write_bytes(bytes([value]) * 5) if value != 3 else None")
    grid = here.grid(grid={"value": [1, 3]}, keep=["weights", "row.json"])
    done = CliRunner().invoke(main, ["sweep", grid])
    assert done.exit_code == 1 and "failed: value 3: keep: the run left no weights" in done.output
    planned = sweep.read(grid)
    key = planned.points[0].key
    assert (planned.folder / f"{key}.weights").read_bytes() == b"\1" * 5 and list(rows().value) == [1]
    assert json.loads((planned.folder / f"{key}.row.json").read_text())["value"] == 1
    (planned.folder / f"{key}.weights").unlink()  # as if it had been asked for later
    here.grid(grid={"value": [1]}, keep=["weights"])
    done = CliRunner().invoke(main, ["sweep", grid])
    assert "grid: 1 of 1 runs lack weights and count; --again runs them anew" in done.output and done.exit_code == 0
    done = CliRunner().invoke(main, ["sweep", grid, "--again"])
    assert done.exit_code == 0 and (planned.folder / f"{key}.weights").exists()


def test_the_recorded_sweep_has_todays_keys(monkeypatch):
    monkeypatch.chdir(ROOT)
    planned = sweep.read("notebooks/params/ablate_cifar10.yaml")
    table = pd.read_csv(planned.recorded, dtype=str, keep_default_na=False)
    assert list(table.point) == [point.key for point in planned.points]
    assert set(table.code) == {"2835390db2030c2c"}  # of notebooks/train.ipynb at commit d6591888eb53, which the rows name
    assert set(table.commit) == {"d6591888eb53"}


def test_an_unreachable_address_is_refused_soon(here):
    start = time.time()
    done = CliRunner().invoke(main, ["sweep", here.grid(), "--address", "127.0.0.1:9"])
    assert done.exit_code == 2 and "address: 127.0.0.1:9 does not answer" in done.output
    assert time.time() - start < 15


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None],
                         ids=["web server", "hangs up", "silent"])
def test_an_address_where_something_else_listens_is_refused_soon(here, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls = []

        def serve():
            calls.append(server.accept()[0])
            if answer is not None:
                calls[0].sendall(answer)
                calls[0].close()
        threading.Thread(target=serve, daemon=True).start()
        start = time.time()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"address: {address} does not answer as Ray does .*; wanted is HOST:PORT"):
            sweep.run(here.grid(), address=address, progress=False)
        assert time.time() - start < 15


def test_the_grids_that_come_with_the_lab_can_be_read(monkeypatch):
    monkeypatch.chdir(ROOT)
    grids = [path for path in (ROOT / "notebooks" / "params").glob("*.yaml") if "grid" in yaml.safe_load(path.read_text())]
    assert len(grids) >= 2
    for path in grids:
        assert sweep.read(path).points, path
    [pretrained] = sweep.read(ROOT / "notebooks" / "params" / "photographs_pretrain.yaml").points
    starts = {point.parameters["weights"] for point in sweep.read(ROOT / "notebooks" / "params" / "few_pilot.yaml").points}
    assert starts == {None, f"data/runs/photographs_pretrain/{pretrained.key}.last.safetensors"}  # what is kept of it
    table = sweep.plan(sweep.read(ROOT / "notebooks" / "params" / "ablate_ratio_smoke.yaml"))
    assert table.weights.is_monotonic_decreasing and not table.there.any()


@pytest.mark.parametrize(("given", "told"), [("10,2,1", "1,2,10"), ("3", "3"), ("", ""), ("NPU-1,0", "NPU-1,0")])
def test_cards_are_told_in_ascending_order_whatever_somebody_set(given, told):
    assert cluster._ascending(given) == told


def test_a_run_gets_as_many_npus_as_it_has_devices(monkeypatch):
    monkeypatch.chdir(ROOT)
    wanted = {name: npus_wanted(sweep.read(f"notebooks/params/ablate_{name}.yaml"))
              for name in ("ghostnet_imagenet", "vgg16_cifar10", "cifar10")}
    assert wanted == {"ghostnet_imagenet": 8, "vgg16_cifar10": 1, "cifar10": 0}


@pytest.mark.slow
def test_a_sweep_runs_once_and_what_fails_fails_alone(here):
    grid = here.grid(params={"fail": 3})
    done = CliRunner().invoke(main, ["sweep", grid, "--record"])
    assert done.exit_code == 1 and "1 of 4 runs failed" in done.output
    assert sorted(rows().value) == [1, 2, 4] == sorted(results.read_table("data/results/grid.csv").value)
    kept = list((here.path / "data/runs/grid").glob("*.failed.ipynb"))
    assert len(kept) == 1 and "told to" in kept[0].read_text()
    before = rows().set_index("value").began
    done = CliRunner().invoke(main, ["sweep", grid])
    assert done.exit_code == 1 and "1 of 1 runs failed" in done.output
    grid = here.grid(params={"fail": 0}, grid={"value": [1, 2]})
    assert CliRunner().invoke(main, ["sweep", grid, "--record", "--prune", "--cpus", "1"]).exit_code == 0
    recorded = pd.read_csv("data/results/grid.csv")
    assert "run_dir" not in recorded  # it went with its process
    assert list(recorded.value) == [1, 2] and (recorded.began > before[[1, 2]].max()).all()  # another `fail`: new points
    assert set(recorded.threads) == {1}
    start = time.time()
    done = CliRunner().invoke(main, ["sweep", grid])
    assert "all 2 points are there; nothing to run" in done.output and done.exit_code == 0
    assert time.time() - start < 2  # Ray takes longer to start
    edit_code()
    done = CliRunner().invoke(main, ["sweep", grid, "--again", "--record"])
    assert done.exit_code == 0, done.output
    anew = pd.read_csv("data/results/grid.csv")
    assert list(anew.value) == [1, 2] and (anew.began > recorded.began).all() and not set(anew.code) & set(recorded.code)
    recorded = anew
    shutil.rmtree("data/runs")  # another checkout, to which the recorded rows came along
    here.grid(params={"fail": 0}, grid={"value": [1, 2, 4]})
    assert list(sweep.plan(sweep.read(grid)).there) == [True, True, False]
    assert CliRunner().invoke(main, ["sweep", grid, "--record"]).exit_code == 0
    again = pd.read_csv("data/results/grid.csv")
    assert list(again.value) == [1, 2, 4] and list(again.began[:2]) == list(recorded.began)
    here.grid(notebook=str(ROOT / "notebooks" / "train.ipynb"), grid={"kernel": [1, 3]})
    done = CliRunner().invoke(main, ["sweep", grid])
    assert done.exit_code == 2 and "holds the rows of quick.ipynb, not of" in done.output


def test_seeds_come_last_so_that_what_ends_early_is_a_smaller_study(here):
    points = [point.parameters for point in sweep.read(here.grid(grid={"value": [1, 2]}, seeds=[0, 1])).points]
    assert [(one["seed"], one["value"]) for one in points] == [(0, 1), (0, 2), (1, 1), (1, 2)]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has nothing to share out")
def test_each_process_has_cores_of_its_own_and_a_killed_one_gives_them_back(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (f"import tempfile, time; tempfile.tempdir = {str(tmp_path)!r}\n"
            "from ghostlib.cores import own_cores\n"
            "with own_cores(1) as cores: print(cores, flush=True); time.sleep(60)")
    allowed = os.sched_getaffinity(0)
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    taken = eval(other.stdout.readline())
    with own_cores(1) as mine:
        assert len(mine) == len(taken) == 1 and not mine & taken
        assert os.sched_getaffinity(0) == mine
    with own_cores(len(allowed)) as none:  # not enough are free: nothing is held, nothing forbidden
        assert none == set() and os.sched_getaffinity(0) == allowed
        with own_cores(1) as free:  # nor kept from others
            assert len(free) == 1
    other.kill()
    other.wait()
    with own_cores(len(allowed)) as all_of_them:
        assert all_of_them == allowed
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.slow
def test_runs_get_npus_of_their_own(here):
    grid = here.grid(params={"wait": 8.0}, grid={"value": [1, 2]})
    table = sweep.run(grid, npus=1, cpus=1, progress=False, resources={"NPU": 2}, num_cpus=2)
    assert sorted(table.npus) == ["0", "1"]
    assert table.began.max() < table.ended.min()
    with pytest.raises(InputError, match="npus: 3 given; a machine has 2 at most"):
        sweep.run(here.grid(grid={"value": [5]}), npus=3, progress=False, resources={"NPU": 2}, num_cpus=2)
    with pytest.raises(InputError, match="cpus: 3 given; a machine has 2 at most"):
        sweep.run(here.grid(grid={"value": [5]}), cpus=3, progress=False, num_cpus=2)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["driver", "worker", "interrupt"])
def test_whatever_is_killed_every_row_is_there_once(here, victim):
    grid = here.grid(params={"wait": 2.0})
    run = ghostlib("sweep", grid, "--cpus", "1")
    until = time.time() + 60
    while not os.path.exists("data/runs/grid/rows.csv"):
        assert time.time() < until and run.poll() is None, run.communicate()[0]
        time.sleep(0.1)
    assert standing(RUNS)
    if victim == "worker":
        worker = next(process for process in psutil.Process(run.pid).children(recursive=True)
                      if "ray::_execute" in " ".join(process.cmdline()))  # of this sweep, whatever else runs here
        worker.kill()
        said = run.communicate(timeout=60)[0]
        assert run.returncode == 1 and "its process died" in said and "1 of 4 runs failed" in said
    else:
        run.send_signal(signal.SIGKILL if victim == "driver" else signal.SIGINT)
        run.communicate(timeout=60)
        assert run.returncode == (-9 if victim == "driver" else 130)
    # Ray's own agents outlive a driver that was killed by up to a minute; its runs do not.
    assert gone(RUNS if victim == "driver" else ALL)
    first = rows()
    assert 1 <= len(first) < 4 and not first.drop(columns="npus").isna().any().any()
    done = CliRunner().invoke(main, ["sweep", grid, "--cpus", "1"])
    assert done.exit_code == 0, done.output
    assert sorted(rows().value) == [1, 2, 3, 4]
    merged = rows().set_index("value").began
    assert (merged[first.value] == first.set_index("value").began).all()  # not run again


@pytest.mark.slow
def test_two_nodes_share_a_sweep_and_one_may_die(here):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    try:
        points = list(range(1, 17))
        grid = here.grid(params={"wait": 2.0}, grid={"value": points})
        run = ghostlib("sweep", grid, "--address", cluster.address)
        while not os.path.exists("data/runs/grid/rows.csv") or rows().node.nunique() < 2:
            assert run.poll() is None, run.communicate()[0]  # it ends, if by one node alone
            time.sleep(0.1)
        cluster.remove_node(node, allow_graceful=False)
        said = run.communicate(timeout=120)[0]
        assert run.returncode in (0, 1), said
        again = ghostlib("sweep", grid, "--address", cluster.address)
        said = again.communicate(timeout=120)[0]
        assert again.returncode == 0, said
        assert sorted(rows().value) == points and rows().node.nunique() == 2
    finally:
        cluster.shutdown()
    assert gone()


@pytest.mark.slow
def test_a_point_of_a_smoke_grid_trains(tmp_path, monkeypatch):
    grid = yaml.safe_load((ROOT / "notebooks" / "params" / "ablate_kernel_smoke.yaml").read_text())
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({
        **grid, "notebook": str(ROOT / grid["notebook"]), "grid": {"kernel": [5]},
        "keep": ["last.safetensors", "answers.csv"]}))
    monkeypatch.chdir(tmp_path)
    table = sweep.run("one.yaml", progress=False)
    assert list(table.kernel) == [5] and 0 < table.top1[0] <= 1 and table.data_fingerprint.notna().all()
    for name in ("last.safetensors", "answers.csv"):
        assert (tmp_path / "data" / "runs" / "one" / f"{table.point[0]}.{name}").stat().st_size > 1000
