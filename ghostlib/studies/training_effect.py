"""What training does to how alike a layer's maps are: each kind of network, its mean over layers and how many say so.

Rows only, of table at_size_redundancy.csv.
"""

from typing import Any

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, UNTRAINED
from ghostlib.studies.contrasts import mean_interval

FILTER, CONVOLUTION, ACTIVATION = 3, "convolution", "activation"
CONTROLS = UNTRAINED, SHUFFLED_WEIGHTS
MORE, LESS = "more alike", "less alike"
MOST = 0.5  # what "most" layers are; ours


def effects(rows: pd.DataFrame, state: str = CONVOLUTION) -> pd.DataFrame:
    """What training does to R2 (d = 3): trained less each of CONTROLS, a row for each network, set and control.

    Args:
        rows: Of `at_size.named`.
        state: After what maps are looked at, such as CONVOLUTION.

    Returns:
        Columns name, photographs, control; networks (how many of the name), layers (of all of them together); difference,
        the mean over layers and networks, with low and high over networks, missing where there is one; more, less: in how
        many of these layers the interval over photographs lies above 0, and below.
    """
    own, table = rows[(rows["filter"] == FILTER) & (rows.state == state) & rows.source.isin(CONTROLS)], []
    if own.empty:
        return pd.DataFrame(columns=["name", "photographs", "control", "networks", "layers", "difference", "low", "high",
                                     "more", "less"])
    for (name, photographs, control), group in own.groupby(["name", "photographs", "source"], sort=False):
        mean, low, high = mean_interval(group.groupby("seed").gap.mean())
        table.append({"name": name, "photographs": photographs, "control": control, "networks": group.seed.nunique(),
                      "layers": len(group), "difference": mean, "low": low, "high": high,
                      "more": int((group.gap_low > 0).sum()), "less": int((group.gap_high < 0).sum())})
    return pd.DataFrame(table)


def way(row: pd.Series) -> str:
    """Which way an effect goes: MORE, LESS, or "" where it is not clear. Of several networks the mean's interval over them
    says it, of one most of its layers if their mean says the same."""
    if not np.isnan(row.low):
        return MORE if row.low > 0 else LESS if row.high < 0 else ""
    if _most(row.more, row) and row.difference > 0:
        return MORE
    return LESS if _most(row.less, row) and row.difference < 0 else ""


def in_most_layers(row: pd.Series) -> bool:
    """Whether most layers go the effect's way, and not its mean alone."""
    return _most({MORE: row.more, LESS: row.less}.get(way(row), 0), row)


def _most(layers: int, row: pd.Series) -> bool:
    return layers > MOST * row.layers


def verdict(row: pd.Series) -> str:
    """What an effect is, in words; what the mean alone says is said of the mean."""
    if told := way(row):
        return f"{told} in most layers" if in_most_layers(row) else f"{told} on average, not in most layers"
    return ("no one way: in some layers more, in others less" if np.isnan(row.low) else
            "not known: the interval holds 0")


def up_and_down(one: Any) -> str:
    """In how many layers maps are more alike, and in how many less."""
    return f"{one.more} of {one.layers} layers{together(one.networks)} up and {one.less} down"


def together(networks: int) -> str:
    """Whose layers they are, where they are of several networks of one kind."""
    return f" of {networks} networks together" if networks > 1 else ""
