"""What a dataset holds, told in little: enough to know it again when it has moved, and to say what became of it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Contents:
    """A dataset's two splits in numbers. Where it lies is no part of it.

    Attributes:
        fingerprint: A hash of what the images are, 32 hexadecimal digits (`fingerprint_of`).
        classes: The names of its classes, in the order of the labels.
        train, val: How many images each class has in either split.
    """

    fingerprint: str
    classes: tuple[str, ...]
    train: tuple[int, ...]
    val: tuple[int, ...]

    @classmethod
    def of(cls, fingerprint: str, classes: Sequence[str], train_labels: np.ndarray, val_labels: np.ndarray) -> "Contents":
        """That of these labels (N,) of either split."""
        counts = [tuple(map(int, np.bincount(labels, minlength=len(classes)))) for labels in (train_labels, val_labels)]
        return cls(fingerprint, tuple(classes), *counts)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "Contents":
        values = json.loads(text)
        return cls(values["fingerprint"], *(tuple(values[name]) for name in ("classes", "train", "val")))

    def columns(self) -> dict[str, Any]:
        """What a run's row tells of it."""
        return {"data_fingerprint": self.fingerprint, "classes": json.dumps(list(self.classes)),
                "train_images": sum(self.train), "val_images": sum(self.val)}

    def difference(self, now: "Contents") -> str | None:
        """The first thing in which what is there now differs, in words; None if nothing does."""
        if told := difference_of_classes(self.classes, now.classes):
            return told
        for split in ("train", "val"):
            for name, before, after in zip(self.classes, getattr(self, split), getattr(now, split)):
                if before != after:
                    return f"{split}/{name} has {after:,} images, had {before:,}"
        return None if self.fingerprint == now.fingerprint else (
            "as many images of each class, but other ones: names or sizes of files, or pixels, differ")


def difference_of_classes(then: Sequence[str], now: Sequence[str]) -> str | None:
    """The first thing in which the classes of now differ from those of then, in words; None if they are the same, in the
    same order."""
    if list(then) == list(now):
        return None
    gone, new = ([name for name in one if name not in set(other)] for one, other in ((then, now), (now, then)))
    if gone or new:
        parts = [f"class {names[0]!r} is {what}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
                 for names, what in ((gone, "missing"), (new, "new")) if names]
        return f"{'; '.join(parts)} ({len(then)} classes then, {len(now)} now)"
    place = next(place for place, (one, other) in enumerate(zip(then, now)) if one != other)
    return f"the same {len(now)} classes in another order: number {place} was {then[place]!r}, is {now[place]!r}"


def fingerprint_of(parts: Iterable[bytes | np.ndarray | Iterator[bytes]]) -> str:
    """A hash of what identifies a dataset: arrays of pixels and labels, or names and sizes of files, also in pieces."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.shape} {part.dtype.str}".encode())
            part = np.ascontiguousarray(part).tobytes()
        for piece in [part] if isinstance(part, bytes) else part:
            digest.update(piece)
        digest.update(b"\0")
    return digest.hexdigest()[:32]
