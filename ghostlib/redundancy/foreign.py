"""The redundancy of anybody's network: an ONNX file and a folder of photographs, as the tables that `runs.py` makes of runs.

Knows nothing of MindSpore, and the rows say nothing of what a file does not: width, s, d, epochs and accuracy stay empty.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ghostlib import results
from ghostlib.data.decoding import Unreadable, decode
from ghostlib.data.files import find
from ghostlib.data.picture import MEAN, STD
from ghostlib.errors import InputError
from ghostlib.features import OnnxNetwork
from ghostlib.progress import progress_bar
from ghostlib.redundancy.controls import KERNELS, RESAMPLES, THRESHOLDS, network_study
from ghostlib.redundancy.shuffled import shuffled
from ghostlib.redundancy.unfinished import Unfinished

SIZE = 224, 224  # of photographs for a network that takes any
# By name, the mean and the standard deviation of pixels in [0, 1] that a network was trained with.
NORMALISATIONS = {"imagenet": (MEAN, STD), "half": ((0.5,) * 3, (0.5,) * 3), "none": ((0.0,) * 3, (1.0,) * 3)}
UNKNOWN = dict.fromkeys(("width", "epochs", "top1", "s", "d"), "")


def of_file(path: str | Path, folder: str | Path, normalise: str = "imagenet", images: int = 192, seed: int = 0,
            progress: bool = True, unfinished: Unfinished | None = None) -> dict[str, pd.DataFrame]:
    """The tables "redundancy" and "allowed_ratio" of one network.

    Args:
        path: The ONNX file.
        folder: Photographs that the network was not trained on, in folders or not.
        normalise: One of NORMALISATIONS: what its training did to pixels.
        images: How many photographs are drawn, a third each to fit, to choose and to report.
        seed: Of that draw, the splits, the controls and the resamples.
        progress: Whether to show a bar.
        unfinished: Where finished layers' rows are kept.

    Raises:
        InputError: For a file or photographs that cannot be used.
    """
    net = OnnxNetwork(path)
    shown, names = photographs(folder, images, net.size or SIZE, normalise, seed)
    about: dict[str, Any] = {"dataset": Path(folder).resolve().name, "model": Path(path).stem, "seed": seed, **UNKNOWN}
    with progress_bar(len(net.convolutions), "layers shuffled", progress) as bar:
        control = shuffled(net, shown, seed, bar.update)
    study = network_study(net, control, shown, KERNELS, THRESHOLDS, seed)
    options = {"kernels": KERNELS, "thresholds": THRESHOLDS, "resamples": RESAMPLES, "seed": seed}
    kept = unfinished.of({**about, "images": images}, study, options) if unfinished else None
    with progress_bar(study.total(kept), "multiply-adds", progress) as bar:
        tables = study.run(bar.update, kept)
    where = {"images": len(names), **results.provenance()}
    return {name: table.assign(**about, **where).round(6) for name, table in tables.items()}


def photographs(folder: str | Path, count: int, size: tuple[int, int], normalise: str, seed: int = 0
                ) -> tuple[NDArray[Any], list[str]]:
    """Photographs (count, 3, H, W) as a network takes them, and their files: the middle of each, scaled to fill the size.

    Raises:
        InputError: For a normalisation that is unknown, a folder with fewer photographs, or one that cannot be read.
    """
    if normalise not in NORMALISATIONS:
        raise InputError(f"normalise: {normalise} given; allowed are {', '.join(NORMALISATIONS)}")
    if not Path(folder).is_dir():
        raise InputError(f"images: {folder} given; allowed is a folder of photographs")
    files = find([str(folder)])
    if len(files) < count:
        raise InputError(f"images: {folder} holds {len(files)} photographs, {count} wanted; allowed are more photographs or "
                         f"a smaller --count")
    drawn = [files[place] for place in sorted(np.random.default_rng(seed).permutation(len(files))[:count])]
    return prepared(drawn, size, normalise), drawn


def prepared(files: Sequence[str], size: tuple[int, int], normalise: str) -> NDArray[Any]:
    """Those photographs (N, 3, H, W) as a network takes them; `InputError` for one that cannot be read."""
    shown = np.empty((len(files), 3, *size), np.float32)
    for place, file in enumerate(files):
        try:
            shown[place] = as_input(Image.fromarray(decode(file)), size, normalise)
        except Unreadable as error:
            raise InputError(f"images: {file} cannot be read ({error}); allowed are photographs") from None
    return shown


def as_input(picture: Image.Image, size: tuple[int, int], normalise: str) -> NDArray[Any]:
    """One photograph (3, H, W) as a network takes it: its middle, scaled to fill the size."""
    mean, spread = (np.array(values, np.float32) for values in NORMALISATIONS[normalise])
    fitted = ImageOps.fit(picture, size[::-1], Image.Resampling.BICUBIC)
    return ((np.asarray(fitted, np.float32) / 255 - mean) / spread).transpose(2, 0, 1)
