"""The photographs study (docs/photographs.md): its networks, its contrasts, and what its rows say. Rows only."""

import numpy as np
import pandas as pd

from ghostlib.errors import InputError
from ghostlib.studies import ablation
from ghostlib.studies.contrasts import (
    LEVEL,
    Contrast,
    check_alike,
    contrast,
    half_width,
    holm,
    listed,
    points,
    with_interval,
)
from ghostlib.studies.copies import copy_of

GHOSTNET, RIVAL, THIN = "GhostNet", "MobileNetV3-Small", "thin"
# By model, width, s and d, as docs/photographs.md fixed them before anything ran.
NETWORKS = {("ghostnet", 0.5, 2, 3): GHOSTNET, ("mobilenet_v3_small", 0.75, 1, 3): RIVAL, ("ghostnet", 0.395, 1, 3): THIN,
            ("mobilenet_v2", 0.28, 1, 3): "MobileNetV2", ("ghostnetv2", 0.445, 2, 3): "GhostNetV2",
            ("ghostnet", 0.545, 2, 1): "s2 d1", ("ghostnet", 0.56, 4, 3): "s4 d3"}
SEEDS = {**dict.fromkeys(NETWORKS.values(), 3), GHOSTNET: 6, RIVAL: 6, THIN: 6}  # runs planned of each, seeds 0, 1, ...
MARGIN = 1.0  # points of percent
PRIMARY = GHOSTNET, RIVAL
SECONDARY = {(GHOSTNET, THIN): "Is it better than a network of fewer channels and no ghosts?",
             (GHOSTNET, "MobileNetV2"): "Is it better than MobileNetV2, which has 1.27 times its multiply-adds?",
             ("GhostNetV2", GHOSTNET): "Does the successor's attention help?",
             (GHOSTNET, "s2 d1"): "Does the spatial kernel matter?",
             (GHOSTNET, "s4 d3"): "Is it better than more ghosts of fewer real maps?"}
LEADERBOARD = 93.55  # %; the public leaderboard's for 80 epochs at 128 x 128, one run of an xresnet50, official copy
STEP = 2.0  # from one learning rate of the grid to the next
NOT_CORRECTED = ", margin not corrected"  # of a secondary verdict
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


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """As `named`, of the counted runs, which must be alike: one copy, and for each network one rate and as many epochs.

    Raises:
        InputError: As `named`, and for runs that cannot be compared.
    """
    own = named(rows)
    if (copies := own.data_fingerprint.nunique()) > 1:
        raise InputError(f"rows: of {copies} copies of Imagenette ({copy_of(own)}); allowed is one, and another copy's rows "
                         f"in a file of their own")
    check_alike(own, ["lr", "epochs"])
    return own


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


def pilot_in_words(pilot: pd.DataFrame) -> str:
    """What the pilot's `named` rows showed beforehand: how surely GhostNet's rate was chosen, and how the primary contrast
    spreads from seed to seed, with what so many seeds can tell."""
    own = pilot[(pilot.network == GHOSTNET) & (pilot.seed == 100)].sort_values("accuracy", ascending=False)
    best, second = own.iloc[0], own.iloc[1]
    ahead = round((best.top1 - second.top1) * best.test_images)
    chosen = rates(pilot).set_index("network").lr
    one = contrast(pilot[pilot.network.isin(PRIMARY) & (pilot.lr == pilot.network.map(chosen))], *PRIMARY, "accuracy")
    told = " and of ".join(f"+/-{half_width(one.values.std(ddof=1), seeds):.1f} points from {seeds} seeds"
                           for seeds in sorted(set(SEEDS.values())))
    at_theirs = pilot[(pilot.seed == 100) & (pilot.lr == pilot.network.map(chosen))].groupby("network").accuracy.first()
    thin = (f"Each at its rate, one seed, {', '.join(f'{name} {at_theirs[name]:.1f} %' for name in (GHOSTNET, THIN))}.\n"
            if {GHOSTNET, THIN} <= set(at_theirs.index) else "")
    return (f"GhostNet's rate of {best.lr:g} was ahead of {second.lr:g} by {ahead} of {best.test_images:,} photographs.\n"
            f"{thin}GhostNet − MobileNetV3-Small in {len(one.seeds)} pairs: "
            f"{listed(f'{value:+.1f}' for value in one.values)} points. Differences that spread like these have an "
            f"interval of {told}.")


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


def recorded(rows: pd.DataFrame) -> str:
    """How many of the planned runs are there, of which copy, and which are not, in sentences."""
    told = (f"{len(rows)} of {sum(SEEDS.values())} runs are recorded: {copy_of(rows)}, {rows.epochs.iloc[0]} epochs, "
            f"{rows.network.nunique()} of {len(NETWORKS)} networks.")
    missing = {name: sorted(set(range(seeds)) - set(rows[rows.network == name].seed)) for name, seeds in SEEDS.items()}
    lacking = "; ".join(f"{name}, seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}"
                        for name, seeds in missing.items() if seeds)
    return told + (f" Not there: {lacking}." if lacking else "")


def contrasts_of(rows: pd.DataFrame) -> list[Contrast]:
    """The primary contrast, then the secondary ones, of those networks that have two seeds or more in common."""
    rows = rows.dropna(subset="accuracy")
    seeds = rows.groupby("network").seed.agg(set)
    return [contrast(rows, first, second, "accuracy") for first, second in (PRIMARY, *SECONDARY)
            if {first, second} <= set(seeds.index) and len(seeds[first] & seeds[second]) > 1]


def is_whole(one: Contrast) -> bool:
    """Whether all seeds that were planned for a contrast are there; before, it gets no verdict."""
    return len(one.seeds) >= _planned(one)


def _planned(one: Contrast) -> int:
    return min(SEEDS[one.first], SEEDS[one.second])


def secondary(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `answers` the secondary ones with their `evidence`, and `told`: each as a sentence that says what is corrected for
    being one of several and what is not."""
    table = answers(rows)
    own, found = table[table.question.str.startswith("Secondary")], contrasts_of(rows)
    evidence = {f"{one.first} − {one.second}": one.evidence() + one.equivalence(MARGIN) for one in found}
    own = own.assign(evidence=own.difference.map(evidence))
    corrected = f" after Holm's correction for {len(SECONDARY)} contrasts"
    return own.assign(told=[
        f"{row.question} {row.difference}: {row.verdict.removesuffix(NOT_CORRECTED)} ({row.evidence}; "
        f"{f'p {row.p}{corrected}, ' if row.p else ''}interval and margin not corrected)." for row in own.itertuples()])


def answers(rows: pd.DataFrame) -> pd.DataFrame:
    """What was asked and what came of it, the primary contrast first: question, difference, points with their 95 % interval
    over seeds, seeds, p (of 0; the secondary ones' after Holm's correction for all five, also while some are missing; none
    before all seeds are there) and verdict."""
    found = {(one.first, one.second): one for one in contrasts_of(rows)}
    p_values = {pair: one.p_value for pair, one in found.items()}
    corrected = p_values | dict(zip(SECONDARY, holm([p_values.get(pair, 1.0) for pair in SECONDARY])))
    return pd.DataFrame([{"question": _question(one), "difference": f"{one.first} − {one.second}",
                          "points": with_interval(*one.interval), "seeds": len(one.seeds),
                          "p": f"{corrected[pair]:.3f}" if is_whole(one) else "",
                          "verdict": _verdict(one, corrected[pair])}
                         for pair, one in found.items()],
                        columns=["question", "difference", "points", "seeds", "p", "verdict"])


def _verdict(one: Contrast, corrected: float) -> str:
    """Of a contrast with all its seeds; that two networks differ takes a p-value that says so after its correction."""
    if not is_whole(one):
        return f"no verdict yet, {len(one.seeds)} of {_planned(one)} seeds"
    judged, by = one.judged(MARGIN), f"by more than {points(MARGIN)}"
    if (one.first, one.second) == PRIMARY or judged.startswith("within"):
        return judged
    if corrected < LEVEL:
        return judged + NOT_CORRECTED if judged.endswith(by) else judged
    ahead = one.first if one.interval[0] > 0 else one.second
    return f"undecided, {ahead} ahead before the correction" if one.p_value < LEVEL else "undecided"


def _question(one: Contrast) -> str:
    if (one.first, one.second) == PRIMARY:
        return "Primary: is GhostNet better than MobileNetV3?"
    asked = SECONDARY[one.first, one.second]
    return f"Secondary: {asked[0].lower()}{asked[1:]}"


def long_run(rows: pd.DataFrame) -> str:
    """What the one long run reached, in a sentence."""
    if rows.empty:
        return "The long run is not recorded yet."
    [row] = rows.itertuples()
    return (f"GhostNet after {row.epochs} epochs, one run ({copy_of(rows)}): {100 * row.top1:.2f} % of {row.test_images:,} "
            f"test photographs. For scale only, and no comparison: the public leaderboard has {LEADERBOARD} % for 80 epochs "
            f"at 128 x 128, one run of an xresnet50, a much larger network, on the official copy, by another recipe.")


def published(rows: pd.DataFrame) -> str:
    """How the weights in half precision that come with the lab do, in a sentence; rows of tools/publish_weights.py."""
    [row] = rows[rows.dataset == "imagenette"].itertuples()
    return (f"The published file ({row.file}, {row.bytes / 1e6:.1f} MB) is right on {100 * row.top1:.2f} % of them (95 % "
            f"interval over photographs {100 * row.low:.1f} to {100 * row.high:.1f} %).")


def answer(rows: pd.DataFrame) -> str:
    """The answer to the primary question, in sentences; the words follow the seeds.

    Args:
        rows: Of `counted`. Until all planned seeds are there the answer has no verdict.
    """
    one = next((found for found in contrasts_of(rows) if (found.first, found.second) == PRIMARY), None)
    if one is None or not is_whole(one):
        return (f"**Answer.** Not known yet: {_so_far(rows, one)}. The verdict waits for all {SEEDS[GHOSTNET]} planned "
                f"seeds of both.")
    beside, judged = "At equal multiply-adds and by one recipe, GhostNet", one.judged(MARGIN)
    by = f"by more than {points(MARGIN)}"
    first = {f"better {by}": f"Yes. {beside} is better than MobileNetV3-Small {by}",
             f"worse {by}": f"No. {beside} is worse than MobileNetV3-Small {by}",
             f"within {points(MARGIN)}": f"No. {beside} and MobileNetV3-Small differ by less than {points(MARGIN)}",
             "better, by how much is undecided": f"{beside} is better than MobileNetV3-Small, but not surely {by}",
             "worse, by how much is undecided": f"No. {beside} is worse than MobileNetV3-Small; whether {by} is undecided",
             "undecided": "Not known. Whether GhostNet is better than MobileNetV3-Small at equal multiply-adds is undecided"}
    means = rows[rows.seed.isin(one.seeds)].groupby("network").accuracy.mean()
    told = (f"**Answer.** {first[judged]} ({one.evidence()}{one.equivalence(MARGIN)}). GhostNet recognises "
            f"{means[GHOSTNET]:.1f} % of Imagenette's test photographs, MobileNetV3-Small {means[RIVAL]:.1f} %, "
            f"{conditions(rows)} from random weights; a thousand classes and long training may say otherwise.")
    verdicts = answers(rows).set_index("difference").verdict
    parts = {"ghosts": f"{GHOSTNET} − {THIN}", "the 3 × 3 filter": f"{GHOSTNET} − s2 d1"}
    if known := [f"{part} ({pair}) {verdicts[pair]}" for part, pair in parts.items() if pair in verdicts]:
        told += f" Secondary questions: {'; '.join(known)}."
    left = sum(SEEDS.values()) - len(rows)
    return told + (f" Of the secondary contrasts' runs {left} are missing." if left > 0 else "")


def conditions(rows: pd.DataFrame) -> str:
    """What accuracies were reached under, in words."""
    size = rows.image_size.iloc[0]
    return f"after {rows.epochs.iloc[0]} epochs at {size} x {size} ({copy_of(rows)})"


def _so_far(rows: pd.DataFrame, one: Contrast | None) -> str:
    """What the two of PRIMARY reached: from the seeds that both have, if there are any."""
    told, (first, second) = [], (set(rows[rows.network == name].seed) for name in PRIMARY)
    if common := first & second:
        rows = rows[rows.seed.isin(common)]
    for name in PRIMARY:
        own = rows[rows.network == name]
        seeds = f"{len(own)} seed{'' if len(own) == 1 else 's'}"
        told.append(f"{own.accuracy.mean():.1f} % for {name} ({seeds})" if len(own) else f"not recorded for {name}")
    evidence = f", a difference of {one.evidence()}" if one is not None else ""
    return f"so far top-1 on Imagenette's test photographs ({copy_of(rows)}) is {' and '.join(told)}{evidence}"


def trained_again(study: pd.DataFrame, again: pd.DataFrame) -> str:
    """How far runs that were trained again, for what is measured from their networks, end from the counted ones of the same
    seeds, in sentences. Both as `named`."""
    pairs = again.merge(study, on=["network", "seed"], suffixes=("", "_counted"))
    if pairs.empty:
        return "No run of the study has been trained again."
    gap = pairs.accuracy - pairs.accuracy_counted
    means = pairs.groupby("network", sort=False)[["accuracy", "accuracy_counted"]].mean()
    each = listed(f"{name} {row.accuracy:.1f} % (counted: {row.accuracy_counted:.1f} %)" for name, row in means.iterrows())
    runs = "One run of the study was" if len(pairs) == 1 else f"{len(pairs)} runs of the study were"
    return (f"{runs} trained again by its parameters on {listed(pairs.machine.unique())} (counted: "
            f"{listed(pairs.machine_counted.unique())}). Another kind of processor rounds otherwise, and so the same seed "
            f"gives another network. On average they reach "
            f"{each}; one by one they end {gap.min():+.2f} to {gap.max():+.2f} points from the counted runs of the same "
            f"seeds.")
