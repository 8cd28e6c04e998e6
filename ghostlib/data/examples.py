"""Six of scikit-image's photographs with a class of ImageNet: what a published network can be shown without a download."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from PIL import Image

from ghostlib.config import Config
from ghostlib.data.batches import Data, in_memory
from ghostlib.data.picture import MEAN, STD, centre, scaled
from ghostlib.errors import InputError

# By their names there, which class each shows. The labels are ours; of a brick wall, for which there is none, the nearest.
LABELS = {"brick": 825, "camera": 872, "chelsea": 281, "clock": 409, "coffee": 967, "rocket": 657}


def imagenet_classes() -> list[str]:
    """The names of ImageNet's thousand classes (ILSVRC 2012), in the order of their numbers.

    Source: WordNet's first word for each synset; of the two that are called crane, which is which.
    """
    return [name for _, name in _imagenet()]


def imagenet_synsets() -> list[str]:
    """What folders of ImageNet's thousand classes are called (WordNet's synsets), in the order of their numbers."""
    return [synset for synset, _ in _imagenet()]


def in_words(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes as people say them: ImageNet's where all are its synsets, such as n01440764, else as they are."""
    words = dict(_imagenet())
    return tuple(words[name] for name in classes) if set(classes) <= set(words) else tuple(classes)


def _imagenet() -> list[tuple[str, str]]:
    lines = files("ghostlib.data").joinpath("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    return [(synset, name) for synset, _, name in (line.partition(" ") for line in lines)]


def load(config: Config, rank: int, ranks: int) -> Data:
    """Six photographs to test with and none to train with, each scaled and cut at its centre as ImageNet's are.

    Six say whether a network sees anything at all, and nothing about how good it is.
    """
    if config.epochs:
        raise InputError(f"epochs: {config.epochs} given; the examples are six photographs to look at, none to train with: "
                         f"allowed is 0")
    pictures = prepared(config)
    nothing = np.zeros((0, *pictures.shape[1:]), np.uint8), np.zeros(0, np.int64)
    labels = np.array(list(LABELS.values()))
    return in_memory(config, nothing, (pictures, labels), MEAN, STD, imagenet_classes(), rank, ranks)


def photograph(name: str) -> Image.Image:
    """One of scikit-image's, in colour."""
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def prepared(config: Config) -> np.ndarray:
    """The six as a dataset's test images are (6, 3, size, size) uint8."""
    operations = centre(config)
    return np.stack([scaled(np.asarray(photograph(name)), operations).transpose(2, 0, 1) for name in LABELS])
