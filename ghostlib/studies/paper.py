"""The paper's published tables (`data/paper/*.csv`), the counts of the same networks, and what both say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ghostlib.errors import InputError, some
from ghostlib.studies import speeds

if TYPE_CHECKING:
    from ghostlib.complexity import Complexity
    from ghostlib.config import Config

LIKE = 0.15  # share of the multiply-adds by which networks of like cost may differ
PUBLISHED = Path(__file__).parents[2] / "data" / "paper"


def networks(tables: Sequence[int] | None = None) -> pd.DataFrame:
    """Rows of `data/paper/networks.csv`: networks of Tables 3 to 7 that this package can build, as published.

    Args:
        tables: Numbers of the tables wanted; None for all.

    Returns:
        Weights and macs in millions, top1 and top5 in percent, as printed; `weights_digit` and `macs_digit` are what
        one unit of the last printed digit is worth, in millions; `recount_*` an independent recount where there is one.

    Raises:
        InputError: For a table that is not there.
    """
    rows = pd.read_csv(PUBLISHED / "networks.csv", dtype={"weights": str, "macs": str}, keep_default_na=True)
    known = sorted(set(rows.table))
    for table in tables or known:
        if table not in known:
            raise InputError(f"tables: {table!r} given; allowed are {known}")
    rows["weights_digit"] = rows.weights.map(_last_digit)
    rows["macs_digit"] = rows.macs.map(lambda text: 100.0 if float(text) >= 1000 else 1.0)  # printed as 4.1G, 313M
    rows = rows.astype({"weights": float, "macs": float})
    return rows[rows.table.isin(tables or known)].reset_index(drop=True)


def drawn() -> pd.DataFrame:
    """Those of `networks` that stand beside rivals in a figure: all of d = 3, other d lie on one another."""
    rows = networks()
    return rows[rows.kernel == 3].reset_index(drop=True)


def imagenet(width: float) -> pd.DataFrame:
    """What others report for GhostNet of a width on ImageNet: whose, top1 and top5 in percent, images, source."""
    printed = networks([7])
    rows = pd.concat([printed.assign(whose="the paper"), reproductions("imagenet")])
    rows = rows[(rows.width == width) & rows.network.isin(printed.network)].assign(images="50,000")
    return rows[["whose", "top1", "top5", "images", "source"]].reset_index(drop=True)


def reproductions(dataset: str | None = None) -> pd.DataFrame:
    """What others report for the same networks: network, width, dataset, whose, kind ("trained" or with whose weights),
    top1 in percent, or a range up to top1_high, top5; `checked`, whether that was read at its source ("yes", "top-1" or
    "no"); `weights`, the short name of the file it is of, where `ghostlib.weights` has one; source."""
    rows = pd.read_csv(PUBLISHED / "reproductions.csv")
    return rows[rows.dataset == dataset] if dataset else rows


def mindcv_speeds(width: float | None = None) -> pd.DataFrame:
    """How fast mindcv reports its training of GhostNet to be, on eight NPUs: network, width, device, cards, batch (of each
    card), resolution, jit_level, compile_s, ms_per_step, images_per_second, top1 and top5 in percent, weights, source.

    Args:
        width: None for all.
    """
    rows = pd.read_csv(PUBLISHED / "mindcv_speeds.csv")
    return rows if width is None else rows[rows.width == width].reset_index(drop=True)


def models() -> pd.DataFrame:
    """Rows of `data/paper/models.csv`: the published sizes of what `ghostlib.models` builds: model, width, image_size,
    num_classes, weights and macs (counted here), top1 in percent as published, by whom (`whose`), source."""
    return pd.read_csv(PUBLISHED / "models.csv")


def catalogue(table: pd.DataFrame, weights: Mapping[str, Mapping[str, Any]]) -> str:
    """The same as text, a line for each size, with the short names of weights that are published for it.

    Args:
        table: Of `models`.
        weights: By short name the fields of Config that it is for: `weights.description.PUBLISHED`.
    """
    names = [", ".join(name for name, of in weights.items() if (of["model"], of["width"]) == (row.model, row.width))
             for row in table.itertuples()]
    top1 = [f"{row.top1} ({row.whose})" if pd.notna(row.top1) else "" for row in table.itertuples()]
    shown = pd.DataFrame({"model": table.model, "width": table.width.map("{:g}".format),
                          "weights, M": (table.weights / 1e6).map("{:.2f}".format),
                          "multiply-adds, M": (table.macs / 1e6).map("{:.0f}".format), "image": table.image_size,
                          "published top-1, %": top1, "published weights": names})
    text = shown.to_string(index=False, justify="left", formatters={
        column: f"{{:<{max(map(len, [column, *shown[column].astype(str)]))}}}".format
        for column in ("model", "published top-1, %", "published weights")})
    return "\n".join(map(str.rstrip, text.splitlines()))


def rivals(tables: Sequence[int]) -> pd.DataFrame:
    """Networks that the paper compares itself with: table, network, model and width (of those that this package builds),
    weights, macs (in millions), top1 and top5 in percent, dataset, source; as published."""
    rows = pd.read_csv(PUBLISHED / "rivals.csv")
    return rows[rows.table.isin(tables)].reset_index(drop=True)


def built_rivals(tables: Sequence[int]) -> pd.DataFrame:
    """Those rivals that this package builds, with the columns of `networks`, as far as a count needs them."""
    rows = pd.read_csv(PUBLISHED / "rivals.csv", dtype={"weights": str})
    rows = rows[rows.table.isin(tables) & rows.model.notna()].reset_index(drop=True)
    rows["weights_digit"] = rows.weights.map(_last_digit)
    return rows.astype({"weights": float}).assign(ratio=1, kernel=3, image_size=224, num_classes=1000, count_rule="all",
                                                  macs_digit=1.0)


def answer_on_rivals(own: pd.DataFrame, others: pd.DataFrame) -> str:
    """Whether the paper's own networks beat the built rivals of like cost, as printed, in sentences.

    Args:
        own, others: Of `networks` and `built_rivals`, both of ImageNet.
    """
    told = []
    for row in own[own.network.str.startswith("GhostNet")].itertuples():
        like = others[(others.macs / row.macs - 1).abs() <= LIKE]
        if len(like):
            best = like.loc[like.top1.idxmax()]
            told.append(f"{row.network} ({row.top1:.1f} %, {row.macs:.0f} M) is {row.top1 - best.top1:+.1f} points from "
                        f"{best.network} ({best.macs:.0f} M)")
    return (f"As printed, beside the best rival that is built here, within {100 * LIKE:.0f} % of its multiply-adds: "
            f"{'; '.join(told) or 'there is none'}.")


def reported(tables: Sequence[int]) -> pd.DataFrame:
    """What others report beside what the paper prints: network, whose, kind, checked, printed, top1 as they write it, and
    how far that is from the print: difference, or from it to difference_high for a range; in percent and its points."""
    printed = networks(tables).set_index("network").top1
    rows = reproductions()
    rows = rows[rows.network.isin(printed.index)].assign(printed=lambda table: table.network.map(printed))
    text = [f"{one.top1:g}" + ("" if pd.isna(one.top1_high) else f" to {one.top1_high:g}") for one in rows.itertuples()]
    return rows.assign(reported=text, difference=(rows.top1 - rows.printed).round(2),
                       difference_high=(rows.top1_high - rows.printed).round(2)).reset_index(drop=True)


def like_cost(macs: pd.Series) -> list[tuple[str, str]]:
    """Pairs of a GhostNet and another network with about as many multiply-adds; `macs` by name."""
    own = [name for name in macs.index if name.startswith("GhostNet ")]
    return [(one, other) for one in own for other in macs.index.difference(own) if abs(macs[other] / macs[one] - 1) <= LIKE]


def speeds_in_short(measured: pd.DataFrame) -> str:
    """What `answer_on_speeds` says of MobileNetV3, by medians alone, in one sentence."""
    pairs = [pair for pair in like_cost(measured.groupby("network").macs.first()) if pair[1].startswith("MobileNetV3")]
    if not pairs:
        return "No GhostNet was timed beside a MobileNetV3 of like cost."
    times = {part: [np.median(speeds.times_as_fast(measured, *pair, part)) for pair in pairs] for part in speeds.PARTS}
    trains, answers = (f"{min(found):.2f} to {max(found):.2f} times as fast" for found in times.values())
    return f"Beside MobileNetV3s of like multiply-adds GhostNets train {trains} and answer {answers} ({len(pairs)} pairs)."


def answer_on_speeds(measured: pd.DataFrame) -> str:
    """How fast GhostNets are beside their successor and the rivals of like cost, in sentences.

    Args:
        measured: As for `speeds.summary`, of networks named as in `networks` and `built_rivals`, with macs.
    """
    told = []
    for own, other in like_cost(measured.groupby("network").macs.first()):
        times = [f"{verb} {speeds.as_clause(speeds.times_as_fast(measured, own, other, part))}"
                 for verb, part in (("trains", "training"), ("answers", "evaluation"))]
        told.append(f"{own} {' and '.join(times)} as {other}")
    return (f"At like multiply-adds (within {100 * LIKE:.0f} %), turn by turn: {'; '.join(told) or 'nothing was measured'}. "
            f"On two CPU cores, by our kernel where it serves; on an NPU nothing was measured.")


def _last_digit(text: str) -> float:
    return 10.0 ** -len(text.partition(".")[2])


def count(row: Any) -> dict[str, float]:
    """Builds one published network and counts it: weights_counted and macs_counted in millions, by its table's rule."""
    from ghostlib import complexity  # here, so that the tables can be read where MindSpore is not
    from ghostlib.models import MODELS
    net = MODELS[row.model](row.width, row.ratio, row.kernel, row.num_classes)
    cost = complexity.count(net, (3, row.image_size, row.image_size))
    macs = cost.conv_macs if row.count_rule == "convolutions" else cost.macs
    return {"weights_counted": cost.weights / 1e6, "macs_counted": macs / 1e6}


def agrees(printed: pd.Series, counted: pd.Series, digit: pd.Series) -> np.ndarray:
    """Whether each count, rounded as the print is, gives the printed figure."""
    return np.abs(printed - counted).to_numpy() <= 0.5 * digit.to_numpy() + 1e-9


def layer_speedups(ghost: Complexity, plain: Complexity, ratio: int, kernel: int) -> pd.DataFrame:
    """How many times fewer multiply-adds each Ghost module of GhostNet takes than its plain twin.

    Args:
        ghost, plain: Counts of the network and of its twin with ratio 1.
        ratio, kernel: s and d of the first.

    Returns:
        One row a module: layer, channels (input), theory (equation 4) and counted.
    """
    from ghostlib import complexity

    def by_module(cost: Complexity) -> pd.DataFrame:
        table = cost.table[cost.table.layer.str.contains("ghost") & (cost.table.type == "convolution")]
        module = table.layer.str.extract(r"(.*ghost\d)", expand=False)
        return table.groupby(module, sort=False).agg(macs=("macs", "sum"),
                                                     channels=("input", lambda shapes: shapes.iloc[0][0]))

    mine, twin = by_module(ghost), by_module(plain)
    theory = [complexity.theoretical_speedup(channels, 1, ratio, kernel) for channels in mine.channels]
    return pd.DataFrame({"layer": mine.index, "channels": mine.channels.to_numpy(), "theory": theory,
                         "counted": (twin.macs / mine.macs).to_numpy()})


def sizes(published: pd.DataFrame) -> pd.DataFrame:
    """Published networks, built and counted: table, network, weights, macs (both printed, in millions), weights_counted,
    macs_counted, and weights_agree, macs_agree: whether a count, rounded as the print is, gives the printed figure.

    Args:
        published: Of `networks`.
    """
    counted = pd.DataFrame([count(row) for row in published.itertuples()], columns=["weights_counted", "macs_counted"])
    table = published[["table", "network", "weights", "macs"]].join(counted)
    for what in ("weights", "macs"):
        table[f"{what}_agree"] = agrees(published[what], counted[f"{what}_counted"], published[f"{what}_digit"])
    return table


def answer_on_sizes(table: pd.DataFrame, speedup: pd.DataFrame, ratio: int, whole: float) -> str:
    """Whether printed sizes hold and what a Ghost layer saves, in sentences.

    Args:
        table: Of `sizes`.
        speedup: Of `layer_speedups`.
        ratio: s of the latter.
        whole: How many times fewer multiply-adds the whole network takes than its plain twin.
    """
    both = table.weights_agree & table.macs_agree
    less, more = (speedup.loc[place] for place in (speedup.counted.idxmin(), speedup.counted.idxmax()))
    off = [max(abs(getattr(row, f"{what}_counted") / getattr(row, what) - 1) for what in ("weights", "macs"))
           for row in table[~both].itertuples()]
    names = [f"{name} ({100 * share:.0f} %)" if share >= 0.01 else f"{name} (below 1 %)"
             for name, share in zip(table.network[~both], off)]
    others = f"; off are {some(names, most=6)}" if len(names) else ""
    return (f"**Answer.** {both.sum()} of the {len(table)} networks have the weights and multiply-adds that the paper "
            f"prints{others}. A Ghost layer with s = {ratio} is about {ratio} times cheaper only where it has many input "
            f"channels: it takes {more.counted:.2f} times fewer multiply-adds with {more.channels} of them, "
            f"{less.counted:.2f} times with {less.channels}. The whole of GhostNet takes {whole:.2f} times fewer than its "
            f"plain twin, since its other layers save nothing.")


def summary_of_sizes(table: pd.DataFrame, speedup: pd.DataFrame, ratio: int, whole: float) -> pd.DataFrame:
    """The same as a small table: question, answer."""
    both = table.weights_agree & table.macs_agree
    return pd.DataFrame([
        ("Do the printed sizes hold?", f"for {both.sum()} of {len(table)} networks"),
        (f"Is a Ghost layer {ratio} times cheaper?", f"{speedup.counted.min():.2f} to {speedup.counted.max():.2f} times"),
        ("Is GhostNet as a whole?", f"{whole:.2f} times")], columns=["question", "answer"]).set_index("question")


def not_as_printed(table: pd.DataFrame) -> str:
    """Those networks whose count is another than what is printed, in a sentence; `table` as `sizes` gives it."""
    off = [f"{row.network} ({row.macs_counted:.1f} M multiply-adds, printed {row.macs:g}; {row.weights_counted:.2f} M "
           f"weights, printed {row.weights:g})" for row in table[~(table.weights_agree & table.macs_agree)].itertuples()]
    return f"Counted otherwise than printed: {', '.join(off) or 'none'}."


def against_twins(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """How many times fewer multiply-adds Ghost-ResNets take than their plain twins, and how many times as fast they are.

    Args:
        table: Of `sizes`.
        measured: As for `speeds.summary`.

    Returns:
        One row for each that was measured: network, fewer multiply-adds, training, evaluation: times as fast, the median
        over turns that measured both, with the slowest and the fastest.
    """
    macs, rows = table.set_index("network").macs_counted, []
    for network in [name for name in macs.index if name.startswith("Ghost-ResNet") and name in set(measured.network)]:
        twin = network.removeprefix("Ghost-").partition(",")[0]
        times = {part: speeds.times_as_fast(measured, network, twin, part) for part in speeds.PARTS}
        rows.append({"network": network, "fewer multiply-adds": f"{macs[twin] / macs[network]:.2f} times",
                     **{part: speeds.as_clause(own) for part, own in times.items()}})
    return pd.DataFrame(rows, columns=["network", "fewer multiply-adds", *speeds.PARTS]).set_index("network")


def answer_on_reports(reports: pd.DataFrame, twins: pd.DataFrame) -> str:
    """How printed accuracies stand beside what others got, and multiply-adds beside time, in sentences.

    Args:
        reports: Of `reported`.
        twins: Of `against_twins`.
    """
    anew = reports[reports.kind == "trained"]
    below = anew[(anew.difference < 0) & ~(anew.difference_high >= 0)]
    checked = below[below.checked == "yes"]
    ghost = anew.network.str.contains("Ghost")
    kinds = [f"{below.network.isin(own.network).sum()} of {len(own)} reports of {kind}" for kind, own in
             (("networks with Ghost modules", anew[ghost]), ("plain ones", anew[~ghost])) if len(own)]
    by = anew.whose.value_counts()
    gap = (f", by at most {-checked.difference.min():.2f} points in the {len(checked)} that could be checked" if len(checked)
           else "")
    first = (f"**Answer.** Others trained the paper's networks anew. They got less than it prints in "
             f"{' and in '.join(kinds)}{gap}. {by.iloc[0]} of the {len(anew)} reports are {by.index[0]}'s.")
    time = "".join(f" {name} takes {row['fewer multiply-adds']} fewer multiply-adds than its plain twin; here it "
                   f"trains {row.training} and answers {row.evaluation}." for name, row in twins.iterrows())
    return f"{first}{time} No accuracy of these networks was measured here, and nothing was timed on an NPU."


def answer_on_imagenet(config: Config, seen: str, classes: int, missing: Sequence[str], gaps: Mapping[str, float]) -> str:
    """Whether a run agrees with what is published, in sentences.

    Args:
        config: The run's.
        seen: Its accuracy, with its interval where it has one.
        classes: Number of classes that were told apart.
        missing: What keeps the run from being compared; empty if nothing does.
        gaps: By what is published: the run's top-1 less that, in points of percent.
    """
    run = f"{config.epochs} epochs on {config.devices} {config.device} device(s) ran to the end"
    if missing:
        return (f"**Answer.** Not known yet. {run}, and the weights read back are right on {seen}; guessing gives "
                f"{100 / classes:.1f} %. That cannot be compared with a published result, since {' and '.join(missing)} are "
                f"not theirs. It shows that the parts used here work together, and nothing about GhostNet on ImageNet.")
    first = "; ".join(f"{gap:+.2f} points from {whose}" for whose, gap in gaps.items())
    return (f"**Answer.** {run}, with ImageNet's images and mindcv's recipe. The weights read back are right on {seen}. "
            f"That is {first}. One run does not say where another seed would land.")


def summary_on_imagenet(seen: str, missing: Sequence[str], gaps: Mapping[str, float]) -> pd.DataFrame:
    """The same as a small table: question, answer."""
    gap = ", ".join(f"{one:+.2f} points from {whose}" for whose, one in gaps.items())
    return pd.DataFrame([
        ("Does it run to the last epoch?", "yes"), ("How good is it?", seen),
        ("Does it agree with what is published?", gap if not missing else f"not asked: {' and '.join(missing)} differ")],
        columns=["question", "answer"]).set_index("question")
