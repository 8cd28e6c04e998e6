"""Checkpoints: one file with all that a run needs to go on as if nothing had happened."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ghostlib.atomic import write_bytes
from ghostlib.config import Config
from ghostlib.data.contents import Contents, difference_of_classes
from ghostlib.errors import InputError, RunError, some
from ghostlib.former_names import current_name, current_names
from ghostlib.results import provenance
from ghostlib.training.average import WeightAverage
from ghostlib.training.optimizers import memory_of
from ghostlib.weights.digest import is_damaged, with_digest
from ghostlib.weights.finite import check_finite
from ghostlib.weights.load import OPTIMIZER, put
from ghostlib.weights.sources import locate

FORMAT = "ghostlib run, version 1"
# Fields that may differ when a run goes on, each with the reason; every other one decides what becomes of it.
FREE = {
    "data_dir": "the images may have moved; that they are the same is known by their fingerprint",
    "run_dir": "where the run lies decides nothing",
    "resume": "is how it goes on",
    "overwrite": "says what becomes of an earlier run",
    "weights": "what it began with is in the bundle",
    "new_head": "is part of how it began",
    "device": "the same computation elsewhere; the last bits of a sum may differ between kinds of processors",
    "workers": "threads that read; what they read is a function of the seed",
    "decoded": "the same pixels, from elsewhere",
    "port": "where processes meet",
    "sink": "how batches reach the device",
    "broken_limit": "only says when to stop",
    "bad_steps": "only says when to stop",
}


@dataclass
class State:
    """Where a run stands, besides its tensors.

    Attributes:
        epoch: Whole epochs done.
        step: Updates done.
        best: Highest top-1 on the test split after any epoch; -1 before the first.
        loss_scale: The factor on the loss.
        good_steps: Steps without overflow since it last changed.
        seconds: Time spent so far, over all sittings.
        history: The rows of `Run.history`.
    """

    epoch: int = 0
    step: int = 0
    best: float = -1.0
    loss_scale: float = 1.0
    good_steps: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_bundle(path: Path, net: nn.Cell, optimizer: nn.Optimizer, state: State, config: Config,
                contents: Contents, average: WeightAverage | None = None) -> None:
    """Writes network, what its optimizer remembers, the weights' average if there is one, and State; Config, versions and
    what it was trained on go into the metadata.

    At any moment the file is the previous bundle or this one, whole.

    Raises:
        RunError: If it cannot be written, as on a full disk, or holds values that are not finite; the previous bundle is
            intact.
    """
    tensors = {name: parameter.asnumpy() for name, parameter in net.parameters_and_names()}
    tensors |= {name: moment.asnumpy() for name, moment in _memory(net, optimizer, config, average).items()}
    _write(path, tensors, {"format": FORMAT, "state": json.dumps(asdict(state))}, config, contents)


def save_average(path: Path, average: WeightAverage, config: Config, contents: Contents) -> None:
    """Writes the average of the weights as weights; errors and metadata as for a bundle, but nothing is resumed from it."""
    _write(path, {name: parameter.asnumpy() for name, parameter in average.named().items()}, {}, config, contents)


def _write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str], config: Config, contents: Contents) -> None:
    if damage := check_finite(tensors):
        raise RunError(f"{path}: not written: {damage}")
    metadata = {**metadata, "config": json.dumps(config.model_dump()), "data": contents.to_json(),
                "versions": json.dumps(provenance())}
    write_bytes(path, save(tensors, with_digest(tensors, metadata)))


def load_bundle(path: Path, net: nn.Cell, optimizer: nn.Optimizer, config: Config, contents: Contents,
                average: WeightAverage | None = None) -> State:
    """Sets network, optimizer and average to what a bundle holds and gives its State; nothing is changed unless all fits.

    Warns of a bundle of an earlier version, which does not say what it was trained on.

    Raises:
        InputError: For a file that is truncated or no bundle, or one of a run with another Config, naming the fields, or on
            other images, naming a difference.
    """
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"resume: {path} cannot be read, truncated or no bundle ({error}); remove it to start "
                         f"afresh") from None
    if is_damaged(tensors, metadata):
        raise InputError(f"resume: {path} is damaged: it holds something else than was written; remove it to start afresh")
    if metadata.get("format") != FORMAT:
        raise InputError(f"resume: {path} is no bundle of a run (its format is {metadata.get('format')!r}, wanted is "
                         f"{FORMAT!r}); to start from its weights alone, give it as weights")
    # A field that is newer than the bundle had its default's effect.
    then, now = {**Config.of({}).model_dump(), **_read_config(metadata["config"])}, config.model_dump()
    other = [f"{name} {then.get(name)!r}, now {now.get(name)!r}" for name in sorted(then.keys() | now.keys())
             if name not in FREE and then.get(name) != now.get(name)]
    if other:
        raise InputError(f"resume: {path} is of a run with {some(other, between='; ')}; wanted are the same parameters, or "
                         f"another run_dir")
    if "data" not in metadata:
        warnings.warn(f"resume: {path} was written by an earlier version and does not say which images it was trained on; "
                      f"that {config.data_dir} holds the same is not checked", RuntimeWarning, stacklevel=2)
    elif difference := Contents.of_json(metadata["data"]).difference(contents):
        raise InputError(f"resume: {path} is of a run on other images than {config.data_dir} holds now: {difference}; "
                         f"wanted are the same, or another run_dir")
    momentum = _memory(net, optimizer, config, average)
    tensors = _renamed(tensors, momentum)
    lost = [name for name, moment in momentum.items() if name not in tensors or tensors[name].shape != moment.shape]
    if lost:
        raise InputError(f"resume: {path} lacks {len(lost)} of the optimizer's tensors ({some(lost)})")
    if damage := check_finite({name: tensors[name] for name in momentum}):
        raise InputError(f"resume: {path}: {damage}; remove it to start afresh")
    put(net, {name: array for name, array in tensors.items() if not name.startswith(OPTIMIZER)}, f"resume: {path}")
    for name, moment in momentum.items():
        moment.set_data(Tensor(tensors[name], moment.dtype))
    return State(**json.loads(metadata["state"]))


def check_classes(source: str, classes: Sequence[str]) -> None:
    """Refuses weights whose bundle says that they were trained on other classes than these, or in another order.

    Args:
        source: What `weights` may be. A file that does not say what it was trained on is taken as it is.
        classes: The names, in the order of the labels.

    Raises:
        InputError: Naming the first difference.
    """
    try:
        with safe_open(locate(source), "numpy") as file:
            told = (file.metadata() or {}).get("data")
    except (OSError, SafetensorError):  # no safetensors: whoever loads it says so
        return
    if told and (difference := difference_of_classes(Contents.of_json(told).classes, classes)):
        raise InputError(f"weights: {source} was trained on other classes: {difference}; new_head: true takes all but the "
                         f"last layer, which then learns these")


def _memory(net: nn.Cell, optimizer: nn.Optimizer, config: Config, average: WeightAverage | None) -> dict[str, Parameter]:
    """What a run remembers besides its weights, by the name of the weight it belongs to; MindSpore's own names change as
    cells are nested."""
    names = {id(parameter): name for name, parameter in net.parameters_and_names()}
    memory = {f"{OPTIMIZER}{kind}.{names[id(weight)]}": moment for kind, moments in memory_of(optimizer, config).items()
              for weight, moment in zip(optimizer.parameters, moments)}
    if average is not None:
        memory |= {f"{OPTIMIZER}ema.{names[id(weight)]}": mean for weight, mean in zip(average.weights, average.averages)}
    return memory


def _read_config(text: str) -> dict[str, Any]:
    """The fields of a stored Config; layers by the names that they have now."""
    fields = json.loads(text)
    return fields | {"ratio": current_names(fields.get("ratio"))} if fields.get("model", "").startswith("resnet") else fields


def _renamed(tensors: dict[str, np.ndarray], momentum: dict[str, Parameter]) -> dict[str, np.ndarray]:
    """The tensors with the momentum of layers that had another name in an earlier version under that of now."""
    begin = f"{OPTIMIZER}momentum."  # all that those versions remembered

    def name_now(name: str) -> str:
        now = begin + current_name(name.removeprefix(begin))
        return now if name.startswith(begin) and name not in momentum and now in momentum else name
    return {name_now(name): array for name, array in tensors.items()}
