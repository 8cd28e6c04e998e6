"""The decoded pixels of a split in one file of the cache folder: made once, checked, and shared by all who read it.

Layout: a digest of the key and of the index (32 bytes), the index as an .npy array (offset, height, width and checksum of
each picture; height 0 where the file could not be read), then the pictures (H, W, 3) uint8 one behind the other. The key is
made of each image's name, size and time of change, and of what decodes them, so that another picture of the same name is
never taken for it.

A process writes to a name of its own and renames, holding a lock meanwhile, so that the others wait instead of decoding the
same; a file under its name is whole, unless a disk damaged it. It is mapped into memory: its pages are the operating
system's, once for all processes. It may be deleted at any time.
"""

import fcntl
import hashlib
import json
import os
import uuid
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ghostlib.cache import cache_folder
from ghostlib.data import decoding
from ghostlib.data.decoding import Box, Unreadable, decode
from ghostlib.data.listing import Listing
from ghostlib.errors import RunError
from ghostlib.lock import NO_LOCKS

INDEX = np.dtype([("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("checksum", "<u4")])
DIGEST = hashlib.sha256().digest_size  # bytes
AT_ONCE = 64  # pictures that are decoded before they are written; ImageNet's take 40 MB


class PixelFile:
    """A listing's pixels on disk.

    Args:
        listing: Whose.
        workers: Threads that decode while it is made.
    """

    def __init__(self, listing: Listing, workers: int = 1):
        self._listing, self._workers = listing, workers
        self._key: str | None = None
        self._index: np.ndarray | None = None
        self._bytes = np.empty(0, np.uint8)
        self._known = np.zeros(len(listing.files), bool)  # pictures whose checksum was right in this process

    @staticmethod
    def folder() -> Path:
        """Where they are."""
        return cache_folder() / "decoded"

    @property
    def path(self) -> Path:
        """The file's, known by what it holds."""
        if self._key is None:
            self._key = _key(self._listing)
        return self.folder() / f"{self._key}.pixels"

    def found(self) -> bool:
        """Whether the file is there and whole; it is opened then."""
        if self._index is None and self._listing.files:
            try:
                self._load()
            except FileNotFoundError:
                return False
            except (OSError, ValueError, EOFError) as error:
                _remark(f"{self.path} is ignored and made anew: {error}")
                return False
        return True

    def open(self) -> None:
        """Makes the file if it is not there or not whole, and opens it.

        Raises:
            RunError: If it cannot be written.
        """
        if self.found():
            return
        try:
            self.folder().mkdir(parents=True, exist_ok=True)
            with _alone(self.path.with_suffix(".lock")) as alone:
                if alone:
                    for left in self.folder().glob(f".{self._key}-*"):  # by processes that were killed
                        left.unlink(missing_ok=True)
                try:  # by now another process may have made it
                    self._load()
                except (OSError, ValueError, EOFError):
                    self._make()
                    self._load()
        except (OSError, ValueError) as error:
            raise RunError(f"decoded: {getattr(error, 'filename', None) or self.path} cannot be written "
                           f"({getattr(error, 'strerror', None) or error}); allowed is none, or GHOSTLIB_CACHE on another "
                           f"disk") from None

    def picture(self, index: int) -> np.ndarray | None:
        """The pixels (H, W, 3) uint8 of an image, not to be written to; None where there are none to be had from here."""
        table = self._index
        if table is None:
            return None
        offset, height, width, checksum = table[index].item()
        if not height:
            return None
        pixels = self._bytes[offset:offset + 3 * height * width]
        if not self._known[index]:
            if zlib.crc32(pixels.data) != checksum:
                self._give_up(index)
                return None
            self._known[index] = True
        return pixels.reshape(height, width, 3)

    def _load(self) -> None:
        with open(self.path, "rb") as file:
            digest = file.read(DIGEST)
            index = np.load(file, allow_pickle=False)
            start, there = file.tell(), os.fstat(file.fileno()).st_size
        if index.dtype != INDEX or index.shape != self._known.shape or digest != self._digest(index):
            raise ValueError("it is damaged or holds something else")
        wanted = start + 3 * int((index["height"].astype(np.int64) * index["width"]).sum())
        if there != wanted:
            raise ValueError(f"it has {there:,} bytes, {wanted:,} are wanted")
        self._bytes = np.asarray(np.memmap(self.path, np.uint8, "r"))
        if len(self._bytes) != wanted:  # between the two it became another one
            raise ValueError("it was changed while it was opened")
        self._index = index
        self._known[:] = False

    def _make(self) -> None:
        """Decodes all images and writes them."""
        files = self._listing.files
        index = np.zeros(len(files), INDEX)
        own = self.folder() / f".{self._key}-{uuid.uuid4().hex}"
        try:
            with open(own, "xb") as file, ThreadPoolExecutor(self._workers) as pool:
                file.write(bytes(DIGEST))
                np.save(file, index)  # holds its place
                for start in range(0, len(files), AT_ONCE):
                    for number, (pixels, checksum) in enumerate(pool.map(_decoded, files[start:start + AT_ONCE]), start):
                        if pixels is not None:
                            index[number] = file.tell(), *pixels.shape[:2], checksum
                            file.write(pixels.data)
                file.seek(0)
                file.write(self._digest(index))
                np.save(file, index)
                file.flush()
                os.fsync(file.fileno())
            os.replace(own, self.path)
        except BaseException:
            with suppress(OSError):
                own.unlink()
            raise

    def _digest(self, index: np.ndarray) -> bytes:
        return hashlib.sha256(f"{self._key}\0".encode() + index.tobytes()).digest()

    def _give_up(self, index: int) -> None:
        """Removes a file of which a picture is damaged: it is made anew when it is next opened, and until then files are
        read."""
        self._index = None
        _remark(f"{self.path} is ignored and made anew: the pixels of {self._listing.name(index)} are damaged")
        with suppress(OSError):
            self.path.unlink()


def cut(whole: np.ndarray, box: Box | None) -> np.ndarray:
    """The part of a picture (H, W, 3) that a box draws, a copy; without a box the picture itself."""
    if box is None:
        return whole
    left, top, width, height = box(whole.shape[1], whole.shape[0])
    return whole[top:top + height, left:left + width].copy()


def existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _decoded(path: str) -> tuple[np.ndarray | None, int]:
    """A file's pixels and their checksum; None where it cannot be read."""
    try:
        pixels = np.ascontiguousarray(decode(path))
    except Unreadable:
        return None, 0
    return pixels, zlib.crc32(pixels.data)


def _key(listing: Listing) -> str:
    """A hash of everything that decides about a listing's pixels."""
    images = []
    for number, path in enumerate(listing.files):
        try:
            found = os.stat(path)
            images.append((listing.name(number), found.st_size, found.st_mtime_ns))
        except OSError:  # it went, and is unreadable
            images.append((listing.name(number), -1, -1))
    told = json.dumps([images, str(INDEX), version("pillow"), version("simplejpeg")])
    code = Path(decoding.__file__).read_bytes()
    return hashlib.sha256(told.encode() + code).hexdigest()[:32]


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Waits until no other process is in here with this path; False where the disk has no locks."""
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            locked = True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            locked = False
        yield locked


def _remark(what: str) -> None:
    warnings.warn(f"decoded: {what}", RuntimeWarning, stacklevel=4)
