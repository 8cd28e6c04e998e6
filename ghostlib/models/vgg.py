"""VGG-16 for 32 x 32 images (CIFAR-10), plain or with Ghost convolutions: the paper's Tables 3 and 4."""

from mindspore import Tensor, nn

from ghostlib.ghost import Ratio, ghostify
from ghostlib.models.layers import Dropout

# Channels of the 13 convolutions; "pool" halves the map: 32, 16, 8, 4, 2, 1.
LAYERS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")


class VGG(nn.Cell):
    """Thirteen 3 x 3 convolutions, each with BatchNorm and ReLU, then two dense layers; build it with `vgg16`."""

    def __init__(self, width: float, num_classes: int, dropout: float):
        super().__init__()
        layers: list[nn.Cell] = []
        channels = 3
        for layer in LAYERS:
            if isinstance(layer, str):  # "pool"
                layers.append(nn.MaxPool2d(2, 2))
            else:
                out = max(1, round(layer * width))
                layers += [nn.Conv2d(channels, out, 3, pad_mode="pad", padding=1), nn.BatchNorm2d(out), nn.ReLU()]
                channels = out
        self.features = nn.SequentialCell(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.hidden = nn.SequentialCell(nn.Dense(channels, channels), nn.ReLU())
        self.dropout = Dropout(dropout, channels)
        self.classifier = nn.Dense(channels, num_classes)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.hidden(self.flatten(self.pool(self.features(x))))
        return self.classifier(self.dropout(x, kept))


def vgg16(width: float = 1.0, ratio: Ratio = 1, kernel: int = 3, num_classes: int = 10, dropout: float = 0.0) -> VGG:
    """VGG-16: images (N, 3, H, W), H and W at least 32, to logits (N, num_classes).

    Args:
        width: Channel multiplier.
        ratio: The ratio s of all 13 convolutions, the first too, or one for each by name (``{"features.0": 2}``); 1 is
            the plain network.
        kernel: d of the cheap operations.
        num_classes: Size of the classifier.
        dropout: Probability of dropping a feature between the two dense layers.

    Source: Tables 3 and 4, whose weights and multiply-adds this reproduces: convolutions without bias, BatchNorm
    after each, head 512-512-10.
    """
    net = VGG(width, num_classes, dropout)
    ghostify(net, ratio, kernel, leave=None)
    return net
