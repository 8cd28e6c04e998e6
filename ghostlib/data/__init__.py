"""Datasets, from files to batches; a new one is a file here and a line in DATASETS.

digits.py, cifar10.py, folders.py (photographs, one folder for each class, which decoding.py reads, decoded.py and
pixel_file.py keep, and picture.py prepares), imagenette.py (ten classes of such) and examples.py (six photographs to show to
a published network) each load one;
batches.py says what a dataset is to the rest; augment.py and randaugment.py change its images at random, whether they come
from memory or from files; archives.py downloads; photographs.py and imagenet_archives.py fill folders.

Whatever is random here is a function of seed, epoch and rank: the order of the images of seed and epoch alone, so that
the ranks share one order out, their augmentation of all three.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ghostlib.config import Config
from ghostlib.data import cifar10, digits, examples, folders, imagenette
from ghostlib.data.batches import Data, balanced_images
from ghostlib.errors import InputError


class Dataset(NamedTuple):
    """How a dataset is loaded, and the mean and standard deviation of its channels, for pixels in [0, 1]."""

    load: Callable[[Config, int, int], Data]
    mean: Sequence[float]
    std: Sequence[float]


DATASETS = {"digits": Dataset(digits.load, digits.MEAN, digits.STD),
            "cifar10": Dataset(cifar10.load, cifar10.MEAN, cifar10.STD),
            "imagefolder": Dataset(folders.load, folders.MEAN, folders.STD),
            "imagenette": Dataset(imagenette.load, folders.MEAN, folders.STD),
            "examples": Dataset(examples.load, folders.MEAN, folders.STD)}


def load(config: Config, rank: int = 0, ranks: int = 1) -> Data:
    """The dataset that a Config names.

    Args:
        config: What it says of the data, of how images are scaled and changed, of batches and of the seed is used.
        rank, ranks: Which share of the images to give, of how many.

    Raises:
        InputError: For a missing or unusable file or folder, or fewer training images than one batch.
    """
    cores = os.cpu_count() or 1
    if config.workers > cores:
        raise InputError(f"workers: {config.workers} given; this machine has {cores} cores, allowed are 1 to {cores}")
    data = DATASETS[config.dataset].load(config, rank, ranks)
    if len(data.classes) != config.num_classes:
        raise InputError(f"num_classes: {config.num_classes} given; {config.data_dir} has {len(data.classes)}")
    if config.epochs and not len(data.train):
        raise InputError(f"batch_size: {config.batch_size} given; {ranks} device(s) share {data.train.images} training "
                         f"images, allowed are 1 to {data.train.images // ranks}")
    return data


def unaugmented(config: Config, count: int) -> np.ndarray:
    """So many training images (n, 3, H, W), as many of each class and so at most `count`, as a test would show them: to fit
    to.

    They are among those that `val_share` would hold out; a run that has it did not see them.
    """
    return balanced_images(load(config.having(val_share=0.2)).test, count)[0]
