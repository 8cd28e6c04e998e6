"""Whether a recorded table holds what was measured of a network: of these very weights, not of others by the same name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from ghostlib.weights.digest import KEY

WEIGHTS = "weights_hash"  # the column with its first digits; `weights` are how many there are, in this project's rows


def origin_of(path: str | Path) -> dict[str, str]:
    """What rows say of a run's bundle: WEIGHTS, the first digits of its hash, and `trained_on`, the processor; "" where it
    does not say."""
    with safe_open(path, "numpy") as file:
        told = file.metadata() or {}
    return {WEIGHTS: told.get(KEY, "")[:12], "trained_on": json.loads(told.get("versions", "{}")).get("machine", "")}


def is_recorded(path: str | Path, about: Mapping[str, Any], key: Sequence[str], more: Sequence[str] = ()) -> bool:
    """Whether a table has rows of a network.

    The same parameters trained on another machine are another network. Rows from before weights were noted count for any.

    Args:
        path: The table; may be missing.
        about: What rows would say of the network.
        key: The columns by which rows are of one network.
        more: Columns that have to agree, too, such as how many photographs it was judged by.
    """
    if not Path(path).exists():
        return False
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = rows[(rows[[*key, *more]] == [str(about[name]) for name in (*key, *more)]).all(axis=1)]
    if WEIGHTS in rows and WEIGHTS in about:
        rows = rows[rows[WEIGHTS].isin(["", about[WEIGHTS]])]
    return len(rows) > 0
