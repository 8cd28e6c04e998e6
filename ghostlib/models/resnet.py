"""ResNet-20 and ResNet-56 for CIFAR-10 and ResNet-50 for ImageNet, plain or with Ghost convolutions: Tables 5 and 6."""

from mindspore import Tensor, nn, ops

from ghostlib.ghost import Ratio, ghostify


def _conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> list[nn.Cell]:
    return [nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad_mode="pad", padding=kernel_size // 2),
            nn.BatchNorm2d(out_channels)]


class PaddedShortcut(nn.Cell):
    """He et al.'s option A: every stride-th pixel, new channels zero; (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.subsample = nn.MaxPool2d(1, stride)  # a 1 x 1 window picks the pixel itself
        self.extra = out_channels - in_channels
        self.concat = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        x = self.subsample(x)
        n, _, height, width = x.shape
        return self.concat((x, ops.zeros((n, self.extra, height, width), x.dtype)))


class Block(nn.Cell):
    """A residual block: `body` and `shortcut` take the same input; their sum goes through ReLU."""

    def __init__(self, body: nn.Cell, shortcut: nn.Cell):
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        return self.relu(self.body(x) + self.shortcut(x))


def _basic(in_channels: int, channels: int, stride: int) -> Block:
    """Two 3 x 3 convolutions; the shortcut has no weights."""
    body = nn.SequentialCell([*_conv_bn(in_channels, channels, 3, stride), nn.ReLU(), *_conv_bn(channels, channels, 3)])
    same = stride == 1 and in_channels == channels
    return Block(body, nn.Identity() if same else PaddedShortcut(in_channels, channels, stride))


def _bottleneck(in_channels: int, channels: int, stride: int) -> Block:
    """1 x 1, 3 x 3 (this one strides), 1 x 1 to four times the channels; a 1 x 1 convolution where shapes differ."""
    out = 4 * channels
    body = nn.SequentialCell([*_conv_bn(in_channels, channels, 1), nn.ReLU(),
                              *_conv_bn(channels, channels, 3, stride), nn.ReLU(), *_conv_bn(channels, out, 1)])
    same = stride == 1 and in_channels == out
    return Block(body, nn.Identity() if same else nn.SequentialCell(_conv_bn(in_channels, out, 1, stride)))


class ResNet(nn.Cell):
    """Stem, stages of residual blocks, mean over the map, one dense layer; build it with the functions below."""

    def __init__(self, stem: list[nn.Cell], stages: list[list[Block]], features: int, num_classes: int):
        super().__init__()
        self.stem = nn.SequentialCell(stem)
        self.stages = nn.SequentialCell([nn.SequentialCell(blocks) for blocks in stages])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Dense(features, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))


def _leave_first(layer: str, *_) -> str:
    return "the first convolution stays" if layer == "stem.0" else ""


def _cifar(depth: int, width: float, ratio: Ratio, kernel: int, num_classes: int) -> ResNet:
    first, *_ = widths = [max(1, round(channels * width)) for channels in (16, 32, 64)]
    channels, stages = first, []
    for stage, out in enumerate(widths):
        blocks = []
        for block in range((depth - 2) // 6):
            blocks.append(_basic(channels, out, 2 if stage and not block else 1))
            channels = out
        stages.append(blocks)
    net = ResNet([*_conv_bn(3, first, 3), nn.ReLU()], stages, channels, num_classes)
    ghostify(net, ratio, kernel, leave=_leave_first)
    return net


def resnet20(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 10) -> ResNet:
    """ResNet-20 for 32 x 32 images: (N, 3, H, W) to logits (N, num_classes); arguments as for `resnet56`.

    Source: He et al., arXiv 1512.03385, section 4.2.
    """
    return _cifar(20, width, ratio, kernel, num_classes)


def resnet56(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 10) -> ResNet:
    """ResNet-56 for 32 x 32 images: (N, 3, H, W) to logits (N, num_classes).

    Args:
        width: Channel multiplier.
        ratio: The ratio s of every convolution but the first, or one for each by name (``{"stages.0.0.body.0": 2}``);
            1 is the plain network.
        kernel: d of the cheap operations.
        num_classes: Size of the classifier.

    Source: He et al., arXiv 1512.03385, section 4.2, shortcuts without weights (option A); Table 5 of the GhostNet
    paper.
    """
    return _cifar(56, width, ratio, kernel, num_classes)


def resnet50(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 1000) -> ResNet:
    """ResNet-50 for 224 x 224 images: (N, 3, H, W) to logits (N, num_classes).

    Args:
        width: Channel multiplier.
        ratio: The ratio s of every convolution but the first (which so reproduces Table 6's multiply-adds), or one for
            each by name; 1 is the plain network.
        kernel: d of the cheap operations.
        num_classes: Size of the classifier.

    Source: He et al., arXiv 1512.03385, Table 1, the stride in the 3 x 3 convolution (25,557,032 weights); Table 6 of
    the GhostNet paper. The authors' `ghost_resnet.py` never calls its BatchNorms; these do.
    """
    stem = max(1, round(64 * width))
    channels, stages = stem, []
    for stage, depth in enumerate((3, 4, 6, 3)):
        inner = max(1, round(64 * 2**stage * width))
        blocks = []
        for block in range(depth):
            blocks.append(_bottleneck(channels, inner, 2 if stage and not block else 1))
            channels = 4 * inner
        stages.append(blocks)
    net = ResNet([*_conv_bn(3, stem, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, pad_mode="pad", padding=1)],
                 stages, channels, num_classes)
    ghostify(net, ratio, kernel, leave=_leave_first)
    return net
