"""A ratio for each layer: the greedy order, what is lost, and the knapsack against trying everything."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from ghostlib import models, redundancy, results
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.redundancy import allocation, runs


def test_the_most_telling_map_comes_first():
    r2 = np.array([[1, .9, .8, .0], [.1, 1, .2, .0], [.1, .2, 1, .0], [.0, .0, .0, 1]])
    assert list(redundancy.most_telling(r2)) == [0, 3, 2, 1]  # 0 makes 1 and 2; then what none makes; then the worse made
    r2[:, 3] = np.nan
    assert sorted(redundancy.most_telling(r2)) == [0, 1, 2, 3]


def test_a_layer_of_copies_loses_nothing_and_one_of_noise_its_ghosts():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(30, 1, 12, 12))
    copies = image * np.arange(1, 9).reshape(8, 1, 1)
    noise = rng.normal(size=(30, 8, 12, 12))
    splits = allocation.Splits.draw(30)
    for maps, lost in ((copies, 0.0), (noise, 0.75)):
        measured = allocation.measure(maps, maps, splits, 3)
        chosen = redundancy.most_telling(measured.choose)[:2]
        assert allocation._lost(measured, chosen) == pytest.approx(lost, abs=0.02)


def test_the_choice_is_the_best_of_all():
    rng = np.random.default_rng(0)
    rows = [{"layer": layer, "ratio": ratio, "loss": (ratio - 1) * rng.uniform(), "macs": int(rng.integers(50, 99)) // ratio}
            for layer in "abcd" for ratio in (1, 2, 3)]
    table = pd.DataFrame(rows).sample(frac=1, random_state=0)
    by = table.set_index(["layer", "ratio"])
    for budget in (120, 170, 240, 10_000):
        allowed = [choice for choice in itertools.product((1, 2, 3), repeat=4)
                   if sum(by.macs[pair] for pair in zip("abcd", choice)) <= budget]
        best = min(sum(by.loss[pair] for pair in zip("abcd", choice)) for choice in allowed)
        found = allocation.allocate(table, budget)
        assert sum(by.loss[pair] for pair in found.items()) == pytest.approx(best)
        assert sum(by.macs[pair] for pair in found.items()) <= budget


def test_a_budget_that_nothing_meets_is_refused():
    table = pd.DataFrame({"layer": ["a", "a"], "ratio": [1, 2], "loss": [0, 1], "macs": [10_000, 5_000]})
    with pytest.raises(InputError, match="budget: 4,999 multiply-adds given; with these ratios allowed is from 5,000"):
        allocation.allocate(table, 4_999)


def test_layers_are_counted_at_each_ratio_and_small_maps_are_left_out():
    costs = {ratio: count(models.vgg16(0.25, ratio), (3, 32, 32)) for ratio in (1, 2)}
    table = allocation.layer_macs(costs, ["features.0", "features.3"])
    assert table.macs.tolist() == [442368, 294912, 2359296, 1253376]
    net = models.vgg16(0.125)
    images = np.random.default_rng(0).normal(size=(6, 3, 32, 32)).astype(np.float32)
    measured = allocation.losses(net, images, 3, (1, 2))
    assert measured.layer.nunique() == 7 and (measured.loss[measured.ratio == 1] == 0).all()
    inside = allocation.losses(models.ghostnet(0.25, ratio=1, num_classes=10, stem_stride=1), images, 3, (1, 2))
    assert {"blocks.0.0.ghost1", "blocks.4.0.ghost2"} <= set(inside.layer)  # plain modules are convolutions, too


def test_runs_without_a_layer_that_is_large_enough_are_refused(monkeypatch):
    class Prepared:
        train = None
    nothing = allocation.losses(models.vgg16(0.0625), np.zeros((6, 3, 32, 32), np.float32), 17, (1, 2))
    given = {"config_of": lambda _: Config(model="vgg16", ratio=1), "prepare": lambda _: (None, Prepared, None),
             "first_images": lambda *_: None, "losses": lambda *_: nothing, "stages": lambda _: {}, "build": lambda _: None,
             "count": lambda *_: None, "layer_macs": lambda costs, _: pd.DataFrame(
                 {"layer": "features.0", "ratio": list(costs), "macs": [100 // ratio for ratio in costs]})}
    for name, value in given.items():
        monkeypatch.setattr(runs, name, value)
    with pytest.raises(InputError, match="kernel: 17 given; no layer that takes a ratio has maps of 34 pixels and more"):
        runs.ratios_of_runs(["run"], kernel=17, progress=False)


def test_the_recorded_choice_is_that_of_the_grid():
    table = results.read_table(ROOT / "data/results/allocation.csv")
    measured = table[table.loss.notna()]
    budget = int(measured.macs[measured.ratio == 2].sum())
    chosen = {layer: 2 for layer in table.layer} | allocation.allocate(measured, budget)
    assert chosen == dict(zip(table.layer[table.chosen], table.ratio[table.chosen]))
    from ghostlib import sweep
    grid = [point.parameters["ratio"] for point in sweep.read(ROOT / "notebooks/params/ablate_cifar10.yaml").points]
    assert chosen in grid
