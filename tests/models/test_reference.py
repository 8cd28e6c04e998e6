"""Ours against timm's GhostNet in PyTorch: same weights and images, same logits."""

import json
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor
from reference import formula
from safetensors.numpy import save_file

from ghostlib.errors import InputError
from ghostlib.models import ghostnet
from ghostlib.weights import load_weights, save_weights

STORED = np.load(Path(__file__).parent / "reference" / "ghostnet.npz")


def pytorch_weights(name: str) -> dict[str, np.ndarray]:
    shapes = json.loads(str(STORED[f"{name}.shapes"]))
    return {key: formula.tensor(key, tuple(shape)) for key, shape in shapes.items()}


@pytest.mark.parametrize(("name", "width", "mode"), [
    ("ghostnet_050", 0.5, "pynative"), ("ghostnet_100", 1.0, "pynative"), ("ghostnet_130", 1.3, "pynative"),
    pytest.param("ghostnet_100", 1.0, "compiled", marks=pytest.mark.slow)])
def test_logits_equal_the_reference(name, width, mode, request, tmp_path):
    request.getfixturevalue(mode)
    save_file(pytorch_weights(name), tmp_path / "theirs.safetensors")
    net = ghostnet(width).set_train(False)
    load_weights(net, tmp_path / "theirs.safetensors")
    logits = net(Tensor(formula.images())).asnumpy()
    reference = STORED[f"{name}.logits"]
    assert np.abs(reference[0] - reference[1]).max() > 1e-2  # the images matter, so agreement says something
    np.testing.assert_allclose(logits, reference, atol=1e-4)


def test_every_misfit_is_named_and_nothing_loaded(tmp_path):
    tensors = pytorch_weights("ghostnet_050")
    del tensors["conv_stem.weight"]
    tensors["extra.weight"] = np.zeros(3, np.float32)
    tensors["bn1.running_mean"] = np.zeros(5, np.float32)
    save_file(tensors, tmp_path / "broken.safetensors")
    net = ghostnet(0.5)
    before = net.classifier.weight.asnumpy().copy()
    with pytest.raises(InputError) as error:
        load_weights(net, tmp_path / "broken.safetensors")
    for part in ("1 missing (conv_stem.weight)", "1 unexpected (extra.weight)", "bn1.moving_mean (5,) for (8,)"):
        assert part in str(error.value)
    np.testing.assert_array_equal(net.classifier.weight.asnumpy(), before)


def test_own_weights_come_back_bit_for_bit(tmp_path):
    first, second = ghostnet(0.5, num_classes=10), ghostnet(0.5, num_classes=10)
    save_weights(first, tmp_path / "own.safetensors")
    load_weights(second, tmp_path / "own.safetensors")
    for (name, a), (_, b) in zip(first.parameters_and_names(), second.parameters_and_names()):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy(), err_msg=name)


@pytest.mark.parametrize(("content", "message"), [
    (None, "cannot be read, there is no such file"), (b"", "is an empty file"), (b"no tensors in here", "is text")])
def test_what_is_no_weights_file_is_refused_by_name(content, message, tmp_path):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"weights\.safetensors {message}"):
        load_weights(ghostnet(0.5), path)
