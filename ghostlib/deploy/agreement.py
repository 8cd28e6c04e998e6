"""Whether a network that was rewritten still computes what it did: tried, since a cell's order of work cannot be read."""

import copy
import math
from collections.abc import Callable

import mindspore
import numpy as np
from mindspore import Tensor, nn

from ghostlib.deploy.engines import IMAGES, TOLERANCE, difference
from ghostlib.device import avoid_reference_convolutions
from ghostlib.errors import InputError, in_a_line

SIZES = 32, 64, 224  # pixels that are tried, the first that the network takes


def check_agreement(net: nn.Cell, rewrite: Callable[[nn.Cell], nn.Cell], what: str,
                    shape: tuple[int, int, int] | None = None) -> None:
    """Refuses to rewrite a network where that would change what it computes.

    It is a question about the cells and not about their values, so a copy is given random BatchNorms and biases: those of a
    new network change nothing, and one in the wrong place would not show. So are weights that overflow, which would hide
    everything. Before and after it is rewritten it is run on random images in evaluation state.

    Args:
        net: Left as it was.
        rewrite: What is done to it; may change its argument, a copy.
        what: It is called, for the error.
        shape: Channels, height and width of the images; None tries squares of SIZES.

    Raises:
        InputError: For logits that differ by more than TOLERANCE of the largest; for a network that takes no such images.
    """
    convolutions = [cell for _, cell in net.cells_and_names() if isinstance(cell, nn.Conv2d)]
    if not convolutions:
        return
    avoid_reference_convolutions()
    rng, mode = np.random.default_rng(0), mindspore.get_context("mode")
    original = copy.deepcopy(net).set_train(False)
    for name, parameter in original.parameters_and_names():  # what it calls itself changes with where a cell is put
        if parameter.ndim == 1:
            parameter.set_data(Tensor(_random(rng, name, parameter.shape), parameter.dtype))
    channels = convolutions[0].in_channels
    shapes = [shape] if shape else [(channels, size, size) for size in SIZES]
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        images, expected = _first_accepted(original, [rng.normal(size=(IMAGES, *each)) for each in shapes], what)
        if not np.isfinite(expected.asnumpy()).all():
            for name, parameter in original.parameters_and_names():
                parameter.set_data(Tensor(_random(rng, name, parameter.shape), parameter.dtype))
            expected = original(images)
        found = rewrite(original).set_train(False)(images)
    finally:
        mindspore.set_context(mode=mode)
    error = difference(found.asnumpy(), expected.asnumpy())
    if not error <= TOLERANCE:
        raise InputError(f"net: {what} would change what it computes: on random images its answers differ by "
                         f"{error:.1g} of the largest, allowed is {TOLERANCE:g}; a cell whose IN_ORDER, or "
                         f"SequentialCell, is not the order in which its children run would do that")


def _random(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a parameter by which signals neither vanish nor overflow: weights as He et al. start them."""
    if len(shape) > 1:
        return rng.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)
    middle = 1 if name.endswith(("gamma", "moving_variance")) else 0
    return rng.uniform(middle - 0.5, middle + 0.5, shape)


def _first_accepted(net: nn.Cell, batches: list[np.ndarray], what: str) -> tuple[Tensor, Tensor]:
    """The first of some batches that a network takes, and its answer."""
    for number, batch in enumerate(batches):
        images = Tensor(batch, mindspore.float32)
        try:
            return images, net(images)
        except (ValueError, RuntimeError, TypeError) as error:
            if number + 1 == len(batches):
                raise InputError(f"net: {what} compares answers before and after, and the network takes no image of "
                                 f"{' x '.join(map(str, batch.shape[1:]))} ({in_a_line(error, 120)}); "
                                 f"give shape=(channels, height, width)") from None
    raise AssertionError("no batch")
