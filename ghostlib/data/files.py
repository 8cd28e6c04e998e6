"""Pictures of one's own, wherever they lie, prepared as a dataset's test images are."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ghostlib.config import Config
from ghostlib.data import DATASETS
from ghostlib.data.file_paths import FilePaths
from ghostlib.data.folders import FolderBatches
from ghostlib.data.listing import SUFFIXES, Listing, images_below
from ghostlib.errors import InputError, some


def find(places: Sequence[str], field: str = "image") -> list[str]:
    """The pictures that are named: a file whatever its name, all below a folder that `listing` takes for pictures, and what
    a pattern such as ``holiday/*.jpg`` fits; each once, in the order of the places, which were given as `field`.

    Raises:
        InputError: For a place that is not there, or that holds no picture.
    """
    found: dict[str, None] = {}
    for place in places:
        if os.path.isdir(place):
            own = sorted(str(Path(path)) for path in images_below(place))
            missing = f"is a folder without a picture; wanted is one named {some(SUFFIXES, len(SUFFIXES))}"
        else:
            own = [place] if os.path.exists(place) else sorted(filter(os.path.isfile, glob.glob(place, recursive=True)))
            missing = "does not exist; allowed are pictures, folders of them and patterns"
        if not own:
            raise InputError(f"{field}: {place} {missing}")
        found.update(dict.fromkeys(own))
    return list(found)


def spread(files: Sequence[str], most: int) -> list[str]:
    """So many of some files, or all if there are fewer, evenly spread over them in their order."""
    return [files[place] for place in np.unique(np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int))]


def batches_of(files: Sequence[str], config: Config) -> FolderBatches:
    """Those pictures in batches, as the test images of `config.dataset` are, without labels; one that cannot be read is
    marked in `broken`, and none of them ends anything."""
    named = [(os.path.join(os.path.dirname(file), ""), [os.path.basename(file)]) for file in files]
    listing = Listing("", FilePaths(named), np.zeros(len(files), np.int64), [])
    dataset = DATASETS[config.dataset]
    return FolderBatches(listing, config.having(broken_limit=len(files), decoded="none"), mean=dataset.mean, std=dataset.std)
