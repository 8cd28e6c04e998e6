"""The photographs study: names, rates by its rule, corrected p-values, and an interval over seeds and photographs."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from ghostlib import sweep
from ghostlib.errors import InputError
from ghostlib.results import read_table
from ghostlib.studies import copies, photographs, photographs_checks
from ghostlib.studies.contrasts import Contrast, holm


def test_recorded_curves_hold_each_epochs_own_learning_rate():
    """Not the one rate that a run was given: by the schedule it falls, but for the epochs that warm up."""
    tables = sorted((ROOT / "data" / "results").glob("photographs*_history.csv"))
    grids = [sweep.read(path) for path in (ROOT / "notebooks" / "params").glob("photographs*.yaml")
             if path.stem != "photographs_smoke"]
    assert {path.name for path in tables} == {
        f"{grid.name}_history.csv" for grid in grids if "history.csv" in grid.tables and grid.recorded.exists()} != set()
    for path in tables:
        for key, own in read_table(path).groupby("point"):
            falls = own.lr.iloc[1:].diff().dropna() < 0
            assert falls.sum() >= len(falls) - 1, (path.name, key)


def rows(accuracies, **others):
    """Runs of networks by name: {name: accuracies in percent of seeds 0, 1, ...}."""
    keys = {name: key for key, name in photographs.NETWORKS.items()}
    return pd.DataFrame([{"model": keys[name][0], "width": keys[name][1], "ratio": keys[name][2], "kernel": keys[name][3],
                          "seed": seed, "top1": value / 100, "lr": 0.1, "weights": 10**6, "macs": 14 * 10**6, "epochs": 15,
                          "image_size": 128, "data_fingerprint": copies.SQUASHED, **others}
                         for name, values in accuracies.items() for seed, value in enumerate(values)])


def test_holms_correction_is_the_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_p_value_is_students():
    assert Contrast("a", "b", (0, 1, 2), np.array([1.0, 2.0, 3.0])).p_value == pytest.approx(
        1 - 12**0.5 / 14**0.5)  # t = 12 ** 0.5, two degrees of freedom


def test_a_rate_at_an_edge_asks_for_the_next_and_ties_go_to_the_smaller():
    own = photographs.named(pd.concat([
        rows({"GhostNet": [50]}).assign(lr=0.05, seed=100), rows({"GhostNet": [60]}).assign(lr=0.1, seed=100),
        rows({"GhostNet": [60]}).assign(lr=0.2, seed=100), rows({"GhostNet": [99]}).assign(lr=0.2, seed=101),
        rows({"thin": [50]}).assign(lr=0.1, seed=100), rows({"thin": [60]}).assign(lr=0.2, seed=100),
        rows({"s2 d1": [70]}).assign(lr=0.1, seed=100), rows({"s2 d1": [60]}).assign(lr=0.2, seed=100)]))
    found = photographs.rates(own).set_index("network")
    assert found.lr.to_dict() == {"GhostNet": 0.1, "thin": 0.2, "s2 d1": 0.1}
    assert np.isnan(found.next["GhostNet"]) and found.next["thin"] == 0.4 and found.next["s2 d1"] == 0.05


HIGH, LOW = [80, 81, 80.5, 81, 80, 81], [75, 76, 75.2, 76.3, 75, 76]
ALIKE = "At equal multiply-adds and by one recipe, GhostNet "


@pytest.mark.parametrize(("ghostnet", "rival", "start"), [
    (HIGH, LOW, f"Yes. {ALIKE}is better than MobileNetV3-Small by more than 1 point ("),
    (LOW, HIGH, f"No. {ALIKE}is worse than MobileNetV3-Small by more than 1 point ("),
    (HIGH, [80.1, 81, 80.4, 81.1, 80, 81], f"No. {ALIKE}and MobileNetV3-Small differ by less than 1 point ("),
    ([80, 82, 81, 82, 80, 82], [79.4, 80, 80.5, 80.5, 79.5, 80.5], f"{ALIKE}is better than MobileNetV3-Small, but not s"),
    ([79.4, 80, 80.5, 80.5, 79.5, 80.5], [80, 82, 81, 82, 80, 82], f"No. {ALIKE}is worse than MobileNetV3-Small; whether "),
    ([80, 70, 85, 78, 70, 80], [75, 79, 75.2, 80, 76, 77], "Not known. Whether ")])
def test_the_answer_follows_the_seeds(ghostnet, rival, start):
    own = photographs.counted(rows({"GhostNet": ghostnet, "MobileNetV3-Small": rival}))
    assert photographs.answer(own).removeprefix("**Answer.** ").startswith(start)
    assert photographs.answers(own).question.tolist() == ["Primary: is GhostNet better than MobileNetV3?"]
    early = own[own.seed < 5]
    assert photographs.answer(early).startswith("**Answer.** Not known yet: so far top-1 on Imagenette's test photographs ")
    assert photographs.answers(early).verdict.tolist() == ["no verdict yet, 5 of 6 seeds"]


def test_seeds_are_those_of_the_grid(root):
    points = sweep.read(root / "notebooks" / "params" / "photographs.yaml").points
    of_grid = photographs.named(pd.DataFrame([{"top1": 0.0, **dict(point.parameters)} for point in points]))
    assert {name: set(own.seed) for name, own in of_grid.groupby("network")} == {
        name: set(range(seeds)) for name, seeds in photographs.SEEDS.items()}


def test_what_is_trained_again_are_runs_of_the_study(root):
    study, again = (sweep.read(root / "notebooks" / "params" / f"{name}.yaml").points
                    for name in ("photographs", "photographs_again"))
    assert {point.key for point in again} < {point.key for point in study}
    of_grid = photographs.named(pd.DataFrame([{"top1": 0.0, **dict(point.parameters)} for point in again]))
    assert {name: set(own.seed) for name, own in of_grid.groupby("network")} == {
        name: {0, 1, 2} for name in ("GhostNet", "thin", "MobileNetV3-Small", "MobileNetV2")}


def test_what_is_trained_again_is_set_beside_the_counted_runs_of_the_same_seeds():
    study = photographs.named(rows({"GhostNet": [72, 73, 74, 75], "thin": [70, 69, 71]}))
    study = study.assign(machine=study.network.map({"GhostNet": "a Xeon", "thin": "another"}))
    again = photographs.named(rows({"GhostNet": [72.5, 72.5, 75]})).assign(machine="an EPYC")
    assert photographs.trained_again(study, again) == (
        "3 runs of the study were trained again by its parameters on an EPYC (counted: a Xeon). Another kind of processor "
        "rounds otherwise, and so the same seed gives another network. On average they reach GhostNet 73.3 % (counted: "
        "73.0 %); one by one they end -0.50 to +1.00 points from the counted runs of the same seeds.")
    assert photographs.trained_again(study, again[:0]) == "No run of the study has been trained again."


def test_secondary_contrasts_are_corrected_together():
    own = photographs.named(rows({"GhostNet": [80, 81, 80.5] * 2, "MobileNetV3-Small": [79, 80, 80] * 2,
                                  "thin": [79, 81.5, 79.4, 80.5, 80, 79], "MobileNetV2": [70, 71, 70.4]}))
    primary, thin, v2 = photographs.contrasts_of(own)
    assert (primary.first, primary.second) == photographs.PRIMARY
    table = photographs.answers(own).set_index("question")
    assert v2.p_value < thin.p_value  # five are asked, also while three are not there
    assert table.p.tolist() == [f"{p:.3f}" for p in (primary.p_value, 4 * thin.p_value, 5 * v2.p_value)]
    assert "Secondary: is it better than a network of fewer channels and no ghosts?" in table.index
    assert photographs.answers(own[own.seed < 3]).p.tolist() == ["", "", f"{5 * v2.p_value:.3f}"]  # none before the end


def test_a_secondary_verdict_that_two_differ_wants_the_corrected_p_value():
    differ = {"GhostNet": [80, 81, 80.5], "s2 d1": [75.6, 73.5, 74.5]}
    [row] = photographs.answers(photographs.counted(rows(differ))).to_dict("records")
    [one] = photographs.contrasts_of(photographs.counted(rows(differ)))
    assert one.judged(1.0).startswith("better by more than 1 point") and one.p_value < 0.05 < 5 * one.p_value
    assert row["verdict"] == "undecided, GhostNet ahead before the correction"
    within = {"GhostNet": [80, 81, 80.5], "s2 d1": [80.1, 81, 80.4]}
    assert photographs.answers(photographs.counted(rows(within))).verdict.tolist() == ["within 1 point"]
    undecided = ": undecided, GhostNet ahead before the correction (+5.97 points, 95 % interval over 3 seeds +"
    for own, said in ((differ, undecided), (within, "; 90 % interval -")):
        [told] = photographs.secondary(photographs.counted(rows(own))).told
        assert said in told and told.startswith("Secondary: does the spatial kernel matter? GhostNet − s2 d1: ")
        assert told.endswith(" after Holm's correction for 5 contrasts, interval and margin not corrected).")


@pytest.mark.parametrize(("column", "value", "said"), [
    ("data_fingerprint", "0123456789", "rows: of 2 copies of Imagenette .a copy with fingerprint 01234567, squashed copy.;"),
    ("lr", 0.2, "rows: GhostNet with lr 0.1, 0.2; allowed is one"),
    ("epochs", 3, "rows: GhostNet with epochs 3, 15; allowed is one")])
def test_runs_that_cannot_be_compared_are_refused(column, value, said):
    own = rows({"GhostNet": [80, 81], "thin": [79, 80]})
    own.loc[0, column] = value
    with pytest.raises(InputError, match=said):
        photographs.counted(own)


def test_the_pilot_is_told_with_what_it_lets_expect():
    runs = [(name, lr, seed, value) for name, tries in (
        ("GhostNet", {(0.1, 100): 60, (0.05, 100): 59, (0.1, 101): 61, (0.1, 102): 62}),
        ("MobileNetV3-Small", {(0.1, 100): 64, (0.05, 100): 63, (0.1, 101): 64, (0.1, 102): 68}))
        for (lr, seed), value in tries.items()]
    own = photographs.named(pd.concat([rows({name: [value]}, test_images=1000).assign(lr=lr, seed=seed)
                                       for name, lr, seed, value in runs]))
    told = photographs.pilot_in_words(own)  # of -4, -3 and -6: a spread of 1.53
    assert told.startswith("GhostNet's rate of 0.1 was ahead of 0.05 by 10 of 1,000 photographs.\n")
    assert "in 3 pairs: -4.0, -3.0 and -6.0 points." in told
    assert told.endswith("have an interval of +/-3.8 points from 3 seeds and of +/-1.6 points from 6 seeds.")


def test_a_run_without_an_accuracy_is_no_seed():
    own = photographs.counted(rows({"GhostNet": [80, float("nan"), 81], "MobileNetV3-Small": [79, 80, 80]}))
    assert [one.seeds for one in photographs.contrasts_of(own)] == [(0, 2)]


def test_another_network_is_refused():
    with pytest.raises(InputError, match="rows: vgg16 of width 0.5, s = 2, d = 3 is no network of the photographs study"):
        photographs.named(rows({"GhostNet": [1]}).assign(model="vgg16"))


def test_the_bootstrap_covers_seeds_and_photographs():
    rng = np.random.default_rng(0)
    right = {"a": rng.random((6, 4000)) < 0.8, "b": rng.random((6, 4000)) < 0.75}
    mean, low, high = photographs_checks.bootstrap(right, "a", "b")
    assert mean == pytest.approx(100 * (right["a"].mean() - right["b"].mean())) and low < 5 < high
    assert 1.5 < high - low < 3.5  # 2 x 1.96 x sqrt((0.16 + 0.1875) / 24000) is 1.5 over photographs of all seeds
    same = np.broadcast_to(right["a"][:1], right["a"].shape)  # seeds that agree leave the photographs' spread
    _, low, high = photographs_checks.bootstrap({"a": same, "b": np.broadcast_to(right["b"][:1], same.shape)}, "a", "b")
    assert high - low == pytest.approx(2 * 1.96 * 100 * np.sqrt((0.16 + 0.1875) / 4000), rel=0.15)


def test_both_variances_are_added_for_as_few_seeds_as_there_are():
    rng = np.random.default_rng(0)
    right = {"GhostNet": rng.random((3, 4000)) < 0.8, "thin": rng.random((3, 4000)) < 0.75}
    one = Contrast("GhostNet", "thin", (0, 1, 2), 100 * (right["GhostNet"].mean(axis=1) - right["thin"].mean(axis=1)))
    mean, low, high = photographs_checks.added(one, right)
    _, narrow, wide = one.interval
    assert low < narrow < mean < wide < high and mean == one.interval[0]
    difference = 100 * (right["GhostNet"] * 1.0 - right["thin"]).mean(axis=0)
    error = np.sqrt(one.values.var(ddof=1) / 3 + difference.var(ddof=1) / 4000)
    assert high - mean == pytest.approx(4.302653 * error)  # Student's with 2 degrees of freedom


def test_means_over_other_seeds_than_a_contrasts_are_told():
    own = photographs.named(rows({"GhostNet": [75, 74, 73, 70, 70, 70], "thin": [70] * 6, "s2 d1": [70, 70, 70]}))
    told = photographs_checks.unequal_seeds(own)
    assert told.startswith("GhostNet's mean over its 6 seeds is 72.00 %, over the 3 seeds of s2 d1 74.00 %. A contrast")
    assert photographs_checks.unequal_seeds(own[own.network != "s2 d1"]) == ""


def test_pairs_that_mix_processors_or_commits_are_counted():
    own = photographs.named(rows({"GhostNet": [75, 74, 73], "thin": [70] * 3}, machine="AMD", commit="a"))
    own.loc[own.network == "thin", "commit"] = ["a", "b", "b"]
    own.loc[(own.network == "thin") & (own.seed == 2), "machine"] = "Intel"
    told = "Of 3 pairs of runs that contrasts compare, 1 mix kinds of processors and 2 mix commits."
    assert photographs_checks.mixed_pairs(own) == told


def test_a_gap_that_closes_is_told():
    curves = pd.DataFrame([(name, 0, epoch, value) for name, values in (
        ("GhostNet", (50, 60, 70, 71, 72)), ("MobileNetV3-Small", (60, 69, 75, 76, 76))) for epoch, value in
        enumerate(values, 1)], columns=["network", "seed", "epoch", "accuracy"])
    told = photographs_checks.gaps(curves)
    assert told.startswith("GhostNet − MobileNetV3-Small was -5.0 points after epoch 3 and -4.0 after epoch 5. The rate")
    assert photographs_checks.gaps(curves[curves.network == "GhostNet"]) == ""
    nearly = curves.assign(accuracy=curves.accuracy.where(curves.epoch != 3, 70.0) + 0.01 * (curves.network != "GhostNet"))
    assert "was +0.0 points after epoch 3" in photographs_checks.gaps(nearly)


def test_one_seed_is_no_contrast():
    own = photographs.named(rows({"GhostNet": [80, 81], "MobileNetV3-Small": [79]}))
    assert photographs.contrasts_of(own) == [] and photographs.answers(own).empty


@pytest.mark.parametrize(("accuracies", "said"), [
    ({"GhostNet": [71.9], "MobileNetV3-Small": [76.9]},
     "71.9 % for GhostNet (1 seed) and 76.9 % for MobileNetV3-Small (1 seed)"),
    ({"GhostNet": [71, 73]}, "72.0 % for GhostNet (2 seeds) and not recorded for MobileNetV3-Small")])
def test_too_few_seeds_are_told_and_no_verdict(accuracies, said):
    own = photographs.named(rows(accuracies))
    assert photographs.answer(own) == (f"**Answer.** Not known yet: so far top-1 on Imagenette's test photographs "
                                       f"(squashed copy) is {said}. The verdict waits for all 6 planned seeds of both.")


def test_what_is_there_and_what_bars_are_follows_the_rows():
    own = photographs.named(rows({"GhostNet": [71], "thin": [66]}))
    assert photographs.recorded(own) == (
        "2 of 30 runs are recorded: squashed copy, 15 epochs, 2 of 7 networks. Not there: GhostNet, seeds 1, 2, 3, 4 and 5; "
        "MobileNetV3-Small, seeds 0, 1, 2, 3, 4 and 5; thin, seeds 1, 2, 3, 4 and 5; MobileNetV2, seeds 0, 1 and 2; "
        "GhostNetV2, seeds 0, 1 and 2; s2 d1, seeds 0, 1 and 2; s4 d3, seeds 0, 1 and 2.")
    whole = photographs.named(rows({name: [70] * seeds for name, seeds in photographs.SEEDS.items()}))
    assert photographs.recorded(whole) == "30 of 30 runs are recorded: squashed copy, 15 epochs, 7 of 7 networks."
    every = photographs.named(rows({name: [70, 71] for name in photographs.NETWORKS.values()}))
    some = pd.concat([every, own.iloc[:1].assign(network="another")])
    told = [photographs.bars(photographs.summary(table)) for table in (own, some, every)]
    assert [one.partition(" ")[0] for one in told] == ["No", "Bars:", "Bars:"]
    assert told[1].endswith("those networks that have two or more.") and told[2].endswith("over seeds.")


def test_the_check_reads_each_runs_answers(monkeypatch):
    own = photographs.named(rows({"GhostNet": [75, 100], "MobileNetV3-Small": [50, 75]}))
    own["point"] = ["a", "b", "c", "d"]
    answered = pd.DataFrame({"image": ["1", "2", "3", "4"], "label": ["x", "x", "y", "y"], "a": [0, 0, 1, 0],
                             "b": [0, 0, 1, 1], "c": [0, 0, 0, 0], "d": [0, 0, 1, 0]})
    assert photographs_checks.checks(own, answered).empty  # 2 of 6 seeds
    for name in photographs.PRIMARY:
        monkeypatch.setitem(photographs.SEEDS, name, 2)
    [row] = photographs_checks.checks(own, answered).to_dict("records")
    assert row["over seeds"].startswith("+25.00 (") and row["bootstrap"].startswith("+25.00 (")
    assert row["both variances"].startswith("+25.00 (")
    assert photographs_checks.checks(own, answered.drop(columns="d")).empty


def test_an_unfinished_study_and_another_copy_are_told():
    own = photographs.counted(rows({"GhostNet": HIGH, "MobileNetV3-Small": LOW}))
    told = photographs.answer(own)
    assert "after 15 epochs at 128 x 128 (squashed copy)" in told
    assert told.endswith("Of the secondary contrasts' runs 18 are missing.")
    every = photographs.counted(rows({name: [70] * seeds for name, seeds in photographs.SEEDS.items()}))
    assert "missing" not in photographs.answer(every)
    assert copies.copy_of(own.assign(data_fingerprint="0123456789")) == "a copy with fingerprint 01234567"


@pytest.mark.parametrize("table", ["photographs", "photographs_pilot", "photographs_long", "photographs_pretrain", "few",
                                   "few_pilot", "lesions_overall"])
def test_recorded_numbers_of_the_squashed_copy_say_so(table):
    own = read_table(ROOT / "data" / "results" / f"{table}.csv")
    assert copies.copy_of(own) == "squashed copy"
    assert copies.copy_of(own.assign(data_fingerprint="0123456789")) == "a copy with fingerprint 01234567"
    assert copies.copy_of(own.drop(columns=["point", "data_fingerprint"], errors="ignore")) == "which copy was not noted"


def test_the_long_run_is_told_beside_the_leaderboard():
    [one] = [rows({"GhostNet": [90]}, test_images=3925)]
    assert "90.00 % of 3,925 test photographs" in photographs.long_run(one)
    assert photographs.long_run(one.iloc[:0]) == "The long run is not recorded yet."
