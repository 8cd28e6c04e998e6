"""Accuracy while networks train, for longer and for shorter."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ghostlib.figures.ablation import COLOURS, MARKERS, NAMED


def fig_regime(curves: pd.DataFrame, short: pd.DataFrame) -> Figure:
    """Accuracy after each epoch of the longer runs, a line for each; where the shorter runs ended, a mark for each.

    Args:
        curves: Columns network, seed, epoch and accuracy (in percent).
        short: Rows of `ablation.named`: network, seed, epochs and accuracy.
    """
    figure, ax = plt.subplots(figsize=(7.5, 3.8))
    networks = list(dict.fromkeys(curves.network))
    for number, network in enumerate(networks):
        look = NAMED.index(network) if network in NAMED else number
        colour, marker = COLOURS[look % len(COLOURS)], MARKERS[look % len(MARKERS)]
        for place, (_, run) in enumerate(curves[curves.network == network].groupby("seed")):
            ax.plot(run.epoch, run.accuracy, color=colour, linewidth=1, alpha=0.8)
            ax.plot(run.epoch.iloc[-1] + 0.12 * (number - 1), run.accuracy.iloc[-1], marker, color=colour, markersize=6,
                    label=None if place else network)
        ends = short[short.network == network]
        ax.plot(ends.epochs + 0.12 * (number - 1), ends.accuracy, marker, color=colour, markersize=6,
                markerfacecolor="white")
    ax.plot([], [], "o", color="0.4", markerfacecolor="white", label=f"end of the runs of {short.epochs.iloc[0]} epochs")
    ax.set(xlabel="epoch", ylabel="top-1 on test images, %")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", color="0.92")
    ax.legend(loc="lower right", fontsize=8)
    return figure
