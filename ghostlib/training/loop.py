"""The training loop: from a Config to a trained network, its curves and its row."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import pandas as pd
from mindspore import Tensor, nn
from tqdm import tqdm

from ghostlib import results
from ghostlib.complexity import Complexity
from ghostlib.config import Config
from ghostlib.data.batches import Data
from ghostlib.device import use_device
from ghostlib.errors import RunError
from ghostlib.kernels import accelerated
from ghostlib.progress import progress_bar, tell
from ghostlib.training import compile_cache as graphs
from ghostlib.training import run_folder
from ghostlib.training.average import WeightAverage
from ghostlib.training.checkpoint import State, load_bundle, save_average, save_bundle
from ghostlib.training.distributed import Ranks, join
from ghostlib.training.evaluation import Evaluation, answers, evaluate
from ghostlib.training.feed import Feed, example, outcomes
from ghostlib.training.optimizers import make_optimizer, memory_of
from ghostlib.training.precision import set_precision
from ghostlib.training.run_folder import ANSWERS, AVERAGE, BEST, HISTORY, LAST
from ghostlib.training.setup import prepare
from ghostlib.training.step import TrainStep
from ghostlib.weights import check_finite

COLUMNS = ["epoch", "lr", "train_loss", "train_top1", "loss_scale", "images_per_second", "seconds", "test_loss", "test_top1",
           "test_top5"]  # of a history
CHECK = 50  # steps between looks at the loss: each look waits for the device


@dataclass(frozen=True)
class Run:
    """What a training run leaves in memory; its files lie in `config.run_dir`.

    Attributes:
        config: As given.
        net: The trained network, in evaluation state.
        data: The dataset it saw.
        history: One row an epoch: epoch (from 1), lr of its last step, train_loss, train_top1, loss_scale, test_loss,
            test_top1, test_top5, images_per_second (training alone), seconds; with `config.ema` ema_loss, ema_top1 and
            ema_top5, those of the weights' average.
        test: The last epoch's outcome on the test split.
        row: What `row.json` holds.
    """

    config: Config
    net: nn.Cell
    data: Data
    history: pd.DataFrame
    test: Evaluation
    row: dict[str, Any]


def train(config: Config, progress: bool = True, compile_cache: bool = False) -> Run:
    """Trains the network that a Config names and evaluates it after each epoch.

    Everything a run writes is in `config.run_dir` (`run_folder.FILES`), which is touched only when all that can be refused
    has been tried, and which no other run may use meanwhile; `row.json` comes last. The row and `answers.csv` are those of
    the last epoch, never of the best on the test images.

    With `config.devices` above 1 this is one of as many processes, which `launch.py` starts: all train and test, each its
    own share of the images, and the first one writes.

    Args:
        config: The run. The same Config gives the same weights, bit for bit, on the same kind of CPU with as many threads,
            whether it ran in one go or was stopped and resumed. Other numbers of threads may give others (seen
            with GhostNet 0.5 at 128 x 128, docs/photographs.md).
        progress: Whether to show a progress bar.
        compile_cache: Whether this process may take compiled graphs from an equal run and leave its own, unless
            GHOSTLIB_COMPILE_CACHE says otherwise: only where it trains what `config` names and nothing else.

    Returns:
        The trained network with its curves.

    Raises:
        InputError: Before anything is written, see `prepare`, and for a bundle that is not this run's.
        RunError: For a loss that is not finite, too many images that cannot be read, or a folder that cannot be written.
    """
    results.provenance()  # as of now: kept for the row
    start = time.perf_counter()
    use_device(config.device)
    ranks = join(config)
    if ranks.first:
        run_folder.check_unused(config)
    net, data, cost = prepare(config, ranks)
    with run_folder.owned(config, ranks.first):
        step, average, state = _begin(config, net, data, ranks, compile_cache)
        start -= state.seconds
        test = _train_epochs(step, average, net, data, state, config, ranks, start, progress)
        test, row = _finish(step, net, data, cost, state, test, config, ranks, start, progress)
    ranks.end()
    return Run(config, net, data, pd.DataFrame(state.history, columns=None if state.history else COLUMNS), test, row)


def _begin(config: Config, net: nn.Cell, data: Data, ranks: Ranks, compile_cache: bool
           ) -> tuple[TrainStep, WeightAverage | None, State]:
    """A step of training, the weights' average if one is wanted, and where the run stands, the same on all ranks: at its
    start, or where it was resumed."""
    set_precision(net, config)
    optimizer = make_optimizer(net, config)
    fast = accelerated(net) if config.amp == "O0" else net  # the same weights, moved by the same step
    step, state = TrainStep(fast, optimizer, config, ranks.size), State(loss_scale=config.loss_scale)
    average = WeightAverage(net, step, config.ema) if config.ema else None
    if ranks.first:
        resumed = run_folder.goes_on(config)
        if resumed:
            state = load_bundle(Path(config.run_dir) / LAST, net, optimizer, config, data.contents, average)
        run_folder.begin(config, resumed)
    remembered = [moment for moments in memory_of(optimizer, config).values() for moment in moments]
    ranks.share([*net.get_parameters(), *remembered, *(average.averages if average else ())])
    _share_state(state, ranks)
    step.scale.set_data(Tensor(state.loss_scale, mindspore.float32))
    step.good.set_data(Tensor(state.good_steps, mindspore.int32))
    if graphs.wanted(compile_cache):
        step_graph, test_graph = _known_graphs(step, fast, net, config)
        graphs.compile_known(config, {**({"step": step_graph} if config.epochs else {}), "test": test_graph}, ranks)
    return step, average, state


def _finish(step: TrainStep, net: nn.Cell, data: Data, cost: Complexity, state: State, test: Evaluation | None,
            config: Config, ranks: Ranks, start: float, progress: bool) -> tuple[Evaluation, dict[str, Any]]:
    """The last test, made now if training made none, and the run's row, which is written last."""
    if ranks.first and not config.epochs:  # what was tested lies beside its row here, too
        save_bundle(Path(config.run_dir) / LAST, net, step.optimizer, state, config, data.contents)
    test = test or evaluate(step.net, data.test, ranks, progress)
    net.set_train(False)
    row = results.make_row(config, weights=cost.weights, macs=cost.macs, conv_macs=cost.conv_macs, top1=test.top1,
                           top5=test.top5, test_images=test.count, trained=config.trained,
                           broken_images=int(data.train.broken.sum() + data.test.broken.sum()),
                           **data.contents.columns(), seconds=round(time.perf_counter() - start, 1))
    if ranks.first:
        results.write_table(Path(config.run_dir) / ANSWERS, answers(test, data.test, data.classes))
        results.write_row(Path(config.run_dir), row)
    return test, row


def _train_epochs(step: TrainStep, average: WeightAverage | None, net: nn.Cell, data: Data, state: State, config: Config,
                  ranks: Ranks, start: float, progress: bool) -> Evaluation | None:
    """Trains from where `state` stands to the last epoch, testing and saving; the last test, if any."""
    feed = Feed(net, data.train, config, state.epoch, ranks.rank)
    running = outcomes(step, feed, config.sink)
    images = feed.steps * config.global_batch
    test: Evaluation | None = None
    known: dict[str, np.ndarray] = {}
    with progress_bar(config.epochs * images, "images", progress and ranks.first) as bar:
        bar.update(state.epoch * images)
        for remark in data.remarks if ranks.first else ():
            tell(bar, remark)
        for epoch in range(state.epoch, config.epochs):
            row = _train_epoch(step, average, running, feed.steps, config, state, ranks, bar)
            ranks.average_statistics(dict(net.parameters_and_names()))
            if average:
                ranks.average_statistics(average.named())
            if damage := check_finite({name: p.asnumpy() for name, p in net.parameters_and_names()}):
                raise RunError(f"loss: the network is no longer finite after epoch {epoch + 1}: {damage}; a smaller lr or a "
                               f"longer warm-up may help; {_last_good(config)}")
            test, better = None, False
            if (epoch + 1) % config.val_interval == 0 or epoch + 1 == config.epochs:
                test = evaluate(step.net, data.test, ranks)
                if not math.isfinite(test.loss):
                    raise RunError(f"loss: {test.loss} on the test images after epoch {epoch + 1}; a smaller lr or a "
                                   f"longer warm-up may help; {_last_good(config)}")
                row |= {"test_loss": test.loss, "test_top1": test.top1, "test_top5": test.top5}
                better, state.best = test.top1 > state.best, max(test.top1, state.best)
                row |= _test_average(average, step.net, data, ranks)
            state.history.append(row)
            state.epoch, state.seconds = epoch + 1, time.perf_counter() - start
            state.loss_scale, state.good_steps = float(step.scale.value()), int(step.good.value())
            if ranks.first:  # before anything is told: no word can cost an epoch
                _save_epoch(step, average, net, data, state, config, better)
            if test:
                bar.set_postfix_str(f"epoch {epoch + 1}, loss {row['train_loss']:.3f}, test {100 * test.top1:.1f} %")
            _share_broken(data, ranks, known, bar)
    return test


def _save_epoch(step: TrainStep, average: WeightAverage | None, net: nn.Cell, data: Data, state: State, config: Config,
                better: bool) -> None:
    """Writes what an epoch leaves. LAST comes last: it says how far the run is, so that one which is killed between two of
    these files does this epoch again and writes all of them anew."""
    folder = Path(config.run_dir)
    if better:
        save_bundle(folder / BEST, net, step.optimizer, state, config, data.contents, average)
    if average:
        save_average(folder / AVERAGE, average, config, data.contents)
    results.write_table(folder / HISTORY, pd.DataFrame(state.history))
    save_bundle(folder / LAST, net, step.optimizer, state, config, data.contents, average)


def _known_graphs(step: TrainStep, fast: nn.Cell, net: nn.Cell, config: Config) -> tuple[graphs.Graph, graphs.Graph]:
    """What a run compiles: its step and its test."""
    return graphs.Graph(step, True, example(net, config)), graphs.graph_of_test(fast, config)


def _test_average(average: WeightAverage | None, net: nn.Cell, data: Data, ranks: Ranks) -> dict[str, float]:
    """The columns of a history that are the average's own."""
    if average is None:
        return {}
    with average.in_place():
        test = evaluate(net, data.test, ranks)
    return {"ema_loss": test.loss, "ema_top1": test.top1, "ema_top5": test.top5}


def _train_epoch(step: TrainStep, average: WeightAverage | None, running: Iterator[tuple[Tensor, Tensor]], steps: int,
                 config: Config, state: State, ranks: Ranks, bar: tqdm) -> dict[str, Any]:
    """One pass over the training images; the row of `Run.history` without its test columns."""
    step.set_train(True)
    start = time.perf_counter()
    table = []
    for number in range(steps):
        for _ in range(config.accumulate):
            table.append(next(running))
            bar.update(config.batch_size * config.devices)
        if number % CHECK == 0 or number + 1 == steps:
            _check_progress(step, float(table[-1][0]), state, steps, config)
        state.step += 1
        if average:
            average(Tensor(state.step, mindspore.float32))
    sums = ranks.sum(np.array([[float(value) for value in values] for values in table]).sum(axis=0))
    seconds = time.perf_counter() - start
    images = steps * config.global_batch
    return {"epoch": state.epoch + 1, "lr": float(step.optimizer.learning_rate.value()),
            "train_loss": sums[0] / (len(table) * ranks.size), "train_top1": sums[1] / images,
            "loss_scale": float(step.scale.value()), "images_per_second": images / seconds, "seconds": seconds}


def _check_progress(step: TrainStep, loss: float, state: State, steps: int, config: Config) -> None:
    """Ends a run that has made no progress for too many steps, or in all its steps if there are fewer.

    Args:
        steps: Of an epoch.
    """
    bad = int(step.bad.value())
    if bad < min(config.bad_steps, config.epochs * steps):
        return
    rate, scale = float(step.optimizer.learning_rate.value()), float(step.scale.value())
    where = f"in {bad} steps in a row up to step {state.step} (epoch {state.epoch + 1}), lr {rate:g}"
    if step.scaled and math.isfinite(loss):
        raise RunError(f"loss_scale: the gradient overflowed at {scale:g} {where}; allowed is less"
                       f"{'' if config.dynamic_scale else ', or loss_scale_dynamic: true'}; {_last_good(config)}")
    raise RunError(f"loss: {loss} and no finite gradient {where}; a smaller lr or a longer warm-up may help; "
                   f"{_last_good(config)}")


def _last_good(config: Config) -> str:
    return f"the last good epoch, if any, is in {config.run_dir}"


def _share_state(state: State, ranks: Ranks) -> None:
    """Gives every rank the place where rank 0 goes on; its history is of use to the writing one alone."""
    own = np.array([state.epoch, state.step, state.best, state.loss_scale, state.good_steps])
    epoch, step, state.best, state.loss_scale, good_steps = map(float, ranks.sum(own if ranks.first else 0 * own))
    state.epoch, state.step, state.good_steps = int(epoch), int(step), int(good_steps)


def _share_broken(data: Data, ranks: Ranks, known: dict[str, np.ndarray], bar: tqdm) -> None:
    """Tells every rank which images any of them found unreadable; the first one says the names not `known` before."""
    for split, batches in (("training", data.train), ("test", data.test)):
        batches.broken[:] = ranks.sum(batches.broken) > 0
        batches.check_broken()
        new = batches.broken & ~known.get(split, np.zeros_like(batches.broken))
        if new.any() and ranks.first:
            tell(bar, f"data_dir: {new.sum()} {split} image(s) cannot be read and are skipped: {batches.names(new)}")
        known[split] = batches.broken.copy()
