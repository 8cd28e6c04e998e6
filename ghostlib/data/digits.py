"""scikit-learn's handwritten digits: real images that every machine has."""

import numpy as np

from ghostlib.config import Config
from ghostlib.data.batches import Data, in_memory

MEAN, STD = (0.310,) * 3, (0.319,) * 3  # of the training digits at 32 x 32


def load(config: Config, rank: int, ranks: int) -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, enlarged; a third, the same for every seed, is for testing."""
    train_x, test_x, train_y, test_y = _split()
    train, test = ((_enlarged(images, config.image_size).transpose(0, 3, 1, 2), labels)
                   for images, labels in ((train_x, train_y), (test_x, test_y)))
    return in_memory(config, train, test, MEAN, STD, list("0123456789"), rank, ranks)


def test_pictures(count: int, size: int) -> np.ndarray:
    """The first test digits (count, size, size, 3) uint8, as `load` has them, without enlarging all."""
    return _enlarged(_split()[1][:count], size)


def _split() -> list[np.ndarray]:
    """Training and test digits (N, 8, 8) from 0 to 1, and their labels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    return train_test_split(digits.images / 16, digits.target, test_size=1 / 3, random_state=0, stratify=digits.target)


def _enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """(N, size, size, 3) uint8."""
    from skimage.transform import resize

    enlarged = resize(images, (len(images), size, size), order=1)
    return np.repeat(np.round(enlarged * 255).astype(np.uint8)[..., None], 3, axis=3)
