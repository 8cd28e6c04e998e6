"""Fine-tuning on a few photographs beside training anew on them (docs/photographs.md): what the rows say. Rows only."""

import re

import pandas as pd

from ghostlib.errors import InputError
from ghostlib.studies.contrasts import LEVEL, Contrast, check_alike, contrast, holm, listed, mean_interval
from ghostlib.studies.copies import copy_of

TUNED, ANEW = "fine-tuned", "trained anew"
SIZES, DRAWS = (5, 10, 20, 50), 5  # photographs of each class, and how often as many are drawn: seeds 0, 1, ...
FOLDER = re.compile(r"(?:^|/)few/(\d+)_(\d+)/?$")  # tools/draw_photographs.py: photographs of each class, and what drew them


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Recorded runs with `network` (fine-tuned or trained anew), `photographs` (of each class) and top-1 in percent.

    Raises:
        InputError: For a run on a dataset that the study has not, or that another seed drew.
    """
    found = [FOLDER.search(folder) for folder in rows.data_dir]
    for folder, match, seed in zip(rows.data_dir, found, rows.seed):
        if not match:
            raise InputError(f"data_dir: {folder} is no dataset of the fine-tuning study; allowed are few/NUMBER_SEED")
        if int(match[2]) != seed:
            raise InputError(f"data_dir: {folder} given for a run of seed {seed}; allowed is what that seed drew, "
                             f"few/{match[1]}_{seed}")
    return rows.assign(network=[TUNED if tuned else ANEW for tuned in rows.weights_from.notna()],
                       photographs=[int(match[1]) for match in found if match], accuracy=100 * rows.top1)


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """As `named`, of the counted runs: each start has one learning rate, and all began from one pretrained network."""
    own = named(rows)
    check_alike(own, ["lr", "weights_from"])
    return own


def rates(pilot: pd.DataFrame) -> dict[str, float]:
    """The learning rate that either start gets: of the best accuracy of `named` rows, the smaller one if two are equal."""
    best = pilot.sort_values(["accuracy", "lr"], ascending=[False, True], kind="stable").groupby("network").first()
    return {network: float(rate) for network, rate in best.lr.items()}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Network, photographs (of each class), seeds, accuracy with its 95 % interval over seeds (low, high), in percent."""
    table = []
    for (photographs, network), own in rows.groupby(["photographs", "network"]):
        mean, low, high = mean_interval(own.accuracy)
        table.append({"network": network, "photographs": photographs, "seeds": len(own), "accuracy": mean, "low": low,
                      "high": high})
    return pd.DataFrame(table)


def gains(rows: pd.DataFrame) -> dict[int, Contrast]:
    """By the number of photographs of each class: fine-tuned less trained anew, on the same ones; where both were."""
    found = {int(number): contrast(own, TUNED, ANEW, "accuracy") for number, own in rows.groupby("photographs")
             if own.network.nunique() == 2}
    return {number: one for number, one in found.items() if one.seeds}


def answer(rows: pd.DataFrame) -> str:
    """What the rows say, in sentences; which start is better at which number only when all draws of all numbers are there,
    by p-values that are corrected for being four (Holm)."""
    found = gains(rows)
    if not found:
        return "**Fine-tuning.** Not known yet: these runs do not hold both starts."
    means = rows.groupby(["photographs", "network"]).accuracy.mean()
    told = "; ".join(f"with {number} photographs of each class {means[number, TUNED]:.0f} % instead of "
                     f"{means[number, ANEW]:.0f} % ({one.evidence()})" for number, one in found.items())
    if [len(found[number].seeds) if number in found else 0 for number in SIZES] != [DRAWS] * len(SIZES):
        return (f"**Fine-tuning.** Not known yet, {len(rows)} of {2 * DRAWS * len(SIZES)} runs are recorded "
                f"({copy_of(rows)}): so far {told}.")
    corrected = dict(zip(found, holm([one.p_value for one in found.values()])))
    pays, costs = ([number for number, one in found.items() if corrected[number] < LEVEL and sign * one.interval[0] > 0]
                   for sign in (1, -1))
    first = f"beats training anew with {listed(pays)}" if pays else "is not shown to beat training anew with any number of"
    loses = f", and loses with {listed(costs)}" if costs else ""
    size = rows.image_size.iloc[0]
    p_values = listed(f"{corrected[number]:.3f}" for number in found)
    return (f"**Fine-tuning** {first} photographs of each class{loses} (p {p_values}, corrected for {len(found)} questions; "
            f"intervals are not). A GhostNet 0.5 that had learned seven of Imagenette's classes learned the other three, "
            f"beside one that had learned nothing. Of their {rows.test_images.iloc[0]:,} test photographs, {size} x {size} "
            f"({copy_of(rows)}), were right: {told}. A draw's few photographs are also among its many, so these "
            f"{len(found)} results do not confirm one another.")
