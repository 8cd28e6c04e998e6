"""Images mixed in pairs, and how much of each pair's labels they keep: mixup and CutMix, as mindcv does them."""

import numpy as np

from ghostlib.config import Config


def mix(images: np.ndarray, config: Config, rng: np.random.Generator) -> tuple[np.ndarray, np.float32]:
    """Mixes each image of a batch with one of the same batch, read backwards.

    A share `config.mixup` of batches is blended, x = share x + (1 - share) y; a share `config.cutmix` gets a rectangle of
    the other image; the rest stays as it is.

    Args:
        images: (N, C, H, W), normalised.
        config: Fields mixup, mixup_alpha, cutmix and cutmix_alpha are used.
        rng: Where everything random comes from.

    Returns:
        Images (N, C, H, W), and how much of each is still its own, in [0, 1]; the rest is that of image N - 1 - i.

    Source: Zhang et al. 2018 and Yun et al. 2019, the share from a symmetric Beta distribution; one share a batch, mindcv's
    data/mixup.py. A blend keeps at least half of an image, which is the same batch in another order otherwise.
    """
    draw = rng.random()
    if draw < config.mixup:
        drawn = rng.beta(config.mixup_alpha, config.mixup_alpha)
        share = np.float32(max(drawn, 1 - drawn))
        return images * share + images[::-1] * (1 - share), share
    if draw < config.mixup + config.cutmix:
        return _cut(images, rng.beta(config.cutmix_alpha, config.cutmix_alpha), rng)
    return images, np.float32(1)


def _cut(images: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.float32]:
    """A rectangle of 1 - share of the area around a random point, cut off at the edge; the share is that of what remains."""
    height, width = images.shape[2:]
    side = np.sqrt(1 - share)
    row, column = rng.integers(height), rng.integers(width)
    top, bottom = (int(np.clip(row + sign * int(side * height) // 2, 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(column + sign * int(side * width) // 2, 0, width)) for sign in (-1, 1))
    mixed = images.copy()
    mixed[:, :, top:bottom, left:right] = images[::-1, :, top:bottom, left:right]
    return mixed, np.float32(1 - (bottom - top) * (right - left) / (height * width))
