"""Which ratio s for which layer: chosen from measured redundancy, for as many multiply-adds as one ratio everywhere.

The paper takes s = 2 for all layers. Here each layer pays for a ratio with the part of its maps that its ghosts could
not show, as far as d x d filters of a trained plain network's maps tell, and the cheapest sum within a budget is sought.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mindspore import nn
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from ghostlib import redundancy
from ghostlib.complexity import Complexity
from ghostlib.errors import InputError
from ghostlib.features import activations, stages
from ghostlib.ghost import split_channels
from ghostlib.redundancy.measured import Measured, Splits, measure

STAGE = "convolution"  # where a Ghost layer makes its ghosts: before BatchNorm and ReLU


def losses(net: nn.Cell, images: NDArray[Any], kernel: int, ratios: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """What each layer would lose by each ratio: the mean over its maps of 1 - R2, an intrinsic map losing nothing.

    Intrinsic maps are chosen one by one, each time the one by which the others are predicted best.

    Args:
        net: A trained plain network, in which `features.stages` finds convolutions.
        images: (N, 3, H, W), normalised; a third each to fit the filters, to choose the maps, and to report the loss.
        kernel: d.
        ratios: What is tried.
        seed: Of the splits.

    Returns:
        One row for each layer and ratio, with columns layer, ratio, loss. Layers whose maps are smaller than 2 d are not
        measured and have no rows.
    """
    names, rows = {layer: found[STAGE] for layer, found in stages(net).items() if STAGE in found}, []
    maps = activations(net, images, list(names.values()))
    splits = Splits.draw(len(images), seed)
    for layer, name in names.items():
        if min(maps[name].shape[2:]) < 2 * kernel:
            continue
        measured = measure(maps[name], maps[name], splits, kernel)
        order = redundancy.most_telling(measured.choose)
        for ratio in ratios:
            chosen = order[:split_channels(len(order), ratio)[0]]
            rows.append({"layer": layer, "ratio": ratio, "loss": _lost(measured, chosen)})
    return pd.DataFrame(rows, columns=["layer", "ratio", "loss"])


def _lost(measured: Measured, chosen: NDArray[Any]) -> float:
    """Mean of 1 - R2 over all maps on the images for reporting, the source of each chosen on those for choosing."""
    source = redundancy.sources_among(measured.choose, chosen)
    unexplained = np.nan_to_num(1 - measured.report(source).r2, nan=0.0)  # a constant map costs nothing to make
    unexplained[chosen] = 0
    return float(np.clip(unexplained, 0, 1).mean())


def layer_macs(costs: Mapping[int, Complexity], layers: Sequence[str]) -> pd.DataFrame:
    """Multiply-adds of each layer at each ratio, columns layer, ratio, macs, from networks counted at one ratio each."""
    rows = []
    for layer in layers:
        for ratio, cost in costs.items():
            inside = cost.table[cost.table.type == "convolution"]
            own = inside.layer.eq(layer) | inside.layer.str.startswith(f"{layer}.")
            rows.append({"layer": layer, "ratio": ratio, "macs": int(inside.macs[own].sum())})
    return pd.DataFrame(rows)


def allocate(table: pd.DataFrame, budget: int) -> dict[str, int]:
    """The ratio of each layer for which the summed loss is smallest and the multiply-adds are within a budget.

    A knapsack with one choice for each layer, solved exactly.

    Args:
        table: One row for each layer and ratio, with columns layer, ratio, loss, macs.
        budget: Multiply-adds that these layers may take in all.

    Raises:
        InputError: For a budget that no choice of these ratios meets.
    """
    layers = table.layer.unique()
    one_each = LinearConstraint(np.stack([table.layer == layer for layer in layers]).astype(float), 1, 1)
    within = LinearConstraint(table.macs.to_numpy(float)[None], ub=budget)
    found = milp(table.loss.to_numpy(float), integrality=np.ones(len(table)), bounds=Bounds(0, 1),
                 constraints=[one_each, within])
    if found.x is None:
        least = int(table.groupby("layer").macs.min().sum())
        raise InputError(f"budget: {budget:,} multiply-adds given; with these ratios allowed is from {least:,}")
    taken = table[found.x > 0.5].set_index("layer").ratio
    return {layer: int(taken[layer]) for layer in layers}
