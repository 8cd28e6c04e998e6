"""How good a network is: exact counts over a whole split, on one device or many."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from mindspore import Tensor, nn

from ghostlib.data.batches import Batches
from ghostlib.deploy.engines import Logits
from ghostlib.errors import RunError
from ghostlib.progress import progress_bar
from ghostlib.training.distributed import Ranks


@dataclass(frozen=True)
class Evaluation:
    """The outcome over all images of a split.

    Attributes:
        count: Images seen; those that cannot be read are not among them.
        top1, top5: Fractions of them whose class was the first, or among the first five, of the network's answers.
        loss: Mean cross-entropy in nats, without label smoothing.
        predictions: (count,) the first answers.
        labels: (count,) the true classes.
        places: (count,) the images' indices in the split.
        probabilities: (count,) what the network gives its first answers (softmax).
        seconds: Time it took.
    """

    count: int
    top1: float
    top5: float
    loss: float
    predictions: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    probabilities: np.ndarray
    seconds: float

    def __str__(self) -> str:
        return (f"top-1 {100 * self.top1:.1f} %, top-5 {100 * self.top5:.1f} % of {self.count:,} images, "
                f"{self.count / self.seconds:.0f} images/s")


def evaluate(net: nn.Cell | Logits, batches: Batches, ranks: Ranks = Ranks(), progress: bool = False) -> Evaluation:
    """Runs a network over a split; padding in the last batch is not counted.

    Args:
        net: Images (N, 3, H, W) to logits (N, classes): a cell, left in the training or evaluation state it was in; or what
            takes and gives arrays, as one of `deploy.engines` does.
        batches: The split. Of many ranks each gives it its own share; their counts are summed, so that the outcome is
            exact, and the same on all, for any number of images and ranks.
        ranks: The processes that share the work.
        progress: Whether to show a progress bar.

    Raises:
        RunError: If no image of the split can be read, naming the first and why: nothing was judged.
    """
    start = time.perf_counter()
    outcomes = np.zeros((5, batches.images), np.float32)  # seen or not and what judge gives; zero where another's
    with _in_evaluation(net) as logits_of, \
            progress_bar(batches.images // ranks.size, "test images", progress and ranks.first) as bar:
        for batch in batches.epoch():
            real = len(batch.places)
            outcomes[:, batch.places] = [np.ones(real), *judge(logits_of(batch.images)[:real], batch.labels[:real])]
            bar.update(real)
    outcomes = ranks.sum(outcomes)
    places = np.flatnonzero(outcomes[0])
    if not len(places):
        batches.broken[:] = ranks.sum(batches.broken) > 0
        raise RunError(f"data_dir: none of {batches.images:,} test images can be read: {batches.names(batches.broken)}"
                       if batches.images else "data_dir: there is no test image")
    predictions, rank, loss, probabilities = outcomes[1:, places]
    return _summary(predictions, rank, loss, probabilities, batches.labels[places], places, time.perf_counter() - start)


@contextmanager
def _in_evaluation(net: nn.Cell | Logits) -> Iterator[Logits]:
    """What takes arrays of images to logits: an engine itself, or a cell, in evaluation state for as long as this lasts."""
    if not isinstance(net, nn.Cell):
        yield net
        return
    training = net.training
    net.set_train(False)
    try:
        yield lambda images: net(Tensor(images)).asnumpy()
    finally:
        net.set_train(training)


def answers(outcome: Evaluation, batches: Batches, classes: Sequence[str]) -> pd.DataFrame:
    """One row for each image that was judged: image (its file below the split's folder, else its index in the split), label
    and answer (names of classes), probability (of the answer)."""
    names = np.array(classes, object)
    return pd.DataFrame({"image": [batches.name(place) for place in outcome.places], "label": names[outcome.labels],
                         "answer": names[outcome.predictions], "probability": outcome.probabilities.round(6)})


def score(logits: np.ndarray, labels: np.ndarray, seconds: float) -> Evaluation:
    """The Evaluation of logits (N, classes) for labels (N,)."""
    return _summary(*judge(logits, labels), labels, np.arange(len(labels)), seconds)


def rank_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The true class's rank (N,) among the answers to each image, from 1: what is right, everywhere in this lab.

    A tie is no success: a class ranks behind every other with the same logit, so a network that answers the same for
    all classes scores 0 and not 1; neither is an answer that is not finite.
    """
    own = logits[np.arange(len(labels)), labels]
    return np.where(np.isfinite(logits).all(axis=1), (logits >= own[:, None]).sum(axis=1), logits.shape[1] + 1)


def judge(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each image (N,) the answer, the true class's rank (`rank_of`), the loss (cross-entropy, nats) and the answer's
    probability, of logits (N, classes) and labels (N,)."""
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(labels)), labels]
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    return logits.argmax(axis=1), rank_of(logits, labels), np.log(total) - (own - logits.max(axis=1)), 1 / total


def _summary(predictions: np.ndarray, rank: np.ndarray, loss: np.ndarray, probabilities: np.ndarray, labels: np.ndarray,
             places: np.ndarray, seconds: float) -> Evaluation:
    return Evaluation(len(labels), float((rank <= 1).mean()), float((rank <= 5).mean()),
                      float(loss.mean(dtype=np.float64)), predictions.astype(int), labels, places, probabilities, seconds)
