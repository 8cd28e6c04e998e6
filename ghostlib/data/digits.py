"""scikit-learn's handwritten digits: real images that every machine has."""

import numpy as np

from ghostlib.config import Config
from ghostlib.data.batches import Data, in_memory

MEAN, STD = (0.310,) * 3, (0.319,) * 3  # of the training digits at 32 x 32


def load(config: Config, rank: int, ranks: int) -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, enlarged; a third, the same for every seed, is for testing."""
    from skimage.transform import resize
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    size = config.image_size
    enlarged = resize(digits.images / 16, (len(digits.images), size, size), order=1)
    pictures = np.repeat(np.round(enlarged * 255).astype(np.uint8)[:, None], 3, axis=1)
    train_x, test_x, train_y, test_y = train_test_split(pictures, digits.target, test_size=1 / 3, random_state=0,
                                                        stratify=digits.target)
    return in_memory(config, (train_x, train_y), (test_x, test_y), MEAN, STD, list("0123456789"), rank, ranks)
