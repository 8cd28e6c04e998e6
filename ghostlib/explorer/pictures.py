"""Pictures to look at: photographs and digits by name, files by their path; and more of their kind to find filters on."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ghostlib.data.decoding import Unreadable, decode
from ghostlib.data.digits import test_pictures
from ghostlib.data.imagenette import CLASSES, FOLDER
from ghostlib.data.photographs import NAMES as PHOTOGRAPHS
from ghostlib.errors import InputError, some
from ghostlib.paths import expand

DIGITS = "digits"
IMAGES = *PHOTOGRAPHS, DIGITS  # by name; a file of one's own by its path
SQUARES = 24  # pictures of a kind: one is looked at, filters are found on the others


def choices(data_dir: str | Path = "data") -> dict[str, str]:
    """What can be chosen, by how it is called: IMAGES, and where Imagenette is here, a test photograph of each class."""
    found: dict[str, str] = {}
    for folder, name in CLASSES.items():
        files = sorted((Path(data_dir) / FOLDER / "val" / folder).glob("*.JPEG"))
        found |= {f"{name}, a test photograph": str(files[0])} if files else {}
    return {**found, **{name: name for name in IMAGES}}


def squares(image: str | Image.Image, size: int) -> np.ndarray:
    """Pictures of one kind (SQUARES, size, size, 3) uint8: test digits, or a photograph and random squares cut from it.

    Args:
        image: One of IMAGES, a path, or a picture.
        size: Pixels.

    Raises:
        InputError: For a name or a file that is no picture.
    """
    if isinstance(image, Image.Image):
        return _cut(image.convert("RGB"), size)
    file = Path() if image in IMAGES else Path(expand(image, "image"))
    return _named(image, size, file.stat().st_mtime_ns if file.is_file() else 0).copy()


@lru_cache(maxsize=2)  # two networks side by side look at the same ones
def _named(image: str, size: int, _changed: int) -> np.ndarray:
    """The same by name or path; a file that has changed is another picture."""
    if image == DIGITS:
        return test_pictures(SQUARES, size)
    return _cut(Image.fromarray(_photograph(image)).convert("RGB"), size)


def _cut(whole: Image.Image, size: int) -> np.ndarray:
    """The middle of a picture as a square, and random squares of it."""
    side, rng, cut = min(whole.size), np.random.default_rng(0), []
    for number in range(SQUARES):
        edge = side if number == 0 else int(rng.integers(side // 2, side + 1))
        room = np.array(whole.size) - edge
        left, top = room // 2 if number == 0 else rng.integers(0, room + 1)
        cut.append(whole.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + edge, top + edge)))
    return np.stack([np.asarray(one) for one in cut])


def _photograph(name: str) -> np.ndarray:
    if name in PHOTOGRAPHS:
        import skimage.data
        return getattr(skimage.data, name)()
    try:
        return decode(expand(name, "image"))
    except Unreadable as error:
        raise InputError(f"image: {name!r} cannot be read ({error}); allowed are {some(IMAGES)}, or a picture's file") \
            from None
