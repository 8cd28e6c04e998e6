"""Whether one can tell from a map what its loss will cost: rank correlations within modules, of single maps. Rows only."""

import numpy as np
import pandas as pd

from ghostlib.studies.contrasts import listed, mean_interval
from ghostlib.studies.estimates import Estimate

GUIDES = {"r2": "how predictable it is", "share": "how much of the module's variance it has"}
COSTS = {"nats": "cross-entropy", "lost": "top-1"}


def correlations(single: pd.DataFrame) -> pd.DataFrame:
    """For each module of each network the rank correlation (Spearman) between each of GUIDES and each of COSTS of its maps:
    name, seed, depth, guide, cost, rho; modules without a difference in cost are left out."""
    table = []
    for (name, seed, depth), own in single.groupby(["name", "seed", "depth"], sort=False):
        table += [{"name": name, "seed": seed, "depth": depth, "guide": guide, "cost": cost,
                   "rho": _rho(own[guide], own[cost])} for guide in GUIDES for cost in COSTS]
    return pd.DataFrame(table).dropna(subset="rho")


def _rho(first: pd.Series, second: pd.Series) -> float:
    """Spearman's rank correlation; nan where one does not vary."""
    varies = first.nunique() > 1 and second.nunique() > 1
    return first.rank().corr(second.rank()) if varies else float("nan")


def guided(single: pd.DataFrame, name: str, guide: str = "r2", cost: str = "nats") -> Estimate:
    """How well a guide orders the maps of a module by what they cost: averaged over modules, over networks where there are
    several, else over modules."""
    own = correlations(single).query("name == @name and guide == @guide and cost == @cost")
    means = own.groupby("seed").rho.mean()
    if len(means) > 1:
        return Estimate(*mean_interval(means), f"{len(means)} networks")
    return Estimate(*mean_interval(own.rho), f"{len(own)} module{'' if len(own) == 1 else 's'}")


def _pooled(single: pd.DataFrame, name: str, guide: str, cost: str) -> float:
    """The rank correlation over all maps of a network at once, averaged over its seeds."""
    return float(np.mean([_rho(own[guide], own[cost]) for _, own in single[single.name == name].groupby("seed")]))


def table(single: pd.DataFrame) -> pd.DataFrame:
    """How well each of GUIDES orders maps by what they cost: within modules and, for comparison, over all maps of a network
    at once, where what modules differ in counts, too."""
    lines = []
    for name in dict.fromkeys(single.name):
        for guide, by in GUIDES.items():
            for cost, in_words in COSTS.items():
                one = guided(single, name, guide, cost)
                lines.append({"network": name, "maps ranked by": by, "and by their cost in": in_words,
                              "within modules": one.short(2), "interval over": one.over,
                              "all maps at once": f"{_pooled(single, name, guide, cost):+.2f}"})
    return pd.DataFrame(lines).set_index(["network", "maps ranked by", "and by their cost in"])


def at_once(single: pd.DataFrame) -> str:
    """What the same rank correlations are over all maps of a network, whatever their module, in a sentence for each."""
    parts = []
    for name in dict.fromkeys(single.name):
        said = []
        for guide, by in GUIDES.items():
            said.append(f"with {by} {_pooled(single, name, guide, 'nats'):+.2f} "
                        f"({guided(single, name, guide).mean:+.2f} within modules)")
        parts.append(f"Over all maps of {name} at once the rank correlation of a map's cost (cross-entropy) is "
                     f"{listed(said)}.")
    return " ".join([*parts, "What the two differ by may come from differences between modules."])


def answer(single: pd.DataFrame, name: str) -> str:
    """What predictability says of the cost of a network's maps, in a sentence."""
    by_r2, by_share = (guided(single, name, guide) for guide in GUIDES)
    verdict = by_r2.word("The better others predict a map, the less its loss costs",
                         "The better others predict a map, the more its loss costs",
                         "It is not shown that losing a map which others predict well costs less")
    return (f"{verdict}: within modules, the rank correlation between a map's R² and the rise of cross-entropy without it "
            f"is {by_r2.told(2, '')}. With the map's share of the module's variance it is {by_share.told(2, '')}.")
