"""What the redundancy study found, and what the paper's networks save: controls, ratios, costs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox

from ghostlib.figures.labels import Point, write_names
from ghostlib.figures.style import TEST, TRAIN

CROSS = 6  # pixels from the middle of a cross to its edge
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (4, 1, 1, 1)), (0, (8, 2)))  # lines that lie together stay apart in print


def fig_controls(table: pd.DataFrame, what: str = "r2") -> Figure:
    """R2 (or "mse") of the best source against d, for one layer of one network and its controls; bars of 95 %.

    Args:
        table: Rows of `controls.similarity_study` of one layer.
        what: "r2", whose intervals are drawn, or "mse".
    """
    stages, layer = list(dict.fromkeys(table.stage)), table.layer.iloc[0]
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3), sharey=what == "r2", squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        for number, (source, rows) in enumerate(table[table.stage == stage].groupby("source", sort=False)):
            places = rows["filter"] + 0.12 * (number - 2)  # side by side
            bars = (rows.r2 - rows.low, rows.high - rows.r2) if what == "r2" else None
            ax.errorbar(places, rows[what], bars, marker="o", markersize=4, linewidth=1.2, linestyle=DASHES[number],
                        capsize=2, label=source)
        ax.set(title=f"{layer}, after {stage}", xlabel="d", xticks=sorted(set(table["filter"])))
    axes[0, 0].set_ylabel("R² of the best source, median" if what == "r2" else "mean squared error, median")
    if what == "mse":
        for ax in axes.flat:
            ax.set_yscale("log")
    else:
        axes[0, 0].set_ylim(min(-0.05, table.low.min() - 0.02), 1.02)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return figure


def fig_by_depth(table: pd.DataFrame, value: str = "r2", label: str = "R² of the best source, median") -> Figure:
    """A figure of every layer against its depth, stage by stage: each seed a point, their mean a line.

    Args:
        table: Rows with columns depth, stage, source, seed and `value`, of one d.
        value: The column drawn.
        label: What it is, for the axis.
    """
    stages, d = list(dict.fromkeys(table.stage)), table["filter"].iloc[0]
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3.1), sharey=True, squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        groups = table[table.stage == stage].groupby("source", sort=False)
        for number, ((source, rows), colour, dashes) in enumerate(zip(groups, sns.color_palette("colorblind"), DASHES)):
            mean, aside = rows.groupby("depth")[value].mean(), 0.07 * (number - (groups.ngroups - 1) / 2)
            ax.plot(mean.index + aside, mean, color=colour, linestyle=dashes, label=source)
            ax.plot(rows.depth + aside, rows[value], ".", color=colour, markersize=5, alpha=0.7)
        if table[value].min() < 0 < table[value].max():
            ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set(title=f"after {stage}, d = {d}", xlabel="layer, from the input")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel(label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return figure


def fig_allowed_ratio(table: pd.DataFrame) -> Figure:
    """The ratio that each layer allows, stage by stage and for each tau, with the paper's uniform s = 2.

    Args:
        table: Rows of `controls.ratio_study`, of one d, with the seed: each a point, the mean a line.
    """
    stages = list(dict.fromkeys(table.stage))
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3.2), sharey=True, squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        ax.axhline(2, color="0.5", linewidth=1, label="the paper's s = 2")
        for (tau, rows), colour in zip(table[table.stage == stage].groupby("threshold"), sns.color_palette("colorblind")):
            mean = rows.groupby("depth").ratio.mean()
            ax.plot(rows.depth, rows.ratio, ".", color=colour, markersize=5, alpha=0.7)
            ax.plot(mean.index, mean, color=colour, label=f"every ghost reaches R² ≥ {tau:g}")
        ax.set(title=f"after {stage}, d = {table['filter'].iloc[0]}", xlabel="layer, from the input")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel("all maps / intrinsic maps")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def fig_speedup(speedup: pd.DataFrame, ratio: int) -> Figure:
    """Saving of each Ghost module against its input channels: equation 4, the count, and the "about s" of the paper.

    Args:
        speedup: Columns channels, theory and counted.
        ratio: s.
    """
    figure, ax = plt.subplots(figsize=(7, 3.4))
    ordered = speedup.sort_values("channels")
    ax.axhline(ratio, color="0.5", linestyle="--", label=f"s = {ratio}")
    ax.plot(ordered.channels, ordered.theory, color=TRAIN, label="equation 4")
    ax.plot(ordered.channels, ordered.counted, "o", color=TEST, label="counted in the built layer", alpha=0.7)
    ax.set(xscale="log", xlabel="input channels c", ylabel="times fewer multiply-adds", ylim=(1, ratio * 1.08),
           title="What a Ghost module saves, layer by layer")
    ticks = ordered.channels.iloc[[0, len(ordered) // 4, len(ordered) // 2, 3 * len(ordered) // 4, -1]].unique()
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    return figure


def fig_rivals(published: pd.DataFrame, rivals: pd.DataFrame, reproductions: pd.DataFrame) -> Figure:
    """Printed accuracy against multiply-adds, a panel for each dataset; what others got for the same networks beside it.

    Args:
        published: Of `paper.networks`: network, ratio, macs, top1, dataset.
        rivals: Of `rivals.published`; those with a model are built here, too, and drawn darker.
        reproductions: Of `paper.reported`: network, top1, top1_high, kind, checked; a range is a line.
    """
    titles = {"cifar10": "CIFAR-10", "imagenet": "ImageNet"}
    datasets = [name for name in titles if name in set(published.dataset)]
    figure, axes = plt.subplots(1, len(datasets), figsize=(6.6 * len(datasets), 5.6), squeeze=False)
    drawn = {}
    for ax, dataset in zip(axes.flat, datasets):
        own, others = (table[table.dataset == dataset] for table in (published, rivals))
        kinds = {"with Ghost modules": (own[own.ratio > 1], "o", TEST), "plain": (own[own.ratio == 1], "s", TRAIN),
                 "rivals built here": (others[others.model.notna()], "^", "0.2"),
                 "other rivals": (others[others.model.isna()], "^", "0.6")}
        points = []
        for label, (rows, marker, colour) in kinds.items():
            if len(rows):
                ax.plot(rows.macs, rows.top1, marker, color=colour, label=f"{label}, as printed")
            points += [Point(row.macs, row.top1, row.network.replace(", s = ", ", s").replace(", d = ", " d")
                             .replace("l1-", "ℓ1-"), colour, marker, row.macs, row.macs, row.top1, row.top1)
                       for row in rows.itertuples()]
        again = reproductions[reproductions.dataset == dataset]
        sure = (again.kind == "trained") & (again.checked == "yes")
        for label, colour, shown in (("trained by others", "0.1", again[sure]),
                                     ("second-hand, or the authors' weights again", "0.6", again[~sure])):
            places = 0.95 * shown.network.map(own.set_index("network").macs)  # beside what is printed, not on it
            ax.vlines(places, shown.top1, shown.top1_high.fillna(shown.top1), color=colour, linewidth=1)
            ax.plot(places, shown.top1, "x", color=colour, markersize=5, label=label)
            ax.plot(places, shown.top1_high, "x", color=colour, markersize=5)
        ax.set(title=titles[dataset], xlabel="multiply-adds, millions", xscale="log", ylabel="top-1, %")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.margins(x=0.18, y=0.08)
        drawn[ax] = points, [(place, top1) for place, row in zip(0.95 * again.network.map(own.set_index("network").macs),
                                                                 again.itertuples()) for top1 in (row.top1, row.top1_high)]
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels())}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.canvas.draw()  # lays out; then it stays, so that names stay where they are free
    figure.set_layout_engine("none")
    for ax, (points, crosses) in drawn.items():
        places = ax.transData.transform([cross for cross in crosses if not np.isnan(cross[1])] or np.zeros((0, 2)))
        write_names(ax, points, [Bbox([place - CROSS, place + CROSS]) for place in places], fontsize=7)
    return figure
