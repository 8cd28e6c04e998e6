"""What a trained network says a picture shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ghostlib.data.batches import Batches
from ghostlib.data.files import batches_of
from ghostlib.deploy import engines
from ghostlib.deploy.card import Card, card_of, network_of
from ghostlib.deploy.engines import Engine, Logits
from ghostlib.errors import InputError
from ghostlib.weights.kinds import is_onnx
from ghostlib.weights.sources import as_path

TOP = 5  # answers of each picture
BATCH = 32  # pictures at a time, at most


class Trained(NamedTuple):
    """A trained network with all that its use takes.

    Attributes:
        card: How its images are prepared and what its answers are called.
        engine: What runs it.
    """

    card: Card
    engine: Engine


def load(source: str, engine: str = engines.AUTO, given: Mapping[str, Any] | None = None) -> Trained:
    """A trained network from what `weights` may be, or from an ONNX file that `ghostlib export` wrote.

    Args:
        source: A bundle says by itself what its network is; so does a published name.
        engine: One of `engines.ENGINES`, or `auto`.
        given: Fields of Config in place of what the source says.

    Raises:
        InputError: For an engine that is not here, weights that do not fit, or a source that says too little.
    """
    path = as_path(source)
    if path is not None and is_onnx(path):
        import onnx
        if given:
            raise InputError(f"weights: {source} is ONNX and says all by itself; allowed are no fields beside it, "
                             f"{', '.join(given)} given")
        made = engines.of_file(path, engine)
        metadata = {entry.key: entry.value for entry in onnx.load(str(path), load_external_data=False).metadata_props}
        card = Card.of_metadata(metadata, source)
        _check_shapes(card, *engines.shapes_of(path), source)
        return Trained(card, made)
    engines.check(engine)
    card = card_of(source, dict(given or {}))
    size = card.config.image_size
    return Trained(card, engines.of_network(network_of(card, source), (3, size, size), engine))


def _check_shapes(card: Card, images: engines.Shape, logits: engines.Shape, source: str) -> None:
    """Refuses an ONNX file that says another size or number of classes than its graph has: somebody changed one of them."""
    size, classes = card.config.image_size, len(card.classes)
    for said, has, what in ((size, images[2], "height"), (size, images[3], "width"), (classes, logits[1], "classes")):
        if isinstance(has, int) and has and has != said:
            raise InputError(f"weights: {source} says {what} {said} and its graph has {has}; allowed is a file as 'ghostlib "
                             f"export' wrote it")


def predict(trained: Trained, files: Sequence[str], top: int = TOP, step: Callable[[int], object] | None = None
            ) -> tuple[pd.DataFrame, list[str]]:
    """What a network says of pictures, prepared as `validate` prepares test images.

    Args:
        trained: See `load`.
        files: Paths.
        top: How many answers of each, the likeliest first; no more than there are classes.
        step: Told after each batch how many pictures it had.

    Returns:
        One row for each answer, with columns image, rank (from 1), answer, probability (softmax); and the pictures that
        cannot be read, each with the reason.
    """
    batches = batches_of(files, trained.card.config.having(batch_size=min(BATCH, max(1, len(files)))))
    rows = []
    for places, logits in logits_of(trained.engine, batches):
        for place, row in zip(places, probabilities(logits)):
            for rank, number in enumerate(np.argsort(-row, kind="stable")[:top], 1):
                rows.append({"image": files[place], "rank": rank, "answer": trained.card.classes[number],
                             "probability": row[number]})
        if step is not None:
            step(len(places))
    unreadable = [batches.names(np.arange(len(files)) == place) for place in np.flatnonzero(batches.broken)]
    return pd.DataFrame(rows, columns=["image", "rank", "answer", "probability"]), unreadable


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (N, classes)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def logits_of(engine: Engine | Logits, batches: Batches) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each batch's places in the split (n) and logits (n, classes), padding left out."""
    for batch in batches.epoch():
        yield batch.places, engine(batch.images)[:len(batch.places)]
