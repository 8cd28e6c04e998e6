"""GhostNet (arXiv 1911.11907, Table 1): a stack of Ghost bottlenecks.

Layers are named as in the authors' code, so that their weights, timm's and mindcv's fit (`ghostlib.weights`).
"""

from typing import NamedTuple

import pandas as pd
from mindspore import Tensor, nn

from ghostlib.errors import check_kernel
from ghostlib.ghost import GhostModule, LayerRatios, Ratio
from ghostlib.models.layers import DIVISOR, Dropout, Excite, SqueezeExcite, check_width, scale_channels


class Block(NamedTuple):
    """One bottleneck of Table 1 at width 1.

    Attributes:
        kernel_size: Of the depthwise convolution that strides, and of the shortcut's.
        expansion, out_channels: Channels between the two Ghost modules, and after them.
        squeeze: Whether squeeze-and-excitation stands between them.
        stride: 1 or 2.
    """

    kernel_size: int
    expansion: int
    out_channels: int
    squeeze: bool
    stride: int


STAGES = [  # Table 1, one list a stage
    [Block(3, 16, 16, False, 1)],
    [Block(3, 48, 24, False, 2)],
    [Block(3, 72, 24, False, 1)],
    [Block(5, 72, 40, True, 2)],
    [Block(5, 120, 40, True, 1)],
    [Block(3, 240, 80, False, 2)],
    [Block(3, 200, 80, False, 1),
     Block(3, 184, 80, False, 1),
     Block(3, 184, 80, False, 1),
     Block(3, 480, 112, True, 1),
     Block(3, 672, 112, True, 1)],
    [Block(5, 672, 160, True, 2)],
    [Block(5, 960, 160, False, 1),
     Block(5, 960, 160, True, 1),
     Block(5, 960, 160, False, 1),
     Block(5, 960, 160, True, 1)],
]
FIRST_ATTENDED = 2  # from which block on GhostNetV2 attends; the authors' code
LINE = 5  # pixels that its attention sees at once along a row, then along a column; the authors' code
HEAD = 1280  # channels before the classifier, at every width


def _depthwise_convolution(channels: int, kernel_size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel_size, stride, pad_mode="pad", padding=kernel_size // 2, group=channels)


class AttendedGhostModule(GhostModule):
    """GhostNetV2's module: a Ghost module whose maps are each multiplied by where its input says to look.

    That is decoupled fully connected (DFC) attention: the input at half the size goes through a 1 x 1 convolution and two
    long thin depthwise ones, along the rows and along the columns. A sigmoid makes a gate of it, which is enlarged to the
    size of the maps by repeating its nearest value. (N, in_channels, H, W) -> (N, out_channels, H, W). Maps of which a side
    has one pixel are not halved. Parameters are named as in timm (`short_conv`).

    Args:
        in_channels, out_channels, ratio, kernel: As for `GhostModule`.

    Source: Tang et al. 2022 (arXiv 2211.12905), section 4.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: int = 2, kernel: int = 3):
        super().__init__(in_channels, out_channels, ratio=ratio, kernel=kernel)
        self.short_conv = nn.SequentialCell(
            nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels),
            _line_convolution(out_channels, (1, LINE)), nn.BatchNorm2d(out_channels),
            _line_convolution(out_channels, (LINE, 1)), nn.BatchNorm2d(out_channels))
        self.halve = nn.AvgPool2d(2, 2)
        self.gate = nn.Sigmoid()
        self.excite = Excite()

    def construct(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        small = self.halve(x) if height > 1 and width > 1 else x
        gate = self.gate(self.short_conv(small))
        return self.excite(self.make_maps(x), gate)


def _line_convolution(channels: int, size: tuple[int, int]) -> nn.Conv2d:
    high, wide = size
    return nn.Conv2d(channels, channels, size, pad_mode="pad", padding=(high // 2, high // 2, wide // 2, wide // 2),
                     group=channels)


class GhostBottleneck(nn.Cell):
    """Figure 3: a Ghost module expands, a second projects, with a shortcut around both.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).

    Args:
        in_channels, expansion, out_channels: Channels before, between and after the two Ghost modules.
        kernel_size: Of the depthwise convolution that strides, and of the shortcut's.
        squeeze: Whether squeeze-and-excitation follows the first module.
        stride: 1, or 2 to halve the map between the two modules.
        ratios: s of the two modules.
        kernel: d of both.
        attention: Whether the first module is GhostNetV2's.
    """

    IN_ORDER = ("conv_dw", "bn_dw"),

    def __init__(self, in_channels: int, expansion: int, out_channels: int, kernel_size: int, squeeze: bool,
                 stride: int, ratios: tuple[int, int], kernel: int, attention: bool = False):
        super().__init__()
        first = AttendedGhostModule if attention else GhostModule
        self.ghost1 = first(in_channels, expansion, ratio=ratios[0], kernel=kernel)
        self.strided = stride > 1
        if self.strided:
            self.conv_dw = _depthwise_convolution(expansion, kernel_size, stride)
            self.bn_dw = nn.BatchNorm2d(expansion)
        self.squeezed = squeeze
        if squeeze:
            self.se = SqueezeExcite(expansion)
        self.ghost2 = GhostModule(expansion, out_channels, ratio=ratios[1], kernel=kernel, relu=False)
        if stride == 1 and in_channels == out_channels:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.SequentialCell(
                _depthwise_convolution(in_channels, kernel_size, stride), nn.BatchNorm2d(in_channels),
                nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels))

    def construct(self, x: Tensor) -> Tensor:
        y = self.ghost1(x)
        if self.strided:
            y = self.bn_dw(self.conv_dw(y))
        if self.squeezed:
            y = self.se(y)
        return self.ghost2(y) + self.shortcut(x)


class _ConvBnReLU(nn.Cell):
    IN_ORDER = ("conv", "bn1", "relu"),

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        return self.relu(self.bn1(self.conv(x)))


class GhostNet(nn.Cell):
    """The network of Table 1; build it with `ghostnet`, or with `ghostnetv2`, whose blocks from the third on attend."""

    IN_ORDER = ("conv_stem", "bn1", "relu"), ("conv_head", "relu_head")

    def __init__(self, width: float, ratio: Ratio, kernel: int, num_classes: int, dropout: float, stem_stride: int,
                 attention: bool = False):
        super().__init__()
        check_kernel(kernel)
        check_width(width, STAGES[0][0].out_channels, DIVISOR)
        self.attention = attention
        ratios = LayerRatios(ratio)
        channels = scale_channels(16 * width)
        self.conv_stem = nn.Conv2d(3, channels, 3, stem_stride, pad_mode="pad", padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        stages: list[nn.Cell] = []
        before = 0  # blocks
        for stage in STAGES:
            blocks: list[nn.Cell] = []
            for block in stage:
                name = f"blocks.{len(stages)}.{len(blocks)}"
                pair = ratios[f"{name}.ghost1"], ratios[f"{name}.ghost2"]
                hidden, out = scale_channels(block.expansion * width), scale_channels(block.out_channels * width)
                blocks.append(GhostBottleneck(channels, hidden, out, block.kernel_size, block.squeeze, block.stride, pair,
                                              kernel, attention and before >= FIRST_ATTENDED))
                channels, before = out, before + 1
            stages.append(nn.SequentialCell(blocks))
        ratios.check_all_used()
        last = scale_channels(STAGES[-1][-1].expansion * width)  # Table 1's 960: as wide as the last bottleneck inside
        stages.append(nn.SequentialCell(_ConvBnReLU(channels, last)))
        self.blocks = nn.SequentialCell(stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(last, HEAD, 1, has_bias=True)
        self.relu_head = nn.ReLU()
        self.flatten = nn.Flatten()
        self.dropout = Dropout(dropout, HEAD)
        self.classifier = nn.Dense(HEAD, num_classes)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.relu(self.bn1(self.conv_stem(x)))
        x = self.blocks(x)
        x = self.relu_head(self.conv_head(self.pool(x)))
        return self.classifier(self.dropout(self.flatten(x), kept))


def by_stage(table: pd.DataFrame) -> pd.DataFrame:
    """A GhostNet's cost, stage by stage, as Table 1 lists them.

    Args:
        table: Its `Complexity.table`.

    Returns:
        One row a stage, in order: stage (what it is), shape (channels, height and width that it gives), weights, macs.
    """
    last = f"blocks.{len(STAGES)}."
    parts: list[tuple[str, tuple[str, ...]]] = [("stem: 3 × 3 convolution", ("conv_stem", "bn1"))]
    for number, blocks in enumerate(STAGES):
        squeezed = sum(block.squeeze for block in blocks)
        told = f", {squeezed} with squeeze" if squeezed else ""
        parts.append((f"stage {number + 1}: {len(blocks)} bottleneck{'s' if len(blocks) > 1 else ''}{told}",
                      (f"blocks.{number}.",)))
    parts += [("1 × 1 convolution", (last,)), ("head: mean, 1 × 1 convolution, classifier", ("conv_head", "classifier"))]
    rows = []
    for number, (name, starts) in enumerate(parts):
        own = table[table.layer.str.startswith(starts)]
        after = table[table.layer.str.startswith(parts[number + 1][1])] if number + 1 < len(parts) else None
        shape = own.output.iloc[-1] if after is None else after.input.iloc[0]  # a Ghost module's maps come in two layers
        rows.append({"stage": name, "shape": own.output.iloc[-1] if starts == (last,) else shape,
                     "weights": int(own.weights.sum()), "macs": int(own.macs.sum())})
    return pd.DataFrame(rows)


def ghostnet(width: float = 1.0, ratio: Ratio = 2, kernel: int = 3, num_classes: int = 1000, dropout: float = 0.2,
             stem_stride: int = 2) -> GhostNet:
    """GhostNet: images (N, 3, H, W) to logits (N, num_classes).

    Args:
        width: Channel multiplier; the paper's 0.5, 1.0 and 1.3.
        ratio: The ratio s of the Ghost modules, or one for each by name (``{"blocks.0.0.ghost1": 4}``; those not named
            are plain). 1 makes every module a plain convolution.
        kernel: d of the cheap operations.
        num_classes: Size of the classifier.
        dropout: Probability of dropping a feature before the classifier; 0.2 in the authors' code.
        stem_stride: Stride of the first convolution; 2 for 224 x 224, 1 keeps 32 x 32 images from ending at 1 x 1.

    Raises:
        InputError: For a bad ratio or kernel, or a layer that does not exist.

    Source: Table 1. The five strides of 2 make the last maps 7 x 7 for 224 x 224 images.
    """
    return GhostNet(width, ratio, kernel, num_classes, dropout, stem_stride)


def ghostnetv2(width: float = 1.0, ratio: Ratio = 2, kernel: int = 3, num_classes: int = 1000, dropout: float = 0.2,
               stem_stride: int = 2) -> GhostNet:
    """GhostNetV2: GhostNet whose first Ghost modules, from the third block on, are `AttendedGhostModule`s.

    Arguments, shapes and errors as for `ghostnet`. Source: Tang et al. 2022 (arXiv 2211.12905), Table 1; published at widths
    1.0, 1.3 and 1.6 (6,156,908 weights at 1.0).
    """
    return GhostNet(width, ratio, kernel, num_classes, dropout, stem_stride, attention=True)
