"""What trained cheap kernels are: the rows of tools/measure_kernels.py, summed up and told. Rows only."""

import numpy as np
import pandas as pd

from ghostlib.redundancy.kernels import NEAR, PATTERNS
from ghostlib.studies.catalogue import epochs_of, network_names
from ghostlib.studies.contrasts import in_points, listed

TRAINED, START, FITTED = "trained", "at the start", "least squares"
MEANS = "turned", "r2", "r2_copied"  # of layers, where they have them
STAYED, TURNED = "still points nearly where it began", "has turned away from the random one it began as"
MANY = 5  # percent of a network's kernels from which on "some" are copies; ours
HARDLY = 0.9  # a mean cosine from which on kernels have "hardly turned"; ours


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`: the network, with its s where that is known; `epochs` where the network is ours; and each
    of MEANS, nan where a layer has none."""
    return rows.assign(name=network_names(rows), epochs=epochs_of(rows),
                       **{name: rows.get(name, np.nan) for name in MEANS})


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each network and `when`, over all its kernels and seeds: kernels, the mean share of energy in each of
    PATTERNS (in percent), how many kernels in percent are called a copy, an edge and so on, how far they turned, and the
    mean R2 of fitted ones."""
    table = []
    for (name, when), own in rows.groupby(["name", "when"], sort=False):
        count = int(own.ghosts.sum())
        table.append({"network": name, "when": when, "networks": own.seed.nunique(dropna=False), "kernels": count,
                      **{pattern: 100 * float(np.average(own[pattern], weights=own.ghosts)) for pattern in PATTERNS},
                      **{f"called {kind}": 100 * own[f"n_{kind}"].sum() / count for kind in (*PATTERNS, "dead")},
                      **{name: float(np.average(own[name], weights=own.ghosts)) if own[name].notna().all() else np.nan
                         for name in MEANS}})
    return pd.DataFrame(table)


def answer(rows: pd.DataFrame) -> str:
    """What the rows say, in sentences; the words follow the numbers."""
    table, chance = summary(rows).set_index(["network", "when"]), 100 / int(rows.d.min()) ** 2
    trained, known = table.xs(TRAINED, level="when"), ours(rows)
    some = trained["called copy"].max() >= MANY
    were = f", and {_copies(rows, START)} of ours before training" if known else ""
    first = (f"**Answer.** {'Some trained cheap kernels are copies' if some else 'Trained cheap kernels are no copies'}: "
             f"{_copies(rows, TRAINED)} have {100 * NEAR:.0f} % of their energy in the middle weight{were}.")
    parts = [_turning(rows, known), strongest(rows, known[0])] if known else []
    theirs = [f"in {name}, trained by others, edges hold {own.edge:.0f} % and smoothing {own.smoothing:.0f} % "
              f"({2 * chance:.0f} and {chance:.0f} by chance)" for name, own in trained.iterrows() if name not in known]
    return in_points(first, [*parts, *([_sentence(theirs)] if theirs else []), *_wanted(rows, table)])


def averages(rows: pd.DataFrame) -> str:
    """What the average kernel of each of our networks does, in sentences. Layers with many kernels count most."""
    table, chance = summary(rows).set_index(["network", "when"]), 100 / int(rows.d.min()) ** 2
    trained = table.xs(TRAINED, level="when")
    parts = [f"On average the middle weight holds {_span(trained['copy'], 0)} % of a trained kernel's energy, by chance "
             f"{chance:.0f} %."]
    moved: dict[str, list[str]] = {}
    for name in ours(rows):
        moved.setdefault(STAYED if trained.turned[name] >= HARDLY else TURNED, []).append(name)
    whole = sum(map(len, moved.values()))
    parts += [f"In {_how_many(len(names), whole)} of our networks the average kernel {word} ({_by_how_much(table, names)}): "
              f"{listed(_subject(rows, name) for name in names)}." for word, names in moved.items()]
    return " ".join(parts) + (f" *Nearly* is a mean cosine of {HARDLY:g} or more." if STAYED in moved else "")


def _turning(rows: pd.DataFrame, names: list[str]) -> str:
    """Which layers' kernels training has turned, in sentences: the early and the late half, then layer by layer."""
    halves: list[tuple[float, float]] = []
    told: dict[float, list[tuple[int, int, int]]] = {}
    for name in names:
        after = _layers_when(rows, name, TRAINED).turned
        early = after.index <= after.index.max() / 2
        halves.append((after[early].mean(), after[~early].mean()))
        turned = after < HARDLY
        first = int(turned.cummin().sum())  # from the first layer on, without a gap
        told.setdefault(_epochs(rows, name), []).append((int(turned.sum()), len(after), first))
    early, late = (pd.Series(values) for values in zip(*halves))
    word = ("Training turns the kernels of early layers, those of late ones hardly"
            if (early < HARDLY).all() and (late >= HARDLY).all() else
            "Training turns the kernels of early layers more than those of late ones" if (early < late).all() else
            "Early layers' kernels are not turned more than late ones' in all of our networks")
    by_time = "; ".join(f"{epochs:.0f} epochs turn {_whole_span(counts, 0)} of {_whole_span(counts, 1)} layers"
                        + (f", among them the first {_whole_span(counts, 2)}" if any(one[2] for one in counts)
                           else "") for epochs, counts in told.items())
    return (f"{word}: in the first half of the layers the mean cosine between a kernel and itself before is "
            f"{_span(early, 2)}, in the second {_span(late, 2)} ({len(names)} kind{'s' * (len(names) > 1)} of networks). "
            f"Counting as turned a layer whose mean cosine is below {HARDLY:g}, {by_time}.")


def _whole_span(counts: list[tuple[int, int, int]], place: int) -> str:
    return _span(pd.Series([one[place] for one in counts]), 0)


def _copies(rows: pd.DataFrame, when: str) -> str:
    """How many of all kernels are called copies."""
    own = rows[rows.when == when]
    return f"{own.n_copy.sum():,} of {own.ghosts.sum():,}"


def _wanted(rows: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """What plain networks would want of ghosts, in two sentences for each."""
    told = []
    for name, own in table[table.index.get_level_values("when") == FITTED].droplevel("when").iterrows():
        size = int(rows.d[rows.name == name].iloc[0])
        told.append(f"Without ghosts: in {_subject(rows, name)}, the best {size} x {size} kernels to make half of a layer's "
                    f"maps from the other half are near copies in {own['called copy']:.0f} % of cases; the middle weight "
                    f"holds {own['copy']:.0f} % of their energy. They explain {100 * own.r2:.0f} % of these maps; one "
                    f"weight instead of {size**2} explains {100 * own.r2_copied:.0f} %.")
    return told


def _how_many(some: int, whole: int) -> str:
    if whole == 1:
        return "the one kind"
    return f"all {whole} kinds" if some == whole else f"{some} of {whole} kinds"


def _by_how_much(table: pd.DataFrame, names: list[str]) -> str:
    """Of some networks of a summary how far kernels have turned and how much edges hold, after training and before."""
    after, before = (table.loc[[(name, when) for name in names]] for when in (TRAINED, START))
    return (f"mean cosine {_span(after.turned, 2)}; edges hold {_span(after.edge, 0)} % of the energy, "
            f"{_span(before.edge, 0)} % at the start")


def _span(values: pd.Series, digits: int) -> str:
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _subject(rows: pd.DataFrame, name: str) -> str:
    """A network's name, and in brackets its s, its epochs and how many seeds."""
    own = rows[rows.name == name]
    count, epochs = own.seed.nunique(dropna=False), own.epochs.iloc[0]
    base, _, more = name.partition(", ")  # as "GhostNet 0.5, s = 2"
    trained = [] if np.isnan(epochs) or "epochs" in name else [f"{epochs:.0f} epochs"]
    return f"{base} ({', '.join([*([more] if more else []), *trained, f'{count} seed' + 's' * (count > 1)])})"


def first_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each network its first seed's `named` rows alone, to look at; all of one whose seed is not known."""
    return rows[rows.seed.isna() | (rows.seed == rows.groupby("name").seed.transform("min"))]


def ours(rows: pd.DataFrame) -> list[str]:
    """The networks that are known before training, those trained longest first."""
    own = rows[rows.when == START].sort_values("epochs", ascending=False, kind="stable")
    return list(dict.fromkeys(own.name))


def strongest(rows: pd.DataFrame, name: str) -> str:
    """What an average over kernels hides, in sentences: the layer that has turned most, and where a pattern is strongest,
    beside the same layer before training."""
    after, before = (_layers_when(rows, name, when) for when in (TRAINED, START))
    most = []
    for pattern in ("copy", "smoothing", "edge"):
        layer = after[pattern].idxmax()
        most.append(f"{pattern}, layer {layer}, {after[pattern][layer]:.0f} % ({before[pattern][layer]:.0f} % before "
                    f"training)")
    return (f"In {_subject(rows, name)} the kernels of layer {after.turned.idxmin()} have turned most (mean cosine "
            f"{after.turned.min():.2f}). The layers with the largest share of their kernels' energy in one pattern: "
            f"{'; '.join(most)}.")


def _layers_when(rows: pd.DataFrame, name: str, when: str) -> pd.DataFrame:
    found = by_depth(rows, name)
    return found[found.when == when].set_index("depth").sort_index()


def _epochs(rows: pd.DataFrame, name: str) -> float:
    return float(rows.epochs[rows.name == name].iloc[0])


def _sentence(parts: list[str]) -> str:
    told = "; ".join(parts)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def dead(rows: pd.DataFrame) -> str:
    """How many kernels are dead, in a sentence."""
    own = rows[rows.when == TRAINED].groupby("name", sort=False)[["n_dead", "ghosts"]].sum()
    return "Dead kernels: " + ", ".join(f"{int(row.n_dead)} of {int(row.ghosts):,} in {name}"
                                        for name, row in own.iterrows()) + "."


def by_depth(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """A network's layers by how deep they lie, from 0 to 1: when, depth, and shares in percent, averaged over seeds."""
    own = rows[rows.name == name]
    found = own.groupby(["when", "depth"], sort=False)[[*PATTERNS, "turned"]].mean().reset_index()
    # Ours have equally many layers; of a plain one those with the smallest maps, the last, have no rows.
    deepest = (rows.depth[rows.epochs.notna()] if own.epochs.notna().all() else found.depth).max()
    return found.assign(**{pattern: 100 * found[pattern] for pattern in PATTERNS},
                        deep=(found.depth - 1) / max(1, deepest - 1))
