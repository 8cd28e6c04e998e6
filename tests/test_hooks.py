"""Listening to a network: hooks that are called in every mode and version, or an error that says they were not."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from ghostlib import features, models
from ghostlib.complexity import count
from ghostlib.errors import InputError, RunError
from ghostlib.hooks import run_once


def images():
    return Tensor(np.zeros((1, 3, 32, 32), np.float32))


def mode():
    return mindspore.get_context("mode")


@pytest.fixture(params=[mindspore.GRAPH_MODE, mindspore.PYNATIVE_MODE], ids=["graph", "pynative"])
def in_mode(request):
    before = mode()
    mindspore.set_context(mode=request.param)
    yield request.param
    mindspore.set_context(mode=before)


def test_hooks_are_registered_after_the_mode_is_switched(in_mode, monkeypatch):
    """MindSpore 2.6 drops a hook that is registered in graph mode, and says nothing."""
    modes = []
    for kind in ("register_forward_hook", "register_forward_pre_hook"):
        register = getattr(nn.Cell, kind)
        monkeypatch.setattr(nn.Cell, kind, lambda cell, hook, register=register: (modes.append(mode()),
                                                                                  register(cell, hook))[1])
    net = models.resnet20(0.25).set_train(True)
    seen = []
    run_once(net, images(), {"conv1": lambda _cell, inputs, output: seen.append((inputs[0].shape, output.shape))}, "unfit")
    assert seen == [((1, 3, 32, 32), (1, 4, 32, 32))]
    assert modes == [mindspore.PYNATIVE_MODE] * 2
    assert mode() == in_mode and net.training


def test_whatever_ends_the_pass_nothing_stays_behind(in_mode):
    def stumble(*_):
        raise OSError("as a hook may")
    net = models.resnet20(0.25).set_train(True)
    with pytest.raises(OSError, match="as a hook may"):
        run_once(net, images(), {"conv1": stumble}, "unfit")
    with pytest.raises(InputError, match="images: odd: "):
        run_once(net, Tensor(np.zeros((1, 5, 32, 32), np.float32)), {"conv1": stumble}, "images: odd")
    assert mode() == in_mode and net.training
    assert not any(cell._forward_hook or cell._forward_pre_hook for _, cell in net.cells_and_names())


@pytest.mark.parametrize("ask", [lambda net: count(net, (3, 32, 32)),
                                 lambda net: features.activations(net, np.zeros((1, 3, 32, 32), np.float32), ["conv1"])],
                         ids=["count", "activations"])
def test_hooks_that_are_dropped_are_an_error_that_names_the_cause(ask, monkeypatch):
    handle = type("Handle", (), {"remove": lambda self: None})()
    for kind in ("register_forward_hook", "register_forward_pre_hook"):
        monkeypatch.setattr(nn.Cell, kind, lambda cell, hook: handle)  # as MindSpore 2.6 does in graph mode
    with pytest.raises(RunError, match=f"MindSpore {mindspore.__version__} ran the network and called none of its forward"):
        ask(models.resnet20(0.25))


class Idle(nn.Cell):
    """Has a convolution and does not use it."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 1)

    def construct(self, x):
        return x


@pytest.mark.parametrize(("net", "line"), [
    (nn.ReLU(), "net: ReLU has no convolution, dense layer or BatchNorm: nothing to count"),
    (Idle(), "net: none of the 1 layers of Idle is part of its forward pass, first convolution")])
def test_an_empty_count_is_refused(net, line):
    with pytest.raises(InputError, match=line):
        count(net, (3, 8, 8))


def test_empty_activations_are_refused():
    with pytest.raises(InputError, match=r"images: \(0, 3, 8, 8\) given; allowed is at least one"):
        features.activations(nn.SequentialCell(nn.Conv2d(3, 4, 1)), np.zeros((0, 3, 8, 8), np.float32), ["0"])
    with pytest.raises(InputError, match="layer: 'convolution' given; it is no part of the forward pass"):
        features.activations(Idle(), np.zeros((1, 3, 8, 8), np.float32), ["convolution"])
