"""What would weaken the photographs study's verdicts: other photographs, other seeds, other numbers of epochs. Rows only."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ghostlib.studies.answers import right as right_of
from ghostlib.studies.contrasts import Contrast, half_width, listed, with_interval
from ghostlib.studies.photographs import GHOSTNET, RIVAL, THIN, contrasts_of, is_whole

DRAWS = 2000  # of the bootstrap
EARLIER = 0.6  # of a run's epochs, after which a gap is told beside that at its end


def checks(rows: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Each contrast that has all its planned seeds, by seeds alone, by the bootstrap over seeds and photographs together,
    and by both variances added.

    Args:
        rows: Of `photographs.named`.
        answered: Of `answers.compact`; runs that it lacks are left out.

    Returns:
        difference, seeds, and three 95 % intervals in points of percent.
    """
    table, there = [], rows[rows.point.isin(answered.columns)]
    point_of = there.set_index(["network", "seed"]).point
    for one in filter(is_whole, contrasts_of(there)):
        right = {name: right_of(answered, [point_of[name, seed] for seed in one.seeds])
                 for name in (one.first, one.second)}
        table.append({"difference": f"{one.first} − {one.second}", "seeds": len(one.seeds),
                      "over seeds": with_interval(*one.interval),
                      "bootstrap": with_interval(*bootstrap(right, one.first, one.second)),
                      "both variances": with_interval(*added(one, right))})
    return pd.DataFrame(table, columns=["difference", "seeds", "over seeds", "bootstrap", "both variances"])


def bootstrap(right: Mapping[str, np.ndarray], first: str, second: str, share: float = 0.95) -> tuple[float, float, float]:
    """A difference's interval over seeds and photographs together: both are drawn anew, the same ones for either network.

    Args:
        right: By network, (seeds, photographs): whether each photograph was recognised; the same seeds, in order.

    Returns:
        Mean, low and high in points of percent.
    """
    difference = 100 * (right[first].astype(float) - right[second].astype(float))
    rng, (seeds, photographs) = np.random.default_rng(0), difference.shape
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
    means = np.array([row @ rng.multinomial(photographs, np.full(photographs, 1 / photographs)) / photographs
                      for row in drawn_seeds @ difference])
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return float(difference.mean()), float(low), float(high)


def added(one: Contrast, right: Mapping[str, np.ndarray], share: float = 0.95) -> tuple[float, float, float]:
    """A difference's interval by Student's t for as few seeds as there are, its standard error made of that over seeds and
    that over photographs. Wider than either alone, and somewhat too wide: photographs' spread holds some of the seeds'.

    Args:
        right: As for `bootstrap`.

    Returns:
        Mean, low and high in points of percent.
    """
    difference = 100 * (right[one.first].astype(float) - right[one.second].astype(float))
    (mean, _, _), seeds = one.interval, len(one.values)
    error = math.sqrt(one.values.var(ddof=1) / seeds + difference.mean(axis=0).var(ddof=1) / difference.shape[1])
    wide = half_width(error * seeds**0.5, seeds, share)
    return mean, mean - wide, mean + wide


def unequal_seeds(rows: pd.DataFrame) -> str:
    """What GhostNet's mean is over those seeds that rivals with fewer have, in a sentence; "" where all have as many."""
    accuracies = rows.dropna(subset="accuracy").groupby("network")
    seeds = {name: frozenset(own.seed) for name, own in accuracies}
    if GHOSTNET not in seeds:
        return ""
    own, told = rows[rows.network == GHOSTNET].set_index("seed").accuracy, []
    for common in dict.fromkeys(one & seeds[GHOSTNET] for name, one in seeds.items() if one & seeds[GHOSTNET]):
        if common != seeds[GHOSTNET]:
            names = [name for name, one in seeds.items() if one & seeds[GHOSTNET] == common]
            told.append(f"over the {len(common)} seeds of {listed(names)} {own[sorted(common)].mean():.2f} %")
    if not told:
        return ""
    return (f"GhostNet's mean over its {len(seeds[GHOSTNET])} seeds is {own.mean():.2f} %, {listed(told)}. A contrast takes "
            f"the seeds that both networks have, so that who is ahead can differ from the means above; the contrast counts.")


def gaps(curves: pd.DataFrame) -> str:
    """How GhostNet's distance from two networks changed towards the end of training, in sentences.

    Args:
        curves: Columns network, seed, epoch and accuracy (in percent).
    """
    means = curves.groupby(["network", "epoch"]).accuracy.mean().unstack("epoch")
    last = int(means.columns.max())
    before = max(1, round(EARLIER * last))
    told = []
    for name in (RIVAL, THIN):
        if {GHOSTNET, name} <= set(means.index) and before in means:
            gap = (means.loc[GHOSTNET] - means.loc[name]).round(1) + 0.0  # no -0.0
            told.append(f"GhostNet − {name} was {gap[before]:+.1f} points after epoch {before} and {gap[last]:+.1f} after "
                        f"epoch {last}")
    if not told:
        return ""
    return (f"{listed(told)}. The rate falls to zero at epoch {last}, so that every curve flattens there: they do not say "
            f"what a longer training would give.")


def mixed_pairs(rows: pd.DataFrame) -> str:
    """How many pairs of runs that a contrast compares are of two kinds of processors, or of two commits, in a sentence."""
    by = rows.set_index(["network", "seed"])
    pairs = {(one.first, one.second, seed) for one in contrasts_of(rows) for seed in one.seeds}
    apart = {what: sum(by[what][first, seed] != by[what][second, seed] for first, second, seed in pairs)
             for what in ("machine", "commit")}
    return (f"Of {len(pairs)} pairs of runs that contrasts compare, {apart['machine']} mix kinds of processors and "
            f"{apart['commit']} mix commits.")
