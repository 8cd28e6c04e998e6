"""What several families share: rounding of channels, squeeze-and-excitation, and dropout whose noise can be given."""

import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from ghostlib.errors import InputError

DIVISOR = 4  # of GhostNet's channels; the authors' code


def scale_channels(channels: float, divisor: int = DIVISOR) -> int:
    """The multiple of `divisor` nearest to `channels`, never less than `divisor` or than 90 % of `channels`.

    Source: MobileNetV2's rule, there with 8; the authors' code of GhostNet uses 4.
    """
    scaled = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return scaled + divisor if scaled < 0.9 * channels else scaled


def check_width(width: float, channels: int, divisor: int) -> None:
    """Refuses a width at which a layer of `channels` would get more than twice the channels that it asks for.

    MobileNetV2's published width 0.35 asks for 5.6 channels and has 8, so that fewer than `divisor` alone is no fault.
    """
    least = divisor / 2 / channels
    if width < least:
        raise InputError(f"width: {width} given, which leaves {channels * width:g} of a layer's {channels} channels, and "
                         f"they come in multiples of {divisor}; allowed are {least:g} and more")


class Enlarge(nn.Cell):
    """Maps (N, C, h, w) to a height and a width by repeating the nearest pixel: (N, C, height, width)."""

    def construct(self, x: Tensor, height: int, width: int) -> Tensor:
        return ops.interpolate(x, (height, width), mode="nearest")


class Excite(nn.Cell):
    """Each map times its gate, whose pixels are repeated: (N, C, H, W) and (N, C, h, w) to (N, C, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.enlarge = Enlarge()

    def construct(self, x: Tensor, gate: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if gate.shape[2] * gate.shape[3] > 1:
            gate = self.enlarge(gate, height, width)
        return x * gate


class SqueezeExcite(nn.Cell):
    """Scales each channel by a gate in [0, 1] computed from the channels' means; (N, C, H, W) to the same shape.

    Args:
        channels: C; a quarter of them, rounded to a multiple of `divisor`, stand in between.
    """

    IN_ORDER = ("conv_reduce", "relu"),

    def __init__(self, channels: int, divisor: int = DIVISOR):
        super().__init__()
        reduced = scale_channels(channels / 4, divisor)
        self.pool = nn.AdaptiveAvgPool2d(1)  # four times as fast as ops.mean on a CPU
        self.conv_reduce = nn.Conv2d(channels, reduced, 1, has_bias=True)
        self.relu = nn.ReLU()
        self.conv_expand = nn.Conv2d(reduced, channels, 1, has_bias=True)
        self.gate = nn.HSigmoid()
        self.excite = Excite()

    def construct(self, x: Tensor) -> Tensor:
        return self.excite(x, self.gate(self.conv_expand(self.relu(self.conv_reduce(self.pool(x))))))


class Dropout(nn.Cell):
    """Features (N, features) with each dropped at probability p in training; the others grow by 1 / (1 - p).

    MindSpore's own operator keeps the state of its generator where no checkpoint can reach it. So the noise may come
    as an input: `noise` draws it, as a pure function of the generator that it is given. Without that input MindSpore's
    operator is used.

    Args:
        p: Probability of dropping a feature.
        features: How many features there are.
    """

    def __init__(self, p: float, features: int):
        super().__init__()
        self.p = p
        self.features = features
        self.own = nn.Dropout(p=p)

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        """Factors (batch, features) float32: 0 for what is dropped, 1 / (1 - p) for what is kept."""
        kept = rng.random((batch, self.features), np.float32) >= self.p
        return kept.astype(np.float32) / np.float32(1 - self.p)

    def construct(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        if kept is None:
            return self.own(x)
        return x * kept.astype(x.dtype)
