"""What each step of a run is called with, and the steps, run one by one or from a queue on the device."""

from collections.abc import Iterator

import mindspore
import numpy as np
from mindspore import Tensor, nn

from ghostlib.config import Config
from ghostlib.data.batches import Batches
from ghostlib.randomness import DROPOUT, stream
from ghostlib.training.schedule import learning_rate
from ghostlib.training.step import TrainStep


class Feed:
    """What each step of a run is called with, from an epoch on: images (N, 3, H, W), labels (N,), the learning rate and,
    if the network has dropout, what it multiplies by (N, C). Iterating it again starts again."""

    def __init__(self, net: nn.Cell, batches: Batches, config: Config, first_epoch: int = 0, rank: int = 0):
        self._net, self._batches, self._config = net, batches, config
        self._first_epoch, self._rank = first_epoch, rank
        self.columns = ["images", "labels", "rate"] + (["kept"] if config.dropout else [])

    def __len__(self) -> int:
        return (self._config.epochs - self._first_epoch) * len(self._batches)

    def __iter__(self) -> Iterator[tuple[np.ndarray | np.float32, ...]]:
        config, steps = self._config, len(self._batches)
        for epoch in range(self._first_epoch, config.epochs):
            for number, batch in enumerate(self._batches.epoch(epoch)):
                rate = np.float32(learning_rate(config, epoch * steps + number, steps))
                arrays: tuple[np.ndarray | np.float32, ...] = (batch.images, batch.labels, rate)
                if config.dropout:
                    rng = stream(config.seed, DROPOUT, epoch, number, self._rank)
                    arrays += (self._net.dropout.noise(rng, config.batch_size),)
                yield arrays


def outcomes(step: TrainStep, feed: Feed, sink: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Runs the steps of a feed one by one as they are asked for; with `sink` from a queue on the device."""
    if not sink:
        return (step(*map(Tensor, arrays)) for arrays in feed)
    from mindspore import dataset
    queue = dataset.GeneratorDataset(feed, feed.columns, shuffle=False)
    run = mindspore.data_sink(step, queue, jit_config=mindspore.JitConfig())
    return (run() for _ in range(len(feed)))
