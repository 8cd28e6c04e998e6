"""A smaller dataset out of one in folders: some of its classes, some of their training photographs."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ghostlib.data.listing import SUFFIXES
from ghostlib.errors import InputError


def draw(source: str | Path, target: str | Path, classes: Sequence[str], each: int | None = None, seed: int = 0,
         judged: int | None = None) -> Path:
    """Some classes' photographs as a dataset of its own, whose files are those of `source` under another name (hard links,
    copies where the disk has none).

    Args:
        source: A folder with train/ and val/, one folder for each class in either.
        target: Made; its val/ holds all of those classes' test photographs.
        classes: Names of folders.
        each: How many training photographs of each class are drawn; None takes all.
        seed: Decides which; a larger `each` with the same seed draws those and more.
        judged: How many other training photographs of each class take the place of the test photographs, for choices that
            these must not decide; None takes the test photographs.

    Returns:
        `target`; nothing is done when it is there already.

    Raises:
        InputError: For a class that is not there, or has fewer photographs.
    """
    if judged is not None and each is None:
        raise InputError(f"judged: {judged} given; allowed is it beside an each, which leaves some over")
    wanted = (each or 0) + (judged or 0)
    source, target = Path(source), Path(target)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        for split in ("train", "val"):
            for number, name in enumerate(classes):
                from_train = split == "train" or judged is not None
                folder = source / ("train" if from_train else "val") / name
                if not folder.is_dir():
                    raise InputError(f"classes: {name} given; {folder.parent} has no such folder")
                files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
                if from_train and each is not None:
                    if wanted > len(files):
                        raise InputError(f"each: {wanted} given; {folder} has {len(files)} photographs, allowed are 1 to "
                                         f"{len(files)}")
                    order = np.random.default_rng([seed, number]).permutation(len(files))
                    chosen = order[:each] if split == "train" else order[each:wanted]
                    files = [files[place] for place in sorted(chosen)]
                (made / split / name).mkdir(parents=True)
                for path in files:
                    _link(path, made / split / name / path.name)
        made.rename(target)
    return target


def _link(path: Path, to: Path) -> None:
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)
