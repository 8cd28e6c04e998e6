"""A folded network answers as the one it was made from."""

import mindspore
import numpy as np
import pytest
from conftest import randomise
from mindspore import Tensor, nn

from ghostlib import models
from ghostlib.deploy import fold_batchnorm
from ghostlib.device import use_device
from ghostlib.kernels import accelerated


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "size"), [
    ("ghostnet", {"width": 0.5}, 64), ("vgg16", {"width": 0.125, "ratio": 3}, 32), ("vgg16", {"width": 0.125}, 32),
    ("resnet20", {"ratio": 2, "width": 0.5}, 32), ("ghostnetv2", {"width": 0.5}, 64),
    ("mobilenet_v2", {"width": 0.35}, 64), ("mobilenet_v3_small", {"width": 0.5, "ratio": 2}, 64)])
def test_folding_keeps_the_answers(name, options, size, few_stages):
    use_device("CPU")
    net = randomise(getattr(models, name)(**options)).set_train(False)
    before = {key: p.asnumpy().copy() for key, p in net.parameters_and_names()}
    images = Tensor(np.random.default_rng(0).normal(size=(2, 3, size, size)), mindspore.float32)
    folded = fold_batchnorm(net)
    assert not any(isinstance(cell, nn.BatchNorm2d) for _, cell in folded.cells_and_names())
    expected = net(images).asnumpy()
    tolerance = 1e-4 * np.abs(expected).max()
    assert np.abs(folded(images).asnumpy() - expected).max() < tolerance
    assert np.abs(accelerated(folded)(images).asnumpy() - expected).max() < tolerance
    assert all((p.asnumpy() == before[key]).all() for key, p in net.parameters_and_names())
