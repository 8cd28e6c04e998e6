"""Redundancy of full-size networks, told: rows of tools/measure_redundancy.py each network by itself. Rows only."""

from typing import Any

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, TARGETS, TRAINED, UNTRAINED
from ghostlib.studies.catalogue import network_names
from ghostlib.studies.contrasts import in_points, listed
from ghostlib.studies.redundancy import LITTLE
from ghostlib.studies.training_effect import (
    ACTIVATION,
    CONTROLS,
    CONVOLUTION,
    FILTER,
    effects,
    in_most_layers,
    together,
    up_and_down,
    verdict,
    way,
)

STATES = {"convolution": CONVOLUTION, "BatchNorm": "normalisation", "ReLU": ACTIVATION, "activation": ACTIVATION}
TAU = "0.9"
AGREED = 0.9  # in which share of layers two controls have to agree; ours
ONE = ["name", "photographs", "seed"]  # columns that rows of one network on one set of photographs share


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`, the network, and `state`, after what maps are looked at: "activation" is ReLU or another."""
    told = rows.assign(name=network_names(rows), seed=rows.seed.fillna(0))
    return told.assign(state=told.stage.map(STATES)) if "stage" in told else told


def looks(rows: pd.DataFrame) -> pd.DataFrame:
    """`effects` of every set of photographs, after the convolution and after the activation: with `state`, and with `way`,
    the verdict without how many layers say it. The first of a network is its own set after the convolution."""
    found = [effects(rows, state).assign(state=state) for state in (CONVOLUTION, ACTIVATION)]
    table = pd.concat([one for one in found if len(one)] or found)
    own = table.photographs == table.name.map(fullest(table).groupby("name").photographs.first())
    return pd.concat([table[own], table[~own]]).assign(way=lambda all_of: [way(row) for _, row in all_of.iterrows()])


def effects_told(rows: pd.DataFrame) -> pd.DataFrame:
    """`looks` as they are read: with a verdict that names the control, and without the interval over networks if none has
    one."""
    found = looks(rows).rename(columns={"state": "after"}).drop(columns="way")
    found = found.sort_values("name", kind="stable", key=lambda names: names.map({
        name: place for place, name in enumerate(dict.fromkeys(rows.name))}))
    than = {UNTRAINED: "alike than before training", SHUFFLED_WEIGHTS: "alike than with shuffled weights"}
    told = [verdict(row).replace("alike", than[row.control]) for _, row in found.iterrows()]
    table = found.assign(verdict=told).dropna(axis="columns", how="all")
    return table.set_index(["name", "control", "after", "photographs"]).round(3)


def networks(rows: pd.DataFrame) -> pd.DataFrame:
    """What was measured on what: table at_size_networks.csv, `named`, as it is read."""
    sets = {"halves": "ImageNet's 500 validation photographs, one half | the other", "train-val": "Imagenette's train | val",
            "shared": "ImageNet's validation photographs in train | in val"}
    judged = {"halves": "all of these", "train-val": "all of val", "shared": "those of ImageNet's in val"}
    return pd.DataFrame({"network": rows.name,
                         "seed": [f"{seed:.0f}" if s > 0 else "" for seed, s in zip(rows.seed, rows.s)],
                         "photographs, fitted | reported": rows.photographs.map(sets),
                         "how many": [f"{fit} | {told}" for fit, told in zip(rows.fitted, rows.reported)],
                         "layers measured": [f"{some} of {every}" for some, every in zip(rows.layers, rows.convolutions)],
                         "pixels": rows.height, "top-1, %": (100 * rows.top1).round(1),
                         "judged on": [f"{count:.0f}: {judged[name]}" if count > 0 else ""
                                       for count, name in zip(rows.judged, rows.photographs)],
                         "classes": [f"{count:.0f}" if count > 0 else "" for count in rows.classes]}
                        ).fillna("").set_index("network")


def side_by_side(rows: pd.DataFrame) -> str:
    """How alike maps are in networks of both sorts on the photographs that neither was trained on, in sentences."""
    own = rows[(rows.source == TRAINED) & (rows["filter"] == FILTER) & (rows.state == CONVOLUTION)]
    shared = own[own.photographs == "shared"]
    if shared.name.nunique() < 2:
        return "Fewer than two networks were recorded on the photographs that all may be compared on."
    r2 = shared.groupby("name", sort=False).r2.mean().sort_values(ascending=False)
    seeds = shared.groupby("name").seed.nunique()
    elsewhere = fullest(own).groupby("name", sort=False).r2.mean()
    told = [f"{value:.2f} in {name}{f' ({seeds[name]} seeds)' * bool(seeds[name] > 1)}" for name, value in r2.items()]
    own_sets = [f"{elsewhere[name]:.2f}" for name in r2.index]
    return (f"On the same photographs, which none of them was trained on, R² after the convolution is {listed(told)}, on "
            f"average over layers. On photographs of its own for each network, as in the table above, it is "
            f"{listed(own_sets)}. Their layers are of different kinds and sizes, so this does not say what ghosts do to R².")


def maps_of(drawn: pd.DataFrame) -> np.ndarray:
    """The maps (C, H, W) uint8 of the first network and layer of a table with columns network, layer, height, width and
    pixels, their bytes as hexadecimal digits."""
    drawn = drawn[(drawn.network == drawn.network.iloc[0]) & (drawn.layer == drawn.layer.iloc[0])]
    size = int(drawn.height.iloc[0]), int(drawn.width.iloc[0])
    return np.stack([np.frombuffer(bytes.fromhex(row), np.uint8).reshape(size) for row in drawn.pixels])


def pairs_answer(pairs: pd.DataFrame) -> str:
    """What Figure 1's kind of pairs shows beside typical ones, in sentences, for the first network and layer of the table
    at_size_figure1_pairs.csv."""
    pairs = pairs[(pairs.network == pairs.network.iloc[0]) & (pairs.layer == pairs.layer.iloc[0])]
    own = pairs[pairs.d == FILTER].groupby("chosen", sort=False).r2
    if own.ngroups < 2:
        return "Pairs were recorded of one kind alone, so that nothing can be said of how they were picked."
    told = "; ".join(f"{how}: {values.min():.2f} to {values.max():.2f}" for how, values in own)
    (_, picked), (_, typical) = list(own)[:2]
    better, worse = int((picked > typical.max()).sum()), int((picked < typical.min()).sum())
    return (f"R² of a {FILTER} × {FILTER} filter between the two maps of a pair: {told}. Of the {len(picked)} pairs picked "
            f"for their likeness {better} {'is' if better == 1 else 'are'} better than every typical one, and {worse} "
            f"worse than every typical one.")


def answer(rows: pd.DataFrame) -> str:
    """Whether training makes maps more alike at this size, in sentences; the words follow the numbers."""
    found, parts = fullest(effects(rows)), []
    for name, own in found.groupby("name", sort=False):
        told = [f"{row.difference:+.2f} against {row.control}{_interval(row)}, {up_and_down(row)}"
                for _, row in own.iterrows()]
        parts.append(f"In {name}: {'; '.join(told)}.")
    before, mixed = (found[found.control == control] for control in CONTROLS)
    every = looks(rows)
    first = "What training does to how alike maps are is not known: no recorded network is known as it was before it"
    if len(before) == 1:
        first = _of_one(before.iloc[0], every[every.control == UNTRAINED])
    elif len(before):
        first = _headline(before, "Training", " known before it") + _otherwise(every, UNTRAINED)
    turned = mixed.assign(difference=-mixed.difference, low=-mixed.high, high=-mixed.low, more=mixed.less, less=mixed.more)
    second = _headline(turned, "Shuffling the weights") + _otherwise(every, SHUFFLED_WEIGHTS)
    verdict = (f"**Answer.** {first}. {second} (difference of R² after the convolution, d = {FILTER}, mean over layers; of "
               f"several seeds an interval over them decides, of one network most of its layers). Each layer is judged by "
               f"its own 95 % interval over photographs; these are {every.layers.sum()} looks, and none is corrected for "
               f"that.")
    return in_points(verdict, [*parts, *_left_out(rows)])


def _of_one(row: pd.Series, every: pd.DataFrame) -> str:
    """What training does to the one kind of network that is known before it, in all looks at it."""
    seeds = f"{row.networks} seed{'' if row.networks == 1 else 's'}"
    kind = "network" if row.networks == 1 else "kind of network"
    ways = set(every.way) - {""}
    judged = "whether maps are more alike after it is not clear"
    if len(ways) == 1:
        [one_way] = ways
        agreeing, count = every[every.way == one_way], len(every)
        told = f"{one_way}{_on_average(agreeing)} after it"
        judged = (f"maps are {told}, however one looks" if len(agreeing) == count else
                  f"maps seem {told}, in {len(agreeing)} of {count} looks")
    told = "; ".join(f"{_seen(one)} {up_and_down(one)}" for one in every.itertuples())
    return f"In the one {kind} known before and after training ({row['name']}, {seeds}), {judged} ({told})"


def _seen(one: Any) -> str:
    """What a look is at."""
    return f"after the {one.state}{', on photographs that all networks share,' if one.photographs == 'shared' else ''}"


def _otherwise(every: pd.DataFrame, control: str) -> str:
    """How many other looks, at whichever network, do not go the way of its first one, which a headline is made of."""
    own = every[every.control == control]
    first = own.name.map(own.groupby("name").way.first())
    others = len(own) - own.name.nunique()
    differ = int((own.way != first).sum())
    return (f"; {differ} of {others} other looks, after the activation or on the photographs that all share, "
            f"{'does' if differ == 1 else 'do'} not agree") if differ else ""


def _left_out(rows: pd.DataFrame) -> list[str]:
    """Of each network with layers whose maps are too small for FILTER, how many these are, in one sentence."""
    own, told, size = fullest(rows[(rows.source == TRAINED) & (rows.state == CONVOLUTION)]), [], 0
    for name, layers in own.groupby("name", sort=False):
        small = layers[~layers.layer.isin(layers.layer[layers["filter"] == FILTER])]
        if len(small):
            told.append(f"{small.layer.nunique()} of {layers.layer.nunique()} in {name}")
            size = max(size, int(small["size"].max()))
    return [f"Layers with maps of at most {size} × {size} pixels are too small for d = {FILTER} and not judged: of those "
            f"measured {listed(told)}."] if told else []


def kinds_answer(rows: pd.DataFrame) -> str:
    """In which kinds of layers maps are alike, and in which training changes that, in sentences."""
    own = fullest(rows[(rows["filter"] == FILTER) & (rows.state == CONVOLUTION)])
    parts = []
    for name, layers in own[own.source == TRAINED].groupby("name", sort=False):
        r2 = layers.groupby("kind").agg(mean=("r2", "mean"), layers=("layer", "nunique")).sort_values("mean")
        high, low = (f"{row['mean']:.2f} ({kind}, {_counted(row.layers)})" for kind, row in r2.iloc[[-1, 0]].iterrows())
        parts.append(f"{high} down to {low} in {name}")
    told = [f"By kind of layer the mean R² goes from {listed(parts)}."]
    for name, layers in own[own.source == UNTRAINED].groupby("name", sort=False):
        gap = layers.groupby("kind").agg(mean=("gap", "mean"), layers=("layer", "nunique")).sort_values("mean")
        each = [f"{kind} {row['mean']:+.2f} ({_counted(row.layers)})"
                for kind, row in gap.iterrows()]
        told.append(f"In {name} training changes it by: {', '.join(each)}.")
    return " ".join(told)


def _counted(layers: float) -> str:
    return f"{layers:.0f} layer{'' if layers == 1 else 's'}"


def _headline(found: pd.DataFrame, what: str, known: str = "") -> str:
    """One sentence of which networks' maps it makes more alike, which less, and where that is not clear; what most seeds say
    comes first.

    Args:
        found: Of `effects`, of one control.
        what: What makes them so, such as "Training".
        known: What is said of these networks, behind their number; with it an agreement names them.
    """
    if found.empty:
        return f"What {what.lower()} does to how alike maps are is not known: no network is recorded"
    groups = [own for _, own in found.assign(way=[way(row) for _, row in found.iterrows()]).groupby("way", sort=False)]
    several = len(found) > 1
    kinds = f"kind{'s' * several} of network" if (found.networks > 1).any() else f"network{'s' * several}"
    if len(groups) == 1 and (one_way := groups[0].way.iloc[0]):
        of_mean = _on_average(found)
        names = f"{known} ({listed(found.name)})" if known else ""
        return (f"{what} makes maps {one_way}{of_mean} in {'' if of_mean else 'most layers of '}"
                f"{f'all {len(found)}' if several else 'the one'} {kinds}{names}")
    told: list[str] = []
    for own in sorted(groups, key=lambda own: -own.networks.max()):
        does, unclear = ("it makes them", "what it does") if told else (
            f"{what} makes maps", f"What {what.lower()} does to how alike maps are")
        names = listed(f"{row['name']} ({row.networks} seed{'' if row.networks == 1 else 's'})" for _, row in own.iterrows())
        one_way = own.way.iloc[0]
        told.append(f"{does} {one_way}{_on_average(own)} in {names}" if one_way else f"{unclear} is not clear in {names}")
    return f"{'; '.join(told)}{f', the {len(found)} {kinds}{known}' if known else ''}"


def _on_average(effects_of: pd.DataFrame) -> str:
    """Words for what the mean over layers says and most layers do not, in one of the rows at least."""
    return "" if all(in_most_layers(row) for _, row in effects_of.iterrows()) else " on average"


def controls_compared(rows: pd.DataFrame) -> str:
    """Whether the two controls say the same of the networks that have both, in a sentence."""
    own = fullest(rows[(rows["filter"] == FILTER) & rows.source.isin(CONTROLS)])
    wide = own.pivot_table(index=[*ONE, "layer", "state"], columns="source", values=["r2", "gap"])
    if set(CONTROLS) - set(wide.columns.get_level_values("source")) or not len(wide := wide.dropna()):
        return "No recorded network has both controls."
    before, mixed = (wide["r2", control] for control in CONTROLS)
    same = int((np.sign(wide["gap", UNTRAINED]) == np.sign(wide["gap", SHUFFLED_WEIGHTS])).sum())
    mean, rho = float((mixed - before).mean()), float(before.corr(mixed, method="spearman"))
    how = "about as alike as" if abs(mean) < LITTLE else "more alike than" if mean > 0 else "less alike than"
    count = len(wide.reset_index()[["name", "seed"]].drop_duplicates())
    return (f"In {count} network{'' if count == 1 else 's'} with both controls, maps of shuffled weights are {how} those "
            f"before training (R² {mean:+.2f} on average over {len(wide)} layers and stages; rank correlation {rho:.2f}); "
            f"in {same} of {len(wide)} both controls give training's effect the same sign. So here "
            f"shuffled weights {'could' if same >= AGREED * len(wide) else 'did not'} stand for a network before training.")


def reach(rows: pd.DataFrame) -> pd.DataFrame:
    """How many maps some other one predicts with R2 of 0.9 or more: by network, set and kind the share in percent after the
    convolution and after the activation, and in how many layers it is half, which s = 2 needs."""
    own, table = rows[(rows["filter"] == FILTER) & (rows.source == TRAINED)], []
    for (name, photographs, kind, state), group in own.groupby(["name", "photographs", "kind", "state"], sort=False):
        share = group[f"reach{TAU}"]
        table.append({"name": name, "photographs": photographs, "kind": kind, "after": state, "layers": len(group),
                      "R²": group.r2.mean(), "maps that reach 0.9, %": 100 * share.mean(), "layers with half":
                      int((share >= 0.5).sum())})
    return pd.DataFrame(table)


def reach_answer(rows: pd.DataFrame) -> str:
    """In how many layers half of the maps could be ghosts by this standard, in a sentence."""
    table = fullest(reach(rows))
    table, seeds = table[table.after == CONVOLUTION], rows.groupby("name").seed.nunique()
    parts = [f"{own['layers with half'].sum()} of {own.layers.sum()} layers{together(seeds[name])} of {name}"
             for name, own in table.groupby("name", sort=False)]
    return (f"Of the maps looked at, at most {TARGETS} of a layer, half have another one that predicts them with R² ≥ {TAU} "
            f"in {listed(parts)}, after the convolution. In those s = 2 is possible only if few source maps suffice; in "
            f"the others, with ghosts of this quality, hardly.")


def fullest(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each network only one set of photographs, its own rather than the one that all share."""
    best = rows.groupby("name", sort=False).photographs.transform(lambda own: next(
        (one for one in dict.fromkeys(own) if one != "shared"), "shared"))
    return rows[rows.photographs == best]


def _interval(row: pd.Series) -> str:
    return "" if np.isnan(row.low) else f" (95 % interval over {row.networks} seeds {row.low:+.2f} to {row.high:+.2f})"
