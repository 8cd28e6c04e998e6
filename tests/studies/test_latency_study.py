"""What is said of recorded times: made rows whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from ghostlib.complexity import count
from ghostlib.models.build import build
from ghostlib.studies import latency


def times(milliseconds, engine="onnxruntime", batch=1):
    """Rows of networks whose times in three turns are these, times 0.9, 1 and 1.1 (turn by turn the same machine)."""
    macs = {"GhostNet 1.0": 140e6, "thin of 1.0": 140e6, "plain 1.0": 280e6}
    return pd.DataFrame([{"network": name, "engine": engine, "batch": batch, "threads": 2, "turn": turn, "ms": ms * noise,
                          "macs": macs[name], "weights": 5e6 + macs[name] / 100, "bytes": 1e7 + ms}
                         for name, ms in milliseconds.items() for turn, noise in enumerate((0.9, 1.0, 1.1))])


LAYERS = pd.DataFrame([("GhostNet 1.0", "1 x 1 convolution", 6.0, 120_000_000), ("GhostNet 1.0", "concatenation", 1.0, 0),
                       ("GhostNet 1.0", "change of layout", 1.0, 0),
                       ("GhostNet 1.0", "depthwise convolution", 2.0, 20_000_000),
                       ("MobileNetV3-L 1.0", "1 x 1 convolution", 10.0, 200_000_000)],
                      columns=["network", "kind", "ms", "macs"])


def test_turns_are_compared_within():
    """The machine's slow turn is slow for both: the ratio has no spread although the times have."""
    table = latency.against(times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}), 1, 2).set_index("other")
    assert table.loc["thin of 1.0", ["times", "low", "high"]].tolist() == pytest.approx([1.2, 1.2, 1.2])
    assert table.loc["plain 1.0", ["macs", "times"]].tolist() == pytest.approx([0.5, 0.8])


@pytest.mark.parametrize(("ghost", "words", "pairs"), [
    (12, "less than their multiply-adds promise: GhostNet 1.0 has 0.50 of its plain twin's multiply-adds and takes 0.80",
     "sooner in every turn in 0 of 1 pairs of network and engine, later in 1"),
    (6, "what their multiply-adds promise, at least in part: GhostNet 1.0 has 0.50 of its plain twin's multiply-adds and "
        "takes 0.40", "sooner in every turn in 1 of 1 pairs of network and engine, later in 0")])
def test_the_answer_follows_the_rows(ghost, words, pairs):
    measured = times({"GhostNet 1.0": ghost, "thin of 1.0": 10, "plain 1.0": 15})
    told = latency.answer(measured, LAYERS, threads=2)
    assert words in told and "takes 20 % of GhostNet 1.0's and 0 % of MobileNetV3-L 1.0's time." in told
    assert latency.findings(measured, LAYERS, 1, 2).seen[0].startswith(pairs)
    first = latency.answer(measured[measured.turn == 0], LAYERS, threads=2)
    assert "3 turns)" in told and "only 1 turn so far: no more than a first look)" in first
    assert latency.answer(measured[measured.network == "plain 1.0"], LAYERS).startswith("**Answer.** None yet")


def test_a_budget_buys_the_most_accurate_network_in_time():
    table = latency.summary(times({"GhostNet 1.0": 12, "thin of 1.0": 10, "plain 1.0": 15}, batch=2))
    bought = latency.within_budget(table, {"GhostNet 1.0": 73.9, "plain 1.0": 75.0}, [5, 6, 8]).set_index("budget")
    assert bought.network.tolist() == ["none", "GhostNet 1.0", "plain 1.0"]  # 6 ms an image, and 7.5
    assert np.isnan(bought.top1[5]) and bought.ms[6] == pytest.approx(6)


def test_kinds_and_their_price():
    price = latency.price(LAYERS)
    assert price["M multiply-adds a ms"]["1 x 1 convolution"] == pytest.approx(20)  # 320 in 16 ms
    assert np.isnan(price["M multiply-adds a ms"]["concatenation"])
    assert "A million multiply-adds take 50 µs in a 1 x 1 convolution, 100 µs in a dep" in latency.price_in_words(LAYERS)


def test_bytes_are_maps_and_weights_once():
    config = latency.config_of("ResNet-50").having(model="vgg16", width=0.0625, num_classes=10, image_size=32)
    table = count(build(config), (3, 32, 32)).table
    first = table[table.type == "convolution"].iloc[[0]]
    assert latency.bytes_moved(first) == 4 * (3 * 32 * 32 + 4 * 32 * 32 + 3 * 4 * 9)


def test_names_and_published_accuracies_belong_together():
    assert latency.published()["GhostNet 1.0"] == 73.9 and latency.published()["ResNet-50"] == 75.3
    assert not {name for name in latency.published() if name.startswith(("thin", "plain", "Ghost-ResNet"))}
    for name, (thin, plain) in latency.TRIPLES.items():
        assert latency.NETWORKS[name][2] == 2 and latency.NETWORKS[thin][2] == latency.NETWORKS[plain][2] == 1
