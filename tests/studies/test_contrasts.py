"""Differences over seeds: intervals and margins against textbook and simulation; names against the grid."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib import pyplot as plt
from scipy import stats

from ghostlib import figures, results
from ghostlib.errors import InputError
from ghostlib.studies import ablation, contrasts, paper, regime, rivals, speeds


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def recorded(networks, seeds=(0, 1, 2)):
    """Rows as a sweep records them: for each network (ratio, kernel, width) the accuracies of its seeds."""
    return pd.DataFrame([{"ratio": ratio, "kernel": kernel, "width": width, "seed": seed, "top1": top1, "weights": 100,
                          "macs": 1000 // 2**number}
                         for number, ((ratio, kernel, width), values) in enumerate(networks.items())
                         for seed, top1 in zip(seeds, values)])


ROWS = recorded({("1", 3, .25): (.77, .78, .79), ("1", 3, .18): (.74, .75, .76), ("2", 1, .25): (.73, .74, .76),
                 ("2", 3, .25): (.75, .76, .77), ('{"a": 1}', 3, .25): (.76, .77)})


def test_the_interval_is_that_of_a_t_test():
    values = [0.3, -0.1, 0.4, 0.2, 0.5]
    mean, low, high = contrasts.mean_interval(values)
    known = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((np.mean(values), known.low, known.high))
    assert np.isnan(contrasts.mean_interval([1.0])[1:]).all() and math.isnan(contrasts.mean_interval([])[0])


@pytest.mark.parametrize(("mean", "judged"), [
    (0.0, "within 0.5 points"), (0.2, "within 0.5 points"), (-0.2, "within 0.5 points"),
    (0.4, "better, by how much is undecided"), (-0.6, "worse, by how much is undecided"),
    (0.9, "better by more than 0.5 points"), (-0.9, "worse by more than 0.5 points")])
def test_a_difference_is_judged_beside_a_margin(mean, judged):
    values = mean + np.array([-0.2, -0.1, 0.0, 0.1, 0.2])  # 95 %: 0.20 to either side; 90 %: 0.15
    assert contrasts.Contrast("a", "b", (0, 1, 2, 3, 4), values).judged(0.5) == judged


def test_what_is_scattered_is_undecided_and_one_seed_always():
    values = np.array([-2.0, 1.0, 0.5, -0.3, 1.2])
    assert contrasts.Contrast("a", "b", (0, 1, 2, 3, 4), values).judged(0.5) == "undecided"
    assert contrasts.Contrast("a", "b", (0,), values[:1]).judged(0.5) == "undecided, from one seed"


def test_equivalence_is_two_one_sided_tests():
    """As often as one is told "within the margin" of what lies on it, at most one time in twenty."""
    drawn = np.random.default_rng(0).normal(0.5, 0.2, (2000, 5))
    told = [contrasts.Contrast("a", "b", (0, 1, 2, 3, 4), values).judged(0.5).startswith("within") for values in drawn]
    assert 0.03 < np.mean(told) < 0.065


def test_a_contrast_pairs_seeds():
    rows = ablation.named(ROWS)
    one = contrasts.contrast(rows, "s2 d3", "plain", "accuracy")
    assert one.values == pytest.approx([-2, -2, -2]) and one.seeds == (0, 1, 2)
    assert one.evidence() == "-2.00 points, 95 % interval over 3 seeds -2.00 to -2.00"
    assert one.judged(0.5) == "worse by more than 0.5 points"
    short = contrasts.contrast(rows, "by layer", "s2 d3", "accuracy")
    assert short.seeds == (0, 1) and short.values == pytest.approx([1, 1])
    lone = contrasts.contrast(rows[rows.seed == 0], "s2 d3", "s2 d1", "accuracy")
    assert lone.evidence() == "+2.00 points, 1 seed" and lone.judged(0.5) == "undecided, from one seed"


def test_networks_are_named_as_in_the_design():
    assert list(dict.fromkeys(ablation.named(ROWS).network)) == ["plain", "thin", "s2 d1", "s2 d3", "by layer"]
    design = (ROOT / "docs" / "ablation_cifar10.md").read_text()
    for first, second in ablation.QUESTIONS:
        assert f"{first} - {second}: " in design


def test_only_contrasts_of_what_is_there_are_asked():
    asked = ablation.contrasts_of(ablation.named(ROWS))
    assert [(one.first, one.second) for one in asked] == [("s2 d3", "s2 d1"), ("s2 d3", "thin"), ("s2 d3", "plain"),
                                                          ("by layer", "s2 d3")]


def test_the_papers_column_is_that_of_tables_3_and_4():
    found = ablation.published(["plain", "thin", "s2 d3", "s4 d3", "by layer"]).set_index("network").accuracy
    assert found.to_dict() == {"plain": 93.6, "s2 d3": 93.7, "s4 d3": 93.0}
    assert ablation.published(["nothing"]).empty


def speeds_of(**rates):
    """Recorded speeds of networks of ROWS: images a second, turn by turn, in training; twice that in evaluation."""
    return pd.DataFrame([{"network": network.replace("_", " "), "weights": 100, "turn": turn, "part": part,
                          "images_per_second": factor * rate} for network, turns in rates.items()
                         for turn, rate in enumerate(turns) for part, factor in (("training", 1), ("evaluation", 2))])


def test_a_speed_is_that_of_the_same_network():
    table, measured = ablation.summary(ablation.named(ROWS)), speeds_of(plain=(10, 30, 20))
    another = measured.assign(weights=7, images_per_second=99)  # a network of the same name
    found = ablation.with_speeds(table, pd.concat([measured, another])).set_index("network")
    assert tuple(found.loc["plain", ["training", "training_low", "training_high", "evaluation"]]) == (20, 10, 30, 40)
    assert np.isnan(found.training["s2 d3"]) and len(found) == 5
    assert ablation.saving(table, measured) == (
        "s2 d3 takes 8.00 times fewer multiply-adds than plain. Its time was not measured.")


def test_speeds_are_compared_within_a_turn():
    measured = speeds_of(plain=(10, 100, 20), s2_d3=(11, 130, 18))
    times = speeds.times_as_fast(measured, "s2 d3", "plain", "training")
    assert times == pytest.approx([1.1, 1.3, 0.9])  # medians, 18 and 20, would say 0.9
    assert speeds.as_clause(times) == "1.10 times as fast (0.90 to 1.30 in 3 turns)"
    said = ablation.saving(ablation.summary(ablation.named(ROWS)), measured).splitlines()
    told = speeds.as_clause(times)
    assert said[1] == f"Time of s2 d3 against plain, turn by turn: training {told}, evaluation {told}."
    assert len(said) == 2  # thin was not measured


def test_costs_stand_beside_those_of_one_network():
    table = ablation.summary(ablation.named(ROWS))
    assert ablation.costs(table) == ("Multiply-adds compared with s2 d3: plain 700.00 % more, thin 300.00 % more, s2 d1 "
                                     "100.00 % more, by layer 50.40 % fewer.")
    assert ablation.costs(table, "s9 d9") == "s9 d9 is not among these networks."


def test_what_others_report_stands_beside_the_print():
    rows = paper.reported([3, 5, 7]).set_index("network")
    vgg = rows.loc["Ghost-VGG-16, s = 2, d = 3"]
    assert (vgg.printed, vgg.reported, vgg.difference, vgg.difference_high) == (93.7, "92 to 93.6", -1.7, -0.1)
    assert set(paper.reported([5]).network) == {"ResNet-56", "Ghost-ResNet-56, s = 2"}
    assert set(rivals.published([7]).table) == {7}
    assert paper.sizes(rivals.built([5])).empty  # a table whose rivals are all others' work
    assert rivals.answer_on_accuracy(paper.networks([5]), rivals.built([5])).endswith("there is none.")


def test_answers_follow_the_rows():
    """The words are those of the rows: other rows, other words."""
    recorded_rows = ablation.named(results.read_table(ROOT / "data" / "results" / "ablate_cifar10.csv"))
    measured = results.read_table(ROOT / "data" / "results" / "ablation_speed.csv")
    longer = ablation.named(results.read_table(ROOT / "data" / "results" / "regime_cifar10.csv"))
    said = ablation.answer_on_ratio(recorded_rows, measured, longer)
    assert "a plain network with fewer channels (thin) is as accurate as the Ghost network" in said
    assert "within 0.5 points (+0.12 points, 95 % interval over 5 seeds -0.33 to +0.57; 90 % interval " in said
    assert "trains 0.74 times as fast" in said and "VGG-16 at 0.25 of its width, after 6 epochs of CIFAR-10" in said
    assert "takes 1.9 times as many multiply-adds, the Ghost network is worse by more than 0.5 points (-2.45" in said
    assert "After 16 epochs the same difference is undecided (+0.07 points, 95 % interval over 3 seeds -1.60 " in said
    assert ablation.answer_on_kernel(recorded_rows).startswith("**Answer.** Yes.")
    turned = recorded_rows.assign(accuracy=recorded_rows.accuracy + 3 * (recorded_rows.network == "thin")
                                  + 9 * (recorded_rows.network == "s2 d1"))
    assert "(thin) is more accurate than the Ghost network" in ablation.answer_on_ratio(turned, measured, longer)
    assert "the wrong way" in ablation.answer_on_kernel(turned)
    some = recorded_rows[recorded_rows.network == "plain"]
    assert "None: these runs" in ablation.answer_on_ratio(some, measured, longer)
    assert "None" in ablation.answer_on_kernel(some)
    assert "is undecided (+0.17 points" in ablation.by_layer_in_short(recorded_rows)
    assert ablation.by_layer_in_short(some) == ""
    table = ablation.answers(ablation.contrasts_of(recorded_rows))
    assert table.verdict.tolist() == ["better by more than 0.5 points", "within 0.5 points", "worse by more than 0.5 points",
                                      "worse by more than 0.5 points", "undecided"]
    assert table.points[1] == "+0.12 (-0.33 to +0.57)"


def test_figures_of_the_ablation_are_drawn():
    rows = ablation.named(ROWS)
    table = ablation.summary(rows)
    lone = rows[rows.seed == 0]
    for figure in (figures.fig_accuracy(rows, table, ablation.published(table.network)),
                   figures.fig_accuracy(lone, ablation.summary(lone), ablation.published([])),
                   figures.fig_contrasts(ablation.contrasts_of(rows), 0.5),
                   figures.fig_contrasts(ablation.contrasts_of(lone), 0.5),
                   figures.fig_cost(table), figures.fig_cost(ablation.with_speeds(table, speeds_of(plain=(2, 3)))),
                   figures.fig_cost(ablation.with_speeds(table, speeds_of(nobody=(2, 3)))),
                   figures.fig_layer_ratios(results.read_table(ROOT / "data/results/allocation.csv"), 2),
                   figures.fig_rivals(paper.networks([5, 7]), rivals.published([5, 7]), paper.reported([5, 7]))):
        figure.canvas.draw()


def test_a_table_that_the_paper_does_not_have_is_refused():
    with pytest.raises(InputError, match="tables: 2 given; allowed are"):
        paper.networks([2])


def test_what_longer_training_moves_is_told_by_seed():
    short = ablation.named(ROWS.assign(epochs=6))
    long = short.assign(epochs=16, accuracy=short.accuracy + 10 + (short.network == "s2 d3") * (1 + short.seed))
    change = regime.moved(short, long, "s2 d3", "plain")
    assert change.seeds == (0, 1, 2) and change.values == pytest.approx([1, 2, 3])
    told, said = regime.summary(short, long), regime.answer(short, long)
    assert told.seeds.tolist() == [3, 3, 3, 3]
    assert told.points[1] == "+2.00 (-0.48 to +4.48)" and told.verdict[1] == "undecided"
    assert said.startswith("After 16 epochs, where the best network is 88 % right on average: s2 d3 − thin is ")
    assert "+2.00 points from what it was after 6 epochs" in said
    curves = long[["network", "seed", "accuracy"]].merge(pd.DataFrame({"epoch": [1, 2, 3]}), "cross")
    ax = figures.fig_regime(curves, short).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()][-1] == "end of the runs of 6 epochs"
    assert sum(len(line.get_xdata()) == 3 and line.get_linestyle() == "-" for line in ax.lines) == len(long)
    lone = regime.summary(short, long[long.seed == 0])
    assert set(lone.verdict) == {"undecided, from one seed"} and lone.seeds.tolist() == [1, 1, 1, 1]
    begun = long[long.network == "plain"]
    assert not len(regime.summary(short, begun)) and "no two are recorded yet" in regime.answer(short, begun)
    assert not len(regime.summary(begun, long))  # nor without the shorter runs
