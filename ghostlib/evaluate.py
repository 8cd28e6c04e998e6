"""How good a network is: exact counts over a whole split."""

import time
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn

from ghostlib.data import Batches


@dataclass(frozen=True)
class Evaluation:
    """The outcome over all images of a split.

    Attributes:
        count: Images seen.
        top1, top5: Fractions of them whose class was the first, or among the first five, of the network's answers.
        loss: Mean cross-entropy in nats, without label smoothing.
        predictions: (count,) the first answers.
        labels: (count,) the true classes.
        seconds: Time it took.
    """

    count: int
    top1: float
    top5: float
    loss: float
    predictions: np.ndarray
    labels: np.ndarray
    seconds: float

    def __str__(self) -> str:
        return (f"top-1 {100 * self.top1:.1f} %, top-5 {100 * self.top5:.1f} % of {self.count:,} images, "
                f"{self.count / self.seconds:.0f} images/s")


def evaluate(net: nn.Cell, batches: Batches) -> Evaluation:
    """Runs a network over a split; padding in the last batch is not counted.

    Args:
        net: Images (N, 3, H, W) to logits (N, classes); left in the training or evaluation state it was in.
        batches: The split.
    """
    training = net.training
    net.set_train(False)
    start = time.perf_counter()
    try:
        logits, labels = zip(*((net(Tensor(batch.images)).asnumpy()[:batch.valid], batch.labels[:batch.valid])
                               for batch in batches.epoch()))
    finally:
        net.set_train(training)
    seconds = time.perf_counter() - start
    return score(np.concatenate(logits), np.concatenate(labels), seconds)


def score(logits: np.ndarray, labels: np.ndarray, seconds: float) -> Evaluation:
    """The Evaluation of logits (N, classes) for labels (N,).

    A tie is no success: a class ranks behind every other with the same logit, so a network that answers the same for
    all classes scores 0 and not 1; neither is an answer that is not finite.
    """
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(labels)), labels]
    rank = np.where(np.isfinite(logits).all(axis=1), (logits >= own[:, None]).sum(axis=1), logits.shape[1] + 1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(axis=1)) - (own - logits.max(axis=1))
    return Evaluation(len(labels), float((rank <= 1).mean()), float((rank <= 5).mean()), float(loss.mean()),
                      logits.argmax(axis=1), labels, seconds)
