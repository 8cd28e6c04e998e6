"""The training loop: from a Config to a trained network, its curves and its row."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import pandas as pd
from mindspore import Tensor, nn, ops
from tqdm import tqdm

from ghostlib import results
from ghostlib.complexity import Complexity, count
from ghostlib.config import Config
from ghostlib.data import Data, load
from ghostlib.device import use_device
from ghostlib.errors import InputError, RunError
from ghostlib.evaluate import Evaluation, evaluate
from ghostlib.models import MODELS
from ghostlib.progress import progress_bar
from ghostlib.schedule import learning_rate
from ghostlib.weights import load_weights, save_weights

SMALL = 64  # pixels; up to this size GhostNet's first convolution does not stride unless told to
CHECK = 50  # steps between looks at the loss: each look waits for the device


@dataclass(frozen=True)
class Run:
    """What a training run leaves in memory; its files lie in `config.run_dir`.

    Attributes:
        config: As given.
        net: The trained network, in evaluation state.
        data: The dataset it saw.
        history: One row an epoch: epoch (from 1), lr of its last step, train_loss, train_top1, test_loss, test_top1,
            test_top5, images_per_second (training alone), seconds.
        test: The last epoch's outcome on the test split.
        row: What `row.json` holds.
    """

    config: Config
    net: nn.Cell
    data: Data
    history: pd.DataFrame
    test: Evaluation
    row: dict[str, Any]


def build(config: Config) -> nn.Cell:
    """The untrained network that a Config names, its weights a function of the seed."""
    mindspore.set_seed(config.seed)
    options: dict[str, Any] = {}
    if config.model == "ghostnet":
        options["stem_stride"] = config.stem_stride or (1 if config.image_size <= SMALL else 2)
    if not config.model.startswith("resnet"):
        options["dropout"] = config.dropout
    return MODELS[config.model](config.width, config.ratio, config.kernel, config.num_classes, **options)


def prepare(config: Config) -> tuple[nn.Cell, Data, Complexity]:
    """Network, data and cost of a run, everything that can be refused refused, and nothing written.

    Raises:
        InputError: For a device that is not there, unusable data or weights, or layers that do not exist.
    """
    use_device(config.device)
    data = load(config)
    net = build(config)
    cost = count(net, (3, config.image_size, config.image_size))
    if config.weights:
        load_weights(net, config.weights)
    return net, data, cost


class TrainStep(nn.Cell):
    """One compiled step: forward, backward and update; returns the loss and how many images were right.

    Args:
        net: Images (N, 3, H, W) to logits (N, classes).
        optimizer: Over the network's trainable weights.
        label_smoothing: Share of the target that is spread over all classes.
    """

    def __init__(self, net: nn.Cell, optimizer: nn.Optimizer, label_smoothing: float):
        super().__init__()
        self.net = net
        self.optimizer = optimizer
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.gradients = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=True)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(images)
        return self.loss(logits, labels), logits

    def construct(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        (loss, logits), gradients = self.gradients(images, labels)
        self.optimizer(gradients)
        right = (logits.argmax(axis=1) == labels).astype(mindspore.float32).sum()
        return loss, right


def make_optimizer(net: nn.Cell, config: Config) -> nn.Optimizer:
    """Momentum SGD whose rate the loop sets before each step.

    Weight decay applies to all weights or, without `decay_all`, to all but biases and BatchNorm's. The groups say so
    even where it is all: a plain list of weights MindSpore decays without those named gamma and beta.
    """
    weights = net.trainable_params()
    decayed = [w for w in weights if config.decay_all or w.ndim > 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}]
    if len(decayed) < len(weights):
        groups.append({"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0})
    return nn.Momentum([*groups, {"order_params": weights}], config.lr, config.momentum)


def train(config: Config, progress: bool = True) -> Run:
    """Trains the network that a Config names and evaluates it after each epoch.

    Everything a run writes is in `config.run_dir`, which is made only when the run can start: `config.yaml`;
    `history.csv` and `last.safetensors`, new after each epoch; `row.json`, last.

    Args:
        config: The run. The same Config gives the same weights, bit for bit, on the same kind of CPU.
        progress: Whether to show a progress bar.

    Returns:
        The trained network with its curves.

    Raises:
        InputError: Before anything is written, see `prepare`.
        RunError: For a loss that is not finite, an image that cannot be read, or a folder that cannot be written.
    """
    start = time.perf_counter()
    net, data, cost = prepare(config)
    run_dir = Path(config.run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / results.ROW).unlink(missing_ok=True)  # of an earlier run, which this one replaces
    except OSError as error:
        raise InputError(f"run_dir: {run_dir} cannot be written ({error.strerror}); allowed is a folder of yours") from None
    results.write_text(run_dir / "config.yaml", config.to_yaml())

    step = TrainStep(net, make_optimizer(net, config), config.label_smoothing)
    history: list[dict[str, Any]] = []
    images = len(data.train) * config.batch_size
    with progress_bar(config.epochs * images, "images", progress) as bar:
        for epoch in range(config.epochs):
            row = _train_epoch(step, data, config, epoch, bar)
            test = evaluate(net, data.test)
            history.append(row | {"test_loss": test.loss, "test_top1": test.top1, "test_top5": test.top5})
            bar.set_postfix_str(f"epoch {epoch + 1}, loss {row['train_loss']:.3f}, test {100 * test.top1:.1f} %")
            save_weights(net, run_dir / "last.safetensors")
            results.write_table(run_dir / "history.csv", pd.DataFrame(history))
    if not history:
        test = evaluate(net, data.test)
    net.set_train(False)
    row = results.make_row(config, weights=cost.weights, macs=cost.macs, conv_macs=cost.conv_macs, top1=test.top1,
                           top5=test.top5, test_images=test.count, seconds=round(time.perf_counter() - start, 1))
    results.write_row(run_dir, row)
    return Run(config, net, data, pd.DataFrame(history), test, row)


def _train_epoch(step: TrainStep, data: Data, config: Config, epoch: int, bar: tqdm) -> dict[str, Any]:
    """One pass over the training images; the row of `Run.history` without its test columns."""
    step.set_train(True)
    start = time.perf_counter()
    outcomes = []
    for number, batch in enumerate(data.train.epoch(epoch)):
        done = epoch * len(data.train) + number
        rate = learning_rate(config, done, len(data.train))
        step.optimizer.learning_rate.set_data(Tensor(rate, mindspore.float32))
        outcomes.append(step(Tensor(batch.images), Tensor(batch.labels)))
        if number % CHECK == 0 or number + 1 == len(data.train):
            loss = float(outcomes[-1][0])
            if not math.isfinite(loss):
                raise RunError(f"loss: {loss} at step {done} (epoch {epoch + 1}), lr {rate:g}; a smaller lr or a "
                               f"longer warm-up may help; the weights of the last whole epoch are in {config.run_dir}")
        bar.update(config.batch_size)
    losses, right = (np.array([float(value) for value in column]) for column in zip(*outcomes))
    seconds = time.perf_counter() - start
    images = len(losses) * config.batch_size
    return {"epoch": epoch + 1, "lr": rate, "train_loss": losses.mean(), "train_top1": right.sum() / images,
            "images_per_second": images / seconds, "seconds": seconds}
