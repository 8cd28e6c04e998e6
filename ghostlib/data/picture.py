"""One photograph on its way from decoded pixels to its place in a batch: scaled, changed at random, normalised."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image

from ghostlib.config import PHOTOGRAPHS, Config
from ghostlib.data.randaugment import jitter, randaugment

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels in [0, 1]; mindcv recipe

Operation = Callable[[np.ndarray], np.ndarray]


def resize(config: Config, size: int | tuple[int, int]) -> list[Operation]:
    """What scales a picture's shorter side to a size, or it to a height and a width, as `config.interpolation` says."""
    from mindspore.dataset import vision

    return [vision.Resize(size, {"bilinear": vision.Inter.BILINEAR, "bicubic": vision.Inter.BICUBIC}[config.interpolation])]


def seen_whole(config: Config) -> bool:
    """Whether a dataset's images are small pictures that are seen whole, and not photographs whose middle is cut out."""
    return config.dataset not in (*PHOTOGRAPHS, "examples")


def centre(config: Config) -> list[Operation]:
    """What a test image goes through: its shorter side scaled to image_size / crop_ratio, then its middle cut out.

    Where a dataset's own images are seen whole, another picture is, too: scaled to image_size, whatever its shape.
    """
    if seen_whole(config):
        return resize(config, (config.image_size,) * 2)
    return [*resize(config, round(config.image_size / config.crop_ratio)), partial(middle, size=config.image_size)]


def middle(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle (size, size, 3) of a picture that is no smaller; the pixels of MindSpore's CenterCrop, which copies it."""
    top, left = ((side - size) // 2 for side in picture.shape[:2])
    return picture[top:top + size, left:left + size]


def scaled(picture: np.ndarray, operations: Sequence[Operation]) -> np.ndarray:
    """A picture (H, W, 3) uint8 after operations one by one."""
    for operation in operations:
        picture = operation(picture)
    return picture


def changed(picture: np.ndarray, config: Config, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A cropped photograph (H, W, 3) uint8 mirrored half of the time, and what else the configuration names.

    Returns:
        The picture, and whether it is still to be mirrored, which `put` does in a third of the time.
    """
    mirrored = config.augment != "crop" and bool(rng.random() < 0.5)
    if config.augment != "randaugment" and not config.jitter:
        return picture, mirrored
    if mirrored:
        picture = np.asarray(Image.fromarray(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    if config.augment == "randaugment":
        picture = randaugment(picture, rng)
    return jitter(picture, config.jitter, rng) if config.jitter else picture, False


def put(picture: np.ndarray, mirrored: bool, planes: np.ndarray) -> None:
    """Writes a picture (H, W, 3) uint8, or its mirror image, to `planes` (3, H, W) uint8.

    Rows whose length is a multiple of eight are mirrored eight bytes at a time: words in reverse, then the bytes of each.
    """
    channels = picture.transpose(2, 0, 1)
    if not mirrored:
        planes[...] = channels
    elif planes.shape[2] % 8:
        planes[...] = channels[:, :, ::-1]
    else:
        words = np.ascontiguousarray(channels).view(np.uint64)
        planes.view(np.uint64)[...] = words[:, :, ::-1]
        planes.view(np.uint64).byteswap(inplace=True)


class Normalisation:
    """Bytes to what networks see: (pixels / 255 - mean) / std of each channel.

    Args:
        mean, std: Of each channel, for pixels in [0, 1].
    """

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD):
        self._scale = np.array(1 / 255 / np.array(std), np.float32)[:, None, None]
        self._shift = np.array(np.array(mean) / np.array(std), np.float32)[:, None, None]

    def __call__(self, planes: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """(N, 3, H, W) uint8 to float32, written to `out` if that is given.

        Channels are taken apart before, as bytes: floating point that is read in steps of three takes longer.
        """
        out = np.multiply(planes, self._scale, out=out)
        return np.subtract(out, self._shift, out=out)
