"""What a dataset is to the rest: two splits in batches of one fixed size; those that are held in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ghostlib.config import Config
from ghostlib.data.augment import augment, erase
from ghostlib.data.contents import Contents, fingerprint_of
from ghostlib.data.listing import held_out
from ghostlib.data.picture import Normalisation
from ghostlib.errors import InputError, some
from ghostlib.randomness import AUGMENT, ORDER, stream

Split = tuple[np.ndarray, np.ndarray]  # pictures (N, 3, H, W) uint8 and labels (N,)


class Batch(NamedTuple):
    """Normalised images (N, 3, H, W) float32 and labels (N,) int32; the first `len(places)` are real, the rest padding.

    `places` are the real images' indices in the split.
    """

    images: np.ndarray
    labels: np.ndarray
    places: np.ndarray


class Batches(Protocol):
    """One split of a dataset, in batches of one fixed size, as a compiled graph wants them.

    `len()` is the number of batches an epoch has, `images` the number of images in the split, `labels` their (N,)
    labels in order, `broken` (N,) which of them are known to be unreadable.
    """

    images: int
    labels: np.ndarray
    broken: np.ndarray

    def __len__(self) -> int: ...

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """One rank's batches of one epoch; training drops an incomplete last batch, testing pads it."""
        ...

    def some(self, places: np.ndarray) -> Iterator[Batch]:
        """Batches of some images (n,) of a split that is tested with; no others are read."""
        ...

    def check_broken(self) -> None:
        """Raises RunError if more are broken than the run allows."""
        ...

    def names(self, chosen: np.ndarray) -> str:
        """The names of the images that a (N,) mask chooses, in one line, the first few of many."""
        ...

    def name(self, index: int) -> str:
        """What one image is called: its file below the split's folder, else its index."""
        ...

    def picture(self, index: int) -> np.ndarray:
        """One image as it is looked at: (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class Data:
    """A dataset's two splits, the names of its classes, in the order of the labels, what it is known again by, and what a
    user should know of it.

    Of many ranks only the first knows a fingerprint; the others' is empty.
    """

    train: Batches
    test: Batches
    classes: Sequence[str]
    contents: Contents
    remarks: Sequence[str] = ()


def batch_count(images: int, batch_size: int, ranks: int, training: bool) -> int:
    """How many batches each rank sees in an epoch; in training all see equally many, since they wait for one another."""
    share = images // ranks
    return share // batch_size if training else -(-images // ranks // batch_size)


def share_of(images: int, config: Config, epoch: int, rank: int, ranks: int, training: bool) -> np.ndarray:
    """The indices of one rank's images in one epoch: shuffled in training, else in order and none left out.

    With repeated augmentation an image comes `config.repeats` times in a row, shared out over the ranks, and the epoch
    is cut to its usual length, so that it shows fewer different images (Hoffer et al. 2020, as timm does it).
    """
    if not training:
        return np.arange(rank, images, ranks)
    shuffled = np.repeat(stream(config.seed, ORDER, epoch).permutation(images), config.repeats)
    return shuffled[rank::ranks][:images // ranks]


def padded(images: np.ndarray, labels: np.ndarray, places: np.ndarray, batch_size: int) -> Batch:
    """A Batch of one fixed size: zeros behind the images that there are."""
    missing = batch_size - len(images)
    if missing:
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        labels = np.concatenate([labels, np.zeros(missing, labels.dtype)])
    return Batch(np.ascontiguousarray(images, np.float32), labels.astype(np.int32), places)


class ArrayBatches:
    """Batches of images held in memory.

    Args:
        pictures: (N, 3, H, W) uint8.
        labels: (N,) integers.
        config: Fields batch_size, augment, erasing, repeats and seed are used.
        mean, std: Of each channel, for pixels in [0, 1].
        training: Shuffled, augmented and without an incomplete batch; else in order, unchanged, none dropped.
        rank, ranks: Which share of an epoch to give, of how many.
    """

    def __init__(self, pictures: np.ndarray, labels: np.ndarray, config: Config, mean: Sequence[float],
                 std: Sequence[float], training: bool = False, rank: int = 0, ranks: int = 1):
        self.images = len(pictures)
        self.labels = labels.astype(np.int32)
        self.broken = np.zeros(len(pictures), bool)
        self._pictures = pictures
        self._config, self._training = config, training
        self._normalise = Normalisation(mean, std)
        self._rank, self._ranks = rank, ranks

    def __len__(self) -> int:
        return batch_count(self.images, self._config.batch_size, self._ranks, self._training)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        return self._batches(epoch, share_of(self.images, self._config, epoch, self._rank, self._ranks, self._training))

    def some(self, places: np.ndarray) -> Iterator[Batch]:
        return self._batches(0, places)

    def _batches(self, epoch: int, order: np.ndarray) -> Iterator[Batch]:
        config, size = self._config, self._config.batch_size
        rng = stream(config.seed, AUGMENT, epoch, self._rank)
        for start in range(0, len(self) * size if self._training else len(order), size):
            index = order[start:start + size]
            pictures = self._pictures[index]
            if self._training:
                pictures = augment(pictures, config.augment, rng)
            images = self._normalise(pictures)
            if self._training and config.erasing:
                erase(images, config.erasing, rng)
            yield padded(images, self.labels[index], index, size)

    def check_broken(self) -> None:
        """Images in memory have been read."""

    def names(self, chosen: np.ndarray) -> str:
        return some(np.flatnonzero(chosen))

    def name(self, index: int) -> str:
        return str(index)

    def picture(self, index: int) -> np.ndarray:
        return self._pictures[index].transpose(1, 2, 0)


def in_memory(config: Config, train: Split, test: Split, mean: Sequence[float], std: Sequence[float],
              classes: Sequence[str], rank: int, ranks: int) -> Data:
    """A dataset of two splits held in memory; arguments as for `ArrayBatches`.

    With `config.val_share` a share of the training images, drawn once and the same for every seed, is what is tested with.
    """
    if config.val_share:
        pictures, labels = train
        order = np.random.default_rng(0).permutation(len(labels))
        held = held_out(labels, classes, config.val_share, order)
        train, test = (pictures[~held], labels[~held]), (pictures[held], labels[held])
    fingerprint = fingerprint_of([*train, *test]) if rank == 0 else ""
    return Data(ArrayBatches(*train, config, mean, std, True, rank, ranks),
                ArrayBatches(*test, config, mean, std, False, rank, ranks), classes,
                Contents.of(fingerprint, classes, train[1], test[1]))


def first_images(split: Batches, count: int) -> np.ndarray:
    """The first images (count, 3, H, W) of a split's first epoch, normalised; `InputError` where there are fewer."""
    parts: list[np.ndarray] = []
    for batch in split.epoch():
        parts.append(batch.images[:len(batch.places)])
        if sum(map(len, parts)) >= count:
            return np.concatenate(parts)[:count]
    raise InputError(f"images: {count} given; the split has {sum(map(len, parts))}")


def spread_images(split: Batches, count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many images of a split that is tested with, of all its classes: the first, or, where they come class by class, as
    in folders, some that are spread evenly over it. In the place of one that cannot be read comes another.

    Returns:
        Images (count, 3, H, W), normalised, and their places in the split (count,).

    Raises:
        InputError: Where there are fewer.
    """
    if count > split.images:
        raise InputError(f"images: {count} given; the split has {split.images}")
    in_order = len(split.labels) > 1 and bool((np.diff(split.labels) >= 0).all())
    places = np.linspace(0, split.images - 1, count).round().astype(int) if in_order else np.arange(count)
    found, tried = _at(split, places), set(places.tolist())
    while missing := count - len(found):  # then some of all others, as evenly
        left = np.array([place for place in range(split.images) if place not in tried])
        if missing > len(left):
            raise InputError(f"images: {count} given; of the split's {split.images} {len(found) + len(left)} at most can be "
                             f"read")
        others = left[np.linspace(0, len(left) - 1, missing).round().astype(int)]
        found |= _at(split, others)
        tried |= set(others.tolist())
    kept = np.array(sorted(found))
    return np.stack([found[place] for place in kept]), kept


def _at(split: Batches, places: np.ndarray) -> dict[int, np.ndarray]:
    """The images of a split at some places (n,), by these; without those that cannot be read."""
    return {place: image.copy() for batch in split.some(np.sort(places))
            for place, image in zip(batch.places.tolist(), batch.images)}


def balanced_images(split: Batches, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """As many images of each class, drawn at random from a split that is tested with, and mixed.

    Args:
        split: In order and whole, as a test split is.
        count: How many in all; what the classes do not share evenly is left out.
        seed: Of the draw.

    Returns:
        Images (n, 3, H, W), normalised, and their labels (n,); n is `count`, or what is left of it if classes share alike.

    Raises:
        InputError: Where a class has fewer.
    """
    order, classes = np.random.default_rng(seed).permutation(split.images), int(split.labels.max()) + 1
    of_class = [np.flatnonzero(split.labels[order] == label) for label in range(classes)]  # places in the order
    each, most = count // classes, min(map(len, of_class))
    if not 0 < each <= most:
        raise InputError(f"images: {count} given; allowed are {classes:,} to {classes * most:,}, as many of each of the "
                         f"{classes:,} classes")
    wanted = order[np.sort(np.concatenate([own[:each] for own in of_class]))]
    found = _at(split, wanted)
    if missing := set(wanted.tolist()) - set(found):
        raise InputError(f"images: {some(map(split.name, missing))} cannot be read; allowed are those that can")
    return np.stack([found[place] for place in wanted.tolist()]), split.labels[wanted]
