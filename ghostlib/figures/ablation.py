"""The ablations of s and d: every seed's accuracy, contrasts, and accuracy against cost."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ghostlib.figures.style import TEST, TRAIN
from ghostlib.studies.contrasts import Contrast
from ghostlib.studies.speeds import PARTS

MARKERS = "osD^vPX*<>"  # beside colour, for eyes and printers without
COLOURS = [*sns.color_palette("colorblind")[:5], "#56b4e9", "0.2"]
NAMED = ("plain", "thin", "s2 d1", "s2 d3", "s2 d5", "s4 d3", "by layer")  # these look the same in every figure


def fig_accuracy(rows: pd.DataFrame, summary: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Accuracy of each network: every seed a point, mean and interval; beside it, on a scale of its own, the paper's.

    Args:
        rows: Columns network, accuracy, seed.
        summary: Of `ablation.summary`; its order is the order drawn.
        published: Columns network, accuracy.
    """
    figure, (ours, theirs) = plt.subplots(1, 2, figsize=(8.5, 3.4), width_ratios=[1.4, 1])
    places = {name: place for place, name in enumerate(summary.network)}
    spread = rows.groupby("network").seed.rank() - (rows.groupby("network").seed.transform("count") + 1) / 2
    ours.plot(rows.network.map(places) + 0.07 * spread, rows.accuracy, "o", color=TRAIN, markersize=4, alpha=0.6,
              label="one seed")
    _means(ours, [place + 0.28 for place in places.values()], summary)
    ours.set(title="here", ylabel="top-1 on test images, %", xticks=list(places.values()), xticklabels=list(places))
    for name in places.keys() - set(published.network):
        theirs.text(places[name], 0.03, "not\nprinted", transform=theirs.get_xaxis_transform(), ha="center", fontsize=7,
                    color="0.5")
    theirs.plot([places[name] for name in published.network], published.accuracy, "D", color="0.3")
    theirs.set(title="the paper, one network each", ylabel="top-1, %", xticks=list(places.values()),
               xticklabels=list(places), xlim=ours.get_xlim())
    for ax in (ours, theirs):
        ax.tick_params(axis="x", rotation=45 if len(places) > 4 else 0)
        ax.grid(axis="y", color="0.92")
    ours.legend(loc="best", fontsize=8, frameon=True, framealpha=1, edgecolor="none")
    return figure


def fig_contrasts(contrasts: Sequence[Contrast], margin: float) -> Figure:
    """Differences in accuracy: every seed a point, mean and interval, and the margin within which nobody cares.

    Args:
        contrasts: From `ablation.asked`, in points of percent.
        margin: In points of percent.
    """
    figure, ax = plt.subplots(figsize=(7.5, 0.75 * len(contrasts) + 1.1))
    ax.axvspan(-margin, margin, color="0.93", zorder=0, label=f"within {margin:g} points")
    for place, one in enumerate(contrasts):
        ax.plot(one.values, np.full(len(one.values), place) + 0.18, "o", color=TRAIN, markersize=4, alpha=0.7,
                label=None if place else "one seed")
        mean, low, high = one.interval
        ax.errorbar(mean, place - 0.1, xerr=None if np.isnan(low) else [[mean - low], [high - mean]], fmt="s", color=TEST,
                    markersize=5, capsize=3, label=None if place else "mean and 95 % interval over seeds")
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    ax.set(yticks=range(len(contrasts)), yticklabels=[f"{one.first} − {one.second}" for one in contrasts],
           xlabel="difference in top-1, points of percent", ylim=(len(contrasts) - 0.4, -0.6))
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def fig_cost(summary: pd.DataFrame) -> Figure:
    """Accuracy with its interval against multiply-adds and, where `summary` has it, against measured time.

    Args:
        summary: Of `ablation.summary`, or of `ablation.with_speeds`: then a panel each for training and evaluation, with
            the slowest and the fastest turn.
    """
    panels, spread = {"macs": "multiply-adds, millions"}, {}
    if "training" in summary and summary.training.notna().any():
        for part in PARTS:
            panels[f"{part}_ms"] = f"{part}, ms an image"
            summary = summary.assign(**{f"{part}_ms": 1e3 / summary[part]})
            spread[f"{part}_ms"] = summary[f"{part}_ms"] - 1e3 / summary[f"{part}_high"], (
                1e3 / summary[f"{part}_low"] - summary[f"{part}_ms"])
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.3), sharey=True, squeeze=False)
    for ax, (column, label) in zip(axes.flat, panels.items()):
        aside = np.nan_to_num(spread.get(column, np.zeros((2, len(summary)))))
        for place, row in enumerate(summary.itertuples()):
            look = NAMED.index(row.network) if row.network in NAMED else place
            colour, marker = COLOURS[look % len(COLOURS)], MARKERS[look % len(MARKERS)]
            bars = np.nan_to_num([[row.accuracy - row.low], [row.high - row.accuracy]])
            at = getattr(row, column), row.accuracy
            ax.errorbar(*at, bars, aside[:, place, None], fmt="none", ecolor=colour, capsize=3, elinewidth=1.2)
            ax.plot(*at, marker, color=colour, markersize=6, label=row.network)
        ax.set(xlabel=label, xlim=(0, 1.15 * (summary[column] + aside[1]).max()))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.grid(color="0.92")
    axes[0, 0].set_ylabel("top-1 on test images, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(summary), fontsize=8)
    return figure


def fig_layer_ratios(allocation: pd.DataFrame, uniform: int) -> Figure:
    """What each layer would lose at each ratio, and the ratio it was given; layers without a loss were not measured.

    Args:
        allocation: Of `redundancy.runs.ratios_of_runs`.
        uniform: The ratio whose multiply-adds were spent, drawn in.
    """
    layers = {layer: place for place, layer in enumerate(allocation.layer.unique(), 1)}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    measured = allocation[allocation.loss.notna()]
    for number, (layer, rows) in enumerate(measured.groupby("layer", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        left.plot(rows.ratio, rows.loss, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1,
                  label=str(layers[layer]))
        chosen = rows[rows.chosen]
        left.plot(chosen.ratio, chosen.loss, "o", color=colour, markersize=9 + number, markerfacecolor="none")
    left.set(xlabel="ratio s", ylabel="variance that ghosts miss, share", title="measured; the ring is the choice")
    left.legend(title="layer", fontsize=7, title_fontsize=8, ncols=2)
    chosen = allocation[allocation.chosen]
    right.bar(chosen.layer.map(layers), chosen.ratio, color=np.where(chosen.loss.notna(), TRAIN, "0.8"))
    right.axhline(uniform, color="0.3", linestyle="--", linewidth=1, label=f"s = {uniform} everywhere")
    right.set(xlabel="layer", ylabel="ratio s", title="given; grey: not measured, maps too small",
              xticks=list(layers.values()))
    right.legend(fontsize=8)
    return figure


def _means(ax: Axes, places, summary: pd.DataFrame) -> None:
    bars = np.nan_to_num([summary.accuracy - summary.low, summary.high - summary.accuracy])
    ax.errorbar(places, summary.accuracy, bars, fmt="s", color=TEST, markersize=5, capsize=3, label="mean and 95 % interval")
