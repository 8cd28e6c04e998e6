"""Weights and multiply-adds of a network, counted as the paper counts them, by running it once on one image."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from mindspore import Tensor, nn

from ghostlib.errors import InputError, nearest
from ghostlib.hooks import Hook, run_once

FLOAT = 4  # bytes of a number


@dataclass(frozen=True)
class Complexity:
    """What a network costs for one image.

    Attributes:
        table: One row a layer with weights, in the order of execution: layer, type, input and output shape, kernel,
            group, weights and macs (multiply-adds).
    """

    table: pd.DataFrame

    @property
    def weights(self) -> int:
        """Trainable weights; BatchNorm's scale and shift among them, its running statistics not."""
        return int(self.table.weights.sum())

    @property
    def conv_macs(self) -> int:
        """Multiply-adds of the convolutions alone, as in the paper's Tables 3 and 4."""
        return int(self.table.macs[self.table.type == "convolution"].sum())

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions and dense layers, as in the paper's Tables 5 to 7."""
        return int(self.table.macs.sum())

    @property
    def bytes_moved(self) -> int:
        """What its layers read and write for one image in float32: maps in, maps out and weights, each once.

        BatchNorms count nothing, since they are folded; what adds, joins and activates is left out, since an engine may do
        it in passing.
        """
        own = self.table[self.table.type != "normalisation"]
        shapes = [int(np.prod(shape)) for column in ("input", "output") for shape in own[column]]
        return FLOAT * (sum(shapes) + int(own.weights.sum()))


def count(net: nn.Cell, input_shape: tuple[int, ...]) -> Complexity:
    """Counts weights and multiply-adds, layer by layer.

    One multiply-add is one multiplication with its addition; biases, BatchNorm, activations and pooling are not
    counted, as is usual. A layer that runs twice is counted twice, its weights once.

    Args:
        net: Any MindSpore network; it is left as it was.
        input_shape: (C, H, W), or (N, C, H, W) of which only one image is counted.

    Raises:
        InputError: If the network cannot take that shape, or has no layer with weights to count.
    """
    shape = (1, *input_shape[-3:])
    rows: list[dict] = []
    seen: set[int] = set()

    def row(name: str, kind: str) -> Hook:
        def hook(cell: nn.Cell, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            again = {"weights": 0} if id(cell) in seen else {}
            seen.add(id(cell))
            shapes = {"input": tuple(inputs[0].shape[1:]), "output": tuple(output.shape[1:])}
            rows.append({"layer": name, "type": kind, **shapes, **_cost(cell, output.shape[1:]), **again})
        return hook

    hooks = {name: row(name, kind) for name, cell in net.cells_and_names() if (kind := _kind(cell))}
    if not hooks:
        raise InputError(f"net: {type(net).__name__} has no convolution, dense layer or BatchNorm: nothing to count")
    run_once(net, Tensor(np.zeros(shape, np.float32)), hooks, f"input_shape: {input_shape} does not fit this network")
    if not rows:
        raise InputError(f"net: none of the {len(hooks)} layers of {type(net).__name__} is part of its forward pass, first "
                         f"{next(iter(hooks))}; there is nothing to count")
    return Complexity(pd.DataFrame(rows))


def recount(net: nn.Cell, like: Complexity) -> Complexity:
    """Counts a network that differs from one already counted in its Ghost layers, its width and its classes, without
    running it.

    A Ghost layer's maps are as large as those of the convolution it replaced, and as those of any other ratio, kernel or
    number of channels.

    Args:
        net: The network; its weights need no values (`mindspore.nn.utils.no_init_parameters`).
        like: The count of one of the same model, image size and first stride.

    Returns:
        The count, whose table lacks input and output shapes and stands in the order of building.

    Raises:
        InputError: For a layer that has no counterpart there.
    """
    sizes = dict(zip(like.table.layer, like.table.output))
    rows = []
    for name, cell in net.cells_and_names():
        if kind := _kind(cell):
            primary = name.replace("cheap_operation", "primary_conv")
            place = next((one for one in (primary, primary.removesuffix(".primary_conv"), f"{name}.primary_conv")
                          if one in sizes), None)
            if place is None:
                raise InputError(f"layer: {name!r} is none of the network that was counted; {nearest(name, list(sizes))}")
            rows.append({"layer": name, "type": kind, **_cost(cell, (getattr(cell, "out_channels", 0), *sizes[place][1:]))})
    return Complexity(pd.DataFrame(rows))


def _kind(cell: nn.Cell) -> str:
    for kind, types in {"convolution": nn.Conv2d, "linear": nn.Dense,
                        "normalisation": (nn.BatchNorm2d, nn.BatchNorm1d)}.items():
        if isinstance(cell, types):
            return kind
    return ""


def _cost(cell: nn.Cell, output: tuple[int, ...]) -> dict[str, int]:
    """A layer's kernel, group, weights and macs; `output` is the shape of what it puts out for one image."""
    kernel, group, macs = (1, 1), 1, 0
    if isinstance(cell, nn.Conv2d):
        kernel, group = cell.kernel_size, cell.group
        macs = math.prod(output) * cell.in_channels // group * math.prod(kernel)
    elif isinstance(cell, nn.Dense):
        macs = math.prod(output) * cell.in_channels
    return {"kernel": kernel[0], "group": group, "weights": sum(p.size for p in cell.trainable_params()), "macs": macs}


def theoretical_speedup(in_channels: int, kernel_size: int, ratio: int, kernel: int) -> float:
    """r_s: how many times fewer multiply-adds one Ghost layer takes than the convolution it replaces (eq. 4).

    Args:
        in_channels: c.
        kernel_size: k of the real convolution.
        ratio: s.
        kernel: d of the cheap operation.

    Returns:
        c k^2 / (c k^2 / s + d^2 (s - 1) / s); the paper's "≈ s" needs c k^2 much larger than d^2 (s - 1).
    """
    real = in_channels * kernel_size**2
    return real / (real / ratio + kernel**2 * (ratio - 1) / ratio)
