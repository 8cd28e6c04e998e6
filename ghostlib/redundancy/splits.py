"""Images split into those to fit on, to choose on and to report, and drawn again for the bootstrap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.errors import InputError


def split(count: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Indices of three equal parts of `count` images, drawn at random: to fit on, to choose on, to report.

    Raises:
        InputError: For fewer than six images, two for each part.
    """
    if count < 6:
        raise InputError(f"images: {count} given; three splits, to fit, to choose and to report, want at least 2 each, 6 "
                         f"in all")
    order = np.random.default_rng(seed).permutation(count)[:count // 3 * 3]
    first, second, third = (np.sort(part) for part in np.split(order, 3))
    return first, second, third


def resamples(images: int, times: int, seed: int = 0) -> NDArray[Any]:
    """How often each image is drawn in each bootstrap resample: (times, images)."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), times).astype(np.float64)
