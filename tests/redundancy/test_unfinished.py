"""An interrupted study goes on where it was, and only with rows that the same inputs made."""

import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from ghostlib import models, results
from ghostlib.__main__ import main
from ghostlib.errors import InputError
from ghostlib.redundancy import controls, layers, runs
from ghostlib.redundancy.unfinished import FOLDER, INPUTS, Unfinished
from ghostlib.redundancy.workers import Workers

IMAGES = np.random.default_rng(0).normal(size=(24, 3, 32, 32)).cumsum(axis=3).astype(np.float32)


@pytest.fixture(scope="module")
def nets():
    return models.vgg16(0.125), models.vgg16(0.125)


def study(nets, images=IMAGES, thresholds=(0.5,)):
    return controls.network_study(*nets, images, (1, 3), thresholds, layers=["features.3", "features.7", "features.40"])


class Interrupting:
    """Kept rows, and an interrupt after so many of them."""

    def __init__(self, kept, after):
        self._kept, self._left, self.get = kept, after, kept.get

    def put(self, place, rows):
        self._kept.put(place, rows)
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def test_finished_layers_are_kept_and_not_made_again(tmp_path, nets, monkeypatch):
    whole = study(nets).run()
    about, options = {"model": "vgg16", "width": 0.125}, {"seed": 0}
    one = study(nets)
    with pytest.raises(KeyboardInterrupt):
        one.run(kept=Interrupting(Unfinished(tmp_path).of(about, one, options), 4))
    unfinished, again, told = Unfinished(tmp_path), study(nets), []
    kept = unfinished.of(about, again, options)
    assert len(again.places) == 9 and len(again.left(kept)) == 5 and not kept.foreign
    assert again.total(kept) < again.total()
    tables = again.run(told.append, kept)
    assert sum(told) == pytest.approx(again.total(), abs=again.total()) and not again.left(kept)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(tables[name], table, check_exact=True)
    monkeypatch.setattr(layers, "activations", None)  # no network is run where all is there
    pd.testing.assert_frame_equal(again.run(kept=kept)["redundancy"], whole["redundancy"], check_exact=True)
    unfinished.done()
    assert not (tmp_path / FOLDER).exists()


def test_all_work_is_told(nets):
    told = []
    one = study(nets)
    one.run(told.append)
    assert sum(told) == pytest.approx(one.total(), rel=1e-6)


@pytest.mark.parametrize("change", ["images", "weights", "options"])
def test_rows_that_other_inputs_made_are_not_taken(tmp_path, nets, change):
    about, one = {"model": "vgg16", "s": str({f"features.{layer}": 2 for layer in range(40)})}, study(nets)
    kept = Unfinished(tmp_path).of(about, one, {"seed": 0})
    kept.put(one.places[0], {"redundancy": [{"r2": 0.5, "low": float("nan"), "depth": 1}]})
    taken = Unfinished(tmp_path).of(about, one, {"seed": 0}).get(one.places[0])
    assert taken["redundancy"][0]["r2"] == 0.5 and np.isnan(taken["redundancy"][0]["low"])
    assert Unfinished(tmp_path).of({"model": "another"}, one, {"seed": 0}).get(one.places[0]) is None
    other = study(nets, IMAGES + (change == "images")) if change != "weights" else study((models.vgg16(0.125), nets[1]))
    changed = Unfinished(tmp_path).of(about, other, {"seed": int(change == "options")})
    assert changed.foreign and changed.get(one.places[0]) is None and not changed.folder.exists()


def test_damaged_rows_are_made_again(tmp_path, nets):
    one = study(nets)
    kept = Unfinished(tmp_path).of({"model": "vgg16"}, one, {})
    kept.put(one.places[0], {"redundancy": []})
    assert kept.get(one.places[0]) == {"redundancy": []}
    file = next(path for path in kept.folder.iterdir() if path.name != INPUTS)
    for content in ("{", "[]", '{"place": 1, "rows": {}}', '{"rows": 3}'):
        file.write_text(content)
        assert kept.get(one.places[0]) is None


def test_a_thread_ends_when_nobody_waits_for_it():
    """An interrupt is not held up by layers that have just begun."""
    begun = []

    def endless(key, given, step):
        begun.append(key)
        while True:
            step(1)
    with pytest.raises(KeyboardInterrupt), Workers(lambda _: None) as workers:
        def interrupt(_):
            raise KeyboardInterrupt
        workers._tell = interrupt
        for _ in workers.each(endless, [("a", 0), ("b", 0), ("c", 0)], lambda key: 1.0):
            pass
    assert begun


def test_two_runs_whose_rows_nobody_could_tell_apart_are_refused(nets, monkeypatch):
    """Such as of one network and seed by two learning rates."""
    about = {"dataset": "digits", "model": "vgg16", "width": 0.125, "seed": 0, "epochs": 1, "top1": 0.5, "s": 1, "d": 3}
    monkeypatch.setattr(runs, "of_run", lambda run_dir, images: runs.Subject(about, *nets, IMAGES))
    monkeypatch.setattr(runs, "network_study", lambda *_: None)
    with pytest.raises(InputError, match="second: a run of the same dataset, model, width, seed, epochs, s, d as first, by"):
        runs.of_runs(["first", "second"], 24, progress=False)


def test_the_command_goes_on_after_an_interrupt(tmp_path, nets, monkeypatch):
    about = {"dataset": "digits", "model": "vgg16", "width": 0.125, "seed": 0, "epochs": 1, "top1": 0.5, "s": 1, "d": 3}
    monkeypatch.setattr(runs, "of_run", lambda run_dir, images: runs.Subject(about, *nets, IMAGES))
    monkeypatch.setattr(runs, "KERNELS", (1, 3))
    place, made, make = layers.places, [], controls.measure_all
    monkeypatch.setattr(controls, "places", lambda net, images, layers: place(net, images, ["features.3", "features.7"]))

    def interrupted(*given):
        made.append(given)
        if len(made) == 20:
            raise KeyboardInterrupt
        return make(*given)
    monkeypatch.setattr(controls, "measure_all", interrupted)
    command = ["redundancy", "run", "--images", "24", "--target", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 130 and "ghostlib: interrupted" in done.output, done.output
    assert not (tmp_path / "redundancy.csv").exists()
    kept = len(list((tmp_path / FOLDER).glob("*/*_*.json")))
    assert 1 <= kept <= 4
    made[:] = made[:20]  # what another thread had begun meanwhile does not count
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert re.search(rf"note: .*digits,vgg16.*: {kept} of 6 stages of layers are there and are not made again", done.output)
    assert 20 + 5 * (6 - kept) == len(made)
    assert not (tmp_path / FOLDER).exists() and len(results.read_table(tmp_path / "redundancy.csv")) == 6 * 2 * 5
