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
from ghostlib.data.decoding import Box, decode
from ghostlib.data.randaugment import randaugment
from ghostlib.errors import InputError, RunError, some
from ghostlib.randomness import AUGMENT, FLIP, PICTURE, stream

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels in [0, 1]; mindcv recipe
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
AHEAD = 4  # batches read before they are asked for
UNREADABLE = -1  # the index of an image that is not there


def load(config: Config, rank: int, ranks: int) -> Data:
    """data_dir/train and data_dir/val, each with one folder of photographs for each class; to test, val is enough.

    Raises:
        InputError: For a folder that is missing, or of another layout.
    """
    root = Path(config.data_dir)
    if not root.is_dir():
        raise InputError(f"data_dir: {root} does not exist; wanted is a folder with train/ and val/, a folder in each "
                         f"for each class")
    test_files, test_labels, classes = list_folder(root / "val")
    test = FolderBatches(test_files, test_labels, config, rank, ranks)
    if not config.epochs and not (root / "train").is_dir():
        return Data(FolderBatches([], test_labels[:0], config, training=True), test, classes,
                    Contents.of("", classes, test_labels[:0], test_labels))
    train_files, train_labels, train_classes = list_folder(root / "train")
    if classes != train_classes:
        odd = sorted(set(classes) ^ set(train_classes))
        raise InputError(f"data_dir: train/ and val/ in {root} differ in their class folders: {some(odd)}; wanted are "
                         f"the same in both")
    return Data(FolderBatches(train_files, train_labels, config, rank, ranks, training=True), test, classes,
                Contents.of("", classes, train_labels, test_labels))


def list_folder(folder: Path) -> tuple[list[Path], np.ndarray, list[str]]:
    """The images below a folder with one subfolder for each class.

    Returns:
        Their paths, their labels (N,) and the names of the classes; all in alphabetical order.

    Raises:
        InputError: For a missing folder, one without classes, an empty class, or a file that is no image by its name.
    """
    if not folder.is_dir():
        raise InputError(f"data_dir: {folder} does not exist; wanted is a folder with one subfolder for each class")
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        flat = sum(entry.suffix.lower() in SUFFIXES for entry in entries)
        raise InputError(f"data_dir: {folder} has no class folders" + (
            f" but {flat:,} images side by side; 'ghostlib prepare-imagenet ARCHIVES {folder.parent}' sorts ImageNet's "
            f"archives into classes" if flat else "; wanted is one subfolder for each class"))
    files, labels = [], []
    for label, name in enumerate(classes):
        images = sorted(entry for entry in (folder / name).iterdir() if not entry.name.startswith("."))
        if not images:
            raise InputError(f"data_dir: class folder {folder / name} is empty; wanted is at least one image in each")
        for path in images:
            if path.suffix.lower() not in SUFFIXES:
                raise InputError(f"data_dir: {path} is no image; allowed are {', '.join(SUFFIXES)}")
        files += images
        labels += [label] * len(images)
    return files, np.array(labels, np.int32), classes


class FolderBatches:
    """Batches of photographs, read, decoded and augmented in `config.workers` threads.

    Training takes a random crop of 8 to 100 % of the area (mindcv recipe) and a mirror image half of the time, then
    RandAugment and random erasing, as `config.augment` and `.erasing` say; testing takes the centre after scaling the
    shorter side to image_size / crop_ratio. `ghostlib.data.decoding` decodes, since MindSpore 2.10's decoder kills the
    process on some damaged files; MindSpore scales, as in the mindcv recipe.

    Greyscale, CMYK and palette files are read as colours. A file that cannot be read is marked in `broken` and skipped:
    in training the epoch's next image stands in for it, in testing it does not count. More of them than
    `config.broken_limit` end the run with a RunError that names some.
    """

    def __init__(self, files: Sequence[Path], labels: np.ndarray, config: Config, rank: int = 0, ranks: int = 1,
                 training: bool = False):
        self.images = len(files)
        self.labels = labels
        self.broken = np.zeros(len(files), bool)
        self._files, self._config = files, config
        self._rank, self._ranks, self._training = rank, ranks, training

    def __len__(self) -> int:
        return batch_count(self.images, self._config.batch_size, self._ranks, self._training)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        config = self._config
        order = share_of(self.images, config, epoch, self._rank, self._ranks, self._training)
        rng = stream(config.seed, AUGMENT, epoch, self._rank)
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
            raise RunError(f"data_dir: {config.data_dir}: {' '.join(str(error).split())}") from error

    def _read(self, epoch: int, order: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of normalised images (n, 3, H, W) and indices (n,), UNREADABLE where there is no image.

        Threads of our own read ahead and write each photograph to its place in the batch; mindspore.dataset, which
        copies it after every operation, read a sixth fewer (docs/performance.md).
        """
        config = self._config
        total = len(self) * config.batch_size if self._training else len(order)
        starts = range(0, total, config.batch_size)
        scale = self._resize((config.image_size,) * 2) if self._augmented else self._centre()
        pool = ThreadPoolExecutor(config.workers)

        def begin(start: int) -> tuple[np.ndarray, list[Future]]:
            places = range(start, min(start + config.batch_size, total))
            images = np.empty((len(places), 3, config.image_size, config.image_size), np.float32)
            return images, [pool.submit(self._prepare, image, epoch, order, place, scale)
                            for image, place in zip(images, places)]

        try:
            ahead = deque(begin(start) for start in starts[:AHEAD])
            for number in range(len(starts)):
                images, indices = ahead.popleft()
                index = np.array([future.result() for future in indices])
                if number + AHEAD < len(starts):
                    ahead.append(begin(starts[number + AHEAD]))
                yield images, index
        finally:
            pool.shutdown(cancel_futures=True)

    @property
    def _augmented(self) -> bool:
        return self._training and self._config.augment != "none"

    def _prepare(self, image: np.ndarray, epoch: int, order: np.ndarray, place: int, scale: list) -> int:
        """Writes the photograph at a place of the epoch to `image` (3, H, W); its index."""
        config = self._config
        rng = stream(config.seed, PICTURE, epoch, self._rank, place)
        index, picture = self._first_readable(order, place, partial(crop_box, rng) if self._augmented else None)
        for operation in scale:
            picture = operation(picture)
        if self._augmented:
            picture = self._changed(picture, stream(config.seed, FLIP, epoch, self._rank, place))
        for channel, (mean, std) in enumerate(zip(MEAN, STD)):
            np.multiply(picture[:, :, channel], np.float32(1 / 255 / std), out=image[channel])
            image[channel] -= np.float32(mean / std)
        return index

    def _changed(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A cropped photograph mirrored half of the time, and what else the configuration names."""
        if self._config.augment != "crop" and rng.random() < 0.5:
            picture = np.asarray(Image.fromarray(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        return randaugment(picture, rng) if self._config.augment == "randaugment" else picture

    def _first_readable(self, order: np.ndarray, place: int, box: Box | None) -> tuple[int, np.ndarray]:
        """The image at a place of the epoch; in training the next that can be read, if it cannot."""
        tries = min(self._config.broken_limit + 1, len(order)) if self._training else 1
        for ahead in range(tries):
            index = order[(place + ahead) % len(order)]
            picture = decode(self._files[index], box)
            if picture is not None:
                return index, picture
            self.broken[index] = True
        return UNREADABLE, np.zeros((self._config.image_size, self._config.image_size, 3), np.uint8)

    def check_broken(self) -> None:
        count = np.count_nonzero(self.broken)
        if count > self._config.broken_limit:
            raise RunError(f"data_dir: {count} images cannot be read, broken_limit allows {self._config.broken_limit}: "
                           f"{self.names(self.broken)}")

    def names(self, chosen: np.ndarray) -> str:
        return some([str(self._files[index]) for index in np.flatnonzero(chosen)])

    def name(self, index: int) -> str:
        return "/".join(self._files[index].parts[-2:])

    def _centre(self) -> list:
        from mindspore.dataset import vision

        size = self._config.image_size
        return [*self._resize(round(size / self._config.crop_ratio)), vision.CenterCrop(size)]

    def _resize(self, size: int | tuple[int, int]) -> list:
        from mindspore.dataset import vision

        return [vision.Resize(size, {"bilinear": vision.Inter.BILINEAR,
                                     "bicubic": vision.Inter.BICUBIC}[self._config.interpolation])]

    def picture(self, index: int) -> np.ndarray:
        picture = decode(self._files[index])
        if picture is None:
            raise RunError(f"data_dir: {self._files[index]} cannot be read as an image")
        for operation in self._centre():
            picture = operation(picture)
        return picture


def survey(root: str | Path, look_at: int = 1000, seed: int = 0) -> pd.DataFrame:
    """What a dataset's folder holds, before hours are spent on it: one row for train/ and one for val/.

    Args:
        root: The folder with train/ and val/.
        look_at: How many images of each to decode, drawn at random; all of ImageNet takes an hour.
        seed: Which are drawn.

    Returns:
        Columns split, classes, images, fewest and most (of a class), looked_at, unreadable and names (of those, the
        first few).
    """
    rows = []
    for split in ("train", "val"):
        files, labels, classes = list_folder(Path(root) / split)
        chosen = np.random.default_rng(seed).permutation(len(files))[:look_at]
        unreadable = [str(files[index]) for index in chosen if decode(files[index]) is None]
        per_class = np.bincount(labels)
        rows.append({"split": split, "classes": len(classes), "images": len(files), "fewest": per_class.min(),
                     "most": per_class.max(), "looked_at": len(chosen), "unreadable": len(unreadable),
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
