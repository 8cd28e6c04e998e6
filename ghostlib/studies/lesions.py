"""Whether ghosts do anything, told from the rows of tools/measure_lesions.py. Rows only."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY
from ghostlib.studies import map_guides
from ghostlib.studies.catalogue import network_names
from ghostlib.studies.contrasts import mean_interval
from ghostlib.studies.copies import copy_of
from ghostlib.studies.estimates import Estimate

UNDECIDED = "undecided"


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`, the network with its s (1 is plain) and its epochs, in the order of names and seeds."""
    names = [f"{name}, {epochs} epochs" for name, epochs in zip(network_names(rows), rows.epochs)]
    return rows.assign(name=names).sort_values(["name", "seed"], kind="stable", ignore_index=True)


def estimate(own: pd.DataFrame, value: str) -> Estimate:
    """Of the rows of one kind of network, one for each seed: over networks, or of a single one over photographs."""
    if len(own) > 1:
        return Estimate(*mean_interval(own[value]), f"{len(own)} networks")
    row = own.iloc[0]
    return Estimate(row[value], row[f"{value}_low"], row[f"{value}_high"], "photographs")


def over_modules(rows: pd.DataFrame, name: str, first: str, second: str = "", value: str = "lost") -> Estimate:
    """A set with its replacement, or a difference of two, as `estimate`, but over the modules of the network, each averaged
    over seeds. Modules of one network are not independent, so the interval is a rough one.

    Args:
        rows: Of modules, `named`.
        first, second: As `key` says them.
        value: lost, nats, or per_share: points for a tenth of the module's variance.
    """
    own = rows[rows.name == name].assign(per_share=lambda found: 10 * found.lost / found.share.where(found.share > 0))
    by = own.assign(key=own.what + ": " + own.how).groupby(["depth", "key"])[value].mean().unstack("key")
    if not {first, second or first} <= set(by):
        return Estimate(np.nan, np.nan, np.nan, "modules")
    found = (by[first] - by[second] if second else by[first]).dropna()
    return Estimate(*mean_interval(found), f"{len(found)} modules")


def judged(one: Estimate, modules: Estimate, below: str, above: str) -> str:
    """Which of two is so: `below` where both intervals lie below 0, `above` where both lie above it, else UNDECIDED. What
    few modules make is not said of all, however many photographs say it."""
    words = {each.word(below, above, UNDECIDED) for each in (one, modules)}
    return words.pop() if len(words) == 1 else UNDECIDED


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
        table.append({"network": name, "replaced": what, "by": how, "top-1 lost, points": lost.short(2),
                      "cross-entropy, nats": nats.short(3), "points for 10 % of the variance": each.short(2),
                      "interval over": lost.over})
    return pd.DataFrame(table).set_index(["network", "replaced", "by"])


def differences(overall: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Two replacements side by side, on the same photographs: network, difference, the rest as in `summary`, and for points
    of top-1, for all that is replaced and for a tenth of the variance, the interval over modules and what both say."""
    table, pairs = [], overall[overall.second.fillna("") != ""]
    for (name, first, second), own in pairs.groupby(["name", "first", "second"], sort=False):
        lost, nats, each = (estimate(own, value) for value in ("lost", "nats", "per_share"))
        all_of_it, a_tenth = (over_modules(rows, name, first, second, value) for value in ("lost", "per_share"))
        table.append({"network": name, "difference": f"{first} − {second}", "top-1 lost, points": lost.short(2),
                      "cross-entropy, nats": nats.short(3), "points for 10 % of the variance": each.short(2),
                      "interval over": lost.over, "top-1, over modules": all_of_it.short(2),
                      "verdict on top-1": judged(lost, all_of_it, "costs less", "costs more"),
                      "10 %, over modules": a_tenth.short(2),
                      "verdict on 10 %": judged(each, a_tenth, "costs less", "costs more")})
    return pd.DataFrame(table).set_index(["network", "difference"])


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
    return "**Answer.** " + " ".join([*_on_ghosts(overall, main, rows, single), *_on_the_twin(overall, plain, rows),
                                      map_guides.answer(single, main)])


def _on_ghosts(overall: pd.DataFrame, name: str, rows: pd.DataFrame, single: pd.DataFrame) -> Iterator[str]:
    first, second = key(GHOSTS, MEAN), key(INTRINSIC, MEAN)
    own = rows_of(overall, name, first)
    lost, modules = estimate(own, "lost"), over_modules(rows, name, first)
    everywhere = judged(lost, modules, "No: without them it answers better", "Yes, ghosts do something")
    spread = "" if np.isnan(modules.low) else (f" (95 % interval over {modules.over} {modules.low:.2f} to "
                                               f"{modules.high:.2f})")
    verdict = lost.word("Without some of them it answers better", "Yes, in some modules", "Not shown")
    yield (f"{verdict if everywhere == UNDECIDED else everywhere}. With half of one module's ghosts replaced by their mean, "
           f"{name} ({_count(own)}) loses {lost.told(sign='')}, of {own.intact.mean():.1f} % top-1 on "
           f"{own.photographs.iloc[0]:,} test photographs ({copy_of(own)}), as many of each class; that is averaged over "
           f"{own.modules.iloc[0]} modules{spread}.")
    yield few(rows, single, name)
    yield (f"Replaced by what the best filters make of unrelated maps, they cost "
           f"{estimate(rows_of(overall, name, key(GHOSTS, PREDICTED)), 'lost').told()}.")
    gap, apart = estimate(rows_of(overall, name, first, second), "lost"), over_modules(rows, name, first, second)
    costlier = judged(gap, apart, "Half of the intrinsic maps cost more", "Half of the intrinsic maps cost less")
    if costlier == UNDECIDED:
        costlier = "Whether half of the intrinsic maps cost more or less is undecided"
    yield (f"{costlier} (ghosts less intrinsic maps: {gap.told()}; over {apart.over} {apart.low:+.2f} to "
           f"{apart.high:+.2f}).")


def few(rows: pd.DataFrame, single: pd.DataFrame, name: str) -> str:
    """How few of a network's modules make the mean loss of half of the ghosts, and whether a single map makes most of what
    the module loses that loses most, in a sentence."""
    lost = rows[(rows.name == name) & (rows.what == GHOSTS) & (rows.how == MEAN)].groupby("depth").lost.mean()
    most, typical = lost.idxmax(), f"the median module loses {lost.median():.1f} points"
    if lost[most] <= lost.mean() or lost.sum() <= 0:
        return f"Of {len(lost)} modules {typical}."
    alone = single[(single.name == name) & (single.depth == most) & (single.what == GHOSTS)].groupby("channel").lost.mean()
    of_one = ""
    if len(alone) and alone.max() > lost[most] / 2:
        of_one = f", where one ghost alone (map {alone.idxmax()}) costs {alone.max():.1f}"
    return (f"One module is lesioned at a time. Module {most} loses {lost[most]:.0f} of the {lost.sum():.0f} points that "
            f"all lose in sum{of_one}; {typical}.")


def on_the_draw(rows: pd.DataFrame) -> str:
    """How much hangs on which maps were drawn, in sentences: half of all maps are more maps than half of the
    ghosts, and drawn apart."""
    table = rows[rows.how == MEAN].pivot(index=["name", "seed", "depth"], columns="what", values=["lost", "low", "high"])
    if not {GHOSTS, ALL} <= set(table.columns.get_level_values("what")):
        return "No network with ghosts is recorded."
    table = table[table["lost", GHOSTS].notna()]
    dearer = table[table["low", GHOSTS] > table["high", ALL]]
    found = (f"Half of the ghosts is fewer maps than half of all. In {len(dearer)} of {len(table)} modules it still cost "
             f"clearly more (intervals over photographs apart)")
    if len(dearer):
        worst = (dearer["lost", GHOSTS] - dearer["lost", ALL]).idxmax()
        found += (f", {'most ' * (len(dearer) > 1)}in module {worst[2]} of {worst[0]}: "
                  f"{table.loc[worst, ('lost', GHOSTS)]:.1f} points against "
                  f"{table.loc[worst, ('lost', ALL)]:.1f}. So it matters which maps are drawn")
    return f"{found}. Each network was measured with one draw; what another would give is not known."


def _on_the_twin(overall: pd.DataFrame, name: str | None, rows: pd.DataFrame) -> Iterator[str]:
    if name is None:
        yield "A plain twin, trained for as long, is not measured yet."
        return
    first, second = key(LIKELY, MEAN), key(UNLIKELY, MEAN)
    own = rows_of(overall, name, first)
    lost, gap = estimate(own, "lost"), estimate(rows_of(overall, name, first, second), "lost")
    apart = over_modules(rows, name, first, second)
    costs = judged(gap, apart, "less than", "more than").replace(UNDECIDED, "which is not shown to differ from")
    yield (f"In the plain twin ({name}, {_count(own)}) a quarter of a module's maps, drawn from the half that others "
           f"predict best, costs {lost.told(sign='')}, {costs} a quarter drawn from the other half ({gap.told()}; over "
           f"{apart.over} {apart.low:+.2f} to {apart.high:+.2f}).")


def _count(own: pd.DataFrame) -> str:
    return f"{len(own)} seed{'' if len(own) == 1 else 's'}"


def by_depth(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """A network's modules: depth, what, how, share, lost, low, high and nats; of several seeds means, and no interval."""
    own = rows[(rows.name == name) & (rows.how != OWN)]
    found = own.groupby(["depth", "what", "how"], sort=False)[["share", "lost", "low", "high", "nats"]].mean().reset_index()
    return found if own.seed.nunique() == 1 else found.assign(low=np.nan, high=np.nan)

