"""The paper's published tables (`data/paper/*.csv`), the counts of the same networks, and what both say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ghostlib.errors import InputError, some
from ghostlib.paths import lab
from ghostlib.studies import speeds

if TYPE_CHECKING:
    from ghostlib.complexity import Complexity

PUBLISHED = lab() / "data" / "paper"


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
    rows["weights_digit"] = rows.weights.map(last_digit)
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


def reported(tables: Sequence[int]) -> pd.DataFrame:
    """What others report beside what the paper prints: network, whose, kind, checked, printed, top1 as they write it, and
    how far that is from the print: difference, or from it to difference_high for a range; in percent and its points."""
    printed = networks(tables).set_index("network").top1
    rows = reproductions()
    rows = rows[rows.network.isin(printed.index)].assign(printed=lambda table: table.network.map(printed))
    text = [f"{one.top1:g}" + ("" if pd.isna(one.top1_high) else f" to {one.top1_high:g}") for one in rows.itertuples()]
    return rows.assign(reported=text, difference=(rows.top1 - rows.printed).round(2),
                       difference_high=(rows.top1_high - rows.printed).round(2)).reset_index(drop=True)


def last_digit(text: str) -> float:
    """What one unit of a printed number's last digit is worth."""
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


def against_twins(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """How many times fewer multiply-adds Ghost-ResNets take than their plain twins, and how many times as fast they are.

    Args:
        table: Of `sizes`.
        measured: As for `speeds.summary`.

    Returns:
        One row for each that was measured: network, fewer multiply-adds (times), training and evaluation, each (turns,): how
        many times as fast in each turn that measured both.
    """
    macs, rows = table.set_index("network").macs_counted, []
    for network in [name for name in macs.index if name.startswith("Ghost-ResNet") and name in set(measured.network)]:
        twin = network.removeprefix("Ghost-").partition(",")[0]
        times = {part: speeds.times_as_fast(measured, network, twin, part) for part in speeds.PARTS}
        rows.append({"network": network, "fewer multiply-adds": macs[twin] / macs[network], **times})
    return pd.DataFrame(rows, columns=["network", "fewer multiply-adds", *speeds.PARTS]).set_index("network")


def twins_in_short(twins: pd.DataFrame) -> str:
    """What `against_twins` found, by medians alone, in one sentence."""
    if not len(twins):
        return "No Ghost-ResNet was timed beside its plain twin."
    parts = {part: twins[part].map(np.median) for part in speeds.PARTS}
    less, trains, answers = (f"{found.min():.2f} to {found.max():.2f} times" for found in
                             (twins["fewer multiply-adds"], *parts.values()))
    return (f"Ghost-ResNets take {less} fewer multiply-adds than their plain twins; here they train {trains} as fast and "
            f"answer {answers} as fast.")


def answer_on_reports(reports: pd.DataFrame) -> str:
    """How printed accuracies stand beside what others got, in sentences; `reports` as `reported` gives them."""
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
    return f"{first} No accuracy of these networks was measured here, and nothing was timed on an NPU."

