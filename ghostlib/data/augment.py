"""Random changes to images, in memory or on their way from files: pure functions of the generator given.

Photographs are cropped, by `crop_box`, mirrored and changed one by one where they are read (`ghostlib.data.folders`,
`ghostlib.data.randaugment`); images in memory, and the erasing of both, in batches.
"""

import math

import numpy as np

PADDING = 4  # pixels; He et al. 2016, section 4.2


def crop(images: np.ndarray, rng: np.random.Generator, padding: int = PADDING) -> np.ndarray:
    """Pads each image with zeros and cuts out a window of the old size at a random place.

    Args:
        images: (N, C, H, W).
        rng: Where the places come from.
        padding: Pixels added on each side.

    Returns:
        (N, C, H, W), a copy.
    """
    n, _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    top, left = rng.integers(0, 2 * padding + 1, (2, n))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    # Two index arrays around a slice put the indexed axes first, hence the transposition.
    return padded[np.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)


def flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirrors each image left to right with probability 1/2; (N, C, H, W), a copy."""
    mirrored = rng.random(len(images)) < 0.5
    return np.where(mirrored[:, None, None, None], images[..., ::-1], images)


def augment(images: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """What `Config.augment` names, done to images (N, C, H, W)."""
    if "crop" in how:
        images = crop(images, rng)
    if "flip" in how:
        images = flip(images, rng)
    return images


ERASED_AREA, ERASED_ASPECT, ATTEMPTS = (0.02, 0.33), (0.3, 3.3), 10  # mindcv recipe


def erase(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Sets a random rectangle of some images to 0, which after normalisation is the mean colour.

    Area is uniform between 2 and 33 % of the image, the logarithm of height / width uniform between those of 0.3 and
    3.3; a rectangle that does not fit is drawn anew, ten times at most.

    Args:
        images: (N, C, H, W), normalised; changed in place.
        probability: Share of images that lose a rectangle.
        rng: Where everything random comes from.

    Returns:
        The same array.

    Source: Zhong et al. 2020, with the mindcv recipe's values.
    """
    _, _, height, width = images.shape
    for i in np.flatnonzero(rng.random(len(images)) < probability):
        for _ in range(ATTEMPTS):
            area = height * width * rng.uniform(*ERASED_AREA)
            aspect = np.exp(rng.uniform(*np.log(ERASED_ASPECT)))
            h, w = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
            if h < height and w < width:
                top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
                images[i, :, top:top + h, left:left + w] = 0
                break
    return images


def crop_box(rng: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random part of a photograph, in pixels.

    Its area is 8 to 100 % of the whole, its sides' ratio 3/4 to 4/3, log-uniform (Szegedy et al. 2015; mindcv recipe).
    Where ten tries do not fit, the largest centred part of an allowed ratio.
    """
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1)), wide, high
    wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (width - wide) // 2, (height - high) // 2, max(1, wide), max(1, high)
