"""The training loop: from a Config to a trained network, its curves and its row."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import pandas as pd
from mindspore import Tensor, amp, nn, ops
from tqdm import tqdm

from ghostlib import results
from ghostlib.checkpoint import State, load_bundle, save_bundle
from ghostlib.complexity import Complexity, count
from ghostlib.config import Config
from ghostlib.data import Data, load
from ghostlib.device import use_device
from ghostlib.errors import InputError, RunError
from ghostlib.evaluate import Evaluation, evaluate
from ghostlib.models import MODELS
from ghostlib.progress import progress_bar
from ghostlib.randomness import DROPOUT, stream
from ghostlib.schedule import learning_rate
from ghostlib.weights import load_weights

SMALL = 64  # pixels; up to this size GhostNet's first convolution does not stride unless told to
CHECK = 50  # steps between looks at the loss: each look waits for the device
GROWTH = 2000  # good steps after which a dynamic loss scale doubles; mindcv recipe
LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Run:
    """What a training run leaves in memory; its files lie in `config.run_dir`.

    Attributes:
        config: As given.
        net: The trained network, in evaluation state.
        data: The dataset it saw.
        history: One row an epoch: epoch (from 1), lr of its last step, train_loss, train_top1, loss_scale, test_loss,
            test_top1, test_top5, images_per_second (training alone), seconds.
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
    """One compiled step: forward, backward and update.

    Called with images (N, 3, H, W), labels (N,), the loss scale, and dropout's noise or None, it returns the loss, how
    many images were right, and whether the gradient was finite; where it was not, nothing was changed.

    Args:
        net: Images to logits (N, classes).
        optimizer: Over the network's trainable weights.
        config: Fields label_smoothing, clip, loss_scale and loss_scale_dynamic are used.
    """

    def __init__(self, net: nn.Cell, optimizer: nn.Optimizer, config: Config):
        super().__init__()
        self.net = net
        self.optimizer = optimizer
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        self.clip = config.clip
        self.each = ops.HyperMap()
        self.scaled = config.loss_scale != 1 or config.loss_scale_dynamic
        self.gradients = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=True)

    def forward(self, images: Tensor, labels: Tensor, scale: Tensor, kept: Tensor | None) -> tuple[Tensor, ...]:
        logits = self.net(images) if kept is None else self.net(images, kept)
        logits = logits.astype(mindspore.float32)  # mindcv recipe: the loss in float32, whatever the network is in
        loss = self.loss(logits, labels)
        return loss * scale, loss, logits

    def construct(self, images: Tensor, labels: Tensor, scale: Tensor,
                  kept: Tensor | None = None) -> tuple[Tensor, ...]:
        (_, loss, logits), gradients = self.gradients(images, labels, scale, kept)
        right = (logits.argmax(axis=1) == labels).astype(mindspore.float32).sum()
        finite = Tensor(True)
        if self.scaled:
            gradients = self.each(ops.partial(_unscale, scale), gradients)
            finite = amp.all_finite(gradients)
        if self.clip > 0:
            gradients = ops.clip_by_global_norm(gradients, self.clip)
        if self.scaled:
            if finite:
                self.optimizer(gradients)
        else:
            self.optimizer(gradients)
        return loss, right, finite


def _unscale(scale: Tensor, gradient: Tensor) -> Tensor:
    return gradient.astype(mindspore.float32) / scale


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
    `history.csv`, `last.safetensors` and, after an epoch better than all before, `best.safetensors`; `row.json`, last.
    The row is that of the last epoch, never of the best on the test images.

    Args:
        config: The run. The same Config gives the same weights, bit for bit, on the same kind of CPU, whether it ran
            in one go or was stopped and resumed.
        progress: Whether to show a progress bar.

    Returns:
        The trained network with its curves.

    Raises:
        InputError: Before anything is written, see `prepare`, and for a bundle that is not this run's.
        RunError: For a loss that is not finite, an image that cannot be read, or a folder that cannot be written.
    """
    start = time.perf_counter()
    net, data, cost = prepare(config)
    if config.amp != "O0":
        net = amp.auto_mixed_precision(net, config.amp, dtype=mindspore.float16)
    optimizer = make_optimizer(net, config)
    run_dir = Path(config.run_dir)
    state = State(loss_scale=config.loss_scale)
    if config.resume and (run_dir / LAST).exists():
        state = load_bundle(run_dir / LAST, net, optimizer, config)
    start -= state.seconds
    _open(run_dir, config)

    step = TrainStep(net, optimizer, config)
    images = len(data.train) * config.batch_size
    test = None
    with progress_bar(config.epochs * images, "images", progress) as bar:
        bar.update(state.epoch * images)
        for epoch in range(state.epoch, config.epochs):
            row = _train_epoch(step, data, config, state, bar)
            test = evaluate(net, data.test)
            state.history.append(row | {"test_loss": test.loss, "test_top1": test.top1, "test_top5": test.top5})
            state.epoch, state.seconds = epoch + 1, time.perf_counter() - start
            better, state.best = test.top1 > state.best, max(test.top1, state.best)
            bar.set_postfix_str(f"epoch {epoch + 1}, loss {row['train_loss']:.3f}, test {100 * test.top1:.1f} %")
            for name in (LAST, BEST) if better else (LAST,):
                save_bundle(run_dir / name, net, optimizer, state, config)
            results.write_table(run_dir / "history.csv", pd.DataFrame(state.history))
    test = test or evaluate(net, data.test)
    net.set_train(False)
    row = results.make_row(config, weights=cost.weights, macs=cost.macs, conv_macs=cost.conv_macs, top1=test.top1,
                           top5=test.top5, test_images=test.count, seconds=round(time.perf_counter() - start, 1))
    results.write_row(run_dir, row)
    return Run(config, net, data, pd.DataFrame(state.history), test, row)


def _open(run_dir: Path, config: Config) -> None:
    """Makes a run's folder and takes away the row of an earlier run, which this one replaces."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / results.ROW).unlink(missing_ok=True)
        results.write_text(run_dir / "config.yaml", config.to_yaml())
    except (OSError, RunError) as error:
        raise InputError(f"run_dir: {run_dir} cannot be written ({error}); allowed is a folder of yours") from None


def _train_epoch(step: TrainStep, data: Data, config: Config, state: State, bar: tqdm) -> dict[str, Any]:
    """One pass over the training images; the row of `Run.history` without its test columns."""
    step.set_train(True)
    start = time.perf_counter()
    outcomes = []
    for number, batch in enumerate(data.train.epoch(state.epoch)):
        rate = learning_rate(config, state.epoch * len(data.train) + number, len(data.train))
        step.optimizer.learning_rate.set_data(Tensor(rate, mindspore.float32))
        noise = _dropout_noise(step.net, config, state.epoch, number)
        loss, right, finite = step(Tensor(batch.images), Tensor(batch.labels),
                                   Tensor(state.loss_scale, mindspore.float32), noise)
        outcomes.append((loss, right))
        if config.loss_scale_dynamic:
            _rescale(state, bool(finite))
        if number % CHECK == 0 or number + 1 == len(data.train):
            _check_finite(float(loss), bool(finite), state, rate, config)
        state.step += 1
        bar.update(config.batch_size)
    losses, right = (np.array([float(value) for value in column]) for column in zip(*outcomes))
    seconds = time.perf_counter() - start
    images = len(losses) * config.batch_size
    return {"epoch": state.epoch + 1, "lr": rate, "train_loss": losses.mean(), "train_top1": right.sum() / images,
            "loss_scale": state.loss_scale, "images_per_second": images / seconds, "seconds": seconds}


def _dropout_noise(net: nn.Cell, config: Config, epoch: int, number: int) -> Tensor | None:
    """What the network's dropout multiplies by in one step: a function of seed, epoch and step."""
    if not config.dropout:
        return None
    return Tensor(net.dropout.noise(stream(config.seed, DROPOUT, epoch, number), config.batch_size))


def _rescale(state: State, finite: bool) -> None:
    """Dynamic loss scaling: half after an overflow, whose step was skipped, double after GROWTH good steps."""
    if not finite:
        if state.loss_scale <= 1:
            raise RunError(f"loss_scale: the gradient overflows at scale {state.loss_scale:g} in step {state.step} "
                           f"(epoch {state.epoch + 1}); a smaller lr may help, or amp O0")
        state.loss_scale, state.good_steps = state.loss_scale / 2, 0
    elif state.good_steps + 1 == GROWTH:
        state.loss_scale, state.good_steps = state.loss_scale * 2, 0
    else:
        state.good_steps += 1


def _check_finite(loss: float, finite: bool, state: State, rate: float, config: Config) -> None:
    """Ends a run whose loss is not finite, or whose gradient overflows at a scale that nothing would lower."""
    where = f"at step {state.step} (epoch {state.epoch + 1}), lr {rate:g}"
    if not math.isfinite(loss):
        raise RunError(f"loss: {loss} {where}; a smaller lr or a longer warm-up may help; the last whole epoch, if "
                       f"any, is in {config.run_dir}")
    if not finite and not config.loss_scale_dynamic:
        raise RunError(f"loss_scale: the gradient overflows at {config.loss_scale:g} {where}; allowed is less, or "
                       f"loss_scale_dynamic: true")
