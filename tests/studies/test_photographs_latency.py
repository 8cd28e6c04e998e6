"""Milliseconds of the photographs study's networks: made rows whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from ghostlib.studies import photographs, photographs_latency

MILLISECONDS = {"GhostNet": (4.0, 3.0), "MobileNetV3-Small": (2.0, 5.0), "thin": (3.0, 3.5)}  # by engine
ACCURACIES = {"GhostNet": 80.0, "MobileNetV3-Small": 84.0, "thin": 78.0, "MobileNetV2": 75.0}
SUMMARY = pd.DataFrame({"network": list(ACCURACIES), "accuracy": list(ACCURACIES.values())})
TIMES = pd.DataFrame([
    {"network": name, "engine": engine, "batch": batch, "threads": 1, "turn": turn, "ms": batch * ms * noise, "macs": 14e6,
     "weights": 1e6, "bytes": 1e7, "machine": "AMD EPYC", "cores": 2}
    for name, both in MILLISECONDS.items() for engine, ms in zip(("onnxruntime", "openvino"), both)
    for batch in (1, 32) for turn, noise in enumerate((0.9, 1.0, 1.2))])


def test_networks_are_those_that_were_trained():
    for name in photographs.NETWORKS.values():
        config = photographs_latency.config_of(name)
        assert photographs.NETWORKS[config.model, config.width, config.ratio, config.kernel] == name
        assert (config.image_size, config.num_classes) == (128, 10)


@pytest.mark.parametrize("batch", [1, 32])
def test_each_network_has_its_fastest_engines_time_of_one_image(batch):
    table = photographs_latency.with_times(SUMMARY, TIMES, batch).set_index("network")
    assert table.engine.dropna().to_dict() == {"GhostNet": "openvino", "MobileNetV3-Small": "onnxruntime",
                                               "thin": "onnxruntime"}
    assert table.loc["GhostNet", ["ms_low", "ms", "ms_high"]].tolist() == pytest.approx([2.7, 3.0, 3.6])
    assert np.isnan(table.ms["MobileNetV2"])  # not measured


def test_turns_are_compared_within_and_conditions_told():
    told = photographs_latency.times_in_words(TIMES)
    assert told == ("GhostNet takes 3.00 ms for an image: 1.50 times as long as MobileNetV3-Small (1.50 to 1.50) and 1.00 "
                    "times as long as thin (1.00 to 1.00). Each by its fastest engine (onnxruntime and openvino), 1 image "
                    "at a time, 1 thread, AMD EPYC with 2 cores; in brackets the range over 3 turns, which is no interval. "
                    "Times are compared within a turn, and the median is told, so that it can differ a little from the "
                    "quotient of two medians.")
    assert "GhostNet takes 3.00 ms" in photographs_latency.times_in_words(TIMES, 32)
    assert "not recorded" in photographs_latency.times_in_words(TIMES, threads=2)


def test_slower_and_no_better_is_not_advised():
    told = photographs_latency.advice(photographs_latency.with_times(SUMMARY, TIMES))
    assert told == ("Trained alike, MobileNetV3-Small is the quickest of these networks (2.00 ms) and the most accurate "
                    "(84.0 %): no limit of time favours another.")
    better = SUMMARY.assign(accuracy=SUMMARY.accuracy.where(SUMMARY.network != "thin", 90.0))
    told = photographs_latency.advice(photographs_latency.with_times(better, TIMES))
    assert told.endswith("MobileNetV3-Small from 2.00 ms (84.0 %) and thin from 3.00 ms (90.0 %).")
    assert "not known" in photographs_latency.advice(photographs_latency.with_times(SUMMARY, TIMES, threads=2))
