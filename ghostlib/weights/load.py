"""Network weights in files, read strictly: every tensor must fit, and what does not is named. Nothing is unpickled."""

import re
from collections.abc import Mapping
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ghostlib.errors import InputError, some
from ghostlib.results import write_bytes
from ghostlib.weights.sources import locate

OPTIMIZER = "optimizer."  # begins the names of what a run's bundle holds besides the network
# PyTorch's names for what MindSpore's BatchNorm holds.
PYTORCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
# What mindcv's checkpoints hold of its optimizer, its loss scale and its moving average of the weights.
MINDCV_STATE = re.compile(r"(moments|accum|ema)\..*|learning_rate|global_step|momentum|current_iterator_step|scale_sense|"
                          r"last_overflow_iterator_step|updates|loss_scale.*|epoch_num|step_num")
MINDCV_LAYERS = re.compile(r"^(blocks\.9)\.features\.([01])\.")  # which the authors call conv and bn1
PICKLES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # how PyTorch's files begin


def load_weights(net: nn.Cell, source: str | Path, new_head: bool = False) -> None:
    """Sets a network's weights from a safetensors file (one of our own runs', the authors' or timm's) or a `.ckpt` of
    mindcv's, with its optimizer's state or without.

    Args:
        net: The network; unchanged unless the whole file fits.
        source: A file, a URL or a short name, see `ghostlib.weights.sources.locate`.
        new_head: Leave the network's last dense layer as it is, for other classes than the source's.

    Raises:
        InputError: For a source that is missing or of another format, or listing every tensor that is missing,
            unexpected or of another shape.
    """
    tensors = _read(locate(source), source)
    put(net, {name: array for name, array in tensors.items() if not name.startswith(OPTIMIZER)}, f"weights: {source}",
        new_head)


def _read(path: Path, source: str | Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        start = file.read(2)
    if start in PICKLES:
        raise InputError(f"weights: {source} is a pickle, which would run code of whoever made it; allowed are "
                         f"safetensors and mindcv's .ckpt")
    try:
        if path.suffix != ".ckpt":
            return load_file(path)
        stored = mindspore.load_checkpoint(str(path))
    except (OSError, SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"weights: {source} cannot be read as safetensors or, by its name, as a .ckpt "
                         f"({' '.join(str(error).split())[:160]})") from None
    return {MINDCV_LAYERS.sub(lambda found: f"{found[1]}.0.{('conv', 'bn1')[int(found[2])]}.", name): tensor.asnumpy()
            for name, tensor in stored.items() if not MINDCV_STATE.fullmatch(name)}


def put(net: nn.Cell, tensors: dict[str, np.ndarray], source: str, new_head: bool = False) -> None:
    """Sets every parameter of a network from tensors under our names or PyTorch's; `InputError` unless all fit.

    Args:
        net: The network; unchanged unless everything fits.
        tensors: One for each parameter, by name.
        source: What an error begins with: the field and where the tensors came from.
        new_head: Leave the last dense layer out on both sides.
    """
    own = translate(net, tensors)
    expected = dict(net.parameters_and_names())
    head = {name for name in expected if name.rpartition(".")[0] == head_name(net)}
    if new_head:
        own, expected = ({name: value for name, value in side.items() if name not in head} for side in (own, expected))
    misshapen = {name for name in expected.keys() & own.keys() if own[name].shape != tuple(expected[name].shape)}
    problems = _list("missing", expected.keys() - own.keys())
    problems += _list("unexpected", own.keys() - expected.keys())
    problems += _list("misshapen", (f"{name} {own[name].shape} for {tuple(expected[name].shape)}" for name in misshapen))
    if problems:
        hint = ("; it has other classes: new_head: true takes all the rest"
                if misshapen and misshapen <= head and own.keys() == expected.keys() else "")
        raise InputError(f"{source} does not fit this network{hint}: {'; '.join(problems)}")
    for name, parameter in expected.items():
        parameter.set_data(Tensor(own[name].astype(np.float32), parameter.dtype))


def head_name(net: nn.Cell) -> str:
    """The name of a network's last dense layer, which gives the logits."""
    return [name for name, cell in net.cells_and_names() if isinstance(cell, nn.Dense)][-1]


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


def check_finite(tensors: Mapping[str, np.ndarray]) -> str | None:
    """What of some tensors is not finite, the first of them by name with how many values; None if all of all is."""
    bad = {name: int(np.count_nonzero(~np.isfinite(array))) for name, array in tensors.items()
           if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()}
    return some(f"{name} has {count:,} of {tensors[name].size:,} values that are not finite"
                for name, count in bad.items()) if bad else None


def save_weights(net: nn.Cell, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a network's weights, running statistics too, as safetensors; at no moment is there half a file."""
    write_bytes(Path(path), save({name: p.asnumpy() for name, p in net.parameters_and_names()}, metadata))
