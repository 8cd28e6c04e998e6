"""The figures of the ablations show what the rows say, and no word lies on another."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from ghostlib import figures, results
from ghostlib.figures.labels import Point, emptiest, heap, write_names
from ghostlib.figures.style import TEST
from ghostlib.studies import ablation
from ghostlib.studies.contrasts import contrast

ROWS = ablation.named(results.read_table(ROOT / "data" / "results" / "ablate_cifar10.csv"))
TABLE = ablation.summary(ROWS)
TIMED = ablation.with_speeds(TABLE, results.read_table(ROOT / "data" / "results" / "ablation_speed.csv"))
ALLOCATION = results.read_table(ROOT / "data" / "results" / "allocation.csv")


@pytest.fixture(autouse=True)
def one_style():
    with plt.rc_context():
        figures.style()
        yield
    plt.close("all")


def words(figure):
    """All that is written in a figure and where, in pixels."""
    figure.canvas.draw()
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for ax in (inner for outer in figure.axes for inner in (outer, *outer.child_axes)):
        found += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        found += [tick.label1 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks() if tick.label1.get_visible()]
    return [(text.get_text(), extent(text)) for text in found if text.get_text().strip()]


def extent(text):
    """Where the words themselves are, without the line that leads from an annotation to its point."""
    return plt.Text.get_window_extent(text)


def overlapping(figure):
    return [(one, other) for (one, first), (other, second) in combinations(words(figure), 2)
            if first.padded(-1).overlaps(second.padded(-1))]


@pytest.mark.parametrize("draw", [
    lambda: figures.fig_accuracy(ROWS, TABLE, ablation.published(TABLE.network)),
    lambda: figures.fig_contrasts(ablation.contrasts_of(ROWS), ablation.MARGIN), lambda: figures.fig_cost(TIMED),
    lambda: figures.fig_cost(TABLE), lambda: figures.fig_layer_ratios(ALLOCATION, 2)],
    ids=["accuracy", "contrasts", "cost", "cost, not timed", "layer ratios"])
def test_no_word_lies_on_another(draw):
    assert not overlapping(draw())


def test_overlaps_are_seen():
    figure, ax = plt.subplots()
    ax.text(0.5, 0.5, "one")
    ax.text(0.51, 0.5, "two")
    assert overlapping(figure) == [("one", "two")]


def points_of(ax, marker):
    """What is drawn with a marker: (N, 2) in the order drawn."""
    return np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == marker])


def test_both_panels_are_differences_from_plain_on_one_axis():
    figure = figures.fig_accuracy(ROWS, TABLE, ablation.published(TABLE.network))
    ours, theirs = figure.axes
    assert ours.get_shared_y_axes().joined(ours, theirs) and ours.get_ylim() == theirs.get_ylim()
    by_seed = ROWS.pivot(index="seed", columns="network", values="accuracy")
    others = [name for name in TABLE.network if name != "plain"]
    assert sorted(points_of(ours, "o")[:, 1]) == pytest.approx(
        sorted((by_seed[name] - by_seed["plain"])[seed] for name in others for seed in by_seed.index))
    assert points_of(ours, "s")[:, 1] == pytest.approx([(by_seed[name] - by_seed["plain"]).mean() for name in others])
    assert points_of(theirs, "D")[:, 1] == pytest.approx([-0.1, 0.1, -0.2, -0.6])
    said = [text.get_text() for text in theirs.texts]
    assert said == ["0", "not\nprinted", "−0.1", "+0.1", "−0.2", "−0.6", "not\nprinted"]
    assert [ax.get_title() for ax in figure.axes] == ["here: plain is 77.35 %", "the paper: plain is 93.6 %"]


def test_without_a_plain_network_the_first_takes_its_place():
    rows = ROWS[ROWS.network.isin(["s2 d1", "s2 d3"])]
    ours, theirs = figures.fig_accuracy(rows, ablation.summary(rows), ablation.published([])).axes
    assert ours.get_ylabel().startswith("top-1: difference from s2 d1") and theirs.get_title() == "the paper"


def test_every_network_is_named_at_its_point_in_every_panel():
    figure = figures.fig_cost(TIMED)
    assert not figure.legends
    panels = [{text.get_text() for part in (ax, *ax.child_axes) for text in part.texts} for ax in figure.axes]
    assert panels == [set(TABLE.network)] * 3
    [inset] = [inset for ax in figure.axes for inset in ax.child_axes]
    assert {text.get_text() for text in inset.texts} == {"thin", "s2 d3", "by layer"}


def test_weights_have_a_panel_where_they_are_asked_for():
    labels = [[ax.get_xlabel() for ax in figures.fig_cost(TABLE, with_weights=asked).axes] for asked in (False, True)]
    assert labels == [["multiply-adds, millions"], ["multiply-adds, millions", "weights, millions"]]


def test_the_time_of_an_image_has_a_panel_where_it_is_known():
    timed = TABLE.assign(ms=2.0, ms_low=1.5, ms_high=2.5)
    assert [ax.get_xlabel() for ax in figures.fig_cost(timed).axes] == ["multiply-adds, millions", "one image, ms"]
    assert len(figures.fig_cost(timed.assign(ms=float("nan"))).axes) == 1


def test_points_that_lie_apart_need_no_inset():
    apart = TABLE[TABLE.network.isin(["plain", "s2 d1", "s4 d3", "s2 d3"])]
    assert not figures.fig_cost(apart).axes[0].child_axes


def test_chosen_ratios_are_outlined_and_what_was_not_measured_is_grey():
    ax = figures.fig_layer_ratios(ALLOCATION, 2).axes[0]
    layers = list(ALLOCATION.layer.unique())
    outlined = {(int(patch.get_x()), int(patch.get_y())) for patch in ax.patches
                if isinstance(patch, Rectangle) and to_hex(patch.get_edgecolor()) == TEST and not patch.get_fill()}
    assert outlined == {(layers.index(row.layer), row.ratio - 1) for row in ALLOCATION[ALLOCATION.chosen].itertuples()}
    assert len(outlined) == len(layers) == 13
    numbers = {(int(text.get_position()[0]), int(text.get_position()[1])): text.get_text() for text in ax.texts}
    assert numbers == {(layers.index(row.layer), row.ratio - 1): f"{100 * row.loss:.0f}"
                       for row in ALLOCATION[ALLOCATION.loss.notna()].itertuples()}
    coloured = np.ma.getmaskarray(ax.collections[0].get_array()).reshape(8, 13)
    assert coloured[:, 7:].all() and not coloured[:, :7].any() and to_hex(ax.get_facecolor()) == "#d9d9d9"


def test_the_margin_and_the_means_are_written():
    contrasts = ablation.contrasts_of(ROWS)
    figure = figures.fig_contrasts(contrasts, ablation.MARGIN)
    assert [text.get_text() for text in figure.axes[0].texts] == ["+2.44", "+0.12", "−2.45", "−5.47", "+0.17", "mean"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "within 0.5 points", "one seed", "mean and 95 % interval over seeds"]


def test_an_interval_of_two_seeds_does_not_stretch_the_axis():
    table = pd.DataFrame([{"network": name, "seed": seed, "accuracy": accuracy} for name, seeds in
                          {"a": [70.0, 71, 70.5], "b": [69.0, 70.2, 69.4], "c": [69.0, 67]}.items()
                          for seed, accuracy in enumerate(seeds)])
    wide = contrast(table, "a", "c", "accuracy")
    [ax] = figures.fig_contrasts([contrast(table, "a", "b", "accuracy"), wide], 1.0).axes
    left, right = ax.get_xlim()
    assert wide.interval[1] < left < -1 and 4 < right < wide.interval[2]  # all seeds are inside
    assert {line.get_marker(): line.get_xdata()[0] for line in ax.lines if line.get_marker() in "<>"} == {
        "<": pytest.approx(left), ">": pytest.approx(right)}


def crowded(places):
    figure, ax = plt.subplots(figsize=(3, 3))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    figure.canvas.draw()
    figure.set_layout_engine("none")
    return ax, [Point(x, y, f"name {number}", "0.2", "o", x, x, y, y) for number, (x, y) in enumerate(places)]


def test_names_of_points_close_to_one_another_stay_apart():
    ax, points = crowded(np.random.default_rng(0).uniform(0.45, 0.65, (5, 2)))
    names = write_names(ax, points)
    ax.figure.canvas.draw()
    boxes = [extent(name) for name in names]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    places = ax.transData.transform([(point.x, point.y) for point in points])
    assert not any(box.contains(*place) for box in boxes for place in places)


def test_a_heap_is_points_that_lie_on_one_another():
    ax, points = crowded([(0.5, 0.5), (0.52, 0.5), (0.54, 0.5), (0.9, 0.9), (0.1, 0.1), (0.11, 0.1)])
    assert [point.name for point in heap(ax, points)] == ["name 0", "name 1", "name 2"]
    assert heap(ax, points, least=4) == []


def test_an_inset_goes_where_no_point_is():
    ax, points = crowded([(0.1, 0.1), (0.2, 0.9), (0.3, 0.5)])
    left, bottom, width, height = emptiest(ax, points, [(0.9, 0.9), (0.5, 0.5)])
    assert (width, height) == (0.5, 0.5) and left > 0.34
    assert bottom >= 0
