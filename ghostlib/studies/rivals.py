"""The networks that GhostNet is compared with: as published, as built here, and how fast both are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ghostlib.studies import speeds
from ghostlib.studies.paper import PUBLISHED, last_digit

LIKE = 0.15  # share of the multiply-adds by which networks of like cost may differ
ELSEWHERE = ("One image at a time, by engines that run exported networks: `notebooks/latency.ipynb`. What holds here need "
             "not hold there.")


def published(tables: Sequence[int]) -> pd.DataFrame:
    """Networks that the paper compares itself with: table, network, model and width (of those that this package builds),
    weights, macs (in millions), top1 and top5 in percent, dataset, source; as published."""
    rows = pd.read_csv(PUBLISHED / "rivals.csv")
    return rows[rows.table.isin(tables)].reset_index(drop=True)


def built(tables: Sequence[int]) -> pd.DataFrame:
    """Those rivals that this package builds, with the columns of `paper.networks`, as far as a count needs them."""
    rows = pd.read_csv(PUBLISHED / "rivals.csv", dtype={"weights": str})
    rows = rows[rows.table.isin(tables) & rows.model.notna()].reset_index(drop=True)
    rows["weights_digit"] = rows.weights.map(last_digit)
    return rows.astype({"weights": float}).assign(ratio=1, kernel=3, image_size=224, num_classes=1000, count_rule="all",
                                                  macs_digit=1.0)


def not_as_printed(table: pd.DataFrame) -> str:
    """Those networks whose count is another than what is printed, in a sentence; `table` as `paper.sizes` gives it."""
    off = [f"{row.network} ({row.macs_counted:.1f} M multiply-adds, printed {row.macs:g}; {row.weights_counted:.2f} M "
           f"weights, printed {row.weights:g})" for row in table[~(table.weights_agree & table.macs_agree)].itertuples()]
    return f"Counted otherwise than printed: {', '.join(off) or 'none'}."


def answer_on_accuracy(own: pd.DataFrame, others: pd.DataFrame) -> str:
    """Whether the paper's own networks beat the built rivals of like cost, as printed, in sentences.

    Args:
        own, others: Of `paper.networks` and `built`, both of ImageNet.
    """
    told = []
    for row in own[own.network.str.startswith("GhostNet")].itertuples():
        like = others[(others.macs / row.macs - 1).abs() <= LIKE]
        if len(like):
            best = like.loc[like.top1.idxmax()]
            apart = round(row.top1 - best.top1, 1)
            how = f"{abs(apart):.1f} points {'better' if apart > 0 else 'worse'} than" if apart else "as good as"
            told.append(f"{row.network} ({row.top1:.1f} %, {row.macs:.0f} M) is {how} {best.network} ({best.macs:.0f} M)")
    return (f"As printed, beside the best rival that is built here, within {100 * LIKE:.0f} % of its multiply-adds: "
            f"{'; '.join(told) or 'there is none'}.")


def like_cost(macs: pd.Series) -> list[tuple[str, str]]:
    """Pairs of a GhostNet and another network with about as many multiply-adds; `macs` by name."""
    own = [name for name in macs.index if name.startswith("GhostNet ")]
    return [(one, other) for one in own for other in macs.index.difference(own) if abs(macs[other] / macs[one] - 1) <= LIKE]


def speeds_in_short(measured: pd.DataFrame) -> str:
    """What `answer_on_speeds` says of MobileNetV3, by medians alone, in one sentence."""
    pairs = [pair for pair in like_cost(measured.groupby("network").macs.first()) if pair[1].startswith("MobileNetV3")]
    if not pairs:
        return "No GhostNet was timed beside a MobileNetV3 of like cost."
    times = {part: [np.median(speeds.times_as_fast(measured, *pair, part)) for pair in pairs] for part in speeds.PARTS}
    trains, answers = (f"{min(found):.2f} to {max(found):.2f} times as fast" for found in times.values())
    return (f"Beside MobileNetV3s of like multiply-adds GhostNets train {trains} and answer {answers} ({len(pairs)} pairs; "
            f"{_conditions(measured)}). {ELSEWHERE}")


def _conditions(measured: pd.DataFrame) -> str:
    """Under what conditions rows were measured, in words; all are of one engine."""
    batches = ", ".join(map(str, sorted(measured.batch_size.unique())))
    return f"{batches} images at a time, by MindSpore with our kernel where it serves, {speeds.machine(measured)}"


def answer_on_speeds(measured: pd.DataFrame) -> str:
    """How fast GhostNets are beside their successor and the rivals of like cost, in sentences.

    Args:
        measured: As for `speeds.summary`, of networks named as in `paper.networks` and `built`, with macs.
    """
    told = []
    for own, other in like_cost(measured.groupby("network").macs.first()):
        times = [f"{verb} {speeds.as_clause(speeds.times_as_fast(measured, own, other, part))}"
                 for verb, part in (("trains", "training"), ("answers", "evaluation"))]
        told.append(f"{own} {' and '.join(times)} as {other}")
    return (f"At like multiply-adds (within {100 * LIKE:.0f} %), turn by turn: {'; '.join(told) or 'nothing was measured'}. "
            f"Measured with {_conditions(measured)}; on an NPU nothing was measured. {ELSEWHERE}")
