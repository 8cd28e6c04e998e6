"""Differences from run to run: their mean, its interval, and what that says beside a margin. Rows only."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ghostlib.errors import InputError

LEVEL = 0.05  # below which a p-value says that two networks differ


@dataclass(frozen=True)
class Contrast:
    """A difference between two networks, seed by seed.

    Attributes:
        first, second: Their names; the difference is first less second.
        seeds: Those that both have.
        values: (seeds,) the differences.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    values: np.ndarray

    @property
    def interval(self) -> tuple[float, float, float]:
        """Mean, low and high; 95 %, over seeds."""
        return mean_interval(self.values)

    @property
    def p_value(self) -> float:
        """Student's t against no difference, two-sided; nan for one seed."""
        from scipy import stats
        return float(stats.ttest_1samp(self.values, 0).pvalue) if len(self.values) > 1 else math.nan

    def told(self, margin: float, sentences: Mapping[str, str], undecided: str) -> tuple[str, str]:
        """A sentence by the first word of what is judged, better, worse or within, else `undecided`; and by how much."""
        judged = self.judged(margin)
        sentence = sentences.get(judged.split()[0].rstrip(","), undecided)
        return sentence, judged.removeprefix("better ").removeprefix("worse ")

    def judged(self, margin: float) -> str:
        """What the seeds say of the difference beside a margin below which it matters to nobody.

        Better or worse by more than the margin: the whole 95 % interval lies beyond it. Within the margin: see `within`.
        """
        _, low, high = self.interval
        if math.isnan(low):
            return "undecided, from one seed"
        if low > margin or high < -margin:
            return f"{'better' if low > 0 else 'worse'} by more than {points(margin)}"
        if within(self.values, margin):
            return f"within {points(margin)}"
        if low > 0 or high < 0:
            return f"{'better' if low > 0 else 'worse'}, by how much is undecided"
        return "undecided"

    def evidence(self) -> str:
        """The difference as it stands in brackets: mean, interval, and over what the interval is."""
        mean, low, high = self.interval
        return f"{mean:+.2f} points, {over_seeds(low, high, len(self.values))}"

    def equivalence(self, margin: float) -> str:
        """What stands behind "within": the 90 % interval, which two one-sided tests at 5 % are; "" for other verdicts."""
        _, low, high = mean_interval(self.values, 0.9)
        return f"; 90 % interval {low:+.2f} to {high:+.2f}" if self.judged(margin).startswith("within") else ""


def over_seeds(low: float, high: float, seeds: int, digits: int = 2) -> str:
    """An interval over seeds as it stands in brackets; of one seed there is none.

    >>> over_seeds(-0.5, 2, 6), over_seeds(math.nan, math.nan, 1)
    ('95 % interval over 6 seeds -0.50 to +2.00', '1 seed')
    """
    if math.isnan(low):
        return f"{seeds} seed"
    return f"95 % interval over {seeds} seeds {low:+.{digits}f} to {high:+.{digits}f}"


def with_interval(mean: float, low: float, high: float, digits: int = 2) -> str:
    """A mean with its interval as it stands in a table, or alone where one seed gives none.

    >>> with_interval(1, -0.5, 2), with_interval(1, math.nan, math.nan)
    ('+1.00 (-0.50 to +2.00)', '+1.00')
    """
    return f"{mean:+.{digits}f}" + ("" if math.isnan(low) else f" ({low:+.{digits}f} to {high:+.{digits}f})")


def within(values: Iterable[float], margin: float) -> bool:
    """Whether the mean of independent values lies within a margin around 0: two one-sided tests at 5 % say so, which is a
    90 % interval inside (Schuirmann 1987)."""
    _, low, high = mean_interval(values, 0.9)
    return -margin < low and high < margin


def points(margin: float) -> str:
    """A margin in words.

    >>> points(0.5), points(1.0)
    ('0.5 points', '1 point')
    """
    return f"{margin:g} point{'' if margin == 1 else 's'}"


def contrast(rows: pd.DataFrame, first: str, second: str, value: str) -> Contrast:
    """Two networks' difference over the seeds that both have; `rows` has columns network, seed and `value`."""
    table = rows.pivot(index="seed", columns="network", values=value)
    pairs = table[[first, second]].dropna()
    return Contrast(first, second, tuple(map(int, pairs.index)), (pairs[first] - pairs[second]).to_numpy())


def check_alike(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuses, as `InputError`, runs of one network (column network) that differ in one of the columns."""
    for column in columns:
        for network, values in rows.groupby("network")[column]:
            if values.nunique() > 1:
                raise InputError(f"rows: {network} with {column} {', '.join(map(str, sorted(values.unique())))}; allowed is "
                                 f"one for all runs of a network")


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several questions, corrected for being several (Holm 1979): the smallest counts for all of them, the next
    for one less, and none is below one before it."""
    corrected, floor = [math.nan] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = floor
    return corrected


def mean_interval(values: Iterable[float], share: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values, such as one for each seed, and the interval of Student's t for it.

    Returns:
        Mean, low, high; low and high are nan for fewer than two values.
    """
    values = np.asarray(list(values), float)
    mean = float(values.mean()) if len(values) else math.nan
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = half_width(float(values.std(ddof=1)), len(values), share)
    return mean, mean - half, mean + half


def half_width(spread: float, count: int, share: float = 0.95) -> float:
    """How far Student's interval reaches to either side of a mean of so many values with this standard deviation."""
    from scipy import stats  # here, since it takes a second
    return float(stats.t.ppf((1 + share) / 2, count - 1) * spread / count ** 0.5)


def in_points(first: str, points: Iterable[str]) -> str:
    """A paragraph that can be read alone, and below it, as a Markdown list, what else is known."""
    told = "\n".join(f"- {point}" for point in points)
    return f"{first}\n\n{told}" if told else first


def listed(parts: Iterable[object]) -> str:
    """Several things in a sentence.

    >>> listed([2, 3, 7])
    '2, 3 and 7'
    """
    *first, last = map(str, parts)
    return f"{', '.join(first)} and {last}" if first else last
