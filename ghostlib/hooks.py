"""Running a network once while hooks listen to its layers: the one place that registers them."""

from collections.abc import Callable, Mapping
from typing import Any

import mindspore
from mindspore import Tensor, nn

from ghostlib.device import avoid_reference_convolutions
from ghostlib.errors import InputError, RunError, in_a_line

Hook = Callable[[nn.Cell, tuple[Tensor, ...], Tensor], None]  # called with a cell, its inputs and its output


def run_once(net: nn.Cell, images: Tensor, hooks: Mapping[str, Hook], unfit: str) -> None:
    """Runs a network in evaluation state and calls a hook whenever a cell it is meant for has run.

    The mode is switched before hooks are registered: MindSpore up to 2.6 drops a hook without a word if it is registered in
    graph mode.

    Args:
        net: Any MindSpore network; left in the state and mode that it was in.
        images: (N, 3, H, W), or whatever the network takes.
        hooks: For names of cells, as `net.cells_and_names` gives them, what each calls.
        unfit: What is said of images that the network cannot take, MindSpore's reason following.

    Raises:
        InputError: For such images.
        RunError: If MindSpore ran the network and called no hook at all.
    """
    cells, called = dict(net.cells_and_names()), []
    avoid_reference_convolutions()
    training, mode = net.training, mindspore.get_context("mode")
    handles: list[Any] = []
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        # Named arguments, not *_: MindSpore up to 2.6 counts them and refuses other numbers.
        handles.append(net.register_forward_pre_hook(lambda _cell, _inputs: called.append(True)))
        handles += [cells[name].register_forward_hook(_giving_nothing_back(hook)) for name, hook in hooks.items()]
        net.set_train(False)
        net(images)
    except (ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{unfit}: {in_a_line(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
        net.set_train(training)
        mindspore.set_context(mode=mode)
    if not called:
        raise RunError(f"MindSpore {mindspore.__version__} ran the network and called none of its forward hooks, so that "
                       f"nothing could be counted or looked at; docs/ascend.md names the versions that were tried")


def _giving_nothing_back(hook: Hook):
    """What a hook returns would take the place of the cell's output."""
    def call(cell: nn.Cell, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        hook(cell, inputs, output)
    return call
