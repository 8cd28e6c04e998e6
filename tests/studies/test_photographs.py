"""The photographs study: names, rates by its rule, corrected p-values, and an interval over seeds and photographs."""

import numpy as np
import pandas as pd
import pytest

from ghostlib.errors import InputError
from ghostlib.studies import photographs
from ghostlib.studies.contrasts import Contrast, holm


def rows(accuracies, **others):
    """Runs of networks by name: {name: accuracies in percent of seeds 0, 1, ...}."""
    keys = {name: key for key, name in photographs.NETWORKS.items()}
    return pd.DataFrame([{"model": keys[name][0], "width": keys[name][1], "ratio": keys[name][2], "kernel": keys[name][3],
                          "seed": seed, "top1": value / 100, "lr": 0.1, "weights": 10**6, "macs": 14 * 10**6, "epochs": 15,
                          "image_size": 128, "data_fingerprint": photographs.SQUASHED, **others}
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


@pytest.mark.parametrize(("ghostnet", "rival", "start"), [
    ([80, 81, 80.5, 81], [75, 76, 75.2, 76.3], "**Answer.** Yes. At equal multiply-adds"),
    ([75, 76, 75.2, 76.3], [80, 81, 80.5, 81],
     "**Answer.** No. At equal multiply-adds and trained alike, GhostNet is w"),
    ([80, 81, 80.5, 81], [80.1, 81, 80.4, 81.1],
     "**Answer.** No. At equal multiply-adds and trained alike, GhostNet and M"),
    ([80, 70, 85, 78], [75, 79, 75.2, 80], "**Answer.** Not known.")])
def test_the_answer_follows_the_seeds(ghostnet, rival, start):
    own = photographs.named(rows({"GhostNet": ghostnet, "MobileNetV3-Small": rival}))
    assert photographs.answer(own).startswith(start)
    assert photographs.answers(own).question.tolist() == ["Primary: is GhostNet better than MobileNetV3?"]


def test_secondary_contrasts_are_corrected_together():
    own = photographs.named(rows({"GhostNet": [80, 81, 80.5], "MobileNetV3-Small": [79, 80, 80], "thin": [79, 80.2, 79.4],
                                  "MobileNetV2": [70, 71, 70.4]}))
    primary, *secondary = photographs.contrasts_of(own)
    assert (primary.first, primary.second) == photographs.PRIMARY
    table = photographs.answers(own).set_index("question")
    expected = [primary.p_value, *holm([one.p_value for one in secondary])]
    assert table.p.tolist() == [f"{p:.3f}" for p in expected] and expected[2] == pytest.approx(2 * secondary[1].p_value)
    assert "Secondary: do ghosts beat fewer channels?" in table.index


def test_another_network_is_refused():
    with pytest.raises(InputError, match="rows: vgg16 of width 0.5, s = 2, d = 3 is no network of the photographs study"):
        photographs.named(rows({"GhostNet": [1]}).assign(model="vgg16"))


def test_the_bootstrap_covers_seeds_and_photographs():
    rng = np.random.default_rng(0)
    right = {"a": rng.random((6, 4000)) < 0.8, "b": rng.random((6, 4000)) < 0.75}
    mean, low, high = photographs.bootstrap(right, "a", "b")
    assert mean == pytest.approx(100 * (right["a"].mean() - right["b"].mean())) and low < 5 < high
    assert 1.5 < high - low < 3.5  # 2 x 1.96 x sqrt((0.16 + 0.1875) / 24000) is 1.5 over photographs of all seeds
    same = np.broadcast_to(right["a"][:1], right["a"].shape)  # seeds that agree leave the photographs' spread
    _, low, high = photographs.bootstrap({"a": same, "b": np.broadcast_to(right["b"][:1], same.shape)}, "a", "b")
    assert high - low == pytest.approx(2 * 1.96 * 100 * np.sqrt((0.16 + 0.1875) / 4000), rel=0.15)


def test_one_seed_is_no_contrast():
    own = photographs.named(rows({"GhostNet": [80, 81], "MobileNetV3-Small": [79]}))
    assert photographs.contrasts_of(own) == [] and photographs.answers(own).empty


@pytest.mark.parametrize(("accuracies", "said"), [
    ({"GhostNet": [71.9], "MobileNetV3-Small": [76.9]},
     "71.9 % for GhostNet (1 seed) and 76.9 % for MobileNetV3-Small (1 seed)"),
    ({"GhostNet": [71, 73]}, "72.0 % for GhostNet (2 seeds) and not recorded for MobileNetV3-Small")])
def test_too_few_seeds_are_told_and_no_verdict(accuracies, said):
    own = photographs.named(rows(accuracies))
    told = photographs.answer(own, 30)
    assert told == (f"**Answer.** Not known yet: so far top-1 on Imagenette's test photographs is {said}; a verdict "
                    f"takes two seeds of both. **Not final:** {len(own)} of 30 planned runs are recorded.")


def test_what_is_there_and_what_bars_are_follows_the_rows():
    own = photographs.named(rows({"GhostNet": [71], "thin": [66]}))
    assert photographs.recorded(own, 30) == (
        "2 of 30 runs are recorded: squashed copy, 15 epochs, 2 of 7 networks (not yet: MobileNetV3-Small, MobileNetV2, "
        "GhostNetV2, s2 d1, s4 d3).")
    every = photographs.named(rows({name: [70, 71] for name in photographs.NETWORKS.values()}))
    assert photographs.recorded(every, 30).endswith("7 of 7 networks.")
    some = pd.concat([every, own.iloc[:1].assign(network="another")])
    told = [photographs.bars(photographs.summary(table)) for table in (own, some, every)]
    assert [one.partition(" ")[0] for one in told] == ["No", "Bars:", "Bars:"]
    assert told[1].endswith("those networks that have two or more.") and told[2].endswith("over seeds.")


def test_the_check_reads_each_runs_answers():
    own = photographs.named(rows({"GhostNet": [75, 100], "MobileNetV3-Small": [50, 75]}))
    own["point"] = ["a", "b", "c", "d"]
    answered = pd.DataFrame({"image": ["1", "2", "3", "4"], "label": ["x", "x", "y", "y"], "a": [0, 0, 1, 0],
                             "b": [0, 0, 1, 1], "c": [0, 0, 0, 0], "d": [0, 0, 1, 0]})
    [row] = photographs.checks(own, answered).to_dict("records")
    assert row["over seeds"].startswith("+25.00 (") and row["over seeds and photographs"].startswith("+25.00 (")
    assert photographs.checks(own, answered.drop(columns="d")).empty


def test_an_unfinished_study_and_another_copy_are_told():
    own = photographs.named(rows({"GhostNet": [80, 81, 80.5], "MobileNetV3-Small": [79, 80, 80]}))
    assert photographs.answer(own, 30).endswith("**Not final:** 6 of 30 planned runs are recorded.")
    assert "(squashed copy)" in photographs.answer(own, 6) and "Not final" not in photographs.answer(own, 6)
    assert photographs.copy_of(own.assign(data_fingerprint="0123456789")) == "a copy with fingerprint 01234567"


def test_the_long_run_is_told_beside_the_leaderboard():
    [one] = [rows({"GhostNet": [90]}, test_images=3925)]
    assert "90.00 % of 3,925 test photographs" in photographs.long_run(one)
    assert photographs.long_run(one.iloc[:0]) == "The long run is not recorded yet."
