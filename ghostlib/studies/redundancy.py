"""What the recorded redundancy of small networks says, in sentences whose words follow the rows. Rows only."""

from collections.abc import Sequence

import pandas as pd

from ghostlib.redundancy.sources import SHUFFLED, TRAINED, UNTRAINED
from ghostlib.studies.contrasts import mean_interval


def answer(rows: pd.DataFrame, allowed: pd.DataFrame, layers: int) -> str:
    """How alike maps are, where it comes from, and what ratio it allows.

    Args:
        rows: As `ghostlib redundancy` records them in redundancy.csv, of one kind of network and one filter.
        allowed: The same of allowed_ratio.csv.
        layers: How many convolutions the network has; those whose maps are too small are in no row.
    """
    stages = rows[rows.source == TRAINED].groupby("stage").r2.mean()
    relu = rows[rows.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    share = allowed[allowed.threshold == allowed.threshold.max()]
    ratio = share[share.stage == "ReLU"].groupby("layer").ratio.mean()
    enough, of = int((ratio >= 2).sum()), len(ratio)
    more, less = _layers_moved(rows[rows.stage == "convolution"])
    sentences = [
        f"In {rows.seed.nunique()} small networks trained on CIFAR-10 the best of a layer's other maps explains "
        f"{100 * stages['convolution']:.0f} % of a map's variance after the convolution and {100 * stages['ReLU']:.0f} % "
        f"after ReLU, through a {rows.kernel.iloc[0]} × {rows.kernel.iloc[0]} filter: alike, but "
        f"{'near' if stages['convolution'] > 0.9 else 'no'} copies (medians over maps, in the {of} of {layers} layers whose "
        f"maps are large enough).",
        f"Maps are alike because they show the same image: in networks that were never trained, too, this share is larger "
        f"than between maps of different images, by {_told(relu[UNTRAINED] - relu[SHUFFLED])}.",
        f"Training changes it by {_told(relu[TRAINED] - relu[UNTRAINED])} on average."]
    if more and less:
        sentences.append(f"That average hides two opposite effects, looked at afterwards: after the convolution training "
                         f"makes maps more alike in layers {_and(more)} and less alike in layers {_and(less)}.")
    which = f"{enough} of {of} layers" if enough else "no layer"
    sentences.append(f"If every ghost has to reach R² ≥ {share.threshold.iloc[0]:g}, {which} can make half of its maps as "
                     f"ghosts (s = 2).")
    return " ".join(sentences)


def _layers_moved(rows: pd.DataFrame) -> tuple[list[int], list[int]]:
    """The depths of layers in which training makes maps more alike, and less: by intervals over seeds that leave out 0."""
    more: list[int] = []
    less: list[int] = []
    for depth, own in rows.groupby("depth"):
        r2 = own.pivot(index="seed", columns="source", values="r2")
        _, low, high = mean_interval(r2[TRAINED] - r2[UNTRAINED])
        if low > 0:
            more.append(int(depth))
        elif high < 0:
            less.append(int(depth))
    return more, less


def _told(values: pd.Series) -> str:
    mean, low, high = mean_interval(100 * values)
    return f"{mean:+.0f} points (95 % interval over {len(values)} seeds {low:+.0f} to {high:+.0f})"


def _and(names: Sequence[int]) -> str:
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last
