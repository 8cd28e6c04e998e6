"""The modules: shapes, counts, slices, gradients, and what ghostify does to networks that are not ours."""

import os
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from ghostlib.errors import InputError
from ghostlib.ghost import GhostConv2d, GhostModule, ghostify, split_channels


def noise(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("ratio", [1, 2, 3, 4, 5, 7, 100])
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 13])
def test_any_ratio_gives_exactly_the_channels_asked_for(channels, ratio):
    for layer in (GhostModule(5, channels, ratio=ratio), GhostConv2d(5, channels, 3, ratio=ratio, has_bias=True)):
        assert layer(noise(2, 5, 6, 6)).shape == (2, channels, 6, 6)
        assert layer.intrinsic + layer.ghosts == channels
        assert layer.intrinsic == split_channels(channels, ratio)[0] == -(-channels // ratio)


CASES = {(8, 2): 0, (9, 3): 0, (9, 2): 1, (10, 4): 1, (8, 1): 0}  # (channels, ratio): slices

COMPILE = """
import sys
from pathlib import Path
import mindspore
from ghostlib.ghost import GhostModule
mindspore.set_context(mode=mindspore.GRAPH_MODE)
for channels, ratio in {cases}:
    GhostModule(4, channels, ratio=ratio).set_train(False)(mindspore.ops.ones((1, 4, 6, 6)))
    graph = max(Path({folder!r}).glob("*_validate_*.ir"), key=lambda path: path.stat().st_mtime_ns).read_text()
    print(*(graph.count(f"_{{name}}(") + graph.count(f"= {{name}}(") for name in ("Conv2D", "Concat", "StridedSlice")))
"""


def test_a_slice_only_where_the_ratio_does_not_divide(tmp_path):
    """Operators of the compiled graphs, in a process of its own: MindSpore reads these variables once."""
    code = COMPILE.format(cases=list(CASES), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
                          env={**os.environ, "MS_DEV_SAVE_GRAPHS": "2", "MS_DEV_SAVE_GRAPHS_PATH": str(tmp_path)})
    found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert found == [(1 + (ratio > 1), int(ratio > 1), slices) for (_, ratio), slices in CASES.items()]


def test_the_first_maps_are_intrinsic_and_each_ghost_comes_from_one_of_them():
    layer = GhostConv2d(3, 8, 3, ratio=2, kernel=3)
    x = noise(1, 3, 9, 9)
    maps = layer(x).asnumpy()
    np.testing.assert_allclose(maps[:, :4], layer.primary_conv(x).asnumpy(), rtol=1e-6)
    weights = layer.cheap_operation.weight.asnumpy()
    padded = np.pad(maps[0, :4], ((0, 0), (1, 1), (1, 1)))
    for ghost in range(4):
        expected = sum(weights[ghost, 0, i, j] * padded[ghost, i:i + 9, j:j + 9] for i in range(3) for j in range(3))
        np.testing.assert_allclose(maps[0, 4 + ghost], expected, atol=1e-5)


@pytest.mark.parametrize("options", [
    {"kernel_size": 3, "stride": 2, "pad_mode": "pad", "padding": 1}, {"kernel_size": 1}, {"kernel_size": 2},
    {"kernel_size": 5, "stride": 2, "pad_mode": "valid"}, {"kernel_size": (1, 3), "has_bias": True},
    {"kernel_size": 3, "dilation": 2}, {"kernel_size": 3, "pad_mode": "pad", "padding": (0, 1, 2, 3)}])
def test_ghostconv_stands_where_a_conv2d_stood(options):
    x = noise(2, 4, 11, 11)
    assert GhostConv2d(4, 6, **options)(x).shape == nn.Conv2d(4, 6, **options)(x).shape


@pytest.mark.parametrize("make", [lambda s, d: GhostModule(4, 6, ratio=s, kernel=d),
                                  lambda s, d: GhostConv2d(4, 6, 3, ratio=s, kernel=d),
                                  lambda s, d: ghostify(nn.SequentialCell(nn.Conv2d(16, 16, 3)), s, d)])
def test_impossible_ratios_and_kernels_are_refused(make):
    for ratio in (0, -1, 1.5, True, "2"):
        with pytest.raises(InputError, match=r"ratio: .* given; allowed are integers from 1"):
            make(ratio, 3)
    for kernel in (0, 2, 4, -1, 3.0):
        with pytest.raises(InputError, match=r"kernel: .* given; allowed are odd integers"):
            make(2, kernel)


@pytest.mark.parametrize(("channels", "ratio"), [(4, 2), (5, 2), (6, 3)])
def test_gradients_equal_numerical_ones(channels, ratio):
    """Central differences of a smooth scalar of the module's output, for its input and every weight."""
    mindspore.set_seed(0)  # else the weights, and how strongly the scalar bends, hang on the tests before this one
    net = GhostModule(3, channels, ratio=ratio, relu=False).set_train(True)
    direction = noise(2, channels, 5, 5, seed=1)
    x = noise(2, 3, 5, 5, seed=2)

    def scalar(images):
        return (ops.tanh(net(images)) * direction).sum()

    weights = net.trainable_params()
    by_input, by_weights = ops.grad(scalar, 0, mindspore.ParameterTuple(weights))(x)
    step = 3e-3  # with 1e-2 the scalar's bend showed for some weights; with 1e-3 float32's rounding does
    rng = np.random.default_rng(3)

    def check(get, put, gradient, name):
        original = get().copy()
        for _ in range(4):
            at = tuple(rng.integers(0, size) for size in original.shape)
            moved = []
            for sign in (1, -1):
                changed = original.copy()
                changed[at] += sign * step
                moved.append(float(put(changed)))
            put(original)
            assert gradient[at] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=5e-3, abs=5e-3), name

    check(lambda: x.asnumpy(), lambda changed: scalar(Tensor(changed)), by_input.asnumpy(), "input")
    for weight, gradient in zip(weights, by_weights):
        def put(changed, weight=weight):
            weight.set_data(Tensor(changed))
            return scalar(x)
        check(lambda weight=weight: weight.asnumpy(), put, gradient.asnumpy(), weight.name)


class Foreign(nn.Cell):
    """A network as others write them: nested lists, a convolution used twice, grouped, dilated and tiny ones."""

    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell([nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU()])
        self.shared = nn.Conv2d(16, 16, 3, has_bias=True)
        self.branches = nn.CellList([nn.Conv2d(16, 16, 3, dilation=2), nn.SequentialCell(nn.ReLU(), self.shared)])
        self.depthwise = nn.Conv2d(16, 16, 3, group=16)
        self.thin = nn.Conv2d(16, 1, 1)
        self.cheap = nn.Conv2d(1, 8, 1)

    def construct(self, x):
        x = self.shared(self.stem(x))
        for branch in self.branches:
            x = x + branch(x)
        return self.cheap(self.thin(self.depthwise(x)))


def test_ghostify_upgrades_a_network_that_is_not_ours():
    net, x = Foreign(), noise(2, 3, 16, 16)
    shape, before = net(x).shape, sum(p.size for p in net.trainable_params())
    report = ghostify(net, ratio=2)
    assert report.replaced == ["stem.0", "shared", "branches.0", "branches.1.1"]
    assert report.left["depthwise"].startswith("grouped")
    assert "single output channel" in report.left["thin"]
    assert "costs no less" in report.left["cheap"]
    assert net.shared is net.branches[1][1] and isinstance(net.shared, GhostConv2d)
    assert net(x).shape == shape
    assert sum(p.size for p in net.trainable_params()) < before
    assert [name for name, _ in net.parameters_and_names()] == [p.name for p in net.get_parameters()]
    assert "4 of 7 convolutions replaced" in str(report)


def test_a_mapping_names_what_to_replace():
    net = Foreign()
    report = ghostify(net, ratio={"stem.0": 4, "cheap": 2})
    assert report.replaced == ["stem.0", "cheap"] and net.stem[0].intrinsic == 4
    untouched = Foreign()
    with pytest.raises(InputError, match=r"no layer 'stem\.1' to replace; did you mean stem\.0"):
        ghostify(untouched, ratio={"stem.0": 2, "stem.1": 2})
    assert type(untouched.stem[0]) is nn.Conv2d


def test_a_rule_of_ones_own_decides():
    net = Foreign()
    report = ghostify(net, leave=lambda layer, *_: "the stem stays" if layer.startswith("stem") else "")
    assert report.left["stem.0"] == "the stem stays" and "cheap" in report.replaced
