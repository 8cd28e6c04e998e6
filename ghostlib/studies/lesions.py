"""Whether ghosts do anything, told from the rows of tools/measure_lesions.py. Rows only."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY
from ghostlib.studies import map_guides
from ghostlib.studies.catalogue import network_names
from ghostlib.studies.contrasts import in_points, mean_interval
from ghostlib.studies.copies import copy_of
from ghostlib.studies.estimates import Estimate

UNDECIDED = "undecided"
GOAL = 600.0  # seconds for a network


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`, the network with its s (1 is plain) and its epochs, in the order of names and seeds."""
    names = [f"{name}, {epochs} epochs" for name, epochs in zip(network_names(rows), rows.epochs)]
    return rows.assign(name=names).sort_values(["name", "seed"], kind="stable", ignore_index=True)


def estimate(own: pd.DataFrame, value: str) -> Estimate:
    """Of the rows of one kind of network, one for each seed: of a single one over photographs, of several over networks and
    photographs.

    All networks are judged on the same photographs, so what other photographs would change does not cancel between them.
    The half of the interval is the root of the sum of two squares: Student's over networks, and the mean half over
    photographs. That is a little too wide: what photographs do to one network alone is in both.
    """
    below, above = own[value] - own[f"{value}_low"], own[f"{value}_high"] - own[value]
    if len(own) == 1:
        return Estimate(mean := float(own[value].iloc[0]), mean - below.iloc[0], mean + above.iloc[0], "photographs")
    mean, low, high = mean_interval(own[value])
    return Estimate(mean, mean - np.hypot(mean - low, below.mean()), mean + np.hypot(high - mean, above.mean()),
                    f"{len(own)} networks and photographs")


def over_modules(rows: pd.DataFrame, name: str, first: str, second: str = "", value: str = "lost") -> Estimate:
    """A set with its replacement, or a difference of two, as `estimate`, but over the modules of the network, each averaged
    over seeds. Modules of one network are not independent, so the interval is a rough one.

    Args:
        rows: Of modules, `named`.
        first, second: As `key` says them.
        value: lost, nats, or per_share: points for a tenth of the variance, the mean loss over the mean share.
    """
    own = rows[rows.name == name]
    by = own.assign(key=own.what + ": " + own.how).groupby(["key", "depth"])[["lost", "nats", "share"]].mean()
    if not {first, second or first} <= set(by.index.get_level_values("key")):
        return Estimate(np.nan, np.nan, np.nan, "modules")
    one, other = (_of_each(by.loc[which], value) for which in (first, second or first))
    found = (one - other if second else one).dropna()
    return Estimate(*mean_interval(found), f"{len(found)} modules")


def _of_each(modules: pd.DataFrame, value: str) -> pd.Series:
    """A value of each module (index depth), so that their mean is the network's. Of a quotient of two means each has the
    quotient and what it moves it by, to first order."""
    if value != "per_share":
        return modules[value]
    share = modules.share.mean()
    whole = 10 * modules.lost.mean() / share if share > 0 else np.nan
    return whole + (10 * modules.lost - whole * modules.share) / share


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
        overall, single, rows: Recorded rows (means over modules, single maps, modules), `named`; most is told of the network
            with ghosts that has most seeds.
    """
    seeds = overall.groupby("name").seed.nunique()
    main = max((name for name in seeds.index if has_ghosts(overall, name)), key=seeds.get, default=None)
    if main is None:
        return "**Answer.** None yet: no network with ghosts is recorded."
    epochs = set(overall[overall.name == main].epochs)
    plain = max((name for name in seeds.index if not has_ghosts(overall, name)
                 and set(overall[overall.name == name].epochs) == epochs), key=seeds.get, default=None)
    others = [name for name in seeds.index if has_ghosts(overall, name) and name != main]
    first, *points = _on_ghosts(overall, main, rows, single)
    return in_points(f"**Answer.** {first}", [*points, *_on_the_twin(overall, plain, rows),
                                              f"**Can one tell from a map?** {map_guides.answer(single, main)}",
                                              *_on_others(overall, others, rows, single)])


def _on_ghosts(overall: pd.DataFrame, name: str, rows: pd.DataFrame, single: pd.DataFrame) -> Iterator[str]:
    first, second = key(GHOSTS, MEAN), key(INTRINSIC, MEAN)
    own = rows_of(overall, name, first)
    lost, modules = estimate(own, "lost"), over_modules(rows, name, first)
    everywhere = judged(lost, modules, "No: without them it answers better", "Yes, ghosts do something")
    # Some modules lose where the mean does, and, whatever the mean of several networks, where each of them does by itself.
    words = "Without some of them it answers better", "Yes, in some modules", "Not shown"
    verdict = everywhere if everywhere != UNDECIDED else lost.word(*words)
    if verdict == words[-1]:
        each = {estimate(own.iloc[[place]], "lost").word(*words) for place in range(len(own))}
        verdict = each.pop() if len(each) == 1 else verdict
    yield (f"{verdict}. With half of one module's ghosts replaced by their mean {name} ({_count(own)}) loses "
           f"{lost.told(sign='')}, on average over {own.modules.iloc[0]} modules{_spread(modules)}. Intact it recognises "
           f"{own.intact.mean():.1f} % of {own.photographs.iloc[0]:,} test photographs ({copy_of(own)}; as many of each "
           f"class). Cross-entropy, which tells small changes better, changes by {estimate(own, 'nats').short(3)} nats."
           f"{_each_by_itself(own)}")
    yield f"**Where.** One module is lesioned at a time. {few(rows, single, name)}"
    yield (f"**Filters instead of means.** Replaced by what the best filters make of unrelated maps, the loss is "
           f"{estimate(rows_of(overall, name, key(GHOSTS, PREDICTED)), 'lost').told(sign='')}.")
    gap, apart = estimate(rows_of(overall, name, first, second), "lost"), over_modules(rows, name, first, second)
    costlier = judged(gap, apart, "Half of the intrinsic maps cost more", "Half of the intrinsic maps cost less")
    if costlier == UNDECIDED:
        costlier = "Whether half of the intrinsic maps cost more or less is undecided"
    yield (f"**Intrinsic maps instead of ghosts.** "
           f"{costlier} (loss with ghosts replaced minus loss with intrinsic maps replaced: {gap.told()}; over "
           f"{apart.over} {apart.low:+.2f} to {apart.high:+.2f}).")


def took(overall: pd.DataFrame) -> str:
    """How long a network took to be measured, beside the goal, in a sentence."""
    seconds = overall.drop_duplicates(["name", "seed"]).seconds
    longer = int((seconds > GOAL).sum())
    return (f"All lesions of a network took {seconds.min():.0f} to {seconds.max():.0f} seconds to measure, beside other "
            f"work. The goal is {GOAL:.0f}: {longer} of {len(seconds)} networks took longer.")


def _each_by_itself(own: pd.DataFrame) -> str:
    return "" if len(own) == 1 else (f" Each by itself, by an interval over photographs, {(own.lost_low > 0).sum()} of the "
                                     f"{len(own)} networks lose.")


def _spread(modules: Estimate) -> str:
    return "" if np.isnan(modules.low) else f" (95 % interval over {modules.over} {modules.low:.2f} to {modules.high:.2f})"


def few(rows: pd.DataFrame, single: pd.DataFrame, name: str) -> str:
    """How few of a network's modules make the mean loss of half of the ghosts, and whether a single map makes most of what
    the module loses that loses most, in a sentence; of several seeds by their means."""
    own = rows[(rows.name == name) & (rows.what == GHOSTS) & (rows.how == MEAN)]
    if own.empty:
        return "Its modules are not recorded."
    lost, seeds = own.groupby("depth").lost.mean(), own.seed.nunique()
    most, typical = lost.idxmax(), f"the median module loses {lost.median():.1f} points"
    if lost[most] <= lost.mean() or lost.sum() <= 0:
        return f"Of {len(lost)} modules {typical}."
    means = f" (means over {seeds} networks)" if seeds > 1 else ""
    alone = single[(single.name == name) & (single.depth == most) & (single.what == GHOSTS)]
    return (f"Module {most} loses {lost[most]:.0f} of the {lost.sum():.0f} points that "
            f"all lose in sum{means}{_one_ghost(alone, own[own.depth == most], seeds)}; {typical}.")


def _one_ghost(alone: pd.DataFrame, module: pd.DataFrame, seeds: int) -> str:
    """Whether one ghost alone makes most of what a module loses, network by network: map 6 of one is no map 6 of another."""
    worst = alone.loc[alone.groupby("seed").lost.idxmax()].set_index("seed")
    lost = module.set_index("seed").lost.reindex(worst.index)
    most = worst[(lost > 0) & (worst.lost > lost / 2)]
    if most.empty:
        return ""
    if seeds == 1:
        return f", where one ghost alone (map {most.channel.iloc[0]}) costs {most.lost.iloc[0]:.1f}"
    return (f", where in {len(most)} of {len(worst)} networks one ghost alone costs more than half of that network's loss "
            f"there")


def on_the_draw(rows: pd.DataFrame) -> str:
    """How much hangs on which maps were drawn, in sentences: half of all maps are more maps than half of the
    ghosts, and drawn apart."""
    table = rows[rows.how == MEAN].pivot(index=["name", "seed", "depth"], columns="what", values=["lost", "low", "high"])
    if not {GHOSTS, ALL} <= set(table.columns.get_level_values("what")):
        return "No network with ghosts is recorded."
    table = table[table["lost", GHOSTS].notna()]
    dearer = table[table["low", GHOSTS] > table["high", ALL]]
    networks = table.index.droplevel("depth").unique()
    found = (f"Half of the ghosts is fewer maps than half of all. In {len(dearer)} of {len(table)} modules"
             f"{f' of {len(networks)} networks' * (len(networks) > 1)} it still cost clearly more (intervals over "
             f"photographs apart)")
    if len(dearer):
        worst = (dearer["lost", GHOSTS] - dearer["lost", ALL]).idxmax()
        seed = f", seed {worst[1]}" if (networks.get_level_values("name") == worst[0]).sum() > 1 else ""
        found += (f", {'most ' * (len(dearer) > 1)}in module {worst[2]} of {worst[0]}{seed}: "
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
    costs = judged(gap, apart, "That is less than", "That is more than").replace(
        UNDECIDED, "That is not shown to differ from")
    by_others = estimate(rows_of(overall, name, key(LIKELY, PREDICTED)), "lost")
    yield (f"**A plain network.** "
           f"In the plain twin ({name}, {_count(own)}, {own.intact.mean():.1f} % top-1) a quarter of a module's maps, drawn "
           f"from the half that others predict best, costs {lost.told(sign='')}. {costs} a quarter drawn from the other "
           f"half ({gap.told()}; over {apart.over} {apart.low:+.2f} to {apart.high:+.2f}). Replaced by what the best "
           f"filters make of other maps, the loss is {by_others.told(sign='')}.")


def _on_others(overall: pd.DataFrame, names: list[str], rows: pd.DataFrame, single: pd.DataFrame) -> Iterator[str]:
    """What the other networks with ghosts lose, a sentence each."""
    for name in names:
        own = rows_of(overall, name, key(GHOSTS, MEAN))
        yield (f"**{name}** ({_count(own)}, {own.intact.mean():.1f} % top-1) loses {estimate(own, 'lost').told(sign='')}"
               f"{_spread(over_modules(rows, name, key(GHOSTS, MEAN)))}, with half of one module's ghosts replaced by their "
               f"mean. {few(rows, single, name)}")


def _count(own: pd.DataFrame) -> str:
    return f"{len(own)} seed{'' if len(own) == 1 else 's'}"


def by_depth(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """A network's modules: depth, what, how, share, lost, low, high and nats; of several seeds means, and no interval."""
    own = rows[(rows.name == name) & (rows.how != OWN)]
    found = own.groupby(["depth", "what", "how"], sort=False)[["share", "lost", "low", "high", "nats"]].mean().reset_index()
    return found if own.seed.nunique() == 1 else found.assign(low=np.nan, high=np.nan)

