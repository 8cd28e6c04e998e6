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
MORE, LESS, IN_MOST = "more alike", "less alike", " in most layers"
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


def verdict(row: pd.Series) -> str:
    """What an effect is, in words: by how many layers say so, if their mean says the same and, where there are several
    networks, its interval over them. What the mean alone says is said of the mean."""
    several = not np.isnan(row.low)
    up, down = (row.low > 0, row.high < 0) if several else (row.difference > 0, row.difference < 0)
    if several and not (up or down):
        return "not known: the interval holds 0"
    if row.more > MOST * row.layers and up:
        return MORE + IN_MOST
    if row.less > MOST * row.layers and down:
        return LESS + IN_MOST
    if several:
        return f"{MORE if up else LESS} on average, not{IN_MOST}"
    return "no one way: in some layers more, in others less"


def way(row: pd.Series) -> str:
    """Which way an effect goes: MORE, LESS, or "" where it is not clear."""
    told = verdict(row)
    return next((one for one in (MORE, LESS) if told.startswith(one)), "")


def up_and_down(one: Any) -> str:
    """In how many layers maps are more alike, and in how many less."""
    return f"{one.more} of {one.layers} layers{together(one.networks)} up and {one.less} down"


def together(networks: int) -> str:
    """Whose layers they are, where they are of several networks of one kind."""
    return f" of {networks} networks together" if networks > 1 else ""
