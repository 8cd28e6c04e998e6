"""Pictures to look at: photographs and digits by name, files by their path; and more of their kind to find filters on."""

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
    if image == DIGITS:
        return test_pictures(SQUARES, size)
    whole = (image if isinstance(image, Image.Image) else Image.fromarray(_photograph(image))).convert("RGB")
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
