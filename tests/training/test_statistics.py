"""Running statistics are found by the network's names, whoever has put a parameter where since."""

import numpy as np
from mindspore import Tensor

from ghostlib.config import Config
from ghostlib.kernels import accelerated
from ghostlib.training import build
from ghostlib.training.distributed import Ranks
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.step import TrainStep


class TwoRanks(Ranks):
    """Of two ranks, of which the other has zeros everywhere."""

    def sum(self, array):
        return np.ascontiguousarray(array, np.float32)


def test_statistics_are_averaged_also_where_passes_of_our_own_call_them_otherwise():
    config = Config(model="vgg16", width=0.0625, ratio=2)
    net = build(config)
    TrainStep(accelerated(net), make_optimizer(net, config), config)  # renames what it takes in
    for parameter in net.get_parameters():
        parameter.set_data(Tensor(np.full(parameter.shape, 4, np.float32)))
    TwoRanks(0, 2).average_statistics(dict(net.parameters_and_names()))
    for name, parameter in net.parameters_and_names():
        expected = 2 if name.endswith(("moving_mean", "moving_variance")) else 4
        assert (parameter.asnumpy() == expected).all(), name
