"""The moving average of a network's weights, which often tests better than the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from ghostlib.training.step import TrainStep

WARM_UP = 2000.0  # steps in which the average learns to be slow; mindcv's train_step.py


class WeightAverage(nn.Cell):
    """Called after a step, it moves the average of all of a network's parameters, running statistics too.

    average = f average + (1 - f) value, with f = decay (1 - exp(-steps / WARM_UP)): at first it follows the weights closely.
    A step that changed no weight moves nothing.

    Args:
        net: The network that is trained.
        step: What trains it.
        decay: In [0, 1).

    Source: mindcv's train_step.py, commit 51b0636.
    """

    def __init__(self, net: nn.Cell, step: TrainStep, decay: float):
        super().__init__()
        self._names, weights = zip(*net.parameters_and_names())
        self.weights = ParameterTuple(weights)
        self.averages = ParameterTuple([Parameter(Tensor(weight.asnumpy()), f"ema.{name}", requires_grad=False)
                                        for name, weight in zip(self._names, weights)])
        self.bad = step.bad
        self.decay = decay
        self.each = ops.HyperMap()

    def construct(self, steps: Tensor) -> Tensor:
        decay = self.decay * (1 - ops.exp(-steps / WARM_UP))
        decay = ops.select(self.bad > 0, ops.ones_like(decay), decay)
        moved = self.each(ops.partial(_move, decay), self.averages, self.weights)
        return ops.depend(decay, moved)

    def named(self) -> dict[str, Parameter]:
        """The averages, by the names of what they are of."""
        return dict(zip(self._names, self.averages))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within a `with` the network has the averages for its weights."""
        values = [weight.asnumpy().copy() for weight in self.weights]
        self._set([average.asnumpy() for average in self.averages])
        try:
            yield
        finally:
            self._set(values)

    def _set(self, arrays) -> None:
        for weight, array in zip(self.weights, arrays):
            weight.set_data(Tensor(array, weight.dtype))


def _move(decay: Tensor, average: Tensor, weight: Tensor) -> Tensor:
    return ops.assign(average, average * decay + weight.astype(mindspore.float32) * (1 - decay))
