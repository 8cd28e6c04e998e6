"""Run by msrun, two workers: what one step of both does against what each shard's step does alone."""

import json
import sys
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor

from ghostlib.config import Config
from ghostlib.device import use_device
from ghostlib.kernels import accelerated
from ghostlib.training.average import WeightAverage
from ghostlib.training.distributed import Ranks, join
from ghostlib.training.evaluation import evaluate
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.setup import prepare
from ghostlib.training.step import TrainStep

config = Config(model="resnet20", width=0.25, augment="none", lr=1.0, momentum=0.0, weight_decay=0.0, batch_size=32,
                devices=2, ema=0.75)
use_device("CPU")
ranks = join(config)
rate = Tensor(1.0, mindspore.float32)


def moved(rank: int, size: int, ranks: Ranks) -> tuple:
    """How far the weights move in one step on one rank's first batch, that of rank 0's network."""
    net, data, _ = prepare(config, Ranks(rank, 2))
    if not ranks.first:  # this one's own weights must give way to those of rank 0
        for parameter in net.get_parameters():
            parameter.set_data(Tensor(np.full(parameter.shape, 7, np.float32)))
    ranks.share(net.get_parameters())
    before = np.concatenate([p.asnumpy().ravel() for p in net.trainable_params()])
    batch = next(data.train.epoch(0))
    step = TrainStep(accelerated(net), make_optimizer(net, config), config, size).set_train(True)
    average = WeightAverage(net, step, config.ema)
    step(Tensor(batch.images), Tensor(batch.labels), rate)
    average(Tensor(1e6, mindspore.float32))
    return np.concatenate([p.asnumpy().ravel() for p in net.trainable_params()]) - before, net, data, average


together, net, data, average = moved(ranks.rank, 2, ranks)
ranks.average_statistics(dict(net.parameters_and_names()))
ranks.average_statistics(average.named())
shared = evaluate(net, data.test, ranks)
alone = evaluate(net, prepare(config.having(batch_size=50))[1].test)
shards = [moved(rank, 1, Ranks())[0] for rank in range(2)]
averages = np.concatenate([p.asnumpy().ravel() for p in average.averages])
statistics = [p.asnumpy() for name, p in average.named().items() if name.endswith("moving_mean")]
everywhere = np.concatenate([p.asnumpy().ravel() for p in net.get_parameters()])
found = {
    "rank": ranks.rank,
    "step": float(np.abs(together).max()),
    "error": float(np.abs(together - (shards[0] + shards[1]) / 2).max()),
    "shards_differ": float(np.abs(shards[0] - shards[1]).max()),
    "ranks_differ": float(np.abs(ranks.sum(everywhere) - 2 * everywhere).max()),
    "averages_differ": float(np.abs(ranks.sum(averages) - 2 * averages).max()),
    "averaged_statistics": float(np.abs(np.concatenate(statistics)).max()),
    "count": shared.count, "top1": shared.top1, "top1_alone": alone.top1,
    "same_answers": bool(np.array_equal(shared.predictions, alone.predictions)),
    "loss": shared.loss, "loss_alone": alone.loss,
}
Path(sys.argv[1], f"rank{ranks.rank}.json").write_text(json.dumps(found))
