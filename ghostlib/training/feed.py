"""What each step of a run is called with, and the steps, run one by one or from a queue on the device."""

import itertools
from collections.abc import Iterator

import mindspore
import numpy as np
from mindspore import Tensor, nn

from ghostlib.config import Config
from ghostlib.data.batches import Batches
from ghostlib.data.mixing import mix
from ghostlib.randomness import DROPOUT, MIXING, stream
from ghostlib.training.schedule import learning_rate
from ghostlib.training.step import TrainStep


class Feed:
    """What each step of a run is called with, from an epoch on. Iterating it again starts again.

    Images (N, 3, H, W), labels (N,) and the learning rate; then, where the Config asks for it, what dropout multiplies by
    (N, C), the labels of what is mixed in (N,) and how much of each image is its own, and whether the batch is the last part
    of a step.
    """

    def __init__(self, net: nn.Cell, batches: Batches, config: Config, first_epoch: int = 0, rank: int = 0):
        self._net, self._batches, self._config = net, batches, config
        self._first_epoch, self._rank = first_epoch, rank
        self.columns = ["images", "labels", "rate", *extras(config)]

    def __len__(self) -> int:
        return (self._config.epochs - self._first_epoch) * self.steps * self._config.accumulate

    @property
    def steps(self) -> int:
        """Of an epoch; batches that fill no whole step are left out."""
        return len(self._batches) // self._config.accumulate

    def __iter__(self) -> Iterator[tuple[np.ndarray | np.generic, ...]]:
        config, parts = self._config, self._config.accumulate
        for epoch in range(self._first_epoch, config.epochs):
            for number, batch in enumerate(itertools.islice(self._batches.epoch(epoch), self.steps * parts)):
                rate = np.float32(learning_rate(config, epoch * self.steps + number // parts, self.steps))
                where = epoch, number, self._rank
                images, own = batch.images, np.float32(1)
                if config.mixed:
                    images, own = mix(images, config, stream(config.seed, MIXING, *where))
                arrays: list[np.ndarray | np.generic] = [images, batch.labels, rate]
                if config.dropout:
                    arrays.append(self._net.dropout.noise(stream(config.seed, DROPOUT, *where), config.batch_size))
                if config.mixed:
                    arrays += [np.ascontiguousarray(batch.labels[::-1]), own]
                if parts > 1:
                    arrays.append(np.bool_(number % parts == parts - 1))
                yield tuple(arrays)


def extras(config: Config) -> list[str]:
    """What a step is called with behind images, labels and rate."""
    return [*(["kept"] if config.dropout else []), *(["others", "own"] if config.mixed else []),
            *(["last"] if config.accumulate > 1 else [])]


def example(net: nn.Cell, config: Config) -> list[np.ndarray | np.generic]:
    """Inputs of a step as `Feed` gives them, in shape and type."""
    labels = np.zeros(config.batch_size, np.int32)
    zeros: dict[str, np.ndarray | np.generic] = {
        "images": np.zeros((config.batch_size, 3, config.image_size, config.image_size), np.float32), "labels": labels,
        "rate": np.float32(0), "others": labels, "own": np.float32(1), "last": np.bool_(True)}
    if config.dropout:
        zeros["kept"] = np.zeros((config.batch_size, net.dropout.features), np.float32)
    return [zeros[name] for name in ("images", "labels", "rate", *extras(config))]


def outcomes(step: TrainStep, feed: Feed, sink: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Runs the steps of a feed one by one as they are asked for; with `sink` from a queue on the device."""
    if not sink:
        return (step(*map(Tensor, arrays)) for arrays in feed)
    from mindspore import dataset
    queue = dataset.GeneratorDataset(feed, feed.columns, shuffle=False)
    run = mindspore.data_sink(step, queue, jit_config=mindspore.JitConfig())
    return (run() for _ in range(len(feed)))
