"""Every engine gives the same logits; what is not here, or does not fit, is said in one line."""

import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import pytest
from mindspore import nn
from onnx import TensorProto, helper

from ghostlib.deploy import agreement, engines
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.device import use_device
from ghostlib.errors import InputError
from ghostlib.models import MODELS

SHAPE = 3, 64, 64


@pytest.fixture(scope="module")
def net():
    use_device("CPU")
    return MODELS["mobilenet_v3_small"](0.25, num_classes=5).set_train(False)


def images(count):
    return np.random.default_rng(1).normal(size=(count, *SHAPE)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", engines.ENGINES)
def test_an_engine_gives_the_networks_logits(name, net):
    if name not in engines.installed():
        pytest.skip("not here")
    engine = engines.of_network(net, SHAPE, name)
    assert engine.name == name
    for count in (3, 1):
        assert engines.difference(engine(images(count)), engines.reference(net, images(count))) <= engines.TOLERANCE


def test_auto_takes_the_first_that_is_here_and_agrees(net, monkeypatch):
    assert engines.of_network(net, SHAPE).name == engines.installed()[0]
    wrong = {name: lambda _: lambda images: np.ones((len(images), 5), np.float32) for name in engines.OF_ONNX}
    monkeypatch.setattr(engines, "OF_ONNX", wrong)
    assert engines.of_network(net, SHAPE).name in ("kernel", "mindspore")
    with pytest.raises(InputError, match=r"engine: 'onnxruntime' given; on random images logits differ .* by onnxruntime "):
        engines.of_network(net, SHAPE, "onnxruntime")


def broken(model):
    raise RuntimeError("no such plugin\n  CPU")


def test_auto_passes_over_what_cannot_run_a_network(net, monkeypatch):
    """One that breaks; and ONNX, where a foreign network has an operator that ours lacks."""
    foreign = nn.SequentialCell(nn.Conv2d(3, 5, 3), nn.SeLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).set_train(False)
    assert engines.of_network(foreign, SHAPE).name in engines.OF_CELLS
    with pytest.raises(InputError, match=r"'onnxruntime' given; onnxruntime cannot run it \(net: 1: SeLU has no ONNX"):
        engines.of_network(foreign, SHAPE, "onnxruntime")
    monkeypatch.setitem(engines.OF_ONNX, "openvino", broken)
    assert engines.of_network(net, SHAPE).name == "onnxruntime"


def test_auto_compares_what_runs_an_onnx_file(net, tmp_path, monkeypatch):
    if engines.installed(engines.OF_ONNX) != ["openvino", "onnxruntime"]:
        pytest.skip("not both here")
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(net, SHAPE, batch=3).SerializeToString())
    assert engines.of_file(path).name == "openvino"
    for wrong in (lambda _: lambda images: np.ones((len(images), 5), np.float32), broken):
        monkeypatch.setitem(engines.OF_ONNX, "openvino", wrong)
        engine = engines.of_file(path)
        assert engine.name == "onnxruntime" and engine(images(4)).shape == (4, 5)
    monkeypatch.setitem(engines.OF_ONNX, "onnxruntime", broken)
    with pytest.raises(InputError, match=r"net.onnx: openvino cannot run it \(no such plugin CPU\); onnxruntime cannot run"):
        engines.of_file(path)
    with pytest.raises(InputError, match=r"engine: .*net.onnx: onnxruntime cannot run it \(no such"):  # named, or alone
        engines.of_file(path, "onnxruntime")


def test_an_engine_that_is_not_here_is_said(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "openvino" else found(name))
    assert "openvino" not in engines.installed()
    with pytest.raises(InputError, match=r"engine: 'openvino' given, which is not here \(.*extra \[openvino\] brings"):
        engines.check("openvino")
    allowed = "auto, mindspore, kernel, onnxruntime, openvino"
    with pytest.raises(InputError, match=f"engine: 'onnxruntim' given; allowed are {allowed}"):
        engines.check("onnxruntim")


def test_onnx_files_that_are_no_networks_of_images_are_refused(net, tmp_path, monkeypatch):
    good = tmp_path / "good.onnx"
    good.write_bytes(as_onnx(net, SHAPE).SerializeToString())
    assert engines.of_file(good)(images(2)).shape == (2, 5)
    with pytest.raises(InputError, match=r"engine: 'kernel' given; .* is ONNX, which onnxruntime and openvino take"):
        engines.of_file(good, "kernel")
    truncated = tmp_path / "truncated.onnx"
    truncated.write_bytes(good.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"truncated.onnx: cannot be read as ONNX"):
        engines.of_file(truncated)
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])] for name in ("x", "y")]
    other = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", *sides),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"other.onnx: takes x \('N', 4\) float32 to y \('N', 4\) float32; allowed is one"):
        engines.of_file(tmp_path / "other.onnx")
    model = onnx.load(good)
    monkeypatch.setattr(engines.onnx_files, "read", lambda *_, **__: model)  # whose arithmetic would have to change, too
    for elem_type, channels in ((TensorProto.FLOAT16, 3), (TensorProto.FLOAT, 1)):
        model.graph.input[0].type.tensor_type.elem_type = elem_type
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = channels
        with pytest.raises(InputError, match=rf"images \(.*{channels}, 64, 64\) float\d+ to .*; allowed is one input of "
                                             r"images \(N, 3, H, W\) and one output of .*, both in float32"):
            engines.of_file(good)


@pytest.mark.parametrize("name", engines.OF_ONNX)
def test_a_file_of_a_fixed_batch_takes_any_number_of_images(name, net, tmp_path):
    if name not in engines.installed(engines.OF_ONNX):
        pytest.skip("not here")
    fixed = tmp_path / "fixed.onnx"
    fixed.write_bytes(as_onnx(net, SHAPE, batch=4).SerializeToString())
    engine, expected = engines.of_file(fixed, name), engines.reference(net, images(9))
    for count in (1, 4, 9):
        assert engines.difference(engine(images(9)[:count]), expected[:count]) <= engines.TOLERANCE


def test_an_onnx_file_brings_no_mindspore(net, tmp_path):
    """In a process of its own, with whichever engine, and where another is refused."""
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(net, SHAPE).SerializeToString())
    code = f"""
import sys
from ghostlib.deploy import engines
from ghostlib.errors import InputError
engines.of_file({str(path)!r}), engines.of_file({str(path)!r}, "onnxruntime"), engines.check("onnxruntime")
for name in ("kernel", "tensorrt"):
    try:
        engines.of_file({str(path)!r}, name)
    except InputError as error:
        print(error)
print("mindspore" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[-1:] == ["False"] and "'kernel' given; " in lines[0] and "allowed are auto, onnxr" in lines[1], done.stderr


def test_what_two_may_differ_by_stands_in_one_place():
    assert agreement.difference is engines.difference
    nothing, one = np.zeros((1, 2)), np.array([[0.0, 4.0]])
    assert engines.difference(nothing, nothing) == 0 and engines.difference(one, nothing) == np.inf
    assert engines.difference(nothing, one) == 1 and engines.difference(one * np.nan, one) == np.inf
