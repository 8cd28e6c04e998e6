"""Kernels by what they are near to: patterns are themselves, at any scale and sign, and none is near to two."""

import numpy as np
import pytest
from conftest import randomise
from mindspore import Tensor

from ghostlib import models
from ghostlib.deploy.fold import fold_batchnorm
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.features import OnnxNetwork
from ghostlib.redundancy import kernels

SOBEL = np.outer([1, 2, 1], [-1, 0, 1])
EXAMPLES = {"copy": [[0, 0, 0], [0, -3, 0], [0, 0, 0]], "shift": [[0, 0, 0], [0, 0, 0], [0.2, 0, 0]],
            "smoothing": np.outer([1, 2, 1], [1, 2, 1]), "edge": 2 * SOBEL - 0.5 * SOBEL.T}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("scale", [1, -0.01])
def test_a_pattern_is_itself_at_any_scale(name, scale):
    found = kernels.shares(scale * np.array([EXAMPLES[name]], float))
    assert found[name][0] == pytest.approx(1) and kernels.kinds(found)[0] == name
    assert (found.drop(columns=name) < kernels.NEAR).all(axis=None)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_random_kernels_have_the_shares_that_chance_gives(size):
    found = kernels.shares(np.random.default_rng(0).normal(size=(20000, size, size)))
    chance = 1 / size**2
    assert found[["copy", "smoothing"]].mean().to_numpy() == pytest.approx([chance, chance], rel=0.05)
    assert found.edge.mean() == pytest.approx(2 * chance, rel=0.05)


def test_a_kernel_of_one_weight_is_a_copy_and_zeros_are_dead():
    assert kernels.kinds(kernels.shares(np.array([[[2.0]], [[-1.0]]]))).tolist() == ["copy", "copy"]
    found = kernels.shares(np.stack([np.zeros((3, 3)), SOBEL, np.arange(9).reshape(3, 3) % 2 - 0.3]))
    assert kernels.kinds(found).tolist() == ["dead", "edge", "other"]
    assert kernels.kinds(found, np.array([1, 1e-4, 1])).tolist() == ["dead", "dead", "other"]


def test_every_ghost_layer_of_a_network_has_its_kernels():
    net = randomise(models.ghostnet(0.25, num_classes=4))
    found = kernels.cheap_kernels(net)
    assert len(found) == 32  # two in each of GhostNet's 16 bottlenecks
    layer = dict(net.cells_and_names())[list(found)[3]]
    weights, _ = found[list(found)[3]]
    np.testing.assert_array_equal(weights, layer.cheap_operation[0].weight.asnumpy()[:layer.ghosts, 0])
    table = kernels.summary(found)
    assert table.depth.tolist() == list(range(1, 33)) and (table.d == 3).all()
    counts = table[[name for name in table if name.startswith("n_")]].sum(axis=1)
    assert (counts == table.ghosts).all() and (table.n_dead == 0).all()
    layer.cheap_operation[1].gamma.set_data(Tensor(np.zeros(layer.cheap_operation[1].gamma.shape, np.float32)))
    assert kernels.summary(kernels.cheap_kernels(net)).n_dead[3] == 0  # all alike: the median is none, either
    gamma = np.ones(layer.cheap_operation[1].gamma.shape, np.float32)
    gamma[0] = 0
    layer.cheap_operation[1].gamma.set_data(Tensor(gamma))
    assert kernels.summary(kernels.cheap_kernels(net)).n_dead[3] == 1


def test_kernels_that_kept_their_direction_have_not_turned():
    own = np.random.default_rng(0).normal(size=(500, 3, 3))
    assert kernels.turned(own, 3 * own) == pytest.approx(1) and kernels.turned(own, -own) == pytest.approx(-1)
    assert abs(kernels.turned(own, own[::-1])) < 0.05


def test_an_exported_networks_cheap_kernels_are_found_by_what_they_are_put_beside():
    net = randomise(models.ghostnet(0.25, num_classes=4))
    folded = fold_batchnorm(net, (3, 32, 32))
    exported = kernels.cheap_kernels(OnnxNetwork(as_onnx(folded, (3, 32, 32))))
    own = kernels.cheap_kernels(net)
    assert [name.split(".cheap_operation")[0] for name in exported] == list(own)
    for (theirs, _), (mine, _) in zip(exported.values(), own.values()):
        assert theirs.shape[1:] == (3, 3) and len(theirs) >= len(mine)
        assert abs(kernels.turned(theirs[:len(mine)], mine)) == pytest.approx(1, abs=1e-5)  # folding scales each
