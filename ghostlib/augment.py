"""Random changes to batches of small images, a pure function of the generator given.

Photographs from folders are augmented while they are decoded, by MindSpore's own operations (`ghostlib.data`).
"""

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
