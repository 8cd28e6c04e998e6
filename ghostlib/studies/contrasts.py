"""Differences from run to run: their mean, its interval, and what a design could have shown at all. Rows only."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

POWER = 0.8  # the share of repetitions in which a difference is to be resolved


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
        """Mean, low and high."""
        return mean_interval(self.values)

    def __str__(self) -> str:
        could = smallest_resolvable(self.values)
        seen = "" if math.isnan(could) else (f"; with this spread, a true difference of {could:.2f} would be "
                                             f"resolved in {POWER:.0%} of repetitions".replace("%", " %"))
        return f"{self.first} − {self.second}: {told(self.values, 2, ' points')}{seen}"


def contrast(rows: pd.DataFrame, first: str, second: str, value: str) -> Contrast:
    """Two networks' difference over the seeds that both have; `rows` has columns network, seed and `value`."""
    table = rows.pivot(index="seed", columns="network", values=value)
    pairs = table[[first, second]].dropna()
    return Contrast(first, second, tuple(map(int, pairs.index)), (pairs[first] - pairs[second]).to_numpy())


def mean_interval(values: Iterable[float], share: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values, such as one for each seed, and the interval of Student's t for it.

    Returns:
        Mean, low, high; low and high are nan for fewer than two values.
    """
    from scipy import stats  # here, since it takes a second

    values = np.asarray(list(values), float)
    mean = float(values.mean()) if len(values) else math.nan
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf((1 + share) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return mean, mean - half, mean + half


def smallest_resolvable(values: Iterable[float], share: float = 0.95, power: float = POWER) -> float:
    """The smallest true mean whose interval would exclude 0 in `power` of repetitions, at the spread of these values.

    By the noncentral t distribution of the test that `mean_interval` amounts to; nan for fewer than two values.
    """
    from scipy import optimize, stats

    values = np.asarray(list(values), float)
    count = len(values)
    if count < 2:
        return math.nan
    limit = stats.t.ppf((1 + share) / 2, count - 1)

    def missing(shift: float) -> float:  # the other tail, a difference resolved with the wrong sign, is negligible
        return float(stats.nct.sf(limit, count - 1, shift)) - power
    return float(optimize.brentq(missing, 0, 10 * limit) * values.std(ddof=1) / count**0.5)


def told(values: Iterable[float], digits: int = 3, unit: str = "") -> str:
    """A difference, one value for each seed, as a clause: mean, interval, and whether it is resolved.

    >>> told([0.2, 0.3, 0.25])
    '+0.250 (95 % interval +0.126 to +0.374, 3 seeds), resolved'
    """
    values = list(values)
    mean, low, high = mean_interval(values)
    if math.isnan(low):
        return f"{mean:+.{digits}f}{unit} (no interval from {len(values)} seed{'s' * (len(values) != 1)}), not resolved"
    resolved = "resolved" if low > 0 or high < 0 else "not resolved"
    interval = f"95 % interval {low:+.{digits}f} to {high:+.{digits}f}, {len(values)} seeds"
    return f"{mean:+.{digits}f}{unit} ({interval}), {resolved}"


def verdict(values: Iterable[float], above: str, below: str, neither: str, digits: int = 3, unit: str = "") -> str:
    """A conclusion with its evidence: `above` if the interval lies above 0, `below` if below, else `neither`."""
    values = list(values)
    _, low, high = mean_interval(values)
    return f"{above if low > 0 else below if high < 0 else neither}: {told(values, digits, unit)}"
