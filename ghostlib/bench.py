"""How fast a run is on this machine: training, evaluation and the input pipeline, each alone."""

import itertools
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import pandas as pd
from mindspore import Tensor, nn

from ghostlib import latency, processor
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.deploy import engines
from ghostlib.deploy.fold import fold_batchnorm
from ghostlib.device import use_device
from ghostlib.errors import InputError
from ghostlib.kernels import fused
from ghostlib.studies.paper import mindcv_speeds
from ghostlib.training.feed import Feed
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.precision import set_precision
from ghostlib.training.setup import build, prepare
from ghostlib.training.step import TrainStep

STEPS = 8  # timed, after two that are not
SECONDS = 4.0  # for the input pipeline
REFERENCE = ["whose", "device", "cards", "batch", "resolution", "compile_s", "ms_per_step", "images_per_second", "top1",
             "top5"]
PLUMBING = {"MakeTuple", "TupleGetItem", "Return", "Depend", "Load", "UpdateState", "StopGradient"}  # costs nothing


def measure(config: Config) -> list[dict[str, Any]]:
    """Measures a run's parts on one device; writes nothing.

    Training and evaluation are fed with the run's first batch again and again, so that nothing but the network counts;
    the pipeline is read with nobody waiting. Evaluation is that of `ghostlib validate`, its BatchNorms folded.

    Returns:
        For each part a row with the columns of mindcv's performance table: part, model, params (millions), cards, batch,
        resolution, jit_level, compile_s (the first call), ms_per_step (the median), images_per_second; and, for the two
        that are compiled, `operators`, how many of each kind their graphs hold.

    Raises:
        InputError: See `ghostlib.training.prepare`; for several devices; or for no epoch, as training is measured.
    """
    if config.devices > 1:
        raise InputError(f"devices: {config.devices} given; a benchmark measures 1, and a run on several records its "
                         f"images_per_second in history.csv")
    if not config.epochs:
        raise InputError("epochs: 0 given; a benchmark measures training, too; allowed are integers from 1")
    net, data, cost = prepare(config)
    common = {"model": f"{config.model} {config.width:g}", "params": cost.weights / 1e6, "cards": 1,
              "batch": config.batch_size, "resolution": f"{config.image_size}x{config.image_size}",
              "jit_level": mindspore.get_context("jit_level") or "default"}
    inputs = [Tensor(array) for array in next(iter(Feed(net, data.train, config)))]
    rows = [{"part": part, **common, **_timed(make(), config.batch_size), "operators": _operators(make)}
            for part, make in _parts(net, config, inputs).items()]
    return [*rows, {"part": "input pipeline", **common, "jit_level": None, **_pipeline(data.train, config)}]


def by_engines(config: Config, params: float) -> list[dict[str, Any]]:
    """How fast a Config's network answers by each engine that is here, one image and 32 at a time, each engine on the CPU in
    a process of its own, while this one may have an NPU: rows with those of `measure`'s columns that apply, and engine.

    Args:
        config: The network and the size of its images.
        params: Its weights in millions, as `measure` counted them.
    """
    return [{"part": f"evaluation, {name}", "engine": name, "model": f"{config.model} {config.width:g}", "params": params,
             "cards": 1, "batch": row["batch"], "resolution": f"{config.image_size}x{config.image_size}",
             "ms_per_step": row["ms"], "images_per_second": row["images_per_second"]}
            for name in engines.installed() for row in latency.measure(config, name)]


def speed(config: Config) -> list[dict[str, Any]]:
    """Training and evaluation of a Config's network on random images, as `measure` times them: for each a row with
    columns part, weights, macs, compile_s, ms_per_step, images_per_second. Needs no data.

    Raises:
        InputError: For dropout, whose noise is a run's matter.
    """
    if config.dropout:
        raise InputError(f"dropout: {config.dropout} given; the speed of a network is measured with 0")
    use_device(config.device)
    net = build(config)
    shape = (3, config.image_size, config.image_size)
    cost, rng = count(net, shape), np.random.default_rng(config.seed)
    images = rng.normal(size=(config.batch_size, *shape)).astype(np.float32)
    labels = rng.integers(0, config.num_classes, config.batch_size).astype(np.int32)
    inputs = [Tensor(images), Tensor(labels), Tensor(np.float32(config.peak_lr))]
    return [{"part": part, "weights": cost.weights, "macs": cost.macs, **_timed(make(), config.batch_size)}
            for part, make in _parts(net, config, inputs).items()]


def _parts(net: nn.Cell, config: Config, inputs: Sequence[Tensor]) -> dict[str, Callable[[], Callable[[], Any]]]:
    """For training and evaluation what makes a call that computes one batch, unmixed and with a step of its own."""
    config = config.having(mixup=0.0, cutmix=0.0, accumulate=1)
    set_precision(net, config)

    def training() -> Callable[[], Any]:
        fast = fused.accelerated(net) if config.amp == "O0" else net
        step = TrainStep(fast, make_optimizer(net, config), config).set_train(True)
        return lambda: step(*inputs)[0].asnumpy()

    def evaluation() -> Callable[[], Any]:
        folded = _test_network(net, config)
        return lambda: folded(inputs[0]).asnumpy()
    return {"training": training, "evaluation": evaluation}


def describe(rows: list[dict[str, Any]]) -> str:
    """The rows as a table to print, and what the graphs hold."""
    shown = pd.DataFrame(rows).drop(columns=["operators", "engine"], errors="ignore")  # which `part` names
    table = shown.to_string(index=False, float_format="{:.2f}".format, na_rep="")
    lines = [f"{row['part']}: {sum(row['operators'].values())} operators: "
             + ", ".join(f"{n} {name}" for name, n in row["operators"].items())
             for row in rows if isinstance(row.get("operators"), dict)]
    return "\n".join([table, *lines, f"instruction sets: {processor.instruction_sets() or 'unknown'}"])


def with_reference(rows: list[dict[str, Any]], config: Config) -> str | None:
    """mindcv's own rows for a network and this machine's training beside them, as a table to print; None where it has none.

    An accuracy is not known from a benchmark; that place stays empty.
    """
    known = config.model == "ghostnet" and config.image_size == 224
    theirs = mindcv_speeds(config.width) if known else pd.DataFrame()
    if not len(theirs):
        return None
    [training] = [row for row in rows if row["part"] == "training"]
    yours = {"whose": "yours", "device": config.device, **{name: training[name] for name in theirs if name in training}}
    table = pd.concat([theirs.assign(whose="mindcv"), pd.DataFrame([yours])])[REFERENCE]
    return table.to_string(index=False, float_format="{:.2f}".format, na_rep="")


def _test_network(net: nn.Cell, config: Config) -> nn.Cell:
    if config.amp != "O0":
        return net.set_train(False)
    return fused.accelerated(fold_batchnorm(net)).set_train(False)


def _timed(call: Callable[[], Any], batch: int) -> dict[str, float]:
    start = time.perf_counter()
    call()
    compile_s = time.perf_counter() - start
    call()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    each = statistics.median(seconds)
    return {"compile_s": compile_s, "ms_per_step": 1e3 * each, "images_per_second": batch / each}


def _pipeline(batches, config: Config) -> dict[str, float]:
    """The training batches of some epochs, read for a few seconds after the first batch."""
    epochs = itertools.chain.from_iterable(batches.epoch(epoch) for epoch in itertools.count())
    start = time.perf_counter()
    next(epochs)
    first, start, read = time.perf_counter() - start, time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        next(epochs)
        read += config.batch_size
    each = (time.perf_counter() - start) / read
    return {"compile_s": first, "ms_per_step": 1e3 * each * config.batch_size, "images_per_second": 1 / each}


def _operators(make: Callable[[], Callable[[], Any]]) -> dict[str, int]:
    """How many operators of each kind a graph holds after MindSpore's optimisation, from its own account of it."""
    with tempfile.TemporaryDirectory() as folder:
        mindspore.set_context(save_graphs=1, save_graphs_path=folder)
        try:
            make()()
        finally:
            mindspore.set_context(save_graphs=0)
        graphs = sorted(Path(folder).rglob("*_execute_*.ir"))
        text = graphs[-1].read_text() if graphs else ""
    found = Counter(re.findall(r"^\s*%\d+\([^)]*\) = (?:PrimFunc_)?([A-Z]\w*)\(", text, re.MULTILINE))
    return dict(sorted(((name, n) for name, n in found.items() if name not in PLUMBING), key=lambda item: -item[1]))
