"""scikit-image's photographs cut into a small dataset in folders: real pictures, nothing to download."""

import tempfile
from pathlib import Path

import numpy as np

from ghostlib.data.folders import save_folder

NAMES = ("astronaut", "brick", "chelsea", "coffee", "grass", "hubble_deep_field", "immunohistochemistry",
               "retina")  # of scikit-image, those that come with it; two are greyscale
SQUARE = 128  # pixels cut out of a photograph


def write(data_dir: str | Path) -> Path:
    """Cuts scikit-image's photographs into a small dataset in folders: real pictures, nothing to download.

    A class is one photograph; its training images are random squares of the left three fifths, its test images of the
    right two fifths, so that no pixel is in both.

    Returns:
        The folder `photographs` with train/ and val/; nothing is done when it is there already.
    """
    import skimage.data

    target = Path(data_dir) / "photographs"
    if target.is_dir():
        return target
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".photographs-", dir=data_dir) as scratch:
        for number, name in enumerate(NAMES):
            picture, rng = getattr(skimage.data, name)(), np.random.default_rng(number)
            border = 3 * picture.shape[1] // 5
            for split, part, count in (("train", picture[:, :border], 40), ("val", picture[:, border:], 20)):
                corners = rng.integers((0, 0), np.array(part.shape[:2]) - SQUARE, (count, 2))
                save_folder(Path(scratch) / "photographs" / split,
                            [part[top:top + SQUARE, left:left + SQUARE] for top, left in corners], [name] * count)
        (Path(scratch) / "photographs").rename(target)
    return target
