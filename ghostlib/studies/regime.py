"""Whether the ablation's answer holds after longer training (docs/regime_cifar10.md). Rows only."""

import numpy as np
import pandas as pd

from ghostlib.studies import ablation
from ghostlib.studies.contrasts import Contrast, contrast

PAIRS = (("s2 d3", ablation.THIN), ("s2 d3", ablation.PLAIN))  # docs/regime_cifar10.md named them before the runs


def moved(short: pd.DataFrame, long: pd.DataFrame, first: str, second: str) -> Contrast:
    """How a difference between two networks changes with longer training: the difference after long training less that after
    short training, over the seeds that have both.

    Args:
        short, long: Rows of `ablation.named`.
        first, second: Networks.
    """
    before, after = (dict(zip(one.seeds, one.values)) for one in
                     (contrast(rows, first, second, "accuracy") for rows in (short, long)))
    seeds = tuple(sorted(before.keys() & after.keys()))
    return Contrast(first, second, seeds, np.array([after[seed] - before[seed] for seed in seeds]))


def summary(short: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """What was asked and what came of it: question, difference, points with their 95 % interval over seeds, verdict."""
    epochs = long.epochs.iloc[0]
    table = []
    for first, second in _there(short, long):
        one, change = contrast(long, first, second, "accuracy"), moved(short, long, first, second)
        name = f"{first} − {second}"
        table += [(ablation.QUESTIONS[first, second], f"{name}, after {epochs} epochs", one),
                  ("Does longer training move that?", f"{name}, {epochs} less {short.epochs.iloc[0]} epochs", change)]
    return pd.DataFrame([(question, what, _points(one), len(one.seeds), one.judged(ablation.MARGIN))
                         for question, what, one in table],
                        columns=["question", "difference", "points", "seeds", "verdict"])


def _points(one: Contrast) -> str:
    mean, low, high = one.interval
    return f"{mean:+.2f}" + ("" if np.isnan(low) else f" ({low:+.2f} to {high:+.2f})")


def answer(short: pd.DataFrame, long: pd.DataFrame) -> str:
    """Whether the answers hold, in sentences; the words follow the seeds."""
    epochs, best = long.epochs.iloc[0], long.groupby("network").accuracy.mean().max()
    parts = []
    for first, second in _there(short, long):
        one = contrast(long, first, second, "accuracy")
        change = moved(short, long, first, second)
        parts.append(f"{first} − {second} is {one.judged(ablation.MARGIN)} ({one.evidence()}; {change.interval[0]:+.2f} "
                     f"points from what it was after {short.epochs.iloc[0]} epochs)")
    if not parts:
        return f"Of the runs of {epochs} epochs no two are recorded yet that could be compared."
    return f"After {epochs} epochs, where the best network is {best:.0f} % right on average: {'; '.join(parts)}."


def _there(*tables: pd.DataFrame) -> list[tuple[str, str]]:
    """Those of PAIRS of whose networks each table has runs of one seed: a study is looked at before it is complete, too."""
    def has(rows: pd.DataFrame, pair: tuple[str, str]) -> bool:
        seeds = [set(rows.seed[rows.network == network]) for network in pair]
        return bool(seeds[0] & seeds[1])
    return [pair for pair in PAIRS if all(has(rows, pair) for rows in tables)]
