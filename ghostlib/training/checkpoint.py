"""Checkpoints: one file with all that a run needs to go on as if nothing had happened."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mindspore import Parameter, Tensor, nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.results import provenance, write_bytes
from ghostlib.weights.load import OPTIMIZER, put

FORMAT = "ghostlib run, version 1"
# What may differ when a run goes on: it decides nothing from here on.
FREE = {"run_dir", "resume", "weights", "new_head", "workers", "port", "sink", "broken_limit", "bad_steps"}


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


def save_bundle(path: Path, net: nn.Cell, optimizer: nn.Optimizer, state: State, config: Config) -> None:
    """Writes network, momentum and State; Config and versions go into the metadata.

    At any moment the file is the previous bundle or this one, whole.

    Raises:
        RunError: If it cannot be written, as on a full disk; the previous bundle is intact.
    """
    tensors = {name: parameter.asnumpy() for name, parameter in net.parameters_and_names()}
    tensors |= {name: moment.asnumpy() for name, moment in _momentum(net, optimizer).items()}
    metadata = {"format": FORMAT, "config": json.dumps(config.model_dump()), "state": json.dumps(asdict(state)),
                "versions": json.dumps(provenance())}
    write_bytes(path, save(tensors, metadata))


def load_bundle(path: Path, net: nn.Cell, optimizer: nn.Optimizer, config: Config) -> State:
    """Sets network and momentum to what a bundle holds and gives its State; nothing is changed unless all fits.

    Raises:
        InputError: For a file that is truncated or no bundle, or one of a run with another Config, naming the fields.
    """
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"resume: {path} cannot be read, truncated or no bundle ({error}); remove it to start "
                         f"afresh") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f"resume: {path} is no bundle of a run (its format is {metadata.get('format')!r}, wanted is "
                         f"{FORMAT!r}); to start from its weights alone, give it as weights")
    then, now = json.loads(metadata["config"]), config.model_dump()
    other = [f"{name} {then.get(name)!r}, now {now.get(name)!r}" for name in sorted(then.keys() | now.keys())
             if name not in FREE and then.get(name) != now.get(name)]
    if other:
        raise InputError(f"resume: {path} is of a run with {'; '.join(other)}; wanted are the same parameters, or "
                         f"another run_dir")
    momentum = _momentum(net, optimizer)
    lost = [name for name, moment in momentum.items() if name not in tensors or tensors[name].shape != moment.shape]
    if lost:
        raise InputError(f"resume: {path} lacks {len(lost)} of the optimizer's tensors ({', '.join(lost)})")
    put(net, {name: array for name, array in tensors.items() if not name.startswith(OPTIMIZER)}, f"resume: {path}")
    for name, moment in momentum.items():
        moment.set_data(Tensor(tensors[name], moment.dtype))
    return State(**json.loads(metadata["state"]))


def _momentum(net: nn.Cell, optimizer: nn.Optimizer) -> dict[str, Parameter]:
    """The optimizer's momentum by the name of the weight it belongs to; its own names change as cells are nested."""
    names = {id(parameter): name for name, parameter in net.parameters_and_names()}
    return {f"{OPTIMIZER}momentum.{names[id(weight)]}": moment
            for weight, moment in zip(optimizer.parameters, optimizer.moments)}
