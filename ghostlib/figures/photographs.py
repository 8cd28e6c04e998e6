"""The photographs study: learning rates that were tried, and every run's curve."""

import matplotlib.pyplot as plt
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
    """Accuracy after each epoch, a panel for each network and a line for each seed; in grey GhostNet, its mean where it has
    several seeds.

    Args:
        curves: Columns network, seed, epoch and accuracy (in percent).
    """
    names = [name for name in NETWORKS.values() if name in set(curves.network)]
    columns = min(4, len(names))
    figure, axes = plt.subplots(-(-len(names) // columns), columns, figsize=(2.6 * columns, 2.4 * -(-len(names) // columns)),
                                sharex=True, sharey=True, squeeze=False)
    rival = curves[curves.network == GHOSTNET]
    beside, seeds = rival.groupby("epoch").accuracy.mean(), rival.seed.nunique()
    what = f"{GHOSTNET}, mean" if seeds > 1 else f"{GHOSTNET}, one seed"
    for ax, name in zip(axes.flat, names):
        own, (colour, _) = curves[curves.network == name], LOOKS[name]
        if name != GHOSTNET:
            ax.plot(beside.index, beside, color="0.75", linewidth=2.5, label=what)
        for place, (_, run) in enumerate(own.groupby("seed")):
            ax.plot(run.epoch, run.accuracy, color=colour, linewidth=1, label=None if place else "one seed")
        ax.set_title(f"{name}, {own.seed.nunique()} seed{'s' if own.seed.nunique() > 1 else ''}", fontsize=9)
        ax.grid(axis="y", color="0.92")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        ax.tick_params(labelbottom=True)
        ax.legend(fontsize=7, loc="lower right")
    for ax in axes.flat[len(names):]:
        ax.set_axis_off()
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("top-1 on test photographs, %", fontsize=9)
    return figure
