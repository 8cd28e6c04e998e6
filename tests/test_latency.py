"""Times of engines and of operators: what is measured is the network that was meant. No speed is asserted."""

import os
import subprocess
import sys

import pytest

from ghostlib import latency
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.models.build import build

SMALL = Config.of({"model": "mobilenet_v3_small", "width": 0.25, "num_classes": 7, "image_size": 64,
                   "dataset": "imagefolder", "data_dir": "-"})


def test_an_engine_is_measured_in_a_process_of_its_own():
    rows = latency.measure(SMALL, "onnxruntime", (1, 3), threads=1)
    assert [(row["engine"], row["threads"], row["batch"]) for row in rows] == [("onnxruntime", 1, 1), ("onnxruntime", 1, 3)]
    for row in rows:
        assert 0 < row["ms"] < 1e4 and row["images_per_second"] == pytest.approx(1e3 * row["batch"] / row["ms"])
    with pytest.raises(InputError, match="engine: 'tensorrt' given"):
        latency.measure(SMALL, "tensorrt")
    with pytest.raises(InputError, match="engine: 'auto' given; allowed is one of mindspore, kernel, onnxruntime, openvino"):
        latency.measure(SMALL, "auto")
    with pytest.raises(RunError, match="engine: onnxruntime was not measured"):
        latency.measure(SMALL, "onnxruntime", (-1,))


def test_what_runs_onnx_is_measured_without_mindspore_beside_it(tmp_path):
    """Whose threads would spin on the same cores."""
    (tmp_path / "network.onnx").write_bytes(latency.onnx_of(SMALL.model_dump_json()))
    code = ("import sys; sys.modules['mindspore'] = None\nfrom ghostlib import latency\nfrom ghostlib.config import Config\n"
            f"print(latency._times(Config.of({SMALL.model_dump()!r}), 'onnxruntime', [2], 'network.onnx'))")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and float(done.stdout.strip("[]\n")) > 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process is held to cores here")
def test_a_measured_process_has_as_many_cores_as_threads(monkeypatch, tmp_path):
    """The variable alone does not bind MindSpore's own threads."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # with cores that no sweep of this machine holds
    run = latency.subprocess.run
    code = "import os; print(len(os.sched_getaffinity(0)))"
    monkeypatch.setattr(latency.subprocess, "run", lambda words, **how: run([sys.executable, "-c", code], **how))
    before = os.sched_getaffinity(0)
    assert [latency._in_own_process("times", SMALL, threads) for threads in range(1, len(before) + 1)] == [
        *range(1, len(before) + 1)]
    assert os.sched_getaffinity(0) == before


def test_operators_have_the_networks_multiply_adds():
    ghost = SMALL.having(model="ghostnet", ratio=2)
    rows = latency.measure_layers(ghost, batch=2)
    cost = count(build(ghost), (3, 64, 64))
    assert sum(row["macs"] for row in rows) == 2 * cost.macs
    kinds = {row["kind"] for row in rows}
    assert {"1 x 1 convolution", "depthwise convolution", "concatenation", "squeeze-and-excitation", "classifier"} <= kinds
    depthwise = [row for row in rows if row["kind"] == "depthwise convolution"]
    table = cost.table
    assert sum(row["macs"] for row in depthwise) == 2 * table[table.group > 1].macs.sum()
    assert all(row["ms"] >= 0 for row in rows)


@pytest.mark.parametrize(("layer", "operator", "inputs", "kind"), [
    ("", "ReorderInput", [(1, 16, 8, 8)], "change of layout"),
    ("blocks.3.0.se.conv_reduce", "Conv", [(1, 16, 1, 1), (4, 16, 1, 1)], "squeeze-and-excitation"),
    ("conv_stem", "Conv", [(1, 3, 8, 8), (16, 3, 3, 3)], "other convolution"),
    ("a", "Conv", [(1, 16, 8, 8), (16, 1, 5, 5)], "depthwise convolution"),
    ("a", "Conv", [(1, 16, 8, 8), (32, 16, 1, 1)], "1 x 1 convolution"),
    ("a", "Add", [(1, 16, 8, 8)] * 2, "addition"), ("a", "Relu", [(1, 16, 8, 8)], "other")])
def test_kinds_of_operators(layer, operator, inputs, kind):
    assert latency.operator_kind(layer, operator, inputs) == kind
