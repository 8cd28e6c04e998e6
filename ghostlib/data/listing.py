"""Which files of a folder are images, and of which class: what is read, what is passed over and what is held out.

A class is a subfolder. Its images are the files whose names end in one of SUFFIXES, whatever they then hold
(`decoding.decode` tells by content). What systems leave behind (LITTER, and whatever begins with a dot) is passed over
without a word; any other file, and a folder within a class, with one remark that counts them. On a shared disk that is
read-only nobody can tidy up, so none of that is an error; a class with no image left is.

Names of classes are compared, sorted and told in Unicode's composed form (NFC): macOS writes é as two characters, Linux as
one. Paths stay as the disk has them.
"""

import hashlib
import itertools
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ghostlib.data.contents import fingerprint_of
from ghostlib.data.file_paths import AT_A_TIME, FilePaths
from ghostlib.errors import InputError, some

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx", "$recycle.bin", "system volume information",
          "lost+found", "icon\r"}  # in small letters; of Windows, macOS and network drives
LOOKED_AT = 10_000  # files whose sizes go into a fingerprint: all of ImageNet's would take minutes on a network drive


@dataclass(frozen=True)
class Listing:
    """The images below a folder with one subfolder for each class, in alphabetical order.

    Attributes:
        folder: Where they are.
        files: Their paths (N), as a list is used, put together when they are asked for.
        labels: (N,) the numbers of their classes.
        classes: The names.
        remark: What a user should know of the files that are none, or "".
    """

    folder: str
    files: FilePaths
    labels: np.ndarray
    classes: Sequence[str]
    remark: str = ""

    def name(self, index: int) -> str:
        """A file's class and name, which stay what they are when the folder moves."""
        return self.files[index][len(os.path.join(self.folder, "")):]

    def part(self, chosen: np.ndarray) -> "Listing":
        """Those images that a (N,) mask chooses."""
        return Listing(self.folder, self.files.part(chosen), self.labels[chosen], self.classes, self.remark)

    def names(self) -> Iterator[str]:
        """Each file's class and name, in their order."""
        start = len(os.path.join(self.folder, ""))
        return (path[start:] for path in self.files)


def scan(folder: Path, field: str = "data_dir") -> Listing:
    """Lists a folder of class folders, which was given as `field`.

    Raises:
        InputError: For a missing folder, one without classes, a class without images, or two folders of one name.
    """
    if not folder.is_dir():
        raise InputError(f"{field}: {folder} does not exist; wanted is a folder with one subfolder for each class")
    folders, others = _entries(folder)
    if not folders:
        flat = sum(name.lower().endswith(SUFFIXES) for name in others)
        raise InputError(f"{field}: {folder} has no class folders" + (
            f" but {flat:,} images side by side; 'ghostlib prepare-imagenet ARCHIVES {folder.parent}' sorts ImageNet's "
            f"archives into classes" if flat else "; wanted is one subfolder for each class"))
    composed = sorted((unicodedata.normalize("NFC", name), name) for name in folders)
    for (one, first), (other, second) in itertools.pairwise(composed):
        if one == other:
            raise InputError(f"{field}: {folder} has two folders for class {one}: {first!a} and {second!a}, the same "
                             f"letters composed in two ways; allowed is one")
    passed = [os.path.join(folder, name) for name in others]
    files = FilePaths(_classes(folder, [name for _, name in composed], passed, field))
    remark = (f"{field}: {len(passed):,} file(s) or folder(s) in {folder} are no images by their names and are passed "
              f"over, first {passed[0]}" if passed else "")
    return Listing(str(folder), files, files.folder_of, [one for one, _ in composed], remark)


def _classes(folder: Path, classes: Iterable[str], passed: list[str], field: str) -> Iterator[tuple[str, list[str]]]:
    """Each class's folder and the names of its images; what is none goes into `passed`."""
    for name in classes:
        within, names = _entries(folder / name)
        images = [one for one in names if one.lower().endswith(SUFFIXES)]
        if not images:
            what = f"holds no image, only {some(within + names, 3)}" if within + names else "is empty"
            raise InputError(f"{field}: class folder {folder / name} {what}; wanted is at least one image in each, named "
                             f"{some(SUFFIXES, len(SUFFIXES))}")
        start = os.path.join(folder, name, "")
        passed += [start + one for one in within]
        passed += [start + one for one in names if not one.lower().endswith(SUFFIXES)]
        yield start, images


def _entries(folder: Path | str) -> tuple[list[str], list[str]]:
    """The names of a folder's subfolders and of its files, sorted, without litter."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.lower() not in LITTER:
                (folders if entry.is_dir() else files).append(entry.name)
    return sorted(folders), sorted(files)


def images_below(folder: Path | str, within: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of all images in a folder and in those within it, however deep, by the same rules as for a class.

    Args:
        folder: Where to look. A link to a folder that holds it is not followed.
        within: The real paths of those folders.
    """
    here = os.path.realpath(folder)
    if here in within:
        return
    folders, files = _entries(folder)
    yield from (os.path.join(folder, name) for name in files if name.lower().endswith(SUFFIXES))
    for name in folders:
        yield from images_below(os.path.join(folder, name), (*within, here))


def hold_out(listing: Listing, share: float) -> tuple[Listing, Listing]:
    """Splits a listing in two, to train with and to test with.

    Of each class a share is held out, at least one image and never all: those whose names come first in the order of a
    hash. So it is the same on every machine and for every seed, and changes little when pictures come or go.

    Raises:
        InputError: For a class with a single image.
    """
    keys = np.array([hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
                     for name in listing.names()])
    held = held_out(listing.labels, listing.classes, share, keys)
    return listing.part(~held), listing.part(held)


def held_out(labels: np.ndarray, classes: Sequence[str], share: float, keys: np.ndarray) -> np.ndarray:
    """Which images (N,) of each class are held out: a share, at least one and never all, of those with the least keys (N,).

    Raises:
        InputError: For a class with a single image.
    """
    held = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        own = np.flatnonzero(labels == label)
        if len(own) < 2:
            raise InputError(f"val_share: {share:g} given; class {name} has {len(own)} image(s), and one to train with and "
                             f"one to test with are wanted; allowed is 0, with a val/")
        count = min(max(1, round(share * len(own))), len(own) - 1)
        held[own[np.argsort(keys[own], kind="stable")[:count]]] = True
    return held


def fingerprint(listings: Iterable[Listing]) -> str:
    """What a dataset in folders is known again by: the names of all files and the sizes of some, the same in each run."""
    listings = list(listings)
    count = sum(len(listing.files) for listing in listings)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:LOOKED_AT])
    sizes, begin = [], 0
    for listing in listings:
        end = begin + len(listing.files)
        sizes += [_size(listing.files[index - begin]) for index in chosen[(chosen >= begin) & (chosen < end)]]
        begin = end
    return fingerprint_of([*map(_as_bytes, listings), np.array(sizes, np.int64)])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # a link to nowhere, or it went: an image that cannot be read, which whoever reads it says
        return -1


def _as_bytes(listing: Listing) -> Iterator[bytes]:
    """The names of a listing's files with a zero between them, in pieces: all at once they take more than the listing."""
    names, between = listing.names(), ""
    while piece := "\0".join(itertools.islice(names, AT_A_TIME)):
        yield (between + piece).encode("utf-8", "surrogateescape")
        between = "\0"


def difference_of_names(first: Sequence[str], second: Sequence[str]) -> str | None:
    """How the class folders of two splits differ, in words; names that look alike as Python writes them."""
    if list(first) == list(second):
        return None
    one, other = sorted(set(first) - set(second)), sorted(set(second) - set(first))
    alike = {_skeleton(name): name for name in one}
    for name in other:
        if _skeleton(name) in alike:
            return f"{alike[_skeleton(name)]!a} and {name!a} only look alike"
    return some(sorted([*one, *other]))


def _skeleton(name: str) -> str:
    """What is left of a name without what one may not see: case, blanks, signs without width, kinds of one letter."""
    signs = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in signs if sign.isprintable() and not sign.isspace())
