"""The photographs study (docs/photographs.md): its networks, its contrasts, and what its rows say. Rows only."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ghostlib.errors import InputError
from ghostlib.studies import ablation
from ghostlib.studies.answers import right as right_of
from ghostlib.studies.contrasts import Contrast, contrast, holm

GHOSTNET, RIVAL, THIN = "GhostNet", "MobileNetV3-Small", "thin"
# By model, width, s and d, as docs/photographs.md fixed them before anything ran.
NETWORKS = {("ghostnet", 0.5, 2, 3): GHOSTNET, ("mobilenet_v3_small", 0.75, 1, 3): RIVAL, ("ghostnet", 0.395, 1, 3): THIN,
            ("mobilenet_v2", 0.28, 1, 3): "MobileNetV2", ("ghostnetv2", 0.445, 2, 3): "GhostNetV2",
            ("ghostnet", 0.545, 2, 1): "s2 d1", ("ghostnet", 0.56, 4, 3): "s4 d3"}
MARGIN = 1.0  # points of percent
PRIMARY = GHOSTNET, RIVAL
SECONDARY = {(GHOSTNET, THIN): "Do ghosts beat fewer channels?",
             (GHOSTNET, "MobileNetV2"): "Is it better than MobileNetV2, which has 1.27 times its multiply-adds?",
             ("GhostNetV2", GHOSTNET): "Does the successor's attention help?",
             (GHOSTNET, "s2 d1"): "Does the spatial kernel matter?",
             (GHOSTNET, "s4 d3"): "Is it better than more ghosts of fewer real maps?"}
SQUASHED = "f217b7405022fa895254ffaf5eb934d9"  # fingerprint of the copy whose photographs were all scaled to 224 x 224
LEADERBOARD = 93.55  # %; the public leaderboard's for 80 epochs at 128 x 128, one run of an xresnet50, official copy
STEP = 2.0  # from one learning rate of the grid to the next
DRAWS = 2000  # of the bootstrap
NO_PAIRS = "No two networks that are compared here have two seeds in common yet: there is nothing to show."


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Recorded runs with their network's name, and top-1 in percent as `accuracy`.

    Raises:
        InputError: For a run of a network that the study has not.
    """
    keys = list(zip(rows.model, rows.width, rows.ratio.astype(int), rows.kernel))
    for key in keys:
        if key not in NETWORKS:
            raise InputError(f"rows: {key[0]} of width {key[1]:g}, s = {key[2]}, d = {key[3]} is no network of the "
                             f"photographs study; allowed are {', '.join(NETWORKS.values())}")
    return rows.assign(network=[NETWORKS[key] for key in keys], accuracy=100 * rows.top1)


def rates(pilot: pd.DataFrame, seed: int = 100) -> pd.DataFrame:
    """The learning rate that the pilot chose for each network, by the rule of docs/photographs.md.

    Args:
        pilot: `named` rows of the pilot.
        seed: Whose runs the rates are chosen by.

    Returns:
        network, lr, accuracy on the held-out photographs, `tried`: how many rates, and `next`: the rate to try because the
        best one is at an edge of those tried, or nan.
    """
    table = []
    for network, own in pilot[pilot.seed == seed].groupby("network", sort=False):
        best = own.sort_values(["accuracy", "lr"], ascending=[False, True], kind="stable").iloc[0]
        low, high = own.lr.min(), own.lr.max()
        following = best.lr / STEP if best.lr == low else best.lr * STEP if best.lr == high else np.nan
        table.append({"network": network, "lr": best.lr, "accuracy": best.accuracy, "tried": own.lr.nunique(),
                      "next": following})
    return pd.DataFrame(table)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """As `ablation.summary`, one row for each network, with the learning rate that it was given."""
    table = ablation.summary(rows)
    return table.assign(lr=table.network.map(rows.groupby("network").lr.first()))


def bars(table: pd.DataFrame) -> str:
    """What the bars of a `summary` are where it is drawn, in a sentence: one seed has none."""
    known = table.low.notna()
    if not known.any():
        return "No bars are drawn: one seed has no interval."
    return "Bars: 95 % interval over seeds" + ("." if known.all() else ", of those networks that have two or more.")


def recorded(rows: pd.DataFrame, planned: int) -> str:
    """How many runs, of which copy and of how many of NETWORKS, are there, in a sentence."""
    missing = [name for name in NETWORKS.values() if name not in set(rows.network)]
    lacking = f" (not yet: {', '.join(missing)})" if missing else ""
    return (f"{len(rows)} of {planned} runs are recorded: {copy_of(rows)}, {rows.epochs.iloc[0]} epochs, "
            f"{rows.network.nunique()} of {len(NETWORKS)} networks{lacking}.")


def contrasts_of(rows: pd.DataFrame) -> list[Contrast]:
    """The primary contrast, then the secondary ones, of those networks that have two seeds or more in common."""
    seeds = rows.groupby("network").seed.agg(set)
    return [contrast(rows, first, second, "accuracy") for first, second in (PRIMARY, *SECONDARY)
            if {first, second} <= set(seeds.index) and len(seeds[first] & seeds[second]) > 1]


def secondary(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `answers` the secondary ones."""
    table = answers(rows)
    return table[table.question.str.startswith("Secondary")]


def answers(rows: pd.DataFrame) -> pd.DataFrame:
    """What was asked and what came of it, the primary contrast first: question, difference, points with their 95 % interval
    over seeds, seeds, p (the secondary ones' after Holm's correction) and verdict."""
    found = contrasts_of(rows)
    secondary = [one for one in found if (one.first, one.second) != PRIMARY]
    corrected = dict(zip(map(id, secondary), holm([one.p_value for one in secondary])))
    return pd.DataFrame([{"question": _question(one), "difference": f"{one.first} − {one.second}",
                          "points": "{:+.2f} ({:+.2f} to {:+.2f})".format(*one.interval), "seeds": len(one.seeds),
                          "p": f"{corrected.get(id(one), one.p_value):.3f}", "verdict": one.judged(MARGIN)}
                         for one in found],
                        columns=["question", "difference", "points", "seeds", "p", "verdict"])


def _question(one: Contrast) -> str:
    if (one.first, one.second) == PRIMARY:
        return "Primary: is GhostNet better than MobileNetV3?"
    asked = SECONDARY[one.first, one.second]
    return f"Secondary: {asked[0].lower()}{asked[1:]}"


def checks(rows: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Each contrast by seeds alone and by the bootstrap over seeds and photographs together.

    Args:
        rows: Of `named`.
        answered: Of `answers.compact`; runs that it lacks are left out.

    Returns:
        difference, seeds, and two intervals in points of percent.
    """
    table, there = [], rows[rows.point.isin(answered.columns)]
    points = there.set_index(["network", "seed"]).point
    for one in contrasts_of(there):
        right = {name: right_of(answered, [points[name, seed] for seed in one.seeds])
                 for name in (one.first, one.second)}
        mean, low, high = bootstrap(right, one.first, one.second)
        table.append({"difference": f"{one.first} − {one.second}", "seeds": len(one.seeds),
                      "over seeds": "{:+.2f} ({:+.2f} to {:+.2f})".format(*one.interval),
                      "over seeds and photographs": f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"})
    return pd.DataFrame(table, columns=["difference", "seeds", "over seeds", "over seeds and photographs"])


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


def copy_of(rows: pd.DataFrame) -> str:
    """Which copy of Imagenette rows were made from, in words."""
    told = {SQUASHED: "squashed copy"}
    return ", ".join(told.get(print_, f"a copy with fingerprint {print_[:8]}") for print_ in rows.data_fingerprint.unique())


def long_run(rows: pd.DataFrame) -> str:
    """What the one long run reached, in a sentence."""
    if rows.empty:
        return "The long run is not recorded yet."
    [row] = rows.itertuples()
    return (f"GhostNet after {row.epochs} epochs, one run ({copy_of(rows)}): {100 * row.top1:.2f} % of {row.test_images:,} "
            f"test photographs. Beside it stands the public leaderboard's {LEADERBOARD} % for 80 epochs at 128 x 128, "
            f"one run, too: an xresnet50, a much larger network, on the official copy. The two were not trained alike.")


def published(rows: pd.DataFrame) -> str:
    """How the weights in half precision that come with the lab do, in a sentence; rows of tools/publish_weights.py."""
    [row] = rows[rows.dataset == "imagenette"].itertuples()
    return (f"The published file ({row.file}, {row.bytes / 1e6:.1f} MB) is right on {100 * row.top1:.2f} % of them (95 % "
            f"interval over photographs {100 * row.low:.1f} to {100 * row.high:.1f} %).")


def answer(rows: pd.DataFrame, planned: int | None = None) -> str:
    """The answer to the primary question, in sentences; the words follow the seeds.

    Args:
        rows: Of `named`.
        planned: How many runs there are to be; with fewer the answer says that it is not final.
    """
    left = f" **Not final:** {len(rows)} of {planned} planned runs are recorded." if len(rows) < (planned or 0) else ""
    if PRIMARY not in [(one.first, one.second) for one in contrasts_of(rows)]:
        return f"**Answer.** Not known yet: {_so_far(rows)}; a verdict takes two seeds of both.{left}"
    one = contrast(rows, *PRIMARY, "accuracy")
    beside = "At equal multiply-adds and trained alike, GhostNet"
    first, how = one.told(MARGIN, {"better": f"Yes. {beside} is better than MobileNetV3-Small",
                                   "worse": f"No. {beside} is worse than MobileNetV3-Small",
                                   "within": f"No. {beside} and MobileNetV3-Small are equally good"},
                          "Not known. Whether GhostNet is better than MobileNetV3-Small at equal multiply-adds is undecided")
    means = rows.groupby("network").accuracy.mean()
    return (f"**Answer.** {first}: {how} ({one.evidence()}{one.equivalence(MARGIN)}). GhostNet recognises "
            f"{means[GHOSTNET]:.1f} % of Imagenette's photographs, MobileNetV3-Small {means[RIVAL]:.1f} %, after "
            f"{rows.epochs.iloc[0]} epochs at {rows.image_size.iloc[0]} x {rows.image_size.iloc[0]} ({copy_of(rows)}) from "
            f"random weights; a thousand classes and long training may say otherwise.{left}")


def _so_far(rows: pd.DataFrame) -> str:
    """What the two of PRIMARY reached, however few their seeds are."""
    told = []
    for name in PRIMARY:
        own = rows[rows.network == name]
        seeds = f"{len(own)} seed{'' if len(own) == 1 else 's'}"
        told.append(f"{own.accuracy.mean():.1f} % for {name} ({seeds})" if len(own) else f"not recorded for {name}")
    return f"so far top-1 on Imagenette's test photographs is {' and '.join(told)}"
