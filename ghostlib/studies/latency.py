"""Cheap in multiply-adds, cheap in milliseconds? Recorded times of networks (tools/bench_latency.py), and what follows.

Rows only; the networks are named here so that the tool, the notebook and the tests mean the same ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ghostlib.config import Config

NETWORKS: Mapping[str, tuple[str, float, int]] = {  # model, width and s, all at 224 x 224 with 1,000 classes
    "GhostNet 0.5": ("ghostnet", 0.5, 2), "GhostNet 1.0": ("ghostnet", 1.0, 2), "GhostNet 1.3": ("ghostnet", 1.3, 2),
    # the same without ghosts
    "plain 0.5": ("ghostnet", 0.5, 1), "plain 1.0": ("ghostnet", 1.0, 1), "plain 1.3": ("ghostnet", 1.3, 1),
    # without ghosts, and narrower: within 1 % of the multiply-adds of the three GhostNets
    "thin of 0.5": ("ghostnet", 0.39, 1), "thin of 1.0": ("ghostnet", 0.77, 1), "thin of 1.3": ("ghostnet", 0.99, 1),
    "GhostNetV2 1.0": ("ghostnetv2", 1.0, 2), "MobileNetV2 1.0": ("mobilenet_v2", 1.0, 1),
    "MobileNetV3-S 1.0": ("mobilenet_v3_small", 1.0, 1), "MobileNetV3-L 1.0": ("mobilenet_v3_large", 1.0, 1),
    "ResNet-50": ("resnet50", 1.0, 1), "Ghost-ResNet-50": ("resnet50", 1.0, 2)}
SIZE, CLASSES, FLOAT = 224, 1000, 4  # pixels, classes, bytes of a number
CONDITION = ["engine", "batch", "threads"]


def config_of(name: str) -> Config:
    """One of NETWORKS as a Config."""
    model, width, ratio = NETWORKS[name]
    return Config.of({"model": model, "width": width, "ratio": ratio, "num_classes": CLASSES, "image_size": SIZE,
                      "dataset": "imagefolder", "data_dir": "-"})


def bytes_moved(table: pd.DataFrame) -> int:
    """What a network's layers read and write for one image in float32: maps in, maps out and weights, each once.

    Args:
        table: Its `Complexity.table`. BatchNorms count nothing, since they are folded; what adds, joins and activates is
            left out, since an engine may do it in passing.
    """
    own = table[table.type.isin(["convolution", "dense"])]
    shapes = [int(np.prod(shape)) for column in ("input", "output") for shape in own[column]]
    return FLOAT * (sum(shapes) + int(own.weights.sum()))


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """One row for each network and condition: ms, the median over turns, low and high (fastest and slowest turn), turns,
    and the costs.

    Args:
        measured: Columns network, CONDITION, turn, ms, macs, weights and bytes.
    """
    by = measured.groupby(["network", *CONDITION], sort=False)
    table = by.agg(ms=("ms", "median"), low=("ms", "min"), high=("ms", "max"), turns=("turn", "nunique"),
                   macs=("macs", "first"), weights=("weights", "first"), bytes=("bytes", "first")).reset_index()
    table["macs_per_ms"] = table.macs * table.batch / table.ms
    return table


def ratios(measured: pd.DataFrame, network: str, other: str) -> pd.DataFrame:
    """How many times as long a network takes as another, turn by turn: a row for each condition; times, low and high."""
    one, two = (measured[measured.network == name].set_index([*CONDITION, "turn"]).ms for name in (network, other))
    times = (one / two).dropna().rename("times").reset_index()
    return times.groupby(CONDITION, sort=False).times.agg(times="median", low="min", high="max", turns="count").reset_index()


def fastest_engine(table: pd.DataFrame) -> pd.DataFrame:
    """For each network, batch and number of threads the engine that answers soonest; rows of `summary`."""
    return table.loc[table.groupby(["network", "batch", "threads"], sort=False).ms.idxmin()].reset_index(drop=True)


def within_budget(table: pd.DataFrame, accuracy: Mapping[str, float], budgets: Sequence[float]) -> pd.DataFrame:
    """Which network to take for so many milliseconds an image: the most accurate of those that answer in time.

    Args:
        table: Rows of `summary` of one condition.
        accuracy: Published top-1 in %, by network; those without one are left out.
        budgets: Milliseconds.

    Returns:
        A row for each budget: budget, network, ms and top1; "none" where nothing is quick enough.
    """
    known = table[table.network.isin(list(accuracy))].assign(top1=lambda own: own.network.map(accuracy))
    rows = []
    for budget in budgets:
        able = known[known.ms / known.batch <= budget].sort_values(["top1", "ms"], ascending=[False, True])
        best = able.iloc[0] if len(able) else None
        rows.append({"budget": budget, "network": "none" if best is None else best.network,
                     "ms": np.nan if best is None else best.ms / best.batch, "top1": np.nan if best is None else best.top1})
    return pd.DataFrame(rows)
