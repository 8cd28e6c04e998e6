"""Values that no network can have, found before they are loaded or saved: arrays alone, nothing of MindSpore."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.errors import some

VARIANCES = ("moving_variance", "running_var")  # how our names and PyTorch's end for what a square root is taken of


def check_finite(tensors: Mapping[str, NDArray[Any]]) -> str | None:
    """What of some tensors cannot be: values that are not finite, and variances below 0.

    It has to be looked for, since it does not show: MindSpore's ReLU makes 0 of NaN on a CPU, and the network gives
    accuracies like any other.

    Args:
        tensors: By name, of any shape. Of floating types; others have nothing to be found.

    Returns:
        A clause for an error, with the first five tensors by name and how many of their values; None if all is well.

    >>> check_finite({"weight": np.array([1, np.nan, -np.inf]), "moving_variance": np.array([0.0, -1.0])})
    'weight has 2 of 3 values that are not finite (1 NaN, 1 infinite), moving_variance has 1 of 2 values below 0'
    """
    found = [clause for name, array in tensors.items() if (clause := _fault(name, array))]
    return some(found) if found else None


def is_floating(array: NDArray[Any]) -> bool:
    """Whether an array is of a floating type; NumPy itself does not count bfloat16 among them."""
    return bool(array.dtype.kind == "f" or array.dtype.name == "bfloat16")


def _fault(name: str, array: NDArray[Any]) -> str | None:
    if not is_floating(array):
        return None
    values = array if array.dtype.kind == "f" else array.astype(np.float32)
    if not np.isfinite(values).all():
        counts = {"NaN": np.count_nonzero(np.isnan(values)), "infinite": np.count_nonzero(np.isinf(values))}
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        return f"{name} has {sum(counts.values()):,} of {values.size:,} values that are not finite ({kinds})"
    if name.endswith(VARIANCES) and (below := np.count_nonzero(values < 0)):
        return f"{name} has {below:,} of {values.size:,} values below 0"
    return None
