"""The idea as layers: a few feature maps from real convolutions, the rest from those by cheap depthwise ones.

A Ghost layer with ratio s computes m = ceil(n / s) *intrinsic* maps of its n outputs with an ordinary convolution and
makes the other n - m, the *ghosts*, from them with d x d depthwise convolutions (arXiv 1911.11907, section 3.1, eq. 2
and 3). Two forms of it are in use, and both are here:

* `GhostModule`, as in GhostNet: batch normalisation and ReLU after the convolution and after the cheap operation.
* `GhostConv2d`, as in Ghost-VGG and Ghost-ResNet: linear inside, so that it can stand wherever an `nn.Conv2d` stood.

`ghostify` puts the second in the place of a finished network's convolutions.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mindspore import Tensor, nn, ops

from ghostlib.cells import put_cell
from ghostlib.errors import InputError, check_kernel, check_ratio, nearest

Ratio = int | Mapping[str, int]
"""A ratio s for all layers, or one for each layer named; layers not named stay plain (s = 1)."""


class LayerRatios:
    """Answers each layer's ratio by name and remembers who asked, so that a name nobody asked for is an error.

    Args:
        ratio: One s for all layers, or ``{layer name: s}``; the layers that a mapping does not name are plain.
    """

    def __init__(self, ratio: Ratio):
        if isinstance(ratio, Mapping):
            self._by_name = {name: check_ratio(s, f"ratio of layer {name}") for name, s in ratio.items()}
            self._default = 1
        else:
            self._by_name = {}
            self._default = check_ratio(ratio)
        self._asked: list[str] = []

    def __getitem__(self, name: str) -> int:
        self._asked.append(name)
        return self._by_name.get(name, self._default)

    def check_all_used(self) -> None:
        """Raises `InputError` for a named layer that the network does not have."""
        for name in self._by_name:
            if name not in self._asked:
                raise InputError(f"ratio: no layer {name!r} to replace; {nearest(name, self._asked)}")


def split_channels(channels: int, ratio: int) -> tuple[int, int]:
    """How many of a Ghost layer's output channels are intrinsic and how many are ghosts.

    Args:
        channels: Output channels n in all.
        ratio: The ratio s; any s >= 1, whether or not it divides n.

    Returns:
        (m, n - m) with m = ceil(n / s).
    """
    intrinsic = math.ceil(channels / ratio)
    return intrinsic, channels - intrinsic


def _cheap_convolution(intrinsic: int, ratio: int, kernel: int, has_bias: bool = False) -> nn.Conv2d:
    """s - 1 cheap d x d kernels for each of m intrinsic maps: (N, m, H, W) -> (N, m (s - 1), H, W)."""
    return nn.Conv2d(intrinsic, intrinsic * (ratio - 1), kernel, pad_mode="pad", padding=kernel // 2,
                     group=intrinsic, has_bias=has_bias)


class _GhostCell(nn.Cell):
    """What both forms share: `primary_conv`, `cheap_operation`, and how their maps are put side by side."""

    def __init__(self, out_channels: int, ratio: int, kernel: int):
        super().__init__()
        self.out_channels = out_channels
        self.ratio = check_ratio(ratio)
        self.kernel = check_kernel(kernel)
        self.intrinsic, self.ghosts = split_channels(out_channels, ratio)
        self.has_ghosts = self.ghosts > 0
        self.concat = ops.Concat(axis=1)
        # Each intrinsic map has s - 1 kernels, as in the authors' code, whose weights therefore fit. Only where s does
        # not divide n are there more ghosts than needed; a slice copies memory for no arithmetic, so it is made only
        # then, and on the ghosts alone.
        self.has_surplus = self.intrinsic * (ratio - 1) > self.ghosts

    def construct(self, x: Tensor) -> Tensor:
        return self.make_maps(x)

    def make_maps(self, x: Tensor) -> Tensor:
        """The intrinsic maps and their ghosts."""
        intrinsic = self.primary_conv(x)
        if not self.has_ghosts:
            return intrinsic
        ghosts = self.cheap_operation(intrinsic)
        if self.has_surplus:
            ghosts = ghosts[:, :self.ghosts]
        return self.concat((intrinsic, ghosts))


class GhostModule(_GhostCell):
    """GhostNet's module: convolution-BN-ReLU makes the intrinsic maps, depthwise-BN-ReLU their ghosts.

    (N, in_channels, H, W) -> (N, out_channels, H', W'), with H' = ceil(H / stride); the first ceil(out_channels / s)
    channels are intrinsic, the rest ghosts. Parameters are named as in the authors' code (`primary_conv`,
    `cheap_operation`).

    Args:
        in_channels: Input channels c.
        out_channels: Output channels n.
        kernel_size: Kernel size k of the real convolution; odd. GhostNet uses 1.
        stride: Stride of the real convolution.
        ratio: The ratio s >= 1; 1 makes a plain convolution-BN-ReLU.
        kernel: The cheap operation's kernel size d; odd.
        relu: Whether ReLU follows each normalisation; GhostNet's second module in a bottleneck has none.

    Raises:
        InputError: For a ratio below 1 or an even kernel.

    Source: Figure 2(b) and section 3.1; d = 3, s = 2, k = 1 in GhostNet (section 3.2).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1,
                 ratio: int = 2, kernel: int = 3, relu: bool = True):
        super().__init__(out_channels, ratio, kernel)
        check_kernel(kernel_size, "kernel_size")
        convolution = nn.Conv2d(in_channels, self.intrinsic, kernel_size, stride, pad_mode="pad",
                                padding=kernel_size // 2)
        self.primary_conv = self._with_norm(convolution, relu)
        if self.has_ghosts:
            self.cheap_operation = self._with_norm(_cheap_convolution(self.intrinsic, ratio, kernel), relu)

    @staticmethod
    def _with_norm(convolution: nn.Conv2d, relu: bool) -> nn.SequentialCell:
        layers = [convolution, nn.BatchNorm2d(convolution.out_channels)]
        return nn.SequentialCell([*layers, nn.ReLU()] if relu else layers)


class GhostConv2d(_GhostCell):
    """A drop-in for `nn.Conv2d`, linear inside: what normalises and activates stays outside, as it was.

    (N, in_channels, H, W) -> (N, out_channels, H', W') with the H', W' that `nn.Conv2d` gives for the same kernel size,
    stride, padding and dilation. The cheap operation keeps that size. With a bias, the intrinsic maps and the ghosts
    each have their own.

    Args:
        in_channels, out_channels, kernel_size, stride, pad_mode, padding, dilation, has_bias: As for `nn.Conv2d`.
        ratio: The ratio s >= 1; 1 makes a plain convolution.
        kernel: The cheap operation's kernel size d; odd.

    Raises:
        InputError: For a ratio below 1 or an even kernel.

    Source: section 3.1, eq. 2 and 3, as used for Tables 3 to 6.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
                 stride: int | tuple[int, int] = 1, pad_mode: str = "same", padding: int | tuple[int, ...] = 0,
                 dilation: int | tuple[int, int] = 1, has_bias: bool = False, ratio: int = 2, kernel: int = 3):
        super().__init__(out_channels, ratio, kernel)
        self.primary_conv = nn.Conv2d(in_channels, self.intrinsic, kernel_size, stride, pad_mode, padding, dilation,
                                      has_bias=has_bias)
        if self.has_ghosts:
            self.cheap_operation = _cheap_convolution(self.intrinsic, ratio, kernel, has_bias)


@dataclass(frozen=True)
class Replacement:
    """What `ghostify` did with one convolution: `reason` is empty where it was replaced, else says why it was left."""

    layer: str
    convolution: str
    ratio: int
    weights_before: int
    weights_after: int
    reason: str = ""

    def __str__(self) -> str:
        change = f"{self.weights_before:,} -> {self.weights_after:,} weights, s = {self.ratio}"
        return f"{self.layer}: {self.convolution}: {f'left, {self.reason}' if self.reason else change}"


class Report(tuple[Replacement, ...]):
    """One `Replacement` for each convolution met, in the network's order; printed, one line each and a sum."""

    @property
    def replaced(self) -> list[str]:
        """Names of the layers that are Ghost convolutions now."""
        return [row.layer for row in self if not row.reason]

    @property
    def left(self) -> dict[str, str]:
        """Names of the convolutions left as they were, with the reason."""
        return {row.layer: row.reason for row in self if row.reason}

    def __str__(self) -> str:
        before, after = (sum(getattr(row, f"weights_{when}") for row in self) for when in ("before", "after"))
        total = f"{len(self.replaced)} of {len(self)} convolutions replaced: {before:,} -> {after:,} weights"
        return "\n".join([*map(str, self), total])


def leave_costly(layer: str, convolution: nn.Conv2d, ratio: int, kernel: int) -> str:
    """The default rule of `ghostify`: why this convolution should stay, or "" where a Ghost costs less.

    Per intrinsic map and pixel, s - 1 ghosts cost (s - 1) d^2 multiply-adds and save (s - 1) c k^2 (section 3.1): a
    convolution is left when d^2 >= c k^2.
    """
    per_map = convolution.in_channels * math.prod(convolution.kernel_size)
    if kernel**2 >= per_map:
        return f"a {kernel}x{kernel} ghost costs no less than its {per_map} multiply-adds"
    return ""


def ghostify(net: nn.Cell, ratio: Ratio = 2, kernel: int = 3,
             leave: Callable[[str, nn.Conv2d, int, int], str] | None = leave_costly) -> Report:
    """Replaces, in place, the convolutions of any MindSpore network by Ghost convolutions with fresh weights.

    Args:
        net: Any network; every `nn.Conv2d` in it, at whatever depth, is considered. One used in several places is
            replaced by one Ghost convolution used in the same places.
        ratio: The ratio s, or ``{layer name: s}`` with names as in `net.cells_and_names()`. A mapping names exactly
            what to replace, so the rule is not asked.
        kernel: The cheap operation's kernel size d.
        leave: The rule: given a layer's name, its convolution, s and d, says why it should stay, or "". None leaves
            nothing but what cannot be replaced at all: s = 1, grouped convolutions, a single output channel.

    Returns:
        A report of what was replaced and what was left, and why.

    Raises:
        InputError: For a bad ratio or kernel, or a name in `ratio` that is no convolution of the network; the network
            is then unchanged.
    """
    check_kernel(kernel)
    ratios = LayerRatios(ratio)
    convolutions = list(_convolutions(net))
    planned = [(ratios[name], parent, key, name, convolution) for parent, key, name, convolution in convolutions]
    ratios.check_all_used()

    rows = []
    made: dict[int, nn.Cell] = {}  # by identity, for a convolution that stands in several places
    for s, parent, key, name, convolution in planned:
        reason = _why_impossible(convolution, s)
        if not reason and leave is not None and not isinstance(ratio, Mapping):
            reason = leave(name, convolution, s, kernel)
        if not reason:
            ghost = made.get(id(convolution)) or _ghost_of(convolution, s, kernel)
            made[id(convolution)] = ghost
            put_cell(parent, key, ghost)
        size = "x".join(map(str, convolution.kernel_size))
        label = f"{size} {convolution.in_channels} to {convolution.out_channels}"
        before = _count_weights(convolution)
        rows.append(Replacement(name, label, 1 if reason else s, before,
                                before if reason else _count_weights(ghost), reason))
    for name, parameter in net.parameters_and_names():  # MindSpore names a new cell's parameters after its parent only
        parameter.name = name
    return Report(rows)


def _convolutions(cell: nn.Cell, prefix: str = "") -> Iterator[tuple[nn.Cell, str, str, nn.Conv2d]]:
    """(parent, key in the parent, full name, convolution), depth first; does not descend into Ghost layers."""
    for key, child in cell._cells.items():  # name_cells() would drop the second of two uses of one cell
        name = f"{prefix}{key}"
        if type(child) is nn.Conv2d:
            yield cell, key, name, child
        elif not isinstance(child, _GhostCell):
            yield from _convolutions(child, f"{name}.")


def _why_impossible(convolution: nn.Conv2d, ratio: int) -> str:
    if ratio == 1:
        return "ratio 1"
    if convolution.group > 1:
        return f"grouped ({convolution.group} groups), cheap already"
    if convolution.out_channels == 1:
        return "a single output channel has no ghosts"
    if convolution.data_format != "NCHW":
        return f"data format {convolution.data_format}, only NCHW is supported"
    return ""


def _ghost_of(convolution: nn.Conv2d, ratio: int, kernel: int) -> nn.Cell:
    c = convolution
    return GhostConv2d(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.pad_mode, c.padding, c.dilation,
                       c.has_bias, ratio, kernel)


def _count_weights(cell: nn.Cell) -> int:
    return sum(parameter.size for parameter in cell.trainable_params())
