"""What the layers of a MindSpore network show, by hooks, without editing the network."""

from collections.abc import Callable, Sequence

import numpy as np
from mindspore import Tensor, nn

from ghostlib.cells import convolution_groups
from ghostlib.errors import InputError, nearest
from ghostlib.features.bounds import MOST_BYTES, STAGES, GhostLayer, check_memory
from ghostlib.ghost import GhostConv2d, GhostModule
from ghostlib.hooks import Hook, run_once


def layer_names(net: nn.Cell) -> list[str]:
    """See `features.layer_names`."""
    return [name for name, _ in net.cells_and_names() if name]


def ghost_layers(net: nn.Cell) -> dict[str, GhostLayer]:
    """See `features.ghost_layers`."""
    return {name: GhostLayer(cell.intrinsic, cell.ratio) for name, cell in net.cells_and_names()
            if isinstance(cell, (GhostModule, GhostConv2d)) and cell.ghosts}


def stages(net: nn.Cell) -> dict[str, dict[str, str]]:
    """See `features.stages`."""
    found: dict[str, dict[str, str]] = {}

    def visit(cell: nn.Cell, prefix: str) -> None:
        for keys, first, norm, activation in convolution_groups(cell):
            name = prefix + keys[0]
            if isinstance(first, (nn.Conv2d, GhostConv2d)):
                found[name] = {"convolution": name}
                if norm is not None:
                    found[name]["BatchNorm"] = prefix + next(key for key in keys if cell._cells[key] is norm)
                if isinstance(activation, nn.ReLU):
                    found[name]["ReLU"] = prefix + keys[-1]
            elif isinstance(first, GhostModule) and not first.has_ghosts:  # a plain convolution-BN-ReLU
                inside = [f"{name}.primary_conv.{key}" for key in first.primary_conv._cells]
                found[name] = dict(zip(STAGES, inside))
            elif isinstance(first, GhostModule):
                last = list(first.primary_conv.cells())[-1]
                found[name] = {"ReLU" if isinstance(last, nn.ReLU) else "BatchNorm": name}
            elif first is not None:
                visit(first, name + ".")
    visit(net, "")
    return found


def activations(net: nn.Cell, images: np.ndarray, layers: Sequence[str], batch_size: int = 32,
                most_bytes: int = MOST_BYTES, step: Callable[[int], object] | None = None) -> dict[str, np.ndarray]:
    """See `features.activations`."""
    cells = dict(net.cells_and_names())
    for name in layers:
        if name not in cells or not name:
            raise InputError(f"layer: {name!r} given; {nearest(name, layer_names(net))}")
    if not len(images):
        raise InputError(f"images: {images.shape} given; allowed is at least one")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    current: dict[str, Tensor] = {}

    def keep(name: str) -> Hook:
        def hook(_cell: nn.Cell, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            current[name] = output
        return hook

    hooks = {name: keep(name) for name in layers}
    for start in range(0, len(images), batch_size):
        run_once(net, Tensor(np.ascontiguousarray(images[start:start + batch_size], np.float32)), hooks,
                 f"images: {images.shape} given, which do not fit this network")
        for name in layers:
            if name not in current:
                raise InputError(f"layer: {name!r} given; it is no part of the forward pass")
            parts[name].append(current.pop(name).asnumpy())
        if start == 0:
            check_memory(parts, len(images), most_bytes)
        if step is not None:
            step(min(batch_size, len(images) - start))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
