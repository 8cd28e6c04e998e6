"""Network weights in files, read strictly: every tensor must fit, and what does not is named. Nothing is unpickled."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from ghostlib.atomic import write_bytes
from ghostlib.errors import InputError, RunError, in_a_line, some
from ghostlib.weights.digest import is_damaged, with_digest
from ghostlib.weights.finite import check_finite, is_floating
from ghostlib.weights.fit import misfit
from ghostlib.weights.kinds import is_safetensors, other_kind
from ghostlib.weights.names import aliases, translate
from ghostlib.weights.sources import locate

OPTIMIZER = "optimizer."  # begins the names of what a run's bundle holds besides the network
# What mindcv's checkpoints hold of its optimizer, its loss scale and its moving average of the weights.
MINDCV_STATE = re.compile(r"(moments|accum|ema)\..*|learning_rate|global_step|momentum|current_iterator_step|scale_sense|"
                          r"last_overflow_iterator_step|updates|loss_scale.*|epoch_num|step_num")
# NumPy's types for those of safetensors; it has none for BF16, the upper half of a float32.
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
         "U8": "u1", "BOOL": "?"}


def load_weights(net: nn.Cell, source: str | Path, new_head: bool = False) -> None:
    """Sets a network's weights from a safetensors file (one of our own runs', the authors' or timm's) or a `.ckpt` of
    mindcv's, with its optimizer's state or without.

    Args:
        net: The network; unchanged unless the whole file fits.
        source: A file, a URL or a short name, see `ghostlib.weights.sources.locate`.
        new_head: Leave the network's last dense layer as it is, for other classes than the source's.

    Raises:
        InputError: For a source that is missing or of another format, naming what it is; that has tensors which are
            missing, unexpected or of another shape; or that has values which are not finite, or variances below 0.
    """
    tensors = _read(locate(source), source)
    put(net, {name: array for name, array in tensors.items() if not name.startswith(OPTIMIZER)}, f"weights: {source}",
        new_head)


def _read(path: Path, source: str | Path) -> dict[str, NDArray[Any]]:
    try:
        if other := other_kind(path):
            raise InputError(f"weights: {source} {other}")
        if is_safetensors(path) or path.suffix != ".ckpt":
            tensors = {name: _array(view) for name, view in deserialize(path.read_bytes())}
            with safe_open(path, "numpy") as file:
                if is_damaged(tensors, file.metadata() or {}):
                    raise InputError(f"weights: {source} is damaged: it holds something else than was written")
            return tensors
        stored = mindspore.load_checkpoint(str(path))
    except InputError:
        raise
    except (OSError, SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"weights: {source} cannot be read as safetensors or, by its name, as a .ckpt "
                         f"({in_a_line(error)})") from None
    return {name: tensor.asnumpy() for name, tensor in stored.items() if not MINDCV_STATE.fullmatch(name)}


def _array(view: Mapping[str, Any]) -> NDArray[Any]:
    if view["dtype"] not in TYPES:
        raise ValueError(f"holds numbers of type {view['dtype']}; allowed are {', '.join(TYPES)}")
    array = np.frombuffer(view["data"], TYPES[view["dtype"]]).reshape(view["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if view["dtype"] == "BF16" else array


def put(net: nn.Cell, tensors: dict[str, NDArray[Any]], source: str, new_head: bool = False) -> None:
    """Sets every parameter of a network from tensors under our names or PyTorch's; `InputError` unless all fit.

    Args:
        net: The network; unchanged unless everything fits and is finite, also in the precision of its parameters.
        tensors: One for each parameter, by name.
        source: What an error begins with: the field and where the tensors came from.
        new_head: Leave the last dense layer out on both sides.
    """
    own = translate(net, tensors)
    expected = dict(net.parameters_and_names())
    last = head_name(net)
    head = {name for name in expected if name.rpartition(".")[0] == last}
    if new_head:
        own, expected = ({name: value for name, value in side.items() if name not in head} for side in (own, expected))
    if problem := misfit({name: array.shape for name, array in own.items()},
                         {name: tuple(parameter.shape) for name, parameter in expected.items()}, aliases(net), head,
                         ckpt=source.partition("#")[0].endswith(".ckpt")):
        raise InputError(f"{source} {problem}")
    if other := [f"{name} {own[name].dtype}" for name in expected if not is_floating(own[name])]:
        raise InputError(f"{source}: {some(other)} given; allowed are floating types")
    if damage := check_finite({name: own[name] for name in expected}):
        raise InputError(f"{source}: {damage}; wanted are weights of a run that did not diverge")
    with np.errstate(over="ignore"):
        fresh = {name: Tensor(own[name].astype(np.float32), parameter.dtype) for name, parameter in expected.items()}
    if damage := check_finite({name: tensor.asnumpy() for name, tensor in fresh.items()}):
        raise InputError(f"{source}: in the precision of the network's parameters, {damage}")
    for name, parameter in expected.items():
        parameter.set_data(fresh[name])


def head_name(net: nn.Cell) -> str:
    """The name of a network's last dense layer, which gives the logits."""
    return str([name for name, cell in net.cells_and_names() if isinstance(cell, nn.Dense)][-1])


def save_weights(net: nn.Cell, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a network's weights, running statistics too, as safetensors; at no moment is there half a file.

    Raises:
        RunError: If it cannot be written, or the network has values that are not finite or variances below 0; an
            earlier file stays as it was.
    """
    tensors = {name: parameter.asnumpy() for name, parameter in net.parameters_and_names()}
    if damage := check_finite(tensors):
        raise RunError(f"{path}: not written: {damage}")
    write_bytes(Path(path), save(tensors, with_digest(tensors, metadata or {})))
