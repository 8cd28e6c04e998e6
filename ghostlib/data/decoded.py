"""Photographs' pixels kept once a file is decoded: in this process's memory, or on disk in a file that processes share.

`Config.decoded` says which. Whatever it says, a photograph's pixels are the same to the bit, the random numbers drawn for it
are the same, and a file that cannot be read is tried, counted and replaced each time as if nothing were kept. Datasets that
are in memory anyway (digits, cifar10, examples) take no notice of it.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil

from ghostlib.config import Config
from ghostlib.data.decoding import Box, decode, size
from ghostlib.data.listing import Listing
from ghostlib.data.pixel_file import PixelFile, cut, existing
from ghostlib.errors import InputError

MEMORY_SHARE, DISK_SHARE = 0.6, 0.9  # of what is free; the rest is for the network, and for whoever else works here
COUNTED = 50_000  # files of a split whose headers are all read, in some seconds; of more, as many drawn ones
GLANCE = 64  # files of a split from which a remark estimates
WORTH = 2_000  # training images from which a remark is made: fewer are decoded in a second
# What a container may take and has taken, which the machine's free memory does not tell; and which groups a process is in.
GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


class Pictures(Protocol):
    """The photographs of one split, by their indices."""

    files: Sequence[str]

    def __call__(self, index: int, box: Box | None = None) -> np.ndarray:
        """The pixels (H, W, 3) uint8 of the part that `box` draws, or of all, then not to be written to; as `decode` does.

        Raises:
            Unreadable: As `decode` does.
        """
        ...

    def open(self) -> None:
        """Called before each epoch; what takes long is done here, once."""
        ...

    def missing(self) -> int:
        """Bytes that are still to be kept, as the files' headers tell."""
        ...


class FromFiles:
    """Keeps nothing."""

    def __init__(self, files: Sequence[str]):
        self.files = files

    def __call__(self, index: int, box: Box | None = None) -> np.ndarray:
        return decode(self.files[index], box)

    def open(self) -> None:
        pass

    def missing(self) -> int:
        return 0


class InMemory(FromFiles):
    """Keeps whole pictures as they are first read, so that the first epoch takes no longer than without."""

    def __init__(self, files: Sequence[str]):
        super().__init__(files)
        self._kept: list[np.ndarray | None] = [None] * len(files)

    def __call__(self, index: int, box: Box | None = None) -> np.ndarray:
        whole = self._kept[index]
        if whole is not None:
            return cut(whole, box)
        drawn = 0, 0, 0, 0

        def all_of_it(width: int, height: int) -> tuple[int, int, int, int]:
            nonlocal drawn  # where `decode` draws it, which it does for some files that it then cannot read
            drawn = box(width, height) if box else (0, 0, width, height)
            return 0, 0, width, height
        whole = decode(self.files[index], all_of_it)
        whole.flags.writeable = False
        self._kept[index] = whole
        return cut(whole, (lambda *_: drawn) if box else None)

    def missing(self) -> int:
        return bytes_of(self.files, COUNTED)


class OnDisk(FromFiles):
    """Keeps whole pictures in a file in the cache folder, which is made before the first epoch where there is none."""

    def __init__(self, listing: Listing, workers: int):
        super().__init__(listing.files)
        self.file = PixelFile(listing, workers)

    def __call__(self, index: int, box: Box | None = None) -> np.ndarray:
        whole = self.file.picture(index)
        return decode(self.files[index], box) if whole is None else cut(whole, box)

    def open(self) -> None:
        self.file.open()

    def missing(self) -> int:
        return 0 if self.file.found() else bytes_of(self.files, COUNTED)


def pictures_of(config: Config, listing: Listing) -> Pictures:
    """The photographs of a listing, kept as `config.decoded` says."""
    if config.decoded == "disk":
        return OnDisk(listing, config.workers)
    return InMemory(listing.files) if config.decoded == "memory" else FromFiles(listing.files)


def bytes_of(files: Sequence[str], most: int) -> int:
    """Bytes of the decoded pixels of files, by their headers; estimated from `most` of them where there are more."""
    chosen = np.random.default_rng(0).permutation(len(files))[:most]
    found = sum(3 * width * height for width, height in (size(files[index]) for index in chosen))
    return round(found * len(files) / max(1, len(chosen)))


def remarks_on(config: Config, splits: Sequence[Pictures], ranks: int = 1) -> list[str]:
    """What a user should know of a run's kept pixels, one line each; nothing is decoded or written.

    Args:
        config: Fields decoded and epochs are used.
        splits: Those that the run reads, the one that it trains with first.
        ranks: Processes of the run on this machine; each keeps what it reads in its own memory.

    Raises:
        InputError: If there is too little memory or disk for them.
    """
    count, training = sum(len(split.files) for split in splits), len(splits[0].files)
    if config.decoded == "none":
        if config.epochs < 2 or training < WORTH:
            return []
        about = sum(bytes_of(split.files, GLANCE) for split in splits)
        fits = [name for name, bytes_there in (("memory", _memory() // ranks), ("disk", _disk())) if about <= bytes_there]
        return [f"decoded: none; all pixels of these {count:,} images, about {about / 1e9:.1f} GB, would fit; with "
                f"{' or '.join(fits)} each is decoded once"] if fits else []
    missing = sum(split.missing() for split in splits)
    if config.decoded == "memory":
        missing, allowed, where, instead = missing * ranks, _memory(), f"the memory of {ranks} process(es)", "disk or none"
    else:
        allowed, where = _disk(), str(PixelFile.folder())
        instead = "none, or GHOSTLIB_CACHE on another disk"
    if missing > allowed:
        raise InputError(f"decoded: {config.decoded} given; the pixels of {count:,} images take {missing:,} bytes in "
                         f"{where}, of which at most {allowed:,} may be used; allowed here is {instead}")
    return [f"decoded: {config.decoded}; {missing:,} bytes of pixels are to be kept in {where}"] if missing else []


def _memory() -> int:
    """Bytes of memory that pixels may take."""
    return round(MEMORY_SHARE * max(0, min([psutil.virtual_memory().available, *_left_to_groups()])))


def _left_to_groups() -> Iterator[int]:
    """Bytes of memory that are left to each of the control groups that this process is in; none without a limit.

    What is kept of files that nobody has open counts as used there, and is given up when memory is wanted.
    """
    try:
        own = [line.split(":", 2) for line in OWN.read_text().splitlines()]
    except (OSError, ValueError):
        own = []
    second, first = (next((parts[2].lstrip("/") for parts in own if parts[1] == kind), "") for kind in ("", "memory"))
    for root, path, limit, usage, files in (
            (GROUPS, second, "memory.max", "memory.current", "inactive_file"),
            (GROUPS / "memory", first, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")):
        # A container may see its own group as the root, whatever it is called outside.
        for group in [root / path, *(one for one in (root / path).parents if one.is_relative_to(root))]:
            try:
                most, used = (int((group / name).read_text()) for name in (limit, usage))
                told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                yield most - used + int(told.get(files, 0))
            except (OSError, ValueError):  # no such group, or one without a limit
                pass


def _disk() -> int:
    """Bytes of the cache folder's disk that pixels may take."""
    try:
        return round(DISK_SHARE * shutil.disk_usage(existing(PixelFile.folder())).free)
    except OSError:
        return 0
