"""Redundancy of full-size networks, told: rows of tools/measure_redundancy.py beside the answer from CIFAR-10. Rows only."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ghostlib.redundancy.sources import GREY, SCRAMBLED, SHUFFLED, SHUFFLED_WEIGHTS, TRAINED, UNTRAINED
from ghostlib.studies.catalogue import network_names
from ghostlib.studies.contrasts import mean_interval

STATES = {"convolution": "convolution", "BatchNorm": "normalisation", "ReLU": "activation", "activation": "activation"}
FILTER, CONVOLUTION, ACTIVATION, TAU = 3, "convolution", "activation", "0.9"
CONTROLS = UNTRAINED, SHUFFLED_WEIGHTS
# An R2 that is near to a copy; what "most" layers are; hardly a difference; in which share of layers two controls have to
# agree. Ours.
COPY, MOST, HARDLY, AGREED = 0.9, 0.5, 0.02, 0.9
ASKED = {UNTRAINED: "Does training make maps more alike (trained − untrained)?",
         SHUFFLED_WEIGHTS: "Are maps more alike than with shuffled weights?"}
ONE = ["name", "photographs", "seed"]  # columns that rows of one network on one set of photographs share


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `name`, the network, and `state`, after what maps are looked at: "activation" is ReLU or another."""
    told = rows.assign(name=network_names(rows), seed=rows.seed.fillna(0))
    return told.assign(state=told.stage.map(STATES)) if "stage" in told else told


def effects(rows: pd.DataFrame, state: str = CONVOLUTION) -> pd.DataFrame:
    """What training does to R2 (d = 3): trained less each of CONTROLS, a row for each network, set and control.

    Args:
        rows: Of `named`, table at_size_redundancy.csv.
        state: One of STATES' values.

    Returns:
        Columns name, photographs, control; networks, layers; difference, the mean over layers and networks, with low and
        high over networks, missing where there is one; more, less: in how many layers the interval over photographs lies
        above 0, and below (over all networks of the name).
    """
    own, table = rows[(rows["filter"] == FILTER) & (rows.state == state) & rows.source.isin(CONTROLS)], []
    for (name, photographs, control), group in own.groupby(["name", "photographs", "source"], sort=False):
        mean, low, high = mean_interval(group.groupby("seed").gap.mean())
        table.append({"name": name, "photographs": photographs, "control": control, "networks": group.seed.nunique(),
                      "layers": len(group), "difference": mean, "low": low, "high": high,
                      "more": int((group.gap_low > 0).sum()), "less": int((group.gap_high < 0).sum())})
    return pd.DataFrame(table)


def verdict(row: pd.Series) -> str:
    """What an effect is, in words: by the interval over networks where there are several, else by how many layers say so."""
    if not np.isnan(row.low):
        return "more alike" if row.low > 0 else "less alike" if row.high < 0 else "not known: the interval holds 0"
    if row.more > MOST * row.layers:
        return "more alike in most layers"
    return "less alike in most layers" if row.less > MOST * row.layers else "no one way: in some layers more, in others less"


def networks(rows: pd.DataFrame) -> pd.DataFrame:
    """What was measured on what: table at_size_networks.csv, `named`, as it is read."""
    sets = {"halves": "ImageNet's 500 validation photographs, one half | the other", "train-val": "Imagenette's train | val",
            "shared": "ImageNet's validation photographs in train | in val"}
    return pd.DataFrame({"network": rows.name, "seed": rows.seed,
                         "photographs, fitted | reported": rows.photographs.map(sets),
                         "how many": [f"{fit} | {told}" for fit, told in zip(rows.fitted, rows.reported)],
                         "layers measured": [f"{some} of {every}" for some, every in zip(rows.layers, rows.convolutions)],
                         "pixels": rows.height, "top-1, %": (100 * rows.top1).round(1), "judged on": rows.judged,
                         "classes": rows.classes}).fillna("").set_index("network")


def side_by_side(rows: pd.DataFrame) -> str:
    """How alike maps are in networks of both sorts on the photographs that neither was trained on, in a sentence."""
    own = rows[(rows.photographs == "shared") & (rows.source == TRAINED) & (rows["filter"] == FILTER)]
    if own.name.nunique() < 2:
        return "Fewer than two networks were recorded on the photographs that all may be compared on."
    r2 = own[own.state == CONVOLUTION].groupby("name", sort=False).r2.mean().sort_values(ascending=False)
    parts = [f"{value:.2f} in {name}" for name, value in r2.items()]
    return (f"On photographs that none of them was trained on, R² after the convolution is {_and(parts)}, on average over "
            f"layers.")


def maps_of(drawn: pd.DataFrame) -> np.ndarray:
    """The maps (C, H, W) uint8 of a table with columns height, width and pixels, their bytes as hexadecimal digits."""
    size = int(drawn.height.iloc[0]), int(drawn.width.iloc[0])
    return np.stack([np.frombuffer(bytes.fromhex(row), np.uint8).reshape(size) for row in drawn.pixels])


def pairs_answer(pairs: pd.DataFrame) -> str:
    """What Figure 1's kind of pairs shows beside typical ones, in a sentence; table at_size_figure1_pairs.csv."""
    r2 = pairs[pairs.d == FILTER].groupby("chosen", sort=False).r2.agg(["min", "max"])
    told = "; ".join(f"{how}: {row['min']:.2f} to {row['max']:.2f}" for how, row in r2.iterrows())
    first, second = r2.iloc[0], r2.iloc[1]
    return (f"R² of a {FILTER} × {FILTER} filter between the two maps of a pair: {told}. Pairs picked for their likeness "
            f"{'flatter' if first['min'] > second['max'] else 'do not simply flatter'} the layer.")


def answer(rows: pd.DataFrame) -> str:
    """Whether training makes maps more alike at this size, in sentences; the words follow the numbers."""
    found, parts = fullest(effects(rows)), []
    for name, own in found.groupby("name", sort=False):
        told = [f"{row.difference:+.2f} against {row.control}{_interval(row)}, {row.more} of {row.layers} layers up and "
                f"{row.less} down" for _, row in own.iterrows()]
        parts.append(f"In {name}: {'; '.join(told)}.")
    before, mixed = (found[found.control == control] for control in CONTROLS)
    first = "What training does to how alike maps are is not known: no recorded network is known as it was before it"
    if len(before):
        first = _headline(before, "Training makes maps {}", "What training does to how alike maps are differs")
    second = _headline(mixed, "With the weights in their places maps are {} than with shuffled ones",
                       "Against shuffled weights networks differ")
    return (f"**Answer.** {first}. {second} (difference of R² after the convolution, d = {FILTER}, mean over layers). "
            f"{' '.join(parts)}")


def _headline(found: pd.DataFrame, agreed: str, else_: str) -> str:
    """One sentence of all networks' verdicts, where they agree in one direction, else the other one."""
    ways = {verdict(row).removesuffix(" in most layers") for _, row in found.iterrows()}
    where = f"in all {len(found)} networks" if len(found) > 1 else "in the one network"
    way = ways.pop() if len(ways) == 1 else ""
    return f"{agreed.format(way)} {where}" if way.endswith("alike") else f"{else_} {where.replace('all ', 'these ')}"


def controls_compared(rows: pd.DataFrame) -> str:
    """Whether the two controls say the same of the networks that have both, in a sentence."""
    own = fullest(rows[(rows["filter"] == FILTER) & rows.source.isin(CONTROLS)])
    wide = own.pivot_table(index=[*ONE, "layer", "state"], columns="source", values=["r2", "gap"])
    if set(CONTROLS) - set(wide.columns.get_level_values("source")) or not len(wide := wide.dropna()):
        return "No recorded network has both controls."
    before, mixed = (wide["r2", control] for control in CONTROLS)
    same = int((np.sign(wide["gap", UNTRAINED]) == np.sign(wide["gap", SHUFFLED_WEIGHTS])).sum())
    mean, rho = float((mixed - before).mean()), float(before.corr(mixed, method="spearman"))
    how = "about as alike as" if abs(mean) < HARDLY else "more alike than" if mean > 0 else "less alike than"
    count = len(wide.reset_index()[["name", "seed"]].drop_duplicates())
    return (f"In {count} network{'' if count == 1 else 's'} with both controls, maps of shuffled weights are {how} those "
            f"before training (R² {mean:+.2f} on average over {len(wide)} layers and stages; rank correlation {rho:.2f}); "
            f"in {same} of {len(wide)} both controls give training's effect the same sign. So shuffled weights "
            f"{'may' if same >= AGREED * len(wide) else 'cannot'} stand for a network before training.")


def borne_out(rows: pd.DataFrame, cifar: pd.DataFrame) -> pd.DataFrame:
    """What the small networks on CIFAR-10 said, what each network here says, and whether that is the same.

    Args:
        rows: As for `effects`.
        cifar: Rows of redundancy.csv, plain networks, d = 3.

    Returns:
        One row for each question, columns: CIFAR-10, then each network; index question.
    """
    small = _told(named(cifar.assign(network="small", photographs="test images")))
    whole = {name: _told(own) for name, own in fullest(rows[rows["filter"] == FILTER]).groupby("name", sort=False)}
    table = {"CIFAR-10": {question: text for question, (text, _) in small.items()}}
    for name, told in whole.items():
        table[name] = {question: f"{text}: {'borne out' if same == small[question][1] else 'not borne out'}"
                       for question, (text, same) in told.items()}
        for _, row in effects(rows[rows.name == name]).pipe(fullest).iterrows():
            table[name][ASKED[row.control]] = f"{row.difference:+.2f}: {verdict(row)}"
    r2 = cifar[cifar.stage == CONVOLUTION].groupby(["source", "seed"]).r2.mean().unstack("source")
    mean, low, high = mean_interval(r2[TRAINED] - r2[UNTRAINED])
    table["CIFAR-10"][ASKED[UNTRAINED]] = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    return pd.DataFrame(table).fillna("").rename_axis("question")


def _told(rows: pd.DataFrame) -> dict[str, tuple[str, bool]]:
    """Each question's number and its yes or no, of one network's rows, after the convolution, medians' mean over layers."""
    r2 = rows[rows.state == CONVOLUTION].groupby("source").r2.mean()
    pairs = {"Does a map of the same image tell more than one of another image?": SHUFFLED,
             "Does another map tell more than the grey image?": GREY,
             "Do things in the image matter, beyond how smooth it is?": SCRAMBLED}
    told = {"Is the typical map nearly a copy of another?": (f"R² {r2[TRAINED]:.2f}", bool(r2[TRAINED] >= COPY))}
    return told | {question: (f"{r2[TRAINED] - r2[other]:+.2f}", bool(r2[TRAINED] - r2[other] > HARDLY))
                   for question, other in pairs.items()}


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
    table = table[table.after == CONVOLUTION]
    parts = [f"{own['layers with half'].sum()} of {own.layers.sum()} layers of {name}"
             for name, own in table.groupby("name", sort=False)]
    return (f"Half of the maps have another one that predicts them with R² ≥ {TAU} in {_and(parts)}, after the "
            f"convolution. Without that, s = 2 with ghosts of this quality is impossible; with it, it need not be possible: "
            f"their sources must be few.")


def fullest(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each network only one set of photographs, its own rather than the one that all share."""
    best = rows.groupby("name", sort=False).photographs.transform(lambda own: next(
        (one for one in dict.fromkeys(own) if one != "shared"), "shared"))
    return rows[rows.photographs == best]


def _interval(row: pd.Series) -> str:
    return "" if np.isnan(row.low) else f" (95 % interval over {row.networks} networks {row.low:+.2f} to {row.high:+.2f})"


def _and(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
