"""The photographs study: learning rates tried, every run's curve, accuracy against what it costs, and fine-tuning."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from ghostlib.figures.ablation import COLOURS, MARKERS
from ghostlib.studies.photographs import GHOSTNET, NETWORKS

LOOKS = {name: (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
         for place, name in enumerate(NETWORKS.values())}


def fig_rates(pilot: pd.DataFrame, chosen: pd.DataFrame) -> Figure:
    """Accuracy on held-out photographs at each learning rate that was tried; a ring where it was chosen.

    Args:
        pilot: Columns network, lr and accuracy (in percent), of one seed.
        chosen: Columns network, lr and accuracy.
    """
    figure, ax = plt.subplots(figsize=(7.5, 3.8))
    for network, own in pilot.groupby("network", sort=False):
        colour, marker = LOOKS[network]
        own = own.sort_values("lr")
        ax.plot(own.lr, own.accuracy, marker=marker, color=colour, markersize=5, linewidth=1, label=network)
    ax.plot(chosen.lr, chosen.accuracy, "o", color="0.2", markerfacecolor="none", markersize=11, label="chosen")
    ax.set(xscale="log", xlabel="learning rate, logarithmic", ylabel="top-1 on held-out photographs, %")
    tried = sorted(pilot.lr.unique())
    ax.xaxis.set_major_locator(FixedLocator(tried))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{rate:g}" for rate in tried])
    ax.grid(axis="y", color="0.92")
    ax.legend(fontsize=8, ncols=2)
    return figure


def fig_runs(curves: pd.DataFrame) -> Figure:
    """Accuracy after each epoch, a panel for each network and a line for each seed; in grey GhostNet's mean.

    Args:
        curves: Columns network, seed, epoch and accuracy (in percent).
    """
    names = [name for name in NETWORKS.values() if name in set(curves.network)]
    columns = min(4, len(names))
    figure, axes = plt.subplots(-(-len(names) // columns), columns, figsize=(2.6 * columns, 2.4 * -(-len(names) // columns)),
                                sharex=True, sharey=True, squeeze=False)
    beside = curves[curves.network == GHOSTNET].groupby("epoch").accuracy.mean()
    for ax, name in zip(axes.flat, names):
        own, (colour, _) = curves[curves.network == name], LOOKS[name]
        if name != GHOSTNET:
            ax.plot(beside.index, beside, color="0.75", linewidth=2.5, label=f"{GHOSTNET}, mean")
        for place, (_, run) in enumerate(own.groupby("seed")):
            ax.plot(run.epoch, run.accuracy, color=colour, linewidth=1, label=None if place else "one seed")
        ax.set_title(f"{name}, {own.seed.nunique()} seed{'s' if own.seed.nunique() > 1 else ''}", fontsize=9)
        ax.grid(axis="y", color="0.92")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.legend(fontsize=7, loc="lower right")
    for ax in list(axes.flat)[len(names):]:
        ax.set_axis_off()
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("top-1 on test photographs, %", fontsize=9)
    return figure


def fig_costs(summary: pd.DataFrame, costs: Mapping[str, str]) -> Figure:
    """Accuracy with its 95 % interval over seeds against each of some costs.

    Args:
        summary: Columns network, accuracy, low, high, and one for each cost; what is missing there is not drawn.
        costs: Columns of `summary`, each with its axis' label.
    """
    figure, axes = plt.subplots(1, len(costs), figsize=(3.2 * len(costs) + 1.6, 3.4), sharey=True, squeeze=False)
    for ax, (column, label) in zip(axes[0], costs.items()):
        for row in summary.itertuples():
            cost = getattr(row, column)
            if np.isnan(cost):
                continue
            colour, marker = LOOKS[row.network]
            spread = [[row.accuracy - row.low], [row.high - row.accuracy]]
            ax.errorbar(cost, row.accuracy, None if np.isnan(row.low) else spread, marker=marker, color=colour, capsize=2,
                        markersize=6, label=row.network)
        ax.set(xlabel=label)
        ax.margins(x=0.15)
        ax.grid(color="0.92")
    axes[0, 0].set_ylabel("top-1 on test photographs, %")
    axes[0, -1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def fig_finetuning(rows: pd.DataFrame) -> Figure:
    """Accuracy against how many photographs of each class there were, fine-tuned and trained anew: every seed, and the mean.

    Args:
        rows: Columns start ("fine-tuned" or "from random weights"), each, seed and accuracy (in percent).
    """
    figure, ax = plt.subplots(figsize=(6.5, 3.6))
    for place, (start, own) in enumerate(rows.groupby("start")):
        colour, marker = COLOURS[place], MARKERS[place]
        ax.plot(own["each"] * (1.02 if place else 0.98), own.accuracy, marker, color=colour, markersize=5, alpha=0.5)
        mean = own.groupby("each").accuracy.mean()
        ax.plot(mean.index, mean, color=colour, marker=marker, markersize=8, label=f"{start}, mean of seeds")
    amounts = sorted(rows["each"].unique())
    ax.set(xscale="log", xlabel="training photographs of each class, logarithmic", ylabel="top-1 on test photographs, %")
    ax.xaxis.set_major_locator(FixedLocator(amounts))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([str(amount) for amount in amounts])
    ax.grid(axis="y", color="0.92")
    ax.legend(fontsize=8)
    return figure
