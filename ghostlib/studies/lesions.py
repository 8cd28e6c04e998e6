"""Whether ghosts do anything, told from the rows of tools/measure_lesions.py. Rows only."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY
from ghostlib.studies.catalogue import network_names
from ghostlib.studies.contrasts import listed, mean_interval
from ghostlib.studies.copies import copy_of

GUIDES = {"r2": "how predictable it is", "share": "how much of the module's variance it has"}
COSTS = {"nats": "cross-entropy", "lost": "top-1"}
LISTED = 5  # modules that a sentence names
NOTHING = 0.05  # points: rounding may turn an answer or two, of thousands; ours
CANNOT = "Whether half of the intrinsic maps cost more or less is not shown"
ONE_ALONE = "The interval is over photographs: one network of a kind says nothing of other seeds."


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`, the network with its s (1 is plain) and its epochs, in the order of names and seeds."""
    names = [f"{name}, {epochs} epochs" for name, epochs in zip(network_names(rows), rows.epochs)]
    return rows.assign(name=names).sort_values(["name", "seed"], kind="stable", ignore_index=True)


class Estimate(NamedTuple):
    """A value with its 95 % interval, and over what that is: "4 networks", "photographs" or "modules"."""

    mean: float
    low: float
    high: float
    over: str

    def told(self, digits: int = 2, unit: str = " points", sign: str = "+") -> str:
        """In words; `sign` "" is for what is lost, where a plus would say the contrary."""
        mean, low, high = (f"{value:{sign}.{digits}f}" for value in (self.mean, self.low, self.high))
        if np.isnan(self.low):
            return f"{mean}{unit}, of {self.over} alone" if not np.isnan(self.mean) else "not known"
        return f"{mean}{unit}, 95 % interval over {self.over} {low} to {high}"

    def word(self, below: str, above: str, neither: str) -> str:
        """What the interval says beside 0."""
        return above if self.low > 0 else below if self.high < 0 else neither


def estimate(own: pd.DataFrame, value: str) -> Estimate:
    """Of the rows of one kind of network, one for each seed: over networks, or of a single one over photographs."""
    if len(own) > 1:
        return Estimate(*mean_interval(own[value]), f"{len(own)} networks")
    row = own.iloc[0]
    return Estimate(row[value], row[f"{value}_low"], row[f"{value}_high"], "photographs")


def key(what: str, how: str) -> str:
    """How a set and its replacement are called in rows."""
    return f"{what}: {how}"


def told(first: str) -> tuple[str, str]:
    """What of it is replaced, and by what, as words."""
    what, _, how = first.partition(": ")
    return f"half of {'' if what == ALL else 'the '}{what}", how


def rows_of(overall: pd.DataFrame, name: str, first: str, second: str = "") -> pd.DataFrame:
    """The rows of one kind of network: a set with its replacement, or a difference of two."""
    return overall[(overall.name == name) & (overall["first"] == first) & (overall.second.fillna("") == second)]


def summary(overall: pd.DataFrame) -> pd.DataFrame:
    """What each replacement costs, averaged over modules, in words: network, networks (how many), replaced, by, points of
    top-1 and nats of cross-entropy with their 95 % interval, points for a tenth of a module's variance, and over what the
    intervals are."""
    table = []
    for (name, first), own in overall[overall.second.fillna("") == ""].groupby(["name", "first"], sort=False):
        what, how = told(first)
        lost, nats, each = (estimate(own, value) for value in ("lost", "nats", "per_share"))
        table.append({"network": name, "replaced": what, "by": how, "top-1 lost, points": _short(lost, 2),
                      "cross-entropy, nats": _short(nats, 3), "points for 10 % of the variance": _short(each, 2),
                      "interval over": lost.over})
    return pd.DataFrame(table).set_index(["network", "replaced", "by"])


def differences(overall: pd.DataFrame) -> pd.DataFrame:
    """Two replacements side by side, on the same photographs: network, difference, and the rest as in `summary`."""
    table, pairs = [], overall[overall.second.fillna("") != ""]
    for (name, first, second), own in pairs.groupby(["name", "first", "second"], sort=False):
        lost, nats, each = (estimate(own, value) for value in ("lost", "nats", "per_share"))
        table.append({"network": name, "difference": f"{first} − {second}", "top-1 lost, points": _short(lost, 2),
                      "cross-entropy, nats": _short(nats, 3), "points for 10 % of the variance": _short(each, 2),
                      "interval over": lost.over})
    return pd.DataFrame(table).set_index(["network", "difference"])


def _short(one: Estimate, digits: int) -> str:
    if np.isnan(one.mean):
        return ""
    return f"{one.mean:+.{digits}f} ({one.low:+.{digits}f} to {one.high:+.{digits}f})"


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


def guides(single: pd.DataFrame) -> pd.DataFrame:
    """How well each of GUIDES orders maps by what they cost: within modules and, for comparison, over all maps of a network
    at once, where what modules differ in counts, too."""
    table = []
    for name in dict.fromkeys(single.name):
        for guide, by in GUIDES.items():
            for cost, in_words in COSTS.items():
                one = guided(single, name, guide, cost)
                table.append({"network": name, "a map by": by, "against what it costs in": in_words,
                              "within modules": _short(one, 2), "interval over": one.over,
                              "all maps at once": f"{_pooled(single, name, guide, cost):+.2f}"})
    return pd.DataFrame(table).set_index(["network", "a map by", "against what it costs in"])


def has_ghosts(overall: pd.DataFrame, name: str) -> bool:
    return bool((overall[overall.name == name].s > 1).any())


def answer(overall: pd.DataFrame, single: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Whether ghosts do anything, and whether how predictable a map is says what its loss costs; the words follow the rows.

    Args:
        overall, single, rows: Recorded rows (means over modules, single maps, modules), `named`; told of is the network with
            ghosts that has most seeds.
    """
    seeds = overall.groupby("name").seed.nunique()
    main = max((name for name in seeds.index if has_ghosts(overall, name)), key=seeds.get, default=None)
    if main is None:
        return "**Answer.** None yet: no network with ghosts is recorded."
    epochs = set(overall[overall.name == main].epochs)
    plain = max((name for name in seeds.index if not has_ghosts(overall, name)
                 and set(overall[overall.name == name].epochs) == epochs), key=seeds.get, default=None)
    return "**Answer.** " + " ".join([*_on_ghosts(overall, main, rows), *_on_the_twin(overall, plain),
                                      *_on_guides(single, main)])


def _on_ghosts(overall: pd.DataFrame, name: str, rows: pd.DataFrame) -> Iterator[str]:
    own = rows_of(overall, name, key(GHOSTS, MEAN))
    lost, entropy = estimate(own, "lost"), estimate(own, "nats")
    verdict = lost.word("No: without them it answers better", "Yes, ghosts do something", "Not shown")
    yield (f"{verdict}. With half of one module's ghosts replaced by their mean, {name} ({_count(own)}) loses, averaged "
           f"over {own.modules.iloc[0]} modules, {lost.told(sign='')}, of {own.intact.mean():.1f} % top-1 on "
           f"{own.photographs.iloc[0]:,} test photographs ({copy_of(own)}), as many of each class; cross-entropy rises by "
           f"{entropy.told(3, ' nats', '')}.")
    yield few(rows, name)
    if len(own) == 1:
        yield ONE_ALONE
    apart = rows_of(overall, name, key(GHOSTS, MEAN), key(INTRINSIC, MEAN))
    gap, nats, each = (estimate(apart, value) for value in ("lost", "nats", "per_share"))
    costlier = gap.word("Half of the intrinsic maps cost more", "Half of the intrinsic maps cost less", CANNOT)
    yield f"{costlier} in top-1 (ghosts less intrinsic maps: {gap.told()})."
    in_nats = nats.word("ghosts cost less", "ghosts cost more", "the difference is undecided")
    each_costs = each.word("ghosts cost less", "ghosts cost more", "no difference is shown")
    yield (f"In cross-entropy {in_nats} ({nats.told(3, ' nats')}). For the same share of variance {each_costs} in top-1 "
           f"({each.told()} for a tenth of it).")
    rescued = estimate(rows_of(overall, name, key(GHOSTS, MEAN), key(GHOSTS, PREDICTED)), "lost")
    made = estimate(rows_of(overall, name, key(GHOSTS, PREDICTED)), "lost")
    verdict = rescued.word("more than their mean does", "less than their mean does", "no difference is shown")
    yield (f"Made by the best filter from maps that are no relatives, the same ghosts cost {made.told(sign='')}: {verdict} "
           f"({rescued.told()}).")
    exact = float(rows_of(overall, name, key(GHOSTS, OWN)).lost.abs().max())
    must = "as by construction they must" if exact < NOTHING else "though by construction they should cost none"
    yield f"Made from their own source they cost {exact:.2f} points, {must}."


def few(rows: pd.DataFrame, name: str) -> str:
    """How many of a network's modules make the mean loss of half of the ghosts, in a sentence."""
    lost = rows[(rows.name == name) & (rows.what == GHOSTS) & (rows.how == MEAN)].groupby("depth").lost.mean()
    above = lost[lost > lost.mean()].sort_values(ascending=False)
    typical = f"the median module loses {lost.median():.1f} points"
    if above.empty or lost.sum() <= 0:
        return f"Of {len(lost)} modules {typical}."
    s = "s" if len(above) == 1 else ""
    share = 100 * above.sum() / lost.sum()
    most = listed(f"{value:.0f} in module {depth}" for depth, value in above[:LISTED].items())
    return (f"Of {len(lost)} modules {len(above)} lose{s} more than that mean and make{s} {share:.0f} % of the sum (points: "
            f"{most}{', for instance' if len(above) > LISTED else ''}); {typical}.")


def on_the_draw(rows: pd.DataFrame) -> str:
    """How much hangs on which maps were drawn, in sentences: half of all maps are more maps than half of the
    ghosts, and drawn apart."""
    table = rows[rows.how == MEAN].pivot(index=["name", "seed", "depth"], columns="what", values=["lost", "low", "high"])
    if not {GHOSTS, ALL} <= set(table.columns.get_level_values("what")):
        return "No network with ghosts is recorded."
    table = table[table["lost", GHOSTS].notna()]
    dearer = table[table["low", GHOSTS] > table["high", ALL]]
    found = (f"Half of the ghosts are fewer maps than half of all, and were drawn apart; yet they cost clearly more in "
             f"{len(dearer)} of {len(table)} modules (intervals over photographs apart)")
    if len(dearer):
        worst = (dearer["lost", GHOSTS] - dearer["lost", ALL]).idxmax()
        found += (f", {'most ' * (len(dearer) > 1)}in module {worst[2]} of {worst[0]}: "
                  f"{table.loc[worst, ('lost', GHOSTS)]:.1f} points against "
                  f"{table.loc[worst, ('lost', ALL)]:.1f}. So it matters which maps are drawn")
    return f"{found}. Each network was measured with one draw; what another would give is not known."


def _on_the_twin(overall: pd.DataFrame, name: str | None) -> Iterator[str]:
    if name is None:
        yield "A plain twin, trained for as long, is not measured yet."
        return
    own = rows_of(overall, name, key(LIKELY, MEAN))
    lost, gap = estimate(own, "lost"), estimate(rows_of(overall, name, key(LIKELY, MEAN), key(UNLIKELY, MEAN)), "lost")
    costs = gap.word("less than", "more than", "which is not shown to differ from")
    yield (f"In the plain twin ({name}, {_count(own)}) a quarter of a module's maps, drawn from the half that others "
           f"predict best, costs {lost.told(sign='')}, {costs} a quarter drawn from the other half ({gap.told()}).")


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
    return " ".join([*parts, "What that is beyond the correlation within modules comes from how modules differ."])


def _on_guides(single: pd.DataFrame, name: str) -> Iterator[str]:
    by_r2, by_share = (guided(single, name, guide) for guide in GUIDES)
    verdict = by_r2.word("The more predictable a map, the less its loss costs",
                         "The more predictable a map, the more its loss costs",
                         "That predictable maps cost less is not shown")
    yield (f"{verdict}: within modules the rank correlation of R² and the rise of cross-entropy is {by_r2.told(2, '')}; "
           f"that of the share of variance is {by_share.told(2, '')}.")


def _count(own: pd.DataFrame) -> str:
    return f"{len(own)} seed{'' if len(own) == 1 else 's'}"


def by_depth(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """A network's modules: depth, what, how, share, lost, low, high and nats; of several seeds means, and no interval."""
    own = rows[(rows.name == name) & (rows.how != OWN)]
    found = own.groupby(["depth", "what", "how"], sort=False)[["share", "lost", "low", "high", "nats"]].mean().reset_index()
    return found if own.seed.nunique() == 1 else found.assign(low=np.nan, high=np.nan)

