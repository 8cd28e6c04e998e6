"""Every network as ONNX: the file's logits are the network's, whatever the batch."""

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from conftest import ROOT, randomise
from mindspore import Tensor, nn, ops

from ghostlib.deploy import fold_batchnorm
from ghostlib.deploy.onnx_graph import KINDS, as_onnx
from ghostlib.errors import InputError
from ghostlib.ghost import ghostify
from ghostlib.models import MODELS

SMALLEST = {"ghostnet": 0.25, "ghostnetv2": 0.25, "vgg16": 0.125, "resnet20": 0.25, "resnet56": 0.25, "resnet50": 0.125,
            "mobilenet_v2": 0.25, "mobilenet_v3_small": 0.25, "mobilenet_v3_large": 0.25}
SIZES = {"vgg16": 32, "resnet20": 32, "resnet56": 32}
FIRST = {"ghostnet": "blocks.0.0.ghost1", "ghostnetv2": "blocks.2.0.ghost1", "vgg16": "features.0",
         "resnet20": "layer1.0.conv1", "resnet56": "layer1.0.conv1", "resnet50": "layer1.0.conv1",
         "mobilenet_v2": "blocks.1.0.conv_pw", "mobilenet_v3_small": "blocks.1.0.conv_pw",
         "mobilenet_v3_large": "blocks.1.0.conv_pw"}
DEFAULT_RATIO = {"ghostnet": 2, "ghostnetv2": 2}
PUBLISHED = [(one.model, one.width, DEFAULT_RATIO.get(one.model, 1))
             for one in pd.read_csv(ROOT / "data/paper/models.csv").itertuples()] + [("resnet50", 1.0, 2)]


pytestmark = pytest.mark.usefixtures("pynative")


def images(count, size):
    return np.random.default_rng(0).normal(size=(count, 3, size, size)).astype(np.float32)


def answers_of(model, batch):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": batch})[0]


def agrees(net, size, apart=False):
    """That the network's graph gives its logits for three images, and for one of them alone."""
    model, batch = as_onnx(net, (3, size, size), apart=apart), images(3, size)
    expected = net(Tensor(batch)).asnumpy()
    for found, wanted in ((answers_of(model, batch), expected), (answers_of(model, batch[:1]), expected[:1])):
        assert np.isfinite(wanted).all() and np.abs(found - wanted).max() <= 1e-4 * np.abs(expected).max()
    return model


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize(("ratio", "kernel"), [(2, 3), *(pytest.param(*one, marks=pytest.mark.slow) for one in (
    (1, 3), (2, 1), (3, 3), (4, 5), (2, 7), ("one", 3)))])
def test_every_family_with_every_ratio_and_kernel(family, ratio, kernel, few_stages):
    ratio = {FIRST[family]: 2} if ratio == "one" else ratio
    net = MODELS[family](SMALLEST[family], ratio, kernel, 5).set_train(False)
    for apart in (False, True):
        agrees(net, SIZES.get(family, 64), apart)
    assert not any(node.op_type == "BatchNormalization" for node in as_onnx(fold_batchnorm(net), (3, 64, 64)).graph.node)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "width", "ratio"), PUBLISHED)
def test_published_widths_folded(family, width, ratio):
    """Each width that data/paper/models.csv names, and the paper's Ghost-ResNet-50."""
    net = MODELS[family](width, ratio).set_train(False)
    folded = fold_batchnorm(net)
    model = agrees(folded, SIZES.get(family, 64))
    agrees(folded, SIZES.get(family, 64), apart=True)
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


class Foreign(nn.Cell):
    """What others write: a mean over cut channels, differences, a padding that MindSpore chooses, and joined maps."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2)  # pad_mode same
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.Tanh()
        self.pool = nn.MaxPool2d(3, 2, pad_mode="same")
        self.halve = nn.MaxPool2d(2, 1, pad_mode="pad", padding=1)
        self.body = nn.Conv2d(8, 8, 3, pad_mode="pad", padding=2, dilation=2, has_bias=True)
        self.join = ops.Concat(axis=1)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Dense(12, 3)

    def construct(self, x):
        x = self.halve(self.pool(self.act(self.bn(self.stem(x)))))
        y = self.body(x)
        x = self.join(((y - x) * 0.5 + y / 2.0, x[:, 4:]))
        return self.head(self.flatten(self.mean(x)))


@pytest.mark.parametrize("size", [33, 64])
def test_a_ghostified_foreign_network(size):
    net = randomise(Foreign())
    ghostify(net, 2, 3, leave=None)
    for apart in (False, True):
        agrees(net.set_train(False), size, apart)


class Odd(nn.Cell):
    def __init__(self, inside):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.inside = inside

    def construct(self, x):
        return self.inside(self.stem(x))


class Rolls(nn.Cell):
    def construct(self, x):
        return ops.flip(x, (2,))


@pytest.mark.parametrize(("inside", "message"), [
    (nn.Softmax(), r"net: inside: Softmax has no ONNX operator here; allowed are .*Conv2d"),
    (nn.AdaptiveAvgPool2d(3), r"net: inside: AdaptiveAvgPool2d to \(3, 3\) has no"),
    (nn.AvgPool2d(3, 2, pad_mode="pad", padding=1), r"net: inside: AvgPool2d that pads, rounds up .* allowed is pad_mode"),
    (nn.AvgPool2d(3, 2, pad_mode="same"), r"net: inside: AvgPool2d that pads, rounds up or divides by another number"),
    (nn.MaxPool2d(3, 2, pad_mode="pad", padding=1, ceil_mode=True), r"net: inside: MaxPool2d that rounds up, leaves pixels"),
    (nn.MaxPool2d(3, 2, pad_mode="pad", dilation=2), r"net: inside: MaxPool2d that rounds up, leaves pixels out or gives"),
    (Rolls(), r"net: inside does what has no ONNX operator here \(.*\); allowed are"),
    (nn.SequentialCell(nn.MaxPool2d(80)), r"net: inside.0: maps of \(32, 32\) are smaller than a window of \(80, 80\)")])
def test_what_has_no_operator_is_named(inside, message):
    call = nn.Cell.__call__
    with pytest.raises(InputError, match=message):
        as_onnx(Odd(inside).set_train(False), (3, 32, 32))
    assert nn.Cell.__call__ is call


def test_a_fixed_batch_is_fixed_and_half_is_half():
    net = MODELS["vgg16"](0.125).set_train(False)
    fixed, half = as_onnx(net, (3, 32, 32), batch=2), as_onnx(net, (3, 32, 32), half=True)
    with pytest.raises(Exception, match=r"(?s)invalid dimensions.*images"):
        answers_of(fixed, images(3, 32))
    assert len(half.SerializeToString()) < 0.55 * len(fixed.SerializeToString())
    assert {one.data_type for one in half.graph.initializer} == {onnx.TensorProto.FLOAT16}
    expected, found = net(Tensor(images(4, 32))).asnumpy(), answers_of(half, images(4, 32))
    assert found.dtype == np.float32 and 1e-6 < np.abs(found - expected).max() / np.abs(expected).max() < 1e-2


def test_every_kind_is_tried_by_a_network_here():
    """What nobody runs may be wrong in silence: each kind of cell is one of the networks' above, or of the foreign one."""
    nets = [make(SMALLEST[name], 2) for name, make in MODELS.items()] + [Foreign(), MODELS["vgg16"](0.125, 1, 3, 10, 0.1)]
    met = {type(cell) for net in nets for _, cell in net.cells_and_names()}
    assert set(KINDS) - met <= {nn.Dropout}, "a kind that no network has"
