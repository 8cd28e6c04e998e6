"""Sums for filters of several sizes give what each size alone gives, and only what is asked for is predicted."""

import numpy as np
import pytest

from ghostlib import redundancy
from ghostlib.redundancy import measured, products
from ghostlib.redundancy.products import Centre

KERNELS = 1, 3, 5, 7


def maps(count=5, images=24, size=16, seed=0):
    """Smooth maps, alike in part, one of them constant, with means far from 0."""
    rng = np.random.default_rng(seed)
    fields = rng.normal(size=(images, 3, size, size)).cumsum(axis=2).cumsum(axis=3)
    mixed = np.einsum("nfhw,cf->nchw", fields, rng.normal(size=(count, 3)))
    mixed += 0.1 * rng.normal(size=mixed.shape)
    mixed[:, -1] = 0.3
    return (mixed + 20).astype(np.float32)


@pytest.mark.parametrize("sources", [5, 3])
def test_filters_of_all_sizes_at_once_are_those_of_each_and_of_all_pairs(sources):
    targets = maps()
    given = targets if sources == 5 else maps(sources, seed=1)
    splits = measured.Splits.draw(len(targets))
    found = measured.measure_all(given, targets, splits, KERNELS)
    for kernel in KERNELS:
        alone = redundancy.fit(given[splits.fit], targets[splits.fit], kernel)
        chosen_among = redundancy.score(alone, given[splits.choose], targets[splits.choose])
        all_pairs = redundancy.score(alone, given[splits.report], targets[splits.report])
        np.testing.assert_allclose(found[kernel].choose, chosen_among.r2, atol=1e-8)
        best = redundancy.best_sources(found[kernel].choose)
        reported = found[kernel].report(best)
        np.testing.assert_allclose(reported.r2, all_pairs.r2_of(best), atol=1e-8)
        np.testing.assert_allclose(reported.mse, all_pairs.mse[best, np.arange(5)], atol=1e-8)
        again = redundancy.resamples(len(splits.report), 20)
        np.testing.assert_allclose(reported.drawn(again), all_pairs.r2_of(best, again), atol=1e-8)
        some = np.array([3, 0, 3])
        np.testing.assert_allclose(found[kernel].report(best[some], some).r2, reported.r2[some])
        assert found[kernel].report(best[:0], some[:0]).r2.shape == (0,)


def test_how_the_work_is_cut_changes_nothing(monkeypatch):
    targets = maps(9)
    splits = measured.Splits.draw(len(targets))
    whole = measured.measure_all(targets, targets, splits, KERNELS)
    monkeypatch.setattr(products, "BLOCK", 3 * 49 * 16 * 16)  # three images, or less
    monkeypatch.setattr(products, "COLUMNS", 2 * 49)
    monkeypatch.setattr(measured, "AT_ONCE", 4 * 49 * 9)
    parts = measured.measure_all(targets, targets, splits, KERNELS)
    for kernel in KERNELS:
        np.testing.assert_allclose(parts[kernel].choose, whole[kernel].choose, atol=1e-8)
        np.testing.assert_allclose(parts[kernel].maps.kernels, whole[kernel].maps.kernels, atol=1e-6)


def test_what_a_small_filter_sees_is_the_middle_of_what_a_large_one_sees():
    given = maps()
    sums = {}
    for kernel in (3, 7):
        centre = Centre.of(given, given, kernel)
        sums[kernel] = products.products(given, products.deviations(given, centre), kernel, centre)
    inner = sums[7].of_size(3)
    for name in ("square", "crossed", "power", "middle"):
        np.testing.assert_allclose(getattr(inner, name), getattr(sums[3], name), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 4, 64, 64), (24, 96, 8, 8)])
def test_each_step_is_short_and_together_they_are_the_work(shape):
    """A bar moves at least every 5 s as long as there are 0.5e9 multiply-adds a second, a thirtieth of what is usual."""
    given = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    splits, kernels, steps = measured.Splits.draw(len(given)), (1, 3), []
    found = measured.measure_all(given, given, splits, kernels, steps.append)
    assert sum(steps) == pytest.approx(measured.work_of(shape[1], shape[1:], splits, kernels, reports=0))
    told = len(steps)
    for one in found.values():
        one.report(np.arange(shape[1])[::-1], step=steps.append)
    assert sum(steps) == pytest.approx(measured.work_of(shape[1], shape[1:], splits, kernels))
    assert max(steps) <= products.work(products.BLOCK, 9 + shape[1]) < 5 * 0.5e9 and told < len(steps)


def test_the_greedy_choice_is_the_obvious_one():
    r2 = np.random.default_rng(0).uniform(size=(30, 30))
    r2[:, 4] = np.nan
    for tau in (0.5, 0.9, 0.99):
        covers = np.nan_to_num(r2, nan=-np.inf) >= tau
        np.fill_diagonal(covers, True)
        chosen, left = [], np.ones(30, bool)
        while left.any():
            chosen.append((covers & left).sum(axis=1).argmax())
            left &= ~covers[chosen[-1]]
        assert list(redundancy.fewest_sources(r2, tau)[0]) == chosen
