"""What the recorded redundancy of small networks says, in sentences whose words follow the rows. Rows only."""

from collections.abc import Iterator

import pandas as pd

from ghostlib.redundancy.sources import GREY, OTHER_IMAGE, SCRAMBLED, TRAINED, UNTRAINED
from ghostlib.studies.contrasts import listed, mean_interval, over_seeds, with_interval, within

# Whose R2 less whose answers which question, and what to call it if it lies above 0, and below.
QUESTIONS = {
    "Does training make maps more alike?": (TRAINED, UNTRAINED, "more alike", "less alike"),
    "Does it matter what the image shows, beyond how smooth it is?": (TRAINED, SCRAMBLED, "yes, it adds likeness",
                                                                      "yes, it takes likeness away"),
    "Does another map tell more than the grey image does?": (TRAINED, GREY, "more", "less"),
    "Are maps of an untrained network alike because they show one image?": (UNTRAINED, OTHER_IMAGE, "yes", "no")}
# Of R2. A difference within LITTLE is said to be hardly one: chosen by CIFAR-10's rows, when those of full-size networks
# were recorded, too. From COPY on a map is nearly a copy. Ours.
LITTLE, COPY = 0.02, 0.9
OPEN = "not known: the interval holds 0"


def answer(rows: pd.DataFrame, allowed: pd.DataFrame, layers: int) -> str:
    """How alike maps are, where it comes from, and what ratio it allows.

    Args:
        rows: As `ghostlib redundancy` records them in redundancy.csv, of one kind of network and one filter.
        allowed: The same of allowed_ratio.csv.
        layers: How many convolutions the network has; those whose maps are too small are in no row.
    """
    stages = rows[rows.source == TRAINED].groupby("stage").r2.mean()
    relu = rows[rows.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    share = allowed[allowed.threshold == allowed.threshold.max()]
    ratio = share[share.stage == "ReLU"].groupby("layer").ratio.mean()
    enough, of = int((ratio >= 2).sum()), len(ratio)
    size = rows["filter"].iloc[0]
    more, less = _layers_moved(rows[rows.stage == "convolution"])
    sentences = [
        f"In {rows.seed.nunique()} small networks trained on CIFAR-10 the best of a layer's other maps explains "
        f"{100 * stages['convolution']:.0f} % of a map's variance after the convolution and {100 * stages['ReLU']:.0f} % "
        f"after ReLU, through a {size} × {size} filter: alike, but "
        f"{'near' if stages['convolution'] >= COPY else 'no'} copies (medians over maps, in the {of} of {layers} layers "
        f"whose maps are large enough).",
        f"{_one_image(relu[UNTRAINED] - relu[OTHER_IMAGE])} (after ReLU).",
        f"{_changes(relu[TRAINED] - relu[UNTRAINED])}, on average over layers."]
    if more and less:
        sentences.append(f"An average can hide opposite effects: after the convolution training seems to make maps more "
                         f"alike in layers {listed(more)} and less alike in layers {listed(less)} (looked at afterwards, "
                         f"not corrected for as many looks as layers).")
    which = f"{enough} of these {of} layers" if enough else f"none of these {of} layers"
    sentences.append(f"If every ghost has to reach R² ≥ {share.threshold.iloc[0]:g}, {which} could be shown to make half of "
                     f"its maps as ghosts (s = 2).")
    return " ".join(sentences)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """What training, the image and any convolution contribute: R2 less R2, averaged over layers, for each stage.

    Args:
        rows: As for `answer`.

    Returns:
        One row for each of QUESTIONS, one column for each stage: mean with its 95 % interval over seeds.
    """
    by_seed = rows.groupby(["stage", "source", "seed"], sort=False).r2.mean().unstack("source")
    return pd.DataFrame({f"after {stage}": {f"{more} − {less}": _interval(own[more] - own[less])
                                            for more, less, *_ in QUESTIONS.values()}
                         for stage, own in by_seed.groupby("stage", sort=False)}).rename_axis("difference of R²")


def by_layer(rows: pd.DataFrame, stage: str = "convolution") -> pd.DataFrame:
    """What training contributes in each layer: R2 of trained less untrained networks, with its 95 % interval over seeds."""
    table = []
    for (depth, name, size), change in _of_layers(rows[rows.stage == stage]):
        table.append({"layer": depth, "name": name, "maps": f"{size} × {size}", "trained − untrained": _interval(change),
                      "verdict": _verdict(change, "more alike", "less alike")})
    return pd.DataFrame(table).set_index("layer")


def summary(rows: pd.DataFrame, allowed: pd.DataFrame, intrinsic: pd.DataFrame) -> pd.DataFrame:
    """What was asked and what came of it, after ReLU: question, difference of R2 with its interval over seeds, verdict.

    Args:
        rows, allowed: As for `answer`.
        intrinsic: The same of intrinsic.csv.
    """
    relu = rows[rows.stage == "ReLU"].groupby(["source", "seed"]).r2.mean().unstack("source")
    table = [(question, _interval(relu[more] - relu[less]), _verdict(relu[more] - relu[less], above, below))
             for question, (more, less, above, below) in QUESTIONS.items()]
    gap = intrinsic[intrinsic.stage == "ReLU"].groupby("seed").gap.mean()
    table.append(("Are a Ghost network's intrinsic maps less alike than a plain network's?", _interval(gap),
                  _verdict(gap, "more alike", "less alike")))
    tau = allowed.threshold.max()
    ratio = allowed[(allowed.threshold == tau) & (allowed.stage == "ReLU")].groupby("layer").ratio.mean()
    table.append((f"Can half of the maps be ghosts that reach R² ≥ {tau:g}?", "", f"in {(ratio >= 2).sum()} of {len(ratio)} "
                  f"layers"))
    return pd.DataFrame(table, columns=["question", "difference of R²", "verdict"]).set_index("question")


def _one_image(values: pd.Series) -> str:
    """Whether showing one image is why maps are alike: an untrained network's maps less a trained one's exchanged ones."""
    mean, low, high = mean_interval(100 * values)
    first = ("Maps are alike because they show the same image: even untrained" if low > 0 else
             "That maps are alike because they show the same image is not shown: untrained")
    return (f"{first}, another map of the same image explains {abs(mean):.0f} points {'more' if mean > 0 else 'less'} "
            f"({over_seeds(low, high, len(values), digits=0)}) than a map of another image does after training")


def moved(values: pd.Series) -> str:
    """Which way a difference of R2 lies by its interval over seeds: "hardly" where within LITTLE, "up", "down" or "open"."""
    _, low, high = mean_interval(values)
    return "hardly" if within(values, LITTLE) else "up" if low > 0 else "down" if high < 0 else "open"


def _changes(values: pd.Series) -> str:
    first = {"hardly": "Training hardly changes that share after ReLU", "up": "Training raises that share after ReLU",
             "down": "Training lowers that share after ReLU",
             "open": "Whether training changes that share after ReLU is open"}
    return f"{first[moved(values)]}: {_points(values)}"


def _interval(values: pd.Series) -> str:
    return with_interval(*mean_interval(values), digits=3)


def _verdict(values: pd.Series, above: str, below: str) -> str:
    return {"hardly": f"hardly: by less than {LITTLE:g}", "up": above, "down": below, "open": OPEN}[moved(values)]


def _layers_moved(rows: pd.DataFrame) -> tuple[list[int], list[int]]:
    """The depths of layers in which training makes maps more alike, and less, as `by_layer` judges them."""
    found: dict[str, list[int]] = {"up": [], "down": []}
    for (depth, *_), change in _of_layers(rows):
        found.setdefault(moved(change), []).append(int(depth))
    return found["up"], found["down"]


def _of_layers(rows: pd.DataFrame) -> Iterator[tuple[tuple, pd.Series]]:
    """For each layer its depth, name and size, and by how much R2 differs after training, seed by seed."""
    for which, own in rows.groupby(["depth", "layer", "size"]):
        r2 = own.pivot(index="seed", columns="source", values="r2")
        yield which, r2[TRAINED] - r2[UNTRAINED]


def _points(values: pd.Series) -> str:
    mean, low, high = mean_interval(100 * values)
    return f"{mean:+.0f} points ({over_seeds(low, high, len(values), digits=0)})"
