"""Photographs in folders, one for each class: found, read, augmented and put into batches."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ghostlib.config import Config
from ghostlib.data.augment import crop_box, erase
from ghostlib.data.batches import Batch, Data, batch_count, padded, share_of
from ghostlib.data.contents import Contents
from ghostlib.data.decoded import pictures_of, remarks_on
from ghostlib.data.decoding import Box, Unreadable, decode, orientation
from ghostlib.data.listing import Listing, difference_of_names, fingerprint, hold_out, scan
from ghostlib.data.picture import MEAN, STD, Normalisation, Operation, centre, changed, put, resize, scaled
from ghostlib.errors import InputError, RunError, in_a_line, some
from ghostlib.paths import expand
from ghostlib.randomness import AUGMENT, FLIP, PICTURE, stream, streams

FIRST_LOOK = 8  # images of each split that are looked at before anything begins
SHOWN = 5  # unreadable images that one line tells the reasons of
AHEAD = 4  # batches read before they are asked for
PART = 16  # photographs that a thread takes at once: one by one, each costs a tenth to a third more (docs/performance.md)
UNREADABLE = -1  # the index of an image that is not there


def load(config: Config, rank: int, ranks: int) -> Data:
    """data_dir/train and data_dir/val, each with one folder of photographs for each class; to test, val is enough.

    With `config.val_share` a share of train/, or of class folders directly in data_dir, takes the place of val/, which is
    then not even looked at.

    Raises:
        InputError: For a folder that is missing, or of another layout.
        RunError: For a split of which no image that is looked at can be read.
    """
    train, test = _splits(config)
    if train is not None and (told := difference_of_names(train.classes, test.classes)):
        raise InputError(f"data_dir: train/ and val/ in {config.data_dir} differ in their class folders: {told}; wanted are "
                         f"the same in both")
    here = [listing for listing in (train, test) if listing is not None]
    nothing = test.part(np.zeros(len(test.labels), bool))
    batches = [FolderBatches(listing, config, rank, ranks, training)
               for listing, training in ((train or nothing, True), (test, False))]
    for one in batches:
        one.look()
    contents = Contents.of(fingerprint(here) if rank == 0 else "", test.classes, (train or nothing).labels, test.labels)
    remarks = [*dict.fromkeys(one.remark for one in here if one.remark),  # parts of one folder have one remark
               *remarks_on(config, [one.pictures for one in batches[0 if config.epochs else 1:]], ranks)]
    return Data(batches[0], batches[1], test.classes, contents, tuple(remarks))


def _splits(config: Config) -> tuple[Listing | None, Listing]:
    """What to train with, None where there is nothing and nothing is wanted, and what to test with."""
    root = Path(config.data_dir)
    if not root.is_dir():
        raise InputError(f"data_dir: {root} does not exist; wanted is a folder with train/ and val/, a folder in each "
                         f"for each class")
    there = [name for name in ("train", "val") if (root / name).is_dir()]
    if config.val_share:
        if there == ["val"]:
            raise InputError(f"val_share: {config.val_share:g} given; {root} has no train/ of which to hold it out")
        return hold_out(scan(root / "train" if there else root), config.val_share)
    if not there and (classes := sum(entry.is_dir() and not entry.name.startswith(".") for entry in root.iterdir())):
        raise InputError(f"data_dir: {root} has no train/ and val/ but {classes:,} folder(s) side by side; if those are the "
                         f"classes, val_share: 0.1 holds out a tenth of each to test with")
    if there == ["train"]:
        raise InputError(f"data_dir: {root / 'val'} does not exist; wanted is a folder with one subfolder for each class, "
                         f"or val_share: 0.1, which holds out a tenth of train/")
    test = scan(root / "val")
    return None if not config.epochs and there == ["val"] else scan(root / "train"), test


def list_folder(folder: str | Path) -> tuple[list[str], np.ndarray, list[str]]:
    """The images below a folder with one subfolder for each class; `listing.scan` says which files those are.

    Returns:
        Their paths, their labels (N,) and the names of the classes; all in alphabetical order.

    Raises:
        InputError: For a missing folder, one without classes, or a class without images.
    """
    found = scan(Path(expand(folder, "folder")))
    return list(found.files), found.labels, list(found.classes)


class FolderBatches:
    """Batches of photographs, read, decoded and augmented in `config.workers` threads.

    Training takes a random crop of 8 to 100 % of the area (mindcv recipe) and a mirror image half of the time, then
    RandAugment and random erasing, as `config.augment` and `.erasing` say; testing takes the centre after scaling the
    shorter side to image_size / crop_ratio. `ghostlib.data.decoding` decodes, since MindSpore 2.10's decoder kills the
    process on some damaged files; MindSpore scales, as in the mindcv recipe.

    A file that cannot be read is marked in `broken` and skipped: in training the epoch's next image stands in for it, in
    testing it does not count. More of them than `config.broken_limit` end the run with a RunError that names some.
    """

    def __init__(self, listing: Listing, config: Config, rank: int = 0, ranks: int = 1, training: bool = False,
                 mean: Sequence[float] = MEAN, std: Sequence[float] = STD):
        self._normalise = Normalisation(mean, std)
        self.images = len(listing.files)
        self.labels = listing.labels
        self.broken = np.zeros(self.images, bool)
        self._listing, self._files, self._config = listing, listing.files, config
        self._rank, self._ranks, self._training = rank, ranks, training
        self.pictures = pictures_of(config, listing)

    def __len__(self) -> int:
        return batch_count(self.images, self._config.batch_size, self._ranks, self._training)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        return self._batches(epoch, share_of(self.images, self._config, epoch, self._rank, self._ranks, self._training))

    def some(self, places: np.ndarray) -> Iterator[Batch]:
        return self._batches(0, places)

    def _batches(self, epoch: int, order: np.ndarray) -> Iterator[Batch]:
        config = self._config
        rng = stream(config.seed, AUGMENT, epoch, self._rank)
        self.pictures.open()
        try:
            for images, index in self._read(epoch, order):
                self.check_broken()
                read = index != UNREADABLE
                if self._training and not read.all():
                    raise RunError(f"data_dir: no image in {config.data_dir} can be read; {self.names(self.broken)}")
                if self._training and config.erasing:
                    erase(images, config.erasing, rng)
                if not read.all():
                    images, index = images[read], index[read]
                if len(index):
                    yield padded(images, self.labels[index], index, config.batch_size)
        except RuntimeError as error:
            if isinstance(error, RunError):
                raise
            raise RunError(f"data_dir: {config.data_dir}: {in_a_line(error, None)}") from error

    def _read(self, epoch: int, order: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of normalised images (n, 3, H, W) and indices (n,), UNREADABLE where there is no image.

        Threads of our own read ahead and write each photograph to its place in the batch; mindspore.dataset, which
        copies it after every operation, read a sixth fewer (docs/performance.md).
        """
        config = self._config
        total = len(self) * config.batch_size if self._training else len(order)
        starts = range(0, total, config.batch_size)
        scale = resize(config, (config.image_size,) * 2) if self._augmented else centre(config)
        pool = ThreadPoolExecutor(config.workers)

        def begin(start: int) -> tuple[np.ndarray, list[Future]]:
            places = range(start, min(start + config.batch_size, total))
            images = np.empty((len(places), 3, config.image_size, config.image_size), np.float32)
            parts = [slice(part, part + PART) for part in range(0, len(places), PART)]
            return images, [pool.submit(self._prepare, images[part], epoch, order, places[part], scale) for part in parts]

        try:
            ahead = deque(begin(start) for start in starts[:AHEAD])
            for number in range(len(starts)):
                images, indices = ahead.popleft()
                index = np.concatenate([future.result() for future in indices])
                if number + AHEAD < len(starts):
                    ahead.append(begin(starts[number + AHEAD]))
                yield images, index
        finally:
            pool.shutdown(cancel_futures=True)

    @property
    def _augmented(self) -> bool:
        return self._training and self._config.augment != "none"

    def _prepare(self, images: np.ndarray, epoch: int, order: np.ndarray, places: range, scale: Sequence[Operation]
                 ) -> list[int]:
        """Writes the photographs at places (n) of the epoch to `images` (n, 3, H, W); their indices."""
        config = self._config
        indices, planes = [], np.empty(images.shape, np.uint8)
        draws, others = (streams(config.seed, purpose, epoch, self._rank, places=places) for purpose in (PICTURE, FLIP))
        for place, own, rng, other in zip(places, planes, draws, others):
            index, picture = self._first_readable(order, place, partial(crop_box, rng) if self._augmented else None)
            picture = scaled(picture, scale)
            put(*(changed(picture, config, other) if self._augmented else (picture, False)), own)
            indices.append(index)
        self._normalise(planes, images)
        return indices

    def _first_readable(self, order: np.ndarray, place: int, box: Box | None) -> tuple[int, np.ndarray]:
        """The image at a place of the epoch; in training the next that can be read, if it cannot."""
        most = (self._config.broken_limit + 1) * self._config.repeats  # an image comes so often in a row
        tries = min(most, len(order)) if self._training else 1
        for ahead in range(tries):
            index = order[(place + ahead) % len(order)]
            try:
                return index, self.pictures(index, box)
            except Unreadable:
                self.broken[index] = True
        return UNREADABLE, np.zeros((self._config.image_size, self._config.image_size, 3), np.uint8)

    def check_broken(self) -> None:
        count = np.count_nonzero(self.broken)
        if count > self._config.broken_limit:
            raise RunError(f"data_dir: {count} images cannot be read, broken_limit allows {self._config.broken_limit}: "
                           f"{self.names(self.broken)}")

    def look(self) -> None:
        """Looks at a few images, spread over the split; RunError if none of them can be read: all are of that kind."""
        chosen = np.unique(np.linspace(0, self.images - 1, FIRST_LOOK).astype(int)) if self.images else []
        if len(chosen) and all(self._why(index) for index in chosen):
            mask = np.zeros(self.images, bool)
            mask[chosen] = True
            raise RunError(f"data_dir: none of {len(chosen)} images looked at in {self._listing.folder} can be read: "
                           f"{self.names(mask)}")

    def _why(self, index: int) -> str:
        """Why an image cannot be read; "" if it can."""
        try:
            decode(self._files[index])
        except Unreadable as error:
            return str(error)
        return ""

    def names(self, chosen: np.ndarray) -> str:
        indices = np.flatnonzero(chosen)
        told = [f"{self._files[index]} ({self._why(index) or 'it can be read now'})" for index in indices[:SHOWN]]
        return some([*told, *indices[SHOWN:]])

    def name(self, index: int) -> str:
        return self._listing.name(index)

    def picture(self, index: int) -> np.ndarray:
        try:
            picture = decode(self._files[index])
        except Unreadable as error:
            raise RunError(f"data_dir: {self._files[index]} cannot be read ({error})") from None
        return scaled(picture, centre(self._config))


def survey(root: str | Path, look_at: int = 1000, seed: int = 0) -> pd.DataFrame:
    """What a dataset's folder holds, before hours are spent on it: one row for train/ and one for val/.

    Args:
        root: The folder with train/ and val/.
        look_at: How many images of each to decode, drawn at random; all of ImageNet takes an hour.
        seed: Which are drawn.

    Returns:
        Columns split, classes, images, fewest and most (of a class), looked_at, turned (of those, how many EXIF says should
        be turned; that is ignored, as timm does, and they are seen as they lie), unreadable and names (of those, the first
        few with the reason).
    """
    rows = []
    for split in ("train", "val"):
        found = scan(Path(expand(root, "root")) / split)
        chosen = np.random.default_rng(seed).permutation(len(found.files))[:look_at]
        turned, unreadable = 0, []
        for path in (found.files[index] for index in chosen):
            try:
                decode(path)
                turned += orientation(path) != 1
            except Unreadable as error:
                unreadable.append(f"{path} ({error})")
        per_class = np.bincount(found.labels)
        rows.append({"split": split, "classes": len(found.classes), "images": len(found.files), "fewest": per_class.min(),
                     "most": per_class.max(), "looked_at": len(chosen), "turned": turned, "unreadable": len(unreadable),
                     "names": some(unreadable)})
    return pd.DataFrame(rows)


def as_pictures(images: np.ndarray) -> np.ndarray:
    """Normalised images (N, 3, H, W) as they are looked at: (N, H, W, 3) uint8."""
    scaled = images.transpose(0, 2, 3, 1) * np.array(STD, np.float32) + np.array(MEAN, np.float32)
    return np.clip(np.round(255 * scaled), 0, 255).astype(np.uint8)


def save_folder(folder: str | Path, pictures: Sequence[np.ndarray], classes: Sequence[str]) -> None:
    """Writes pictures (H, W, 3) or (H, W) uint8 as PNG files, each into the folder of its class."""
    for number, (picture, name) in enumerate(zip(pictures, classes, strict=True)):
        target = Path(folder) / name
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(target / f"{number:05d}.png")
