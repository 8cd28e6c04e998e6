"""The ablations of s and d: differences from the plain network, contrasts, accuracy against cost, a ratio for each layer."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from ghostlib.figures.labels import Point, draw_points, emptiest, heap, lead, write_names
from ghostlib.figures.style import TEST, TRAIN
from ghostlib.studies.ablation import PLAIN
from ghostlib.studies.contrasts import Contrast, contrast, points
from ghostlib.studies.speeds import PARTS

MARKERS = "osD^vPX*<>"  # beside colour, for eyes and printers without
COLOURS = [*sns.color_palette("colorblind")[:5], "#56b4e9", "0.2"]
NAMED = ("plain", "thin", "s2 d1", "s2 d3", "s2 d5", "s4 d3", "by layer")  # these look the same in every figure
BAND = "0.93"


def fig_accuracy(rows: pd.DataFrame, summary: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """How far each network is from the plain one, here and in the paper, on one axis.

    Here every seed's difference from the plain network of the same seed is a point; beside the points are their mean and
    95 % interval over seeds. The paper has one network each. Without a plain network the first one takes its place.

    Args:
        rows: Columns network, accuracy, seed.
        summary: Of `ablation.summary`; its order is the order drawn.
        published: Columns network, accuracy.
    """
    names = list(summary.network)
    base = PLAIN if PLAIN in names else names[0]
    figure, (ours, theirs) = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True)
    for place, name in enumerate(names):
        if name == base:
            for ax in (ours, theirs):
                ax.annotate("0", (place, 0), (0, -9), va="top", ha="center", textcoords="offset points", fontsize=8)
            continue
        one = contrast(rows, name, base, "accuracy")
        ours.plot(np.full(len(one.values), place - 0.12), one.values, "o", color=TRAIN, markersize=5, alpha=0.5,
                  label="one seed")
        _mean(ours, place + 0.12, one, "mean and 95 % interval over seeds", vertical=True)
        lowest = np.nanmin([one.interval[1], *one.values])
        ours.annotate(_signed(one.interval[0], 2), (place, lowest), (0, -6), va="top", ha="center",
                      textcoords="offset points", fontsize=8)
    printed = published.set_index("network").accuracy
    for place, name in enumerate(names):
        if name == base:
            continue
        if {name, base} <= set(printed.index):
            difference = printed[name] - printed[base]
            theirs.plot(place, difference, "D", color="0.3", markersize=5, label="the paper's network")
            theirs.annotate(_signed(difference, 1), (place, difference), (0, -9), va="top", ha="center",
                            textcoords="offset points", fontsize=8)
        else:
            theirs.annotate("not\nprinted", (place, 0), (0, -9), va="top", ha="center", textcoords="offset points",
                            fontsize=7, color="0.45")
    mean = rows[rows.network == base].accuracy.mean()
    ours.margins(y=0.1)
    ours.set(title=f"here: {base} is {mean:.2f} %", ylabel=f"top-1: difference from {base},\npoints of percent")
    theirs.set_title(f"the paper: {base} is {printed[base]:.1f} %" if base in printed else "the paper")
    for ax in (ours, theirs):
        ax.axhline(0, color="0.3", linewidth=1, zorder=0)
        ax.set(xticks=range(len(names)), xticklabels=[name.replace(" ", "\n", 1) for name in names],
               xlim=(-0.6, len(names) - 0.4))
        ax.tick_params(axis="x", length=0)
        ax.grid(axis="y", color="0.92")
        ax.set_axisbelow(True)
        ax.spines["bottom"].set_visible(False)
    theirs.spines["left"].set_visible(False)
    theirs.tick_params(axis="y", length=0)
    _legend(figure, [ours, theirs])
    return figure


def fig_contrasts(contrasts: Sequence[Contrast], margin: float) -> Figure:
    """Differences in accuracy: every seed a point, mean and interval, and the margin within which nobody cares. The axis is
    for all seeds and for intervals of three seeds and more; where one of two seeds goes on beyond it, an arrow says so.

    Args:
        contrasts: From `ablation.contrasts_of`, in points of percent.
        margin: In points of percent.
    """
    figure, ax = plt.subplots(figsize=(9, 0.62 * len(contrasts) + 1.2))
    ax.axvspan(-margin, margin, color=BAND, zorder=0, label=f"within {points(margin)}")
    for edge in (-margin, margin):
        ax.axvline(edge, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    for place, one in enumerate(contrasts):
        ax.plot(one.values, np.full(len(one.values), place) + 0.2, "o", color=TRAIN, markersize=4, alpha=0.6,
                label="one seed")
        _mean(ax, place - 0.1, one, "mean and 95 % interval over seeds", vertical=False)
        ax.text(1.01, place, _signed(one.interval[0], 2), transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.text(1.01, 1, "mean", transform=ax.transAxes, va="center", fontsize=8, color="0.35")
    ax.axvline(0, color="0.3", linewidth=1, zorder=1)
    ax.set(yticks=range(len(contrasts)), yticklabels=[f"{one.first} − {one.second}" for one in contrasts],
           xlabel="difference in top-1, percentage points", ylim=(len(contrasts) - 0.5, -0.5))
    ax.hlines(np.arange(1, len(contrasts)) - 0.5, 0, 1, transform=ax.get_yaxis_transform(), color="0.9", linewidth=0.8,
              zorder=0)
    _fit_to(ax, contrasts, margin)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    _legend(figure, [ax])
    return figure


def _fit_to(ax: Axes, contrasts: Sequence[Contrast], margin: float) -> None:
    """Gives the axis of differences its range, and arrows to the intervals that leave it."""
    ends = np.concatenate([[-margin, margin], *(one.values for one in contrasts),
                           *(one.interval[1:] for one in contrasts if len(one.seeds) > 2)])
    room = 0.05 * (ends.max() - ends.min())
    left, right = ends.min() - room, ends.max() + room
    ax.set_xlim(left, right)
    for place, one in enumerate(contrasts):
        _, low, high = one.interval
        for edge, arrow, leaves in ((left, "<", low < left), (right, ">", high > right)):
            if leaves:
                ax.plot(edge, place - 0.1, arrow, color=TEST, markersize=7, clip_on=False, label="the interval goes on")


def fig_cost(summary: pd.DataFrame, looks: Mapping[str, tuple[str, str]] | None = None, *,
             with_weights: bool = False) -> Figure:
    """Accuracy with its interval against multiply-adds, weights if asked for and measured time where `summary` has it.

    Each network's name stands beside its point; where three or more lie on one another, an inset shows them enlarged.

    Args:
        summary: Of `ablation.summary`, or of `ablation.with_speeds`: then a panel each for training and evaluation, with
            the slowest and the fastest turn; or of `photographs_latency.with_times`: then a panel for the time of one image.
        looks: Colour and marker by network, where they are another figure's.
        with_weights: Whether there is a panel for weights, too; in millions, as multiply-adds.
    """
    panels, spread = {"macs": "multiply-adds, millions", **({"weights": "weights, millions"} if with_weights else {})}, {}
    if "training" in summary and summary.training.notna().any():
        for part in PARTS:
            panels[f"{part}_ms"] = f"{part}, ms an image"
            summary = summary.assign(**{f"{part}_ms": 1e3 / summary[part]})
            spread[f"{part}_ms"] = summary[f"{part}_ms"] - 1e3 / summary[f"{part}_high"], (
                1e3 / summary[f"{part}_low"] - summary[f"{part}_ms"])
    if "ms" in summary and summary.ms.notna().any():
        panels["ms"] = "one image, ms"
        spread["ms"] = summary.ms - summary.ms_low, summary.ms_high - summary.ms
    figure, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels) + 1.3, 3.8), sharey=True, squeeze=False,
                                width_ratios=[1.35, *[1] * (len(panels) - 1)])
    drawn = {}
    for ax, (column, label) in zip(axes.flat, panels.items()):
        aside = np.nan_to_num(spread.get(column, np.zeros((2, len(summary)))))
        points = []
        for place, row in enumerate(summary.itertuples()):
            number = NAMED.index(row.network) if row.network in NAMED else place
            usual = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            colour, marker = (looks or {}).get(row.network, usual)
            at, ends = getattr(row, column), np.nan_to_num([row.low, row.high], nan=row.accuracy)
            if not np.isnan(at):
                points.append(Point(at, row.accuracy, row.network, colour, marker, at - aside[0][place],
                                    at + aside[1][place], *ends))
        draw_points(ax, points)
        ax.set(xlabel=label, xlim=(0, 1.2 * max(point.right for point in points)))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.grid(color="0.92")
        drawn[ax] = points
    axes[0, 0].set_ylabel("top-1 on test images, %")
    figure.canvas.draw()  # lays out; then it stays, so that names stay where they are free
    figure.set_layout_engine("none")
    for ax, points in drawn.items():
        _name(ax, points)
    return figure


def fig_layer_ratios(allocation: pd.DataFrame, uniform: int) -> Figure:
    """What each layer would lose at each ratio, and the ratio it was given; layers without a loss were not measured.

    Args:
        allocation: Of `redundancy.runs.ratios_of_runs`: layer, ratio, loss (a share; nan where not measured), chosen.
        uniform: The ratio whose multiply-adds were spent, outlined in all layers.
    """
    layers, ratios = list(allocation.layer.unique()), sorted(allocation.ratio.unique())
    table = 100 * allocation.pivot(index="ratio", columns="layer", values="loss").loc[ratios, layers]
    figure, ax = plt.subplots(figsize=(9, 0.36 * len(ratios) + 1.5))
    ax.set_facecolor("0.85")
    sns.heatmap(table, cmap="Blues", vmin=0, linewidths=1, linecolor="white", mask=table.isna(), ax=ax,
                cbar_kws={"label": "variance that ghosts miss, %", "pad": 0.02})
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if not np.isnan(value):
            ax.text(column + 0.5, row + 0.5, f"{value:.0f}", fontsize=8, ha="center", va="center",
                    color="white" if value > 0.7 * np.nanmax(table) else "0.1")
    for row in allocation[allocation.chosen].itertuples():
        ax.add_patch(Rectangle((layers.index(row.layer) + 0.05, ratios.index(row.ratio) + 0.08), 0.9, 0.84, fill=False,
                               edgecolor=TEST, linewidth=2.5, zorder=3))
    ax.add_patch(Rectangle((0, ratios.index(uniform)), len(layers), 1, fill=False, edgecolor="0.15", linewidth=1.2,
                           linestyle=(0, (4, 2)), zorder=4))
    ax.set(xlabel="layer", ylabel="ratio s")
    ax.set_xticks(np.arange(len(layers)) + 0.5, [str(number) for number in range(1, len(layers) + 1)], rotation=0)
    ax.set_yticklabels([f"{ratio:g}" for ratio in ratios], rotation=0)
    ax.tick_params(length=0)
    handles = [Patch(facecolor="none", edgecolor=TEST, linewidth=2.5, label="given to the layer"),
               Patch(facecolor="none", edgecolor="0.15", linestyle=(0, (4, 2)), linewidth=1.2,
                     label=f"s = {uniform} everywhere, for as many multiply-adds"),
               Patch(color="0.85", label="not measured: maps too small")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _signed(value: float, digits: int) -> str:
    """A difference with its sign, a true minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below all axes, each label once."""
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels())}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, fontsize=8)


def _mean(ax: Axes, place: float, one: Contrast, label: str, vertical: bool) -> None:
    """Mean and interval of a contrast beside its seeds; of one seed there is no interval."""
    mean, low, high = one.interval
    bars = None if np.isnan(low) else [[mean - low], [high - mean]]
    x, y, xerr, yerr = (place, mean, None, bars) if vertical else (mean, place, bars, None)
    ax.errorbar(x, y, yerr, xerr, fmt="s", color=TEST, markersize=5, capsize=3, label=label)


def _name(ax: Axes, points: Sequence[Point]) -> None:
    """Names beside the points; those that lie on one another are enlarged in an inset and named there."""
    if not (heaped := heap(ax, points)):
        write_names(ax, points)
        return
    below, beside = 0.09, 0.12  # shares of the axes, for the numbers on the inset's ticks
    left, bottom, width, height = emptiest(ax, points, [(0.62, 0.52), (0.56, 0.5), (0.5, 0.48), (0.45, 0.45), (0.4, 0.4)])
    inset = ax.inset_axes((left + beside, bottom + below, width - beside, height - below))
    draw_points(inset, heaped)
    left, right = min(point.x for point in heaped), max(point.x for point in heaped)
    low, high = min(point.low for point in heaped), max(point.high for point in heaped)
    wide = max(right - left, 0.01 * ax.get_xlim()[1])
    inset.set(xlim=(left - 0.9 * wide, right + 2.2 * wide), ylim=(low - 0.1 * (high - low), high + 0.1 * (high - low)))
    inset.tick_params(labelsize=7, length=2)
    inset.xaxis.set_major_locator(MaxNLocator(3))
    inset.yaxis.set_major_locator(MaxNLocator(3))
    for spine in inset.spines.values():
        spine.set(visible=True, color="0.5", linewidth=0.8)
    limits = Bbox.from_extents(*np.transpose([inset.get_xlim(), inset.get_ylim()]).flat)
    ax.add_patch(Rectangle((limits.x0, limits.y0), limits.width, limits.height, fill=False, edgecolor="0.5", linewidth=0.8))
    whole = Bbox.union([inset.get_window_extent(), *filter(None, [inset.get_tightbbox()])])
    others = [point for point in points if point not in heaped]
    line = lead(ax, limits.transformed(ax.transData), inset.get_window_extent(), others)
    write_names(inset, heaped, fontsize=7.5)
    write_names(ax, others, [whole, *line, limits.transformed(ax.transData)])
