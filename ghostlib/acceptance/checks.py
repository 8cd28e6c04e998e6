"""What is tried on a new machine, a function each: of a run's Config and a folder to the line that tells it, and numbers.

What does not hold raises, with the reason. `reference` is no check: it leaves what a CPU computes, for the others.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor
from safetensors import safe_open
from safetensors.numpy import load_file

from ghostlib import bench, processor, results
from ghostlib.config import Config
from ghostlib.device import use_device
from ghostlib.errors import RunError, in_a_line
from ghostlib.models.build import build
from ghostlib.training import launch, train
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.run_folder import HISTORY, LAST
from ghostlib.training.step import TrainStep

Found = tuple[str, dict[str, Any]]
# How far logits, and what one step does to the weights, may be from a CPU's, of the largest: HF32, in which Ascend
# convolves, keeps ten bits behind the point and so errs by 5e-4 in each product.
LOGITS, STEP, RESUMED = 1e-2, 5e-2, 1e-3
IMAGES = 16
SCALE = 2.0**24  # mindcv's first loss scale, under which float16 overflows until it has been halved a few times


class NotHere(Exception):
    """What a machine does not have, and so cannot be tried on it."""


def versions(config: Config, folder: Path) -> Found:
    """What is installed, and one convolution on the device."""
    from ghostlib import doctor
    lines, healthy = doctor.examine(config.device)
    if not healthy:
        raise RunError("; ".join(in_a_line(line, None) for line in lines
                                 if "FAILS" in line or "CLASH" in line or "missing" in line))
    cards = len(processor.npus())
    return (f"MindSpore {results.version_of('mindspore')}, Python {sys.version.split()[0]}, {cards} NPU(s); {config.device} "
            f"computes a convolution"), {"doctor": lines, "cards": cards}


def _logits(config: Config) -> dict[str, np.ndarray]:
    """What a device answers to fixed images, in evaluation."""
    net, images, _ = _prepared(config)
    return {"logits": net.set_train(False)(images).asnumpy()}


def _step(config: Config) -> dict[str, np.ndarray]:
    """By how much one training step on fixed images moves each weight on a device, and its loss."""
    net, images, labels = _prepared(config)
    before = {name: weight.asnumpy().copy() for name, weight in net.parameters_and_names()}
    step = TrainStep(net, make_optimizer(net, config), config).set_train(True)
    loss = step(images, labels, Tensor(np.float32(config.peak_lr)))[0].asnumpy()
    return {"loss": loss, **{f"step.{name}": weight.asnumpy() - before[name] for name, weight in net.parameters_and_names()}}


COMPUTED: Mapping[str, Callable[[Config], dict[str, np.ndarray]]] = {"logits": _logits, "step.": _step}
"""By how the names of what it gives begin, what is computed: each compiles one graph, which takes an NPU minutes."""


def _prepared(config: Config) -> tuple[Any, Tensor, Tensor]:
    """A network on the Config's device, fixed images and their labels."""
    use_device(config.device)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(size=(IMAGES, 3, config.image_size, config.image_size)).astype(np.float32))
    labels = Tensor(rng.integers(0, config.num_classes, IMAGES).astype(np.int32))
    return build(config), images, labels


def _plain(config: Config, device: str) -> Config:
    """In float32 and without chance, so that two devices can be compared."""
    return config.having(device=device, amp="O0", amp_dtype="float16", dropout=0.0, mixup=0.0, cutmix=0.0, loss_scale=1.0,
                         loss_scale_dynamic=False)


def reference(config: Config, folder: Path) -> Found:
    """Leaves what a CPU computes."""
    plain = _plain(config, "CPU")
    np.savez(folder / "reference.npz", **{name: array for compute in COMPUTED.values()
                                          for name, array in compute(plain).items()})
    return "computed", {}


def _difference(config: Config, folder: Path, start: str) -> float:
    """The largest gap between what the device and a CPU compute of what is named so, as a share of the largest."""
    path = folder / "reference.npz"
    if not path.exists():
        raise RunError("the CPU's own numbers are missing: the network did not run there")
    found = COMPUTED[start](_plain(config, config.device))
    with np.load(path) as expected:
        names = [name for name in expected if name.startswith(start)]
        gap = _largest(found[name] - expected[name] for name in names)
        largest = _largest(expected[name] for name in names)
    return gap / largest if np.isfinite(gap) else float("inf")


def _largest(arrays: Iterable[np.ndarray]) -> float:
    """The largest absolute value; nan where there is one, which Python's own max passes over."""
    return float(np.max([np.abs(array).max() for array in arrays]))


def logits(config: Config, folder: Path) -> Found:
    """The network's answers on the device and on a CPU."""
    return _within(_difference(config, folder, "logits"), LOGITS, "logits")


def step(config: Config, folder: Path) -> Found:
    """One training step on the device and on a CPU."""
    return _within(_difference(config, folder, "step."), STEP, "what one step does to the weights")


def _within(difference: float, allowed: float, what: str) -> Found:
    told = f"{what}: differ from a CPU's by {difference:.1g} of the largest"
    if not difference <= allowed:
        raise RunError(f"{told}; allowed is {allowed:g}")
    return told, {"difference": difference}


def precision(config: Config, folder: Path) -> Found:
    """An epoch in half precision with a loss scale that must move; in bfloat16, which has float32's range, it need not."""
    level = config.amp if config.amp != "O0" else "O3" if config.device == "Ascend" else "O2"
    ended = train(config.having(amp=level, loss_scale=SCALE, loss_scale_dynamic=True, run_dir=str(folder / "precision")),
                  progress=False)
    with safe_open(folder / "precision" / LAST, "numpy") as file:
        scale = json.loads(file.metadata()["state"])["loss_scale"]
    loss, wide = float(ended.history.train_loss.iloc[-1]), config.amp_dtype == "bfloat16"
    if not np.isfinite(loss):
        raise RunError(f"{level} in {config.amp_dtype}: the loss is {loss}; wanted is a number")
    if scale == SCALE and not wide:
        raise RunError(f"the loss scale stayed at {SCALE:,.0f}: no overflow was seen where there must be some")
    moved = f"went from {SCALE:,.0f} to {scale:,.0f}" if scale != SCALE else "had no overflow to move for"
    return (f"{level} in {config.amp_dtype}: the loss scale {moved}, and the loss is {loss:.2f}",
            {"amp": level, "amp_dtype": config.amp_dtype, "loss_scale": scale, "loss": loss})


def ranks(config: Config, folder: Path) -> Found:
    """An epoch on two devices, every test image counted once."""
    if (there := launch.devices_here(config.device)) < 2:
        raise NotHere(f"{there} {'core' if config.device == 'CPU' else 'card'}(s) here, and two are wanted")
    run_dir = folder / "ranks"
    both = config.having(devices=2, run_dir=str(run_dir))
    with launch.Launch(both) as started:
        for _ in started.follow():
            pass
    row = results.read_row(run_dir, {"test_images": int, "top1": float})
    if row["test_images"] != (wanted := _test_images(config)):
        raise RunError(f"two ranks tested {row['test_images']} images of {wanted}")
    return f"two ranks trained an epoch and tested {row['test_images']} images, each once", {"top1": row["top1"]}


def _test_images(config: Config) -> int:
    from ghostlib.data import load
    return load(config.having(epochs=0)).test.images


def sink(config: Config, folder: Path) -> Found:
    """An epoch whose batches queue on the device."""
    if config.device == "CPU":
        raise NotHere("a CPU has none")
    ended = train(config.having(sink=True, run_dir=str(folder / "sink")), progress=False)
    return f"an epoch with batches queued on the device: {ended.test}", {"top1": ended.test.top1}


def resume(config: Config, folder: Path) -> Found:
    """A run stopped after its first epoch and gone on with, beside one that was left alone."""
    config = config.having(epochs=2)
    stopped = config.having(run_dir=str(folder / "stopped"))
    with launch.Launch(stopped) as started:  # which ends with this process, if that runs out of time
        next(started.follow(), None)
    at = len((folder / "stopped" / HISTORY).read_text().splitlines()) - 1
    # Not before that process has ended: on a card there may be no memory left for a second one.
    train(config.having(run_dir=str(folder / "whole")), progress=False)
    train(stopped.having(resume=True), progress=False)
    one, other = (load_file(folder / name / LAST) for name in ("whole", "stopped"))
    difference = _largest(one[name].astype(np.float64) - other[name] for name in one)
    if not difference <= RESUMED:
        raise RunError(f"stopped after epoch {at} and gone on with, weights differ by {difference:.1g}; allowed is "
                       f"{RESUMED:g}")
    same = "equal to the bit" if not difference else f"within {difference:.1g} of one another"
    return f"stopped after epoch {at} and gone on with, weights are {same}", {"difference": difference, "stopped_after": at}


def speed(config: Config, folder: Path) -> Found:
    """Images a second at 224 x 224, in the columns of the reference's table."""
    size: Mapping[str, Any] = {"dataset": "imagefolder", "data_dir": "-", "num_classes": 1000, "image_size": 224,
                               "dropout": 0.0, "batch_size": 128 if config.device == "Ascend" else 16}
    measured = config.having(**size)
    rows = [{**row, "cards": 1, "batch": measured.batch_size, "resolution": "224x224"} for row in bench.speed(measured)]
    training = next(row for row in rows if row["part"] == "training")
    table = bench.with_reference(rows, measured)
    return (f"{training['images_per_second']:.0f} images/s in training at 224 x 224, {training['ms_per_step']:.0f} ms a "
            f"step of {measured.batch_size}, compiled in {training['compile_s']:.0f} s", {"rows": rows, "table": table})
