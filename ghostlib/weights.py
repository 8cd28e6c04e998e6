"""Network weights in files, read strictly: every tensor must fit, and what does not is named."""

from pathlib import Path

import numpy as np
from mindspore import Tensor, nn
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ghostlib.errors import InputError
from ghostlib.results import write_bytes

OPTIMIZER = "optimizer."  # begins the names of what a run's bundle holds besides the network
# PyTorch's names for what MindSpore's BatchNorm holds.
PYTORCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def load_weights(net: nn.Cell, path: str | Path, new_head: bool = False) -> None:
    """Sets a network's weights from a safetensors file: one of our own runs', the authors' or timm's.

    Args:
        net: The network; unchanged unless the whole file fits.
        path: The file. What a run's bundle holds for its optimizer is passed over.

    Raises:
        InputError: For a file that is missing or no safetensors, or listing every tensor that is missing, unexpected
            or of another shape.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"weights: {path} cannot be read as safetensors ({error})") from None
    put(net, {name: array for name, array in tensors.items() if not name.startswith(OPTIMIZER)}, f"weights: {path}")


def put(net: nn.Cell, tensors: dict[str, np.ndarray], source: str) -> None:
    """Sets every parameter of a network from tensors under our names or PyTorch's; `InputError` unless all fit.

    Args:
        net: The network; unchanged unless everything fits.
        tensors: One for each parameter, by name.
        source: What an error begins with: the field and where the tensors came from.
    """
    own = translate(net, tensors)
    expected = dict(net.parameters_and_names())
    problems = _list("missing", expected.keys() - own.keys())
    problems += _list("unexpected", own.keys() - expected.keys())
    problems += _list("misshapen", (f"{name} {own[name].shape} for {tuple(expected[name].shape)}"
                                    for name in expected.keys() & own.keys()
                                    if own[name].shape != tuple(expected[name].shape)))
    if problems:
        raise InputError(f"{source} does not fit this network: {'; '.join(problems)}")
    for name, parameter in expected.items():
        parameter.set_data(Tensor(own[name].astype(np.float32), parameter.dtype))


def _list(what: str, names) -> list[str]:
    names = sorted(names)
    return [f"{len(names)} {what} ({', '.join(names)})"] if names else []


def translate(net: nn.Cell, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors under our names: those of the network's BatchNorms are renamed, PyTorch's batch counts dropped."""
    renamed = {}
    for prefix, cell in net.cells_and_names():
        if isinstance(cell, (nn.BatchNorm2d, nn.BatchNorm1d)):
            renamed.update({f"{prefix}.{theirs}": f"{prefix}.{ours}" for theirs, ours in PYTORCH_NORM.items()})
    return {renamed.get(name, name): array for name, array in tensors.items()
            if not name.endswith(".num_batches_tracked")}


def save_weights(net: nn.Cell, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a network's weights, running statistics too, as safetensors; at no moment is there half a file."""
    write_bytes(Path(path), save({name: p.asnumpy() for name, p in net.parameters_and_names()}, metadata))
