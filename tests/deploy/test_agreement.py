"""A network is rewritten only where what it computes stays the same: orders of cells are declared, and then tried."""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from ghostlib.deploy import fold_batchnorm
from ghostlib.errors import InputError
from ghostlib.kernels import accelerated, native
from ghostlib.models import resnet50


class Undeclared(nn.Cell):
    """BatchNorm after the addition, one ReLU for two places: as in many a residual block, and readable from no order."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()

    def construct(self, x):
        return self.relu(self.bn(self.relu(self.conv(x)) + x))


class Misdeclared(Undeclared):
    IN_ORDER = ("conv", "bn", "relu"),


def images(channels, size=32):
    return Tensor(np.random.default_rng(2).normal(size=(2, channels, size, size)), mindspore.float32)


def unlike_new(net):
    """Statistics and shifts that a network has after training: new ones change nothing, wherever they stand."""
    rng = np.random.default_rng(3)
    for parameter in net.get_parameters():
        if parameter.ndim == 1:
            parameter.set_data(Tensor(rng.uniform(0.5, 1.5, parameter.shape), mindspore.float32))
    return net.set_train(False)


@pytest.mark.parametrize("rewrite", [fold_batchnorm, accelerated])
def test_a_cell_that_declares_no_order_is_left_as_it_is(rewrite):
    net = unlike_new(nn.SequentialCell(Undeclared()))
    np.testing.assert_allclose(rewrite(net)(images(4)).asnumpy(), net(images(4)).asnumpy(), atol=1e-5)


@pytest.mark.parametrize("rewrite", [fold_batchnorm, accelerated])
def test_a_wrong_order_is_found_and_refused(rewrite):
    if rewrite is accelerated and not native.available():
        pytest.skip("nothing is rewritten where there is no compiler")
    with pytest.raises(InputError, match=rf"net: {rewrite.__name__} would change what it computes: .* differ by .*IN_ORDER"):
        rewrite(nn.SequentialCell(Misdeclared()))  # although new: BatchNorms are tried with random values


def test_a_network_that_wants_one_size_of_image_is_told_apart():
    net = nn.SequentialCell(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dense(4 * 40 * 40, 2))
    with pytest.raises(InputError, match=r"takes no image of 3 x 224 x 224 .*give shape="):
        fold_batchnorm(net)
    assert fold_batchnorm(net, shape=(3, 40, 40))(images(3, 40)).shape == (2, 2)


def test_a_residual_blocks_last_batchnorm_stays_before_the_addition():
    net = unlike_new(resnet50(0.125, num_classes=10))
    expected = net(images(3, 64)).asnumpy()
    folded = fold_batchnorm(net)
    assert type(folded.layer1[0].bn3) is nn.Identity and type(folded.layer1[0].relu) is nn.ReLU
    for other in (folded, accelerated(net), accelerated(folded)):
        difference = np.abs(other.set_train(False)(images(3, 64)).asnumpy() - expected).max()
        assert difference < 1e-4 * np.abs(expected).max()


@pytest.mark.skipif(not native.available(), reason="no compiler")
def test_passes_of_one_shape_of_input_are_told_apart_in_pynative_mode():
    """MindSpore keeps what it inferred for equal operators: a stride of 2 once got the shape of a stride of 1."""
    mode = mindspore.get_context("mode")
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        for stride in (1, 2, 1):
            net = nn.SequentialCell(nn.Conv2d(6, 6, 3, stride, pad_mode="pad", padding=1, group=6), nn.BatchNorm2d(6))
            unlike_new(net)
            np.testing.assert_allclose(accelerated(net).set_train(False)(images(6)).asnumpy(), net(images(6)).asnumpy(),
                                       atol=1e-5)
    finally:
        mindspore.set_context(mode=mode)
