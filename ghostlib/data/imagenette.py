"""Imagenette: photographs of ten of ImageNet's classes, 9,469 to train with and 3,925 to test with."""

from dataclasses import replace
from pathlib import Path

from ghostlib.config import Config
from ghostlib.data import archives, folders
from ghostlib.data.batches import Data
from ghostlib.errors import InputError

FOLDER = "imagenette"
# By the shortest side of its photographs, in pixels: the archive and its md5 (torchvision's dataset has the same ones).
ARCHIVES = {"160": ("imagenette2-160", "e793b78cc4c9e9a4ccc0c1155377a412"),
            "320": ("imagenette2-320", "3df6f0d01a2c9592104656642f5e78a3"),
            "full": ("imagenette2", "fe2fc210e6bb7c5664d602c3cd71e612")}
URL = "https://s3.amazonaws.com/fast-ai-imageclas"
# What each folder, named by its synset in WordNet, holds.
CLASSES = {"n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
           "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
           "n03445777": "golf ball", "n03888257": "parachute"}


def load(config: Config, rank: int, ranks: int) -> Data:
    """data_dir/imagenette, as folders of photographs, with words for its classes; rows keep the folders' own names.

    Raises:
        InputError: For a folder that is missing, or has other classes.
    """
    folder = Path(config.data_dir) / FOLDER
    if not folder.is_dir():
        raise InputError(f"data_dir: {config.data_dir} holds no {FOLDER}; "
                         f"'ghostlib fetch imagenette --data-dir {config.data_dir}' downloads it")
    data = folders.load(config.having(data_dir=str(folder)), rank, ranks)
    if list(data.classes) != list(CLASSES):
        raise InputError(f"data_dir: {folder} holds {len(data.classes)} classes, {', '.join(data.classes[:3])}, ...; wanted "
                         f"are Imagenette's ten, {', '.join(list(CLASSES)[:3])}, ...; dataset imagefolder takes any")
    return replace(data, classes=tuple(CLASSES.values()))


def fetch(data_dir: str | Path, size: str = "160", url: str | None = None, md5: str | None = None) -> Path:
    """Downloads and unpacks one of its archives (99 MB for the smallest), see `archives.fetch`.

    Args:
        data_dir: Where the folder `imagenette` goes.
        size: The shortest side of its photographs, a key of ARCHIVES.
        url, md5: Another copy of that archive.
    """
    inside, own = ARCHIVES[size]
    return archives.fetch(url or f"{URL}/{inside}.tgz", md5 or own, inside, Path(data_dir) / FOLDER)
