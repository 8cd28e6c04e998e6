"""The CPU kernel computes what MindSpore's operators do, and nothing needs it."""

import os
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from conftest import randomise
from mindspore import Tensor, nn, ops

from ghostlib import models
from ghostlib.config import Config
from ghostlib.deploy import fold_batchnorm
from ghostlib.device import use_device
from ghostlib.ghost import GhostConv2d, GhostModule
from ghostlib.kernels import fused, native
from ghostlib.kernels.passes import FusedExcite, Pass
from ghostlib.models.layers import Excite, SqueezeExcite
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.step import TrainStep

pytestmark = pytest.mark.skipif(native.library() is None, reason="no compiler here: MindSpore's operators are used")


@pytest.fixture(autouse=True)
def cpu():
    use_device("CPU")


def outcome(net: nn.Cell, shared: nn.Cell, x: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    """Output, gradients for the input and for every weight of `shared`, and its moving statistics, from one start."""
    start = [parameter.asnumpy().copy() for parameter in shared.get_parameters()]
    net.set_train(training)
    weights = shared.trainable_params()

    def weighted(x, factors):
        y = net(x)
        return (y * factors).sum(), y

    gradients = ops.value_and_grad(weighted, 0, weights, has_aux=True)

    @mindspore.jit
    def run(x, factors):
        return gradients(x, factors)

    rng = np.random.default_rng(1)
    factors = rng.normal(size=net(Tensor(x)).shape).astype(np.float32)
    for parameter, value in zip(shared.get_parameters(), start):
        parameter.set_data(Tensor(value))
    (_, y), (dx, dweights) = run(Tensor(x), Tensor(factors))
    found = {"output": y.asnumpy(), "x": dx.asnumpy()}
    found |= {f"gradient of {p.name}": g.asnumpy() for p, g in zip(weights, dweights)}
    found |= {name: p.asnumpy().copy() for name, p in shared.parameters_and_names() if "moving" in name}
    for parameter, value in zip(shared.get_parameters(), start):
        parameter.set_data(Tensor(value))
    return found


def assert_alike(expected: dict, found: dict, kept: int | None = None) -> None:
    for name, value in expected.items():
        other = found[name]
        if "moving" in name and kept is not None and "cheap" in name:
            value, other = value[:kept], other[:kept]  # statistics of maps that nobody uses are not computed
        np.testing.assert_allclose(other, value, rtol=2e-4, atol=1e-4 * (np.abs(value).max() + 1), err_msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kernel", "ratio", "relu", "size"), [
    (1, 2, True, 8), (3, 2, True, 9), (3, 3, False, 7), (5, 2, False, 12), (5, 4, True, 14), (7, 2, True, 8),
    (7, 3, False, 5)])
def test_a_ghost_module(kernel, ratio, relu, size, training):
    net = randomise(nn.SequentialCell(GhostModule(5, 10, ratio=ratio, kernel=kernel, relu=relu)))
    fast = fused.accelerated(net)
    assert not any(isinstance(cell, GhostModule) for _, cell in fast.cells_and_names())
    x = np.random.default_rng(2).normal(size=(3, 5, size, size + 1)).astype(np.float32)
    assert_alike(outcome(net, net, x, training), outcome(fast, net, x, training), net[0].ghosts)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "relu", "size"), [
    (3, 1, False, 8), (3, 2, True, 9), (5, 2, False, 8), (7, 2, True, 7), (1, 2, False, 6), (3, 2, False, 1),
    ((1, 5), 1, False, 8), ((5, 1), 1, True, 7), ((5, 1), 1, False, 2), ((1, 5), 1, False, 1)])
def test_a_depthwise_convolution(kernel, stride, relu, size, training):
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = (height // 2, height // 2, width // 2, width // 2)
    convolution = nn.Conv2d(6, 6, kernel, stride, pad_mode="pad", padding=padding, group=6)
    net = randomise(nn.SequentialCell([convolution, nn.BatchNorm2d(6)] + [nn.ReLU()] * relu))
    fast = fused.accelerated(net)
    assert not any(isinstance(cell, (nn.Conv2d, nn.BatchNorm2d)) for _, cell in fast.cells_and_names())
    x = np.random.default_rng(2).normal(size=(4, 6, size, size)).astype(np.float32)
    assert_alike(outcome(net, net, x, training), outcome(fast, net, x, training))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", [nn.ReLU6, nn.HSwish])
@pytest.mark.parametrize("layers", ["norm", "convolution, norm", "depthwise, norm", "ghosts, norm"])
def test_other_activations(layers, activation, training):
    """Values of both kinks and far beyond them, so that each piece of a function is met."""
    made = {"norm": lambda: nn.BatchNorm2d(6), "convolution": lambda: nn.Conv2d(6, 6, 1),
            "depthwise": lambda: nn.Conv2d(6, 6, 3, pad_mode="pad", padding=1, group=6),
            "ghosts": lambda: GhostConv2d(6, 6, 1, ratio=2, kernel=3)}
    net = randomise(nn.SequentialCell([made[name]() for name in layers.split(", ")] + [activation()]))
    net[-2].gamma.set_data(Tensor(np.linspace(2, 6, 6).astype(np.float32)))
    fast = fused.accelerated(net)
    assert not any(isinstance(cell, activation) for _, cell in fast.cells_and_names())
    x = np.random.default_rng(2).normal(size=(3, 6, 9, 9)).astype(np.float32)
    expected, found = outcome(net, net, x, training), outcome(fast, net, x, training)
    assert np.ptp(expected["output"]) > 5
    assert_alike(expected, found)


@pytest.mark.parametrize(("size", "gate"), [((8, 8), (4, 4)), ((7, 9), (3, 4)), ((7, 7), (1, 1)), ((2, 5), (1, 2)),
                                            ((5, 4), (5, 4))])
def test_a_gate_whose_pixels_are_repeated(size, gate):
    rng = np.random.default_rng(3)
    x, gates, factors = (Tensor(rng.normal(size=(2, 3, *sides)).astype(np.float32)) for sides in (size, gate, size))

    def outcome_of(cell):
        @mindspore.jit
        def run(x, gates):
            return ops.value_and_grad(lambda one, other: (cell(one, other) * factors).sum(), (0, 1))(x, gates)
        value, gradients = run(x, gates)
        return [value.asnumpy(), *(gradient.asnumpy() for gradient in gradients)]
    for expected, found in zip(outcome_of(Excite()), outcome_of(FusedExcite())):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_value_that_is_no_number_stays_one():
    for activation in (nn.ReLU, nn.ReLU6, nn.HSwish):
        fast = fused.accelerated(nn.SequentialCell(nn.BatchNorm2d(2), activation())).set_train(False)
        x = np.zeros((1, 2, 2, 2), np.float32)
        x[0, 1, 0, 1] = np.nan
        assert np.isnan(fast(Tensor(x)).asnumpy()).sum() == 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("tail", [[], ["norm"], ["norm", "relu"]])
@pytest.mark.parametrize(("kernel", "ratio"), [(3, 2), (1, 4), (5, 3)])
def test_a_ghost_convolution(kernel, ratio, tail, training):
    layers = {"norm": lambda: nn.BatchNorm2d(8), "relu": nn.ReLU}
    net = randomise(nn.SequentialCell([GhostConv2d(5, 8, 3, ratio=ratio, kernel=kernel), *(layers[t]() for t in tail)]))
    fast = fused.accelerated(net)
    x = np.random.default_rng(2).normal(size=(3, 5, 8, 6)).astype(np.float32)
    assert_alike(outcome(net, net, x, training), outcome(fast, net, x, training))


def test_what_follows_a_ghost_module_stays():
    net = randomise(nn.SequentialCell(GhostModule(3, 6, relu=False), nn.ReLU(), GhostModule(6, 6), nn.BatchNorm2d(6),
                                      nn.Conv2d(6, 4, 1), nn.Identity(), nn.BatchNorm2d(4), nn.ReLU()))
    x = Tensor(np.random.default_rng(2).normal(size=(2, 3, 8, 8)), mindspore.float32)
    expected = net.set_train(False)(x).asnumpy()
    for other in (fused.accelerated(net), fold_batchnorm(net)):
        np.testing.assert_allclose(other(x).asnumpy(), expected, rtol=1e-4, atol=1e-4)


def depthwise(kernel, stride=1):
    height, width = kernel
    padding = (height // 2, height // 2, width // 2, width // 2)
    return nn.Conv2d(6, 6, kernel, stride, pad_mode="pad", padding=padding, group=6)


@pytest.mark.parametrize(("layers", "channels"), [
    (lambda: [GhostModule(3, 6, ratio=2, kernel=3, relu=False)], 3),
    (lambda: [GhostModule(3, 6, ratio=3, kernel=5, relu=True)], 3),
    (lambda: [depthwise((3, 3), 2), nn.BatchNorm2d(6)], 6), (lambda: [depthwise((5, 5), 2), nn.BatchNorm2d(6)], 6),
    (lambda: [depthwise((1, 5)), nn.BatchNorm2d(6)], 6), (lambda: [depthwise((5, 1)), nn.BatchNorm2d(6)], 6),
    (lambda: [GhostConv2d(3, 6, 3, ratio=2, kernel=3)], 3),
    (lambda: [GhostConv2d(3, 6, 3, ratio=2, kernel=3), nn.BatchNorm2d(6)], 3),
    (lambda: [depthwise((3, 3)), nn.BatchNorm2d(6), nn.ReLU6()], 6),
    (lambda: [depthwise((3, 3)), nn.BatchNorm2d(6), nn.HSwish()], 6),
    (lambda: [nn.BatchNorm2d(6), nn.ReLU(), SqueezeExcite(6)], 6)],
    ids=["ghosts", "ghosts of s 3 and d 5 with ReLU", "strided", "strided 5 x 5", "1 x 5", "5 x 1", "ghost convolution",
         "ghost convolution, norm", "ReLU6", "h-swish", "squeeze-and-excitation"])
def test_the_gradient_is_the_slope(layers, channels):
    """Against differences of the loss, which know nothing of MindSpore's own gradients; for the input, too."""
    net = randomise(nn.SequentialCell(layers()))
    fast = fused.accelerated(net).set_train(True)
    assert any(isinstance(cell, (Pass, FusedExcite)) for _, cell in fast.cells_and_names())
    x = np.random.default_rng(3).normal(size=(2, channels, 6, 6)).astype(np.float32)
    gradients = outcome(fast, net, x, True)
    factors = np.random.default_rng(1).normal(size=gradients["output"].shape)

    def loss(x: np.ndarray) -> float:
        return float((fast(Tensor(x, mindspore.float32)).asnumpy().astype(np.float64) * factors).sum())

    def check(value: np.ndarray, gradient: np.ndarray, told: str, loss_of) -> None:
        direction = np.random.default_rng(4).normal(size=value.shape)
        slope = (loss_of(value + 1e-3 * direction) - loss_of(value - 1e-3 * direction)) / 2e-3
        assert slope == pytest.approx((gradient * direction).sum(), rel=0.02, abs=0.1), told

    check(x, gradients["x"], "x", loss)
    for parameter in net.trainable_params():
        value = parameter.asnumpy().copy()

        def loss_with(changed: np.ndarray, parameter=parameter) -> float:
            parameter.set_data(Tensor(changed, mindspore.float32))
            return loss(x)
        check(value, gradients[f"gradient of {parameter.name}"], parameter.name, loss_with)
        parameter.set_data(Tensor(value))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "build"), [
    ("ghostnet", lambda: models.ghostnet(0.5, num_classes=10, dropout=0.0, stem_stride=1)),
    ("vgg16", lambda: models.vgg16(0.125, ratio=2)), ("vgg16", lambda: models.vgg16(0.125)),
    ("resnet20", lambda: sys.modules["ghostlib.models.resnet"]._cifar(8, 0.5, 2, 3, 10)),
    ("ghostnetv2", lambda: models.ghostnetv2(0.5, num_classes=10, dropout=0.0, stem_stride=1)),
    ("mobilenet_v2", lambda: models.mobilenet_v2(0.35, num_classes=10, dropout=0.0, stem_stride=1)),
    ("mobilenet_v3_small", lambda: models.mobilenet_v3_small(0.5, 2, num_classes=10, dropout=0.0, stem_stride=1))],
    ids=["ghostnet", "ghost vgg16", "vgg16", "ghost resnet", "ghostnetv2", "mobilenet_v2", "ghost mobilenet_v3"])
def test_a_network_trains_alike(name, build, few_stages):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 8).astype(np.int32)
    losses, answers = [], []
    # ReLU6 has two kinks where rounding decides: at a rate of 0.01 an input changed by 1e-6 moves the third loss by 3e-3.
    steps, rate = (2, 0.001) if name == "mobilenet_v2" else (3, 0.01)
    for fast in (False, True):
        mindspore.set_seed(1)
        net = build()
        names = [parameter.name for parameter in net.get_parameters()]
        chosen = fused.accelerated(net) if fast else net
        assert (chosen is net) is not fast
        assert [parameter.name for parameter in net.get_parameters()] == names
        config = Config(model=name, dropout=0.0)
        step = TrainStep(chosen, make_optimizer(net, config), config).set_train(True)
        losses.append([float(step(Tensor(images), Tensor(labels), Tensor(rate, mindspore.float32))[0])
                       for _ in range(steps)])
        answers.append(net.set_train(False)(Tensor(images)).asnumpy())  # the plain network, trained by either
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert np.abs(answers[1] - answers[0]).max() < 1e-3


PROBE = """
import warnings, numpy as np, mindspore
from ghostlib import models, processor
from ghostlib.kernels import fused
from ghostlib.device import use_device
use_device("CPU")
net = models.ghostnet(0.5, num_classes=10)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    fast = fused.accelerated(net), fused.accelerated(net)
print(processor.threads(), fast[0] is net and fast[1] is net, [str(w.message) for w in said if "kernel" in str(w.message)])
"""


def probe(tmp_path, **environment) -> str:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True,
                          env={**os.environ, "GHOSTLIB_CACHE": str(tmp_path), **environment})
    return done.stdout.strip()


def test_without_a_compiler_it_is_said_once(tmp_path):
    said = probe(tmp_path, CXX="no-such-compiler")
    assert " True [" in said and said.count("MindSpore's own operators do the same, slower") == 1
    assert "no-such-compiler" in said


def test_it_can_be_switched_off_and_respects_the_thread_count(tmp_path):
    assert probe(tmp_path, GHOSTLIB_KERNEL="off", OMP_NUM_THREADS="3") == "3 True []"


def test_exporting_takes_the_plain_network(tmp_path):
    net = models.ghostnet(0.5, num_classes=10).set_train(False)
    fused.accelerated(net)
    mindspore.export(net, Tensor(np.zeros((1, 3, 64, 64), np.float32)), file_name=str(tmp_path / "net"),
                     file_format="MINDIR")
    exported = (tmp_path / "net.mindir").read_bytes()
    assert b"DepthwiseConv" in exported or b"Conv2D" in exported
    assert b"pass_forward" not in exported
