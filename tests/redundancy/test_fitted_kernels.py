"""Kernels fitted to a network's maps: those that made its ghosts are found again, by what they make and by their weights."""

import numpy as np
import pytest
from conftest import randomise

from ghostlib import models
from ghostlib.ghost import split_channels
from ghostlib.redundancy import kernels
from ghostlib.redundancy.cut import CutNetwork
from ghostlib.redundancy.fitted_kernels import fitted_kernels

IMAGES = np.random.default_rng(0).normal(size=(60, 3, 64, 64)).astype(np.float32)
LAYERS = ("blocks.0.0.ghost1", "blocks.1.0.ghost2")
pytestmark = pytest.mark.usefixtures("few_stages")


def cut(ratio, layers=LAYERS):
    net = randomise(models.ghostnet(0.5, ratio, num_classes=4)).set_train(False)
    return net, CutNetwork(net, 64, layers)


def test_the_kernels_that_made_ghosts_are_found_again():
    net, network = cut(2)
    own, found = kernels.cheap_kernels(net), fitted_kernels(network, IMAGES)
    assert tuple(found) == LAYERS
    for module in network.modules:
        layer, first = found[module.layer], module.channels - module.ghosts
        made = (layer.sources < first) & (module.families[layer.ghosts] == layer.sources)  # of whom they were made
        assert made.any() and layer.r2[made] == pytest.approx(1, abs=1e-3)
        theirs = own[module.layer][0][layer.ghosts[made] - first]
        cosine = (theirs * layer.kernels[made]).sum(axis=(1, 2)) / np.linalg.norm(theirs, axis=(1, 2)) / np.linalg.norm(
            layer.kernels[made], axis=(1, 2))
        assert np.abs(cosine) == pytest.approx(1, abs=1e-3)  # BatchNorm scales them


@pytest.mark.parametrize("ratio", [2, 3])
def test_half_of_a_plain_layers_maps_or_more_would_be_ghosts(ratio):
    _, network = cut(1)
    steps = []
    found = fitted_kernels(network, IMAGES, ratio, step=steps.append)
    assert steps == [1, 1]
    for module in network.modules:
        layer = found[module.layer]
        assert len(layer.ghosts) == split_channels(module.channels, ratio)[1]
        assert not set(layer.ghosts) & set(layer.sources)
        assert layer.kernels.shape == (len(layer.ghosts), 3, 3) and (layer.strength > 0).all() and (layer.r2 <= 1).all()
        assert (layer.r2_copied < layer.r2 + 0.02).all()  # on images of their own one weight may be the luckier
    table = kernels.summary({name: (layer.kernels, layer.strength) for name, layer in found.items()})
    assert table.ghosts.tolist() == [len(layer.ghosts) for layer in found.values()]


def test_layers_of_small_maps_are_left_out():
    images = IMAGES[:, :, :32, :32]
    network = CutNetwork(randomise(models.ghostnet(0.5, 1, num_classes=4)).set_train(False), 32)
    small = {module.layer for module in network.modules if network.maps(module, images[:1])[0].shape[2] < 6}
    assert small and set(fitted_kernels(network, images)) == {one.layer for one in network.modules} - small
