"""GhostNet's rivals: MobileNetV2 (arXiv 1801.04381) and MobileNetV3 (arXiv 1905.02244), plain or with Ghost convolutions.

All are stacks of inverted residuals: a 1 x 1 convolution widens, a depthwise one looks around, a 1 x 1 one narrows. Layers
are named as in timm, so that its weights fit (`ghostlib.weights`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mindspore import Tensor, nn

from ghostlib.errors import InputError, nearest
from ghostlib.ghost import Ratio, ghostify
from ghostlib.models.layers import Dropout, SqueezeExcite, check_width, scale_channels

DIVISOR = 8  # of channels
ROUND_STEM = 0.75  # widths below keep MobileNetV3's first convolution as it is; timm's rule


class Block(NamedTuple):
    """One inverted residual at width 1.

    Attributes:
        kernel_size: Of the depthwise convolution.
        expansion: How many times the input's channels it works on; at 1 nothing widens.
        out_channels: Channels after it.
        stride: 1 or 2.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution.
        activation: What follows the first two BatchNorms.
    """

    kernel_size: int
    expansion: float
    out_channels: int
    stride: int
    squeeze: bool = False
    activation: type[nn.Cell] = nn.ReLU6


def _repeated(times: int, block: Block) -> list[Block]:
    """A block and the same with stride 1."""
    return [block, *[block._replace(stride=1)] * (times - 1)]


V2 = [  # Table 2
    [Block(3, 1, 16, 1)], _repeated(2, Block(3, 6, 24, 2)), _repeated(3, Block(3, 6, 32, 2)),
    _repeated(4, Block(3, 6, 64, 2)), _repeated(3, Block(3, 6, 96, 1)), _repeated(3, Block(3, 6, 160, 2)),
    [Block(3, 6, 320, 1)]]
V3_LARGE = [  # Table 1
    [Block(3, 1, 16, 1, activation=nn.ReLU)],
    [Block(3, 4, 24, 2, activation=nn.ReLU), Block(3, 3, 24, 1, activation=nn.ReLU)],
    _repeated(3, Block(5, 3, 40, 2, True, nn.ReLU)),
    [Block(3, 6, 80, 2, False, nn.HSwish), Block(3, 2.5, 80, 1, False, nn.HSwish),
     *_repeated(2, Block(3, 2.3, 80, 1, False, nn.HSwish))],
    _repeated(2, Block(3, 6, 112, 1, True, nn.HSwish)),
    _repeated(3, Block(5, 6, 160, 2, True, nn.HSwish))]
V3_SMALL = [  # Table 2
    [Block(3, 1, 16, 2, True, nn.ReLU)],
    [Block(3, 4.5, 24, 2, activation=nn.ReLU), Block(3, 3.67, 24, 1, activation=nn.ReLU)],
    [Block(5, 4, 40, 2, True, nn.HSwish), *_repeated(2, Block(5, 6, 40, 1, True, nn.HSwish))],
    _repeated(2, Block(5, 3, 48, 1, True, nn.HSwish)),
    _repeated(3, Block(5, 6, 96, 2, True, nn.HSwish))]


def _convolution(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, group: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad_mode="pad", padding=kernel_size // 2, group=group)


class InvertedResidual(nn.Cell):
    """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), with a shortcut where the shape stays.

    Args:
        in_channels, out_channels: Channels before and after.
        block: What else is known of it.
    """

    IN_ORDER = ("conv_pw", "bn1", "act1"), ("conv_dw", "bn2", "act2"), ("conv_pwl", "bn3")

    def __init__(self, in_channels: int, out_channels: int, block: Block):
        super().__init__()
        hidden = scale_channels(in_channels * block.expansion, DIVISOR)
        self.conv_pw = _convolution(in_channels, hidden)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.act1 = block.activation()
        self.conv_dw = _convolution(hidden, hidden, block.kernel_size, block.stride, hidden)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.act2 = block.activation()
        self.squeezed = block.squeeze
        if block.squeeze:
            self.se = SqueezeExcite(hidden, DIVISOR)
        self.conv_pwl = _convolution(hidden, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.short = block.stride == 1 and in_channels == out_channels

    def construct(self, x: Tensor) -> Tensor:
        y = self.act2(self.bn2(self.conv_dw(self.act1(self.bn1(self.conv_pw(x))))))
        if self.squeezed:
            y = self.se(y)
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.short else y


class SeparableConvolution(nn.Cell):
    """The first block of each: an inverted residual in which nothing widens. Shapes and arguments as there."""

    IN_ORDER = ("conv_dw", "bn1", "act1"), ("conv_pw", "bn2")

    def __init__(self, in_channels: int, out_channels: int, block: Block):
        super().__init__()
        self.conv_dw = _convolution(in_channels, in_channels, block.kernel_size, block.stride, in_channels)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.act1 = block.activation()
        self.squeezed = block.squeeze
        if block.squeeze:
            self.se = SqueezeExcite(in_channels, DIVISOR)
        self.conv_pw = _convolution(in_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.short = block.stride == 1 and in_channels == out_channels

    def construct(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv_dw(x)))
        if self.squeezed:
            y = self.se(y)
        y = self.bn2(self.conv_pw(y))
        return y + x if self.short else y


class _Widening(nn.Cell):
    """MobileNetV3's last convolution before the mean."""

    IN_ORDER = ("conv", "bn1", "act"),

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = _convolution(in_channels, out_channels)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.act = nn.HSwish()

    def construct(self, x: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv(x)))


def _blocks(stages: Sequence[Sequence[Block]], channels: int, width: float) -> tuple[list[nn.Cell], int]:
    """A network's stages, one cell each, and the channels that the last gives."""
    check_width(width, stages[0][0].out_channels, DIVISOR)
    cells: list[nn.Cell] = []
    for stage in stages:
        blocks: list[nn.Cell] = []
        for block in stage:
            out = scale_channels(block.out_channels * width, DIVISOR)
            kind = SeparableConvolution if block.expansion == 1 else InvertedResidual
            blocks.append(kind(channels, out, block))
            channels = out
        cells.append(nn.SequentialCell(blocks))
    return cells, channels


class MobileNetV2(nn.Cell):
    """Build it with `mobilenet_v2`."""

    IN_ORDER = ("conv_stem", "bn1", "act1"), ("conv_head", "bn2", "act2")

    def __init__(self, width: float, num_classes: int, dropout: float, stem_stride: int):
        super().__init__()
        stem, features = scale_channels(32 * width, DIVISOR), max(1280, scale_channels(1280 * width, DIVISOR))
        self.conv_stem = _convolution(3, stem, 3, stem_stride)
        self.bn1 = nn.BatchNorm2d(stem)
        self.act1 = nn.ReLU6()
        stages, channels = _blocks(V2, stem, width)
        self.blocks = nn.SequentialCell(stages)
        self.conv_head = _convolution(channels, features)
        self.bn2 = nn.BatchNorm2d(features)
        self.act2 = nn.ReLU6()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = Dropout(dropout, features)
        self.classifier = nn.Dense(features, num_classes)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.pool(self.act2(self.bn2(self.conv_head(x))))
        return self.classifier(self.dropout(self.flatten(x), kept))


class MobileNetV3(nn.Cell):
    """Build it with `mobilenet_v3_large` or `mobilenet_v3_small`."""

    IN_ORDER = ("conv_stem", "bn1", "act1"), ("conv_head", "act2")
    MINDCV_PADS_OTHERWISE = "convolutions of stride 2"

    def __init__(self, table: Sequence[Sequence[Block]], last: int, features: int, width: float, num_classes: int,
                 dropout: float, stem_stride: int):
        super().__init__()
        stem = scale_channels(16 * width, DIVISOR) if width >= ROUND_STEM else 16
        self.conv_stem = _convolution(3, stem, 3, stem_stride)
        self.bn1 = nn.BatchNorm2d(stem)
        self.act1 = nn.HSwish()
        stages, channels = _blocks(table, stem, width)
        last = scale_channels(last * width, DIVISOR)
        self.blocks = nn.SequentialCell([*stages, nn.SequentialCell(_Widening(channels, last))])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(last, features, 1, has_bias=True)
        self.act2 = nn.HSwish()
        self.flatten = nn.Flatten()
        self.dropout = Dropout(dropout, features)
        self.classifier = nn.Dense(features, num_classes)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.pool(self.blocks(self.act1(self.bn1(self.conv_stem(x)))))
        return self.classifier(self.dropout(self.flatten(self.act2(self.conv_head(x))), kept))


def _widens_or_narrows(layer: str, *_: object) -> str:
    """Why a convolution stays plain; only the 1 x 1 ones that widen or narrow a block may become Ghost convolutions."""
    return "" if layer.rpartition(".")[2] in ("conv_pw", "conv_pwl") else "it widens or narrows no block"


def _with_ghosts(net: nn.Cell, ratio: Ratio, kernel: int) -> None:
    """Replaces what may become Ghost convolutions; `InputError` for a layer named that may not."""
    allowed = [name for name, cell in net.cells_and_names() if isinstance(cell, nn.Conv2d) and not _widens_or_narrows(name)]
    for name in ratio if isinstance(ratio, Mapping) else ():
        if name not in allowed:
            raise InputError(f"ratio: {name!r} given, which widens or narrows no block of this network; "
                             f"{nearest(name, allowed)}")
    ghostify(net, ratio, kernel, leave=_widens_or_narrows)


def mobilenet_v2(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 1000, dropout: float = 0.2,
                 stem_stride: int = 2) -> MobileNetV2:
    """MobileNetV2: images (N, 3, H, W) to logits (N, num_classes).

    Args:
        width: Channel multiplier; the head has 1,280 channels below 1, too.
        ratio: The ratio s of the convolutions that widen or narrow a block, or one for each by name
            (``{"blocks.1.0.conv_pw": 2}``); 1 is the plain network.
        kernel: d of the cheap operations.
        num_classes: Size of the classifier.
        dropout: Probability of dropping a feature before the classifier.
        stem_stride: Stride of the first convolution; 1 keeps 32 x 32 images from ending at 1 x 1.

    Source: Sandler et al. 2018, Table 2 (3,504,872 weights).
    """
    net = MobileNetV2(width, num_classes, dropout, stem_stride)
    _with_ghosts(net, ratio, kernel)
    return net


def mobilenet_v3_large(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 1000, dropout: float = 0.2,
                       stem_stride: int = 2) -> MobileNetV3:
    """MobileNetV3-Large; arguments as for `mobilenet_v2`. Source: Howard et al. 2019, Table 1 (5,483,032 weights)."""
    net = MobileNetV3(V3_LARGE, 960, 1280, width, num_classes, dropout, stem_stride)
    _with_ghosts(net, ratio, kernel)
    return net


def mobilenet_v3_small(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 1000, dropout: float = 0.2,
                       stem_stride: int = 2) -> MobileNetV3:
    """MobileNetV3-Small; arguments as for `mobilenet_v2`. Source: Howard et al. 2019, Table 2 (2,542,856 weights)."""
    net = MobileNetV3(V3_SMALL, 576, 1024, width, num_classes, dropout, stem_stride)
    _with_ghosts(net, ratio, kernel)
    return net
