"""ResNet-20 and ResNet-56 for CIFAR-10 and ResNet-50 for ImageNet, plain or with Ghost convolutions: Tables 5 and 6.

Layers are named as in torchvision, whose weights of ResNet-50, and timm's, therefore fit (`ghostlib.weights`).
"""

from mindspore import Tensor, nn, ops

from ghostlib.former_names import current_names
from ghostlib.ghost import Ratio, ghostify


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad_mode="pad", padding=kernel_size // 2)


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


class BasicBlock(nn.Cell):
    """Two 3 x 3 convolutions around which a shortcut without weights leads: (N, in_channels, H, W) to
    (N, channels, H / stride, W / stride).

    Args:
        in_channels, channels: Before and after.
        stride: Of the first convolution and of the shortcut.
    """

    IN_ORDER = ("conv1", "bn1", "relu1"), ("conv2", "bn2")

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = _convolution(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = _convolution(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        same = stride == 1 and in_channels == channels
        self.downsample = nn.Identity() if same else PaddedShortcut(in_channels, channels, stride)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Cell):
    """1 x 1, 3 x 3 (this one strides), 1 x 1 to four times the channels, with a shortcut, which is a 1 x 1 convolution
    where shapes differ: (N, in_channels, H, W) to (N, 4 channels, H / stride, W / stride).

    Args:
        in_channels, channels: Before, and inside.
        stride: Of the 3 x 3 convolution and of the shortcut.
    """

    IN_ORDER = ("conv1", "bn1", "relu1"), ("conv2", "bn2", "relu2"), ("conv3", "bn3")

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        out = 4 * channels
        self.conv1 = _convolution(in_channels, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = _convolution(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = _convolution(channels, out, 1)
        self.bn3 = nn.BatchNorm2d(out)
        same = stride == 1 and in_channels == out
        self.downsample = nn.Identity() if same else nn.SequentialCell(_convolution(in_channels, out, 1, stride),
                                                                       nn.BatchNorm2d(out))
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(y)))))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Cell):
    """Stem, stages of residual blocks, mean over the map, one dense layer; build it with the functions below.

    Args:
        stem: The first convolution.
        pool: What follows its ReLU.
        stages: Blocks, stage by stage.
        features, num_classes: Of the dense layer.
    """

    IN_ORDER = ("conv1", "bn1", "relu"),
    MINDCV_PADS_OTHERWISE = "max pooling"

    def __init__(self, stem: nn.Conv2d, pool: nn.Cell, stages: list[list[nn.Cell]], features: int, num_classes: int):
        super().__init__()
        self.conv1 = stem
        self.bn1 = nn.BatchNorm2d(stem.out_channels)
        self.relu = nn.ReLU()
        self.maxpool = pool
        self.depth = len(stages)
        for number, blocks in enumerate(stages, 1):
            setattr(self, f"layer{number}", nn.SequentialCell(blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Dense(features, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        if self.depth > 3:
            x = self.layer4(x)
        return self.fc(self.flatten(self.avgpool(x)))


def _leave_first(layer: str, *_: object) -> str:
    return "the first convolution stays" if layer == "conv1" else ""


def _cifar(depth: int, width: float, ratio: Ratio, kernel: int, num_classes: int) -> ResNet:
    first, *_ = widths = [max(1, round(channels * width)) for channels in (16, 32, 64)]
    channels, stages = first, []
    for stage, out in enumerate(widths):
        blocks = []
        for block in range((depth - 2) // 6):
            blocks.append(BasicBlock(channels, out, 2 if stage and not block else 1))
            channels = out
        stages.append(blocks)
    net = ResNet(_convolution(3, first, 3), nn.Identity(), stages, channels, num_classes)
    ghostify(net, current_names(ratio), kernel, leave=_leave_first)
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
        ratio: The ratio s of every convolution but the first, or one for each by name (``{"layer1.0.conv1": 2}``);
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
            blocks.append(Bottleneck(channels, inner, 2 if stage and not block else 1))
            channels = 4 * inner
        stages.append(blocks)
    net = ResNet(_convolution(3, stem, 7, 2), nn.MaxPool2d(3, 2, pad_mode="pad", padding=1), stages, channels, num_classes)
    ghostify(net, current_names(ratio), kernel, leave=_leave_first)
    return net
