"""Weights and multiply-adds of a network, counted as the paper counts them, by running it once on one image."""

import math
from dataclasses import dataclass

import mindspore
import numpy as np
import pandas as pd
from mindspore import Tensor, nn

from ghostlib.device import avoid_reference_convolutions
from ghostlib.errors import InputError


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


def count(net: nn.Cell, input_shape: tuple[int, ...]) -> Complexity:
    """Counts weights and multiply-adds, layer by layer.

    One multiply-add is one multiplication with its addition; biases, BatchNorm, activations and pooling are not
    counted, as is usual. A layer that runs twice is counted twice, its weights once.

    Args:
        net: Any MindSpore network; it is left as it was.
        input_shape: (C, H, W), or (N, C, H, W) of which only one image is counted.

    Raises:
        InputError: If the network cannot take that shape.
    """
    shape = (1, *input_shape[-3:])
    rows: list[dict] = []
    seen: set[int] = set()
    handles = []

    def row(name: str, cell: nn.Cell, kind: str):
        def hook(_, inputs, output):
            own = [] if id(cell) in seen else [p.size for p in cell.trainable_params()]
            seen.add(id(cell))
            rows.append({"layer": name, "type": kind, "input": tuple(inputs[0].shape[1:]),
                         "output": tuple(output.shape[1:]), "kernel": getattr(cell, "kernel_size", (1, 1))[0],
                         "group": getattr(cell, "group", 1), "weights": sum(own), "macs": _macs(cell, output.shape)})
        return hook

    for name, cell in net.cells_and_names():
        kind = _kind(cell)
        if kind:
            handles.append(cell.register_forward_hook(row(name, cell, kind)))
    avoid_reference_convolutions()
    training, mode = net.training, mindspore.get_context("mode")
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)  # hooks run in this mode only
        net.set_train(False)
        net(Tensor(np.zeros(shape, np.float32)))
    except (ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"input_shape: {input_shape} does not fit this network: {str(error).splitlines()[0]}") from error
    finally:
        for handle in handles:
            handle.remove()
        net.set_train(training)
        mindspore.set_context(mode=mode)
    return Complexity(pd.DataFrame(rows))


def _kind(cell: nn.Cell) -> str:
    for kind, types in {"convolution": nn.Conv2d, "linear": nn.Dense,
                        "normalisation": (nn.BatchNorm2d, nn.BatchNorm1d)}.items():
        if isinstance(cell, types):
            return kind
    return ""


def _macs(cell: nn.Cell, output: tuple[int, ...]) -> int:
    if isinstance(cell, nn.Conv2d):
        return math.prod(output[1:]) * cell.in_channels // cell.group * math.prod(cell.kernel_size)
    if isinstance(cell, nn.Dense):
        return math.prod(output[1:]) * cell.in_channels
    return 0


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
