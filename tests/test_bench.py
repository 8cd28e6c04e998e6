"""The benchmark: what it prints, and what the compiled graphs may hold. It asserts no speed."""

import argparse
import json
import os
import runpy
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from click.testing import CliRunner
from mindspore import Tensor

from ghostlib import bench, models, processor, results
from ghostlib.commands import main
from ghostlib.config import Config
from ghostlib.deploy import engines
from ghostlib.device import use_device
from ghostlib.errors import InputError, RunError
from ghostlib.kernels import fused, native
from ghostlib.results import read_table
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.step import TrainStep


@pytest.mark.slow
def test_three_parts_are_measured_and_written(ghostlib_command, tmp_path):
    done = ghostlib_command("bench", "-p", "model", "vgg16", "-p", "width", 0.125, "-p", "ratio", 2, "-p", "dropout", 0,
                            "-p", "batch_size", 16, "--json", tmp_path / "speed.json")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "speed.json").read_text())
    assert [row["part"] for row in written["rows"]] == ["training", "evaluation", "input pipeline"]
    for row in written["rows"]:
        assert row["images_per_second"] == pytest.approx(16e3 / row["ms_per_step"])
        assert row["part"] in done.stdout and f"{row['images_per_second']:.2f}" in done.stdout
    training, evaluation, _ = written["rows"]
    assert training["operators"]["Conv2DBackpropFilter"] == 13 and evaluation["operators"]["Conv2D"] >= 13
    assert written["mindspore"] == mindspore.__version__


def test_what_was_measured_stands_beside_the_references_rows():
    rows = [{"part": "training", "cards": 1, "batch": 32, "resolution": "224x224", "compile_s": 30.0, "ms_per_step": 640.0,
             "images_per_second": 50.0}]
    lines = bench.with_reference(rows, Config(image_size=224)).splitlines()
    assert lines[1].split()[:3] == ["mindcv", "Ascend", "910*"] and lines[1].split()[-4:] == [
        "201.46", "5082.89", "65.93", "86.65"] and lines[2].split()[-4:] == ["211.13", "4850.09", "66.03", "86.64"]
    assert lines[3].split() == ["yours", "CPU", "1", "32", "224x224", "30.00", "640.00", "50.00"]  # and no accuracy
    for other in (Config(width=1.0, image_size=224), Config(model="vgg16", image_size=224), Config()):
        assert bench.with_reference(rows, other) is None


@pytest.mark.slow
def test_engines_are_measured_on_request(monkeypatch):
    monkeypatch.setattr(bench.engines, "installed", lambda: ["onnxruntime"])
    monkeypatch.setattr(bench, "use_device", lambda device: pytest.fail("an NPU has been used: the process cannot change"))
    rows = bench.by_engines(Config(model="vgg16", width=0.0625, ratio=2), 0.25)
    assert {(row["params"], row["engine"]) for row in rows} == {(0.25, "onnxruntime")}
    assert [(row["part"], row["batch"]) for row in rows] == [("evaluation, onnxruntime", 1), ("evaluation, onnxruntime", 32)]
    assert "evaluation, onnxruntime" in bench.describe(rows) and "instruction sets: " in bench.describe(rows)


def test_what_was_measured_is_told_and_kept_where_engines_fail(monkeypatch, tmp_path):
    def fail(config, params):
        raise RunError(f"engine: onnxruntime was not measured ({params})")
    monkeypatch.setattr(bench, "measure", lambda config: [{"part": "training", "params": 1.5, "operators": {"Conv2D": 3}}])
    monkeypatch.setattr(bench, "by_engines", fail)
    done = CliRunner().invoke(main, ["bench", "--engines", "--json", str(tmp_path / "speed.json")])
    assert done.exit_code == 1 and "training: 3 operators: 3 Conv2D" in done.stdout
    assert done.stderr == "ghostlib: engine: onnxruntime was not measured (1.5)\n"
    assert [row["part"] for row in json.loads((tmp_path / "speed.json").read_text())["rows"]] == ["training"]


def test_a_run_without_epochs_has_no_training_to_measure():
    with pytest.raises(InputError, match="epochs: 0 given; a benchmark measures training"):
        bench.measure(Config(epochs=0))


def test_several_devices_are_refused():
    with pytest.raises(InputError, match="devices: 8 given"):
        bench.measure(Config(devices=8, batch_size=64))


@pytest.mark.slow
def test_without_the_kernel_graphs_hold_no_idle_slices(monkeypatch, few_stages):
    """On an NPU each operator is a launch, and these two move memory for no arithmetic."""
    use_device("CPU")
    monkeypatch.setattr(native, "library", lambda: None)
    net = models.ghostnet(0.5, num_classes=10, dropout=0.0)
    modules = sum(isinstance(cell, fused.GhostModule) for _, cell in net.cells_and_names())
    config = Config(dropout=0.0)
    images = Tensor(np.zeros((2, 3, 64, 64), np.float32))
    labels, rate = Tensor(np.zeros(2, np.int32)), Tensor(0.1, mindspore.float32)

    def training():
        step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
        return lambda: step(images, labels, rate)[0].asnumpy()

    for make in (training, lambda: lambda: net.set_train(False)(images).asnumpy()):
        operators = bench._operators(make)
        assert operators["Conv2D"] > 30
        assert operators.get("StridedSlice", 0) == 0
        assert operators["Concat"] == modules == 10


def test_the_speed_of_a_network_needs_no_data():
    rows = bench.speed(Config(model="vgg16", width=0.125, batch_size=4))
    assert [row["part"] for row in rows] == ["training", "evaluation"]
    assert all(row["images_per_second"] > 0 and row["weights"] == rows[0]["weights"] for row in rows)
    with pytest.raises(InputError, match="dropout: 0.2 given; the speed of a network is measured with 0"):
        bench.speed(Config(dropout=0.2))


def test_the_networks_that_are_measured_are_those_of_the_studies(root, monkeypatch):
    monkeypatch.chdir(root)
    tool = runpy.run_path(str(root / "tools" / "bench_networks.py"))
    assert list(tool["of_ablation"]()) == ["plain", "thin", "s2 d1", "s2 d3", "s2 d5", "s4 d3", "by layer"]
    recorded = {name: set(results.read_table(root / "data/results" / f"{name}_speed.csv").network)
                for name in ("ablation", "paper")}
    assert recorded == {"ablation": set(tool["of_ablation"]()), "paper": set(tool["of_paper"]())}


def test_implementations_are_compared_without_pytorch_and_its_python_is_asked_for_first(root, tmp_path):
    """What an earlier try measured is there, so that the table is all that is left to write."""
    row = {"model": "mobilenet_v2", "contender": "ghostlib", "round": 1, "training": 4.0, "evaluation": 8.0}
    (tmp_path / "speed.csv.rows.json").write_text(json.dumps([row]))
    words = [sys.executable, root / "tools" / "bench_implementations.py", "--mindcv", "-", "--authors", "-", "--photographs",
             "-", "--models", "mobilenet_v2", "--no-pipelines", "--rounds", "1", "--csv", "speed.csv"]

    def run(*more):
        return subprocess.run([*words, *more], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(root)})
    asked = run()
    assert asked.returncode == 2 and "--torch: not given; wanted is the Python" in asked.stderr
    assert not (tmp_path / "speed.csv").exists()
    done = run("--without", "PyTorch")
    assert done.returncode == 0, done.stderr
    table = read_table(tmp_path / "speed.csv")
    assert table[["contender", "training", "rounds"]].values.tolist() == [["ghostlib", 4.0, 1]]
    assert not (tmp_path / "speed.csv.rows.json").exists()
    assert table.instruction_sets.tolist() == [processor.instruction_sets()]


def test_implementations_are_compared_by_every_engine_and_with_one_image(root):
    """Each engine evaluates our network and the authors', a batch at a time and one image at a time; only times are cut."""
    tool = runpy.run_path(str(root / "tools" / "bench_implementations.py"))
    assert set(tool["BY_ENGINE"].values()) == set(engines.OF_ONNX)
    assert len(tool["BY_ENGINE"]) == 2 * len(engines.OF_ONNX)
    asked = argparse.Namespace(child="ghostlib by ONNX Runtime", model="mobilenet_v3_small", batch=2, kind="network")
    found = tool["measure"](asked)
    assert set(found) == {"evaluation", "evaluation_1"} and min(found.values()) > 0
