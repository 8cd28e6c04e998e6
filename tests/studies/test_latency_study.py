"""What is said of recorded times: made rows whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from ghostlib.complexity import Complexity, count
from ghostlib.errors import InputError
from ghostlib.models.build import build
from ghostlib.results import read_table
from ghostlib.studies import latency, latency_layers, latency_recorded, rivals, speeds


def times(milliseconds, engine="onnxruntime", batch=1):
    """Rows of networks whose times in three turns are these, times 0.9, 1 and 1.1 (turn by turn the same machine)."""
    macs = {"GhostNet 1.0": 140e6, "thin of 1.0": 140e6, "plain 1.0": 280e6, "MobileNetV3-L 1.0": 150e6,
            "MobileNetV3-S 1.0": 50e6}
    return pd.DataFrame([{"network": name, "engine": engine, "batch": batch, "threads": 2, "turn": turn, "ms": ms * noise,
                          "macs": macs[name], "weights": 5e6 + macs[name] / 100, "bytes": 1e7 + ms, "machine": "AMD EPYC",
                          "cores": 2}
                         for name, ms in milliseconds.items() for turn, noise in enumerate((0.9, 1.0, 1.1))])


LAYERS = pd.DataFrame([("GhostNet 1.0", "Conv", "1 x 1 convolution", 6.0, 120_000_000),
                       ("GhostNet 1.0", "Concat", "concatenation", 1.0, 0),
                       ("GhostNet 1.0", "ReorderInput", "change of layout", 1.0, 0),
                       ("GhostNet 1.0", "Conv", "depthwise convolution", 2.0, 20_000_000),
                       ("MobileNetV3-L 1.0", "Conv", "1 x 1 convolution", 10.0, 200_000_000)],
                      columns=["network", "operator", "kind", "ms", "macs"])


WITH_TWIN = pd.concat([LAYERS, pd.DataFrame([("thin of 1.0", "Conv", "1 x 1 convolution", 7.0, 140_000_000)],
                                            columns=LAYERS.columns)], ignore_index=True)
LONGER = "GhostNet 1.0 takes 3.0 ms longer than its thin twin: depthwise convolution +2.0, "


def test_operators_of_another_machine_are_said_to_be_so():
    rows = times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}).assign(threads=1)
    own = WITH_TWIN.assign(machine="AMD EPYC", cores=2)
    assert "(ONNX Runtime's own profile, one run)." in latency.answer(rows, own, 1, 1)
    rows, other = rows.assign(instruction_sets="avx2"), own.assign(instruction_sets="avx2 avx512f")
    told = "on another machine, AMD EPYC with 2 cores (avx2 avx512f))"  # of the same name
    assert f"(ONNX Runtime's own profile, one run; {told}." in latency.answer(rows, other, 1, 1)
    assert latency.findings(rows, other, 1, 1).seen.iloc[-1].endswith(f"of the time (ONNX Runtime; {told}")


def test_what_joins_left_apart_bring_is_told():
    rows = pd.DataFrame([{"engine": "onnxruntime", "batch": batch, "form": form, "ratio": ratio, "round": 1}
                         for batch in (1, 32) for form, ratios in (("joined", (1, 1)), ("apart", (0.9, 0.8 + batch / 1000)))
                         for ratio in ratios])
    assert latency_recorded.joins_told(rows).startswith(
        "With joins left apart GhostNet 1.0 takes 0.85 (0.80 to 0.90, 1 at a time) and 0.87 (0.83 to 0.90, 32 at a time) of "
        "the time by onnxruntime")


def test_each_network_counts_by_its_fastest_engine_and_where_ghosts_cost_is_told():
    quick = times({"GhostNet 1.0": 10, "plain 1.0": 20, "thin of 1.0": 5})
    slow = times({"GhostNet 1.0": 30, "plain 1.0": 16, "thin of 1.0": 15}, engine="openvino")
    told = latency.answer(pd.concat([quick, slow]), LAYERS, threads=2)
    assert "GhostNet 1.0 takes 0.62 times as long as its plain twin (0.62 to 0.62) for 0.50 of the" in told  # 10 beside 16
    assert "1 of 1 GhostNets take longer in each of 3 turns (2.00 times as long); by one and the same engine GhostNets " \
        "are sooner in every turn in 0 of 2 pairs of network and engine." in told
    assert LONGER in latency.answer(pd.concat([quick, slow]).assign(threads=1), WITH_TWIN)


def test_engines_may_have_been_measured_in_more_or_fewer_turns():
    rows = times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15})
    more = pd.concat([rows, rows[rows.turn < 2].assign(engine="kernel")])
    assert latency_recorded.turns_in_words(rows) == "Turns: 3." and latency_recorded.turns_in_words(more) == (
        "Turns: 3 with onnxruntime; 2 with kernel.")
    assert "sooner in each of 2 to 3 turns: 0 of 2 pairs" in latency.findings(more, LAYERS, 1, 2).seen[0]
    assert "sooner in each of 3 turns: 0 of 1 pairs" in latency.findings(rows, LAYERS, 1, 2).seen[0]


def test_which_files_were_timed_is_told():
    rows = times({"GhostNet 1.0": 12}).assign(instruction_sets="avx2")
    told = latency_recorded.files_in_words({"Networks": rows.assign(joins="apart"), "Operators": rows})
    assert told == ("Networks: AMD EPYC with 2 cores (avx2); files that leave some joins of maps apart, as `ghostlib "
                    "export` writes them. Operators: AMD EPYC with 2 cores (avx2); files that join maps wherever the "
                    "network does (`ghostlib export --joined`).")


def test_turns_are_compared_within():
    """The machine's slow turn is slow for both: the ratio has no spread although the times have."""
    table = latency.against(times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}), 1, 2).set_index("other")
    assert table.loc["thin of 1.0", ["times", "low", "high"]].tolist() == pytest.approx([1.2, 1.2, 1.2])
    assert table.loc["plain 1.0", ["macs", "times"]].tolist() == pytest.approx([0.5, 0.8])


@pytest.mark.parametrize(("ghost", "words", "pairs"), [
    (12, "Ghosts save less time on this machine than multiply-adds: GhostNet 1.0 takes 0.80 times as long as its plain ",
     "sooner in each of 3 turns: 0 of 1 pairs of network and engine; later: 1;"),
    (6, "Ghosts save as much time on this machine as multiply-adds, at least in part: GhostNet 1.0 takes 0.40 "
        "times as long as its plain twin (", "sooner in each of 3 turns: 1 of 1 pairs of network and engine; later: 0;")])
def test_the_answer_follows_the_rows(ghost, words, pairs):
    measured = times({"GhostNet 1.0": ghost, "thin of 1.0": 10, "plain 1.0": 15})
    told = latency.answer(measured, WITH_TWIN, threads=2)
    assert words in told and LONGER in told and "one run; 1 image at a time, 1 thread).\n" in told
    found = latency.findings(measured, LAYERS, 1, 2).seen
    assert found[0].startswith(pairs) and found.iloc[-1].startswith("GhostNet 1.0 20 %, MobileNetV3-L 1.0 0 % of the time")
    first = latency.answer(measured[measured.turn == 0], LAYERS, threads=2)
    assert "AMD EPYC with 2 cores; in brackets the range over 3 turns)" in told
    assert "only 1 turn so far: no more than a first look)" in first
    assert "GhostNets take longer in each of 3 turns (" in told
    assert "GhostNets take longer in the one turn that was recorded (" in first
    assert latency.findings(measured[measured.turn == 0], LAYERS, 1, 2).seen[0].startswith("sooner in the one turn")
    assert latency.answer(measured[measured.network == "plain 1.0"], LAYERS).startswith("**Answer.** Not known yet")


def test_nothing_is_concluded_from_twins_that_are_not_there():
    """`all()` of no rows is true."""
    measured = times({"GhostNet 1.0": 12, "thin of 1.0": 10})
    told = latency.answer(measured, LAYERS, threads=2)
    assert told.startswith("**Answer.** Not known yet is whether ghosts pay: these rows hold no plain twin (each by its "
                           "fastest engine, 1")
    assert "Ghosts save" not in told and "1 of 1 GhostNets take longer" in told
    told = latency.answer(times({"GhostNet 1.0": 12, "plain 1.0": 15}), LAYERS.iloc[:0], threads=2)
    assert "take longer" not in told and "profile" not in told and "turns).\n\n" in told


def test_operators_are_told_with_how_they_were_timed_where_the_rest_was_not():
    measured = times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}, batch=32)
    told = latency.answer(measured, WITH_TWIN, 32, 2)
    assert "2 threads, AMD EPYC" in told and "(ONNX Runtime's own profile, one run; 1 image at a time, 1 thread)" in told
    assert latency.findings(measured, LAYERS, 32, 2).seen.iloc[-1].endswith("(ONNX Runtime; 1 image at a time, 1 thread)")
    own = measured.assign(batch=1, threads=1)
    assert "(ONNX Runtime's own profile, one run)." in latency.answer(own, WITH_TWIN)
    assert latency.findings(own, LAYERS, 1, 1).seen.iloc[-1].endswith("(ONNX Runtime)")


def test_machines_are_not_mixed():
    """A median over a turn of one machine and one of another is of neither."""
    here = times({"GhostNet 1.0": 12, "thin of 1.0": 10}).assign(instruction_sets="avx2")
    both = pd.concat([here, here.assign(machine="Intel Xeon", turn=here.turn + 3)])
    for made in (latency.summary, lambda rows: latency.ratios(rows, "GhostNet 1.0", "thin of 1.0")):
        with pytest.raises(InputError, match="machine: rows of AMD EPYC 2 avx2; Intel Xeon 2 avx2 given; allowed are those"):
            made(both)
    machine = {"machine": "AMD EPYC", "cores": 2, "instruction_sets": "avx2", "commit": "0"}
    assert speeds.of_machine(both, machine).equals(here)
    assert speeds.of_machine(both, {**machine, "cores": 4}).empty
    unknown = here.assign(instruction_sets=float("nan"))  # as an empty text is read again
    assert len(speeds.of_machine(unknown, {**machine, "instruction_sets": ""})) == len(here)


def test_the_advice_is_the_budgets_steps_and_says_whose_the_accuracies_are():
    """Slower and no better is not advised; a network without a published accuracy neither."""
    measured = times({"GhostNet 1.0": 12, "thin of 1.0": 3, "plain 1.0": 15, "MobileNetV3-S 1.0": 4,
                      "MobileNetV3-L 1.0": 10})
    told = latency.advice(measured, latency.published(), threads=2)
    assert "for an image: from 4.0 ms MobileNetV3-S 1.0 (68.1 %), from 10.0 ms MobileNetV3-L 1.0 (75.2 %); below" in told
    assert "as published, not ours" in told and "1 image at a time, 2 threads, AMD EPYC with 2 cores" in told
    assert "Not known yet" in latency.advice(measured[measured.network == "thin of 1.0"], latency.published(), threads=2)
    assert told in latency.answer(measured, LAYERS, threads=2)


def test_rivals_are_told_with_their_conditions_here_and_in_compare():
    """The two notebooks measure otherwise and come to other numbers: each says how, and names the other."""
    here = latency.beside_rivals(times({"GhostNet 1.0": 12, "MobileNetV3-L 1.0": 10, "MobileNetV3-S 1.0": 4}), threads=2)
    assert "GhostNet 1.0 takes 1.20 times as long as MobileNetV3-L 1.0 (1 image at a time, 2 threads, AMD EPYC" in here
    assert "MobileNetV3-S" not in here and "`notebooks/compare.ipynb`" in here
    raced = read_table(ROOT / "data" / "results" / "rivals_speed.csv")
    for told in (rivals.speeds_in_short(raced), rivals.answer_on_speeds(raced)):
        assert "32 images at a time, by MindSpore with our kernel where it serves, AMD EPYC with 2 cores" in told
        assert "`notebooks/latency.ipynb`" in told


def test_what_is_recorded_of_engines_and_twins_is_told():
    measured = times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15})
    assert latency_recorded.recorded_engines(measured) == (
        "Engines recorded: onnxruntime; not yet: mindspore, kernel, openvino.")
    every = pd.concat([measured.assign(engine=engine) for engine in latency.ENGINES])
    assert latency_recorded.recorded_engines(every) == "Engines recorded: mindspore, kernel, onnxruntime, openvino."
    assert latency.multiply_adds_of_twins(latency.against(measured, 1, 2)) == (
        "GhostNets have 1.00 to 1.00 of their thin twins' and 0.50 to 0.50 of their plain twins' multiply-adds.")


def test_what_enlarges_maps_is_not_other():
    own = LAYERS.iloc[[0, 0]].assign(operator=["Gather", "Mul"], kind="other")
    assert latency_layers.named_kinds(own).kind.tolist() == [latency_layers.ENLARGING, "other"]
    for name in ("latency_layers", "latency_layers_avx512"):  # with newer and older operators
        recorded = read_table(ROOT / "data" / "results" / f"{name}.csv")
        share = latency_layers.by_kind(recorded).set_index(["network", "kind"]).share["GhostNetV2 1.0"]
        assert share[latency_layers.ENLARGING] > 0.05 and share["other"] < 0.1


def test_a_budget_buys_the_most_accurate_network_in_time():
    table = latency.summary(times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}, batch=2))
    bought = latency.within_budget(table, {"GhostNet 1.0": 73.9, "plain 1.0": 75.0}, [5, 6, 8]).set_index("budget")
    assert bought.network.tolist() == ["none", "GhostNet 1.0", "plain 1.0"]  # 6 ms an image, and 7.5
    assert np.isnan(bought.top1[5]) and bought.ms[6] == pytest.approx(6)


def test_kinds_and_their_price():
    price = latency_layers.price(LAYERS)
    assert price["M multiply-adds a ms"]["1 x 1 convolution"] == pytest.approx(20)  # 320 in 16 ms
    assert np.isnan(price["M multiply-adds a ms"]["concatenation"])
    told = latency_layers.price_in_words(LAYERS)
    assert "A million multiply-adds take 50 µs in a 1 x 1 convolution, 100 µs in a depthwise convolution" in told


def test_bytes_are_maps_and_weights_once():
    config = latency.config_of("ResNet-50").having(model="vgg16", width=0.0625, num_classes=10, image_size=32)
    table = count(build(config), (3, 32, 32)).table
    first = table[table.type == "convolution"].iloc[[0]]
    assert Complexity(first).bytes_moved == 4 * (3 * 32 * 32 + 4 * 32 * 32 + 3 * 4 * 9)
    linear = Complexity(table).bytes_moved - Complexity(table[table.type == "convolution"]).bytes_moved
    assert set(table.type) == {"convolution", "normalisation", "linear"} and linear == 4 * (32 + 32 + 1056 + 32 + 10 + 330)


def test_names_and_published_accuracies_belong_together():
    assert latency.published()["GhostNet 1.0"] == 73.9 and latency.published()["ResNet-50"] == 75.3
    assert latency.published()["Ghost-ResNet-50"] == 75.0  # of Table 6, which tells s
    assert not {name for name in latency.published() if name.startswith(("thin", "plain"))}
    for name, (thin, plain) in latency.TRIPLES.items():
        assert latency.NETWORKS[name][2] == 2 and latency.NETWORKS[thin][2] == latency.NETWORKS[plain][2] == 1
