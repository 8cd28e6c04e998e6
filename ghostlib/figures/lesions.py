"""What networks lose with some of their maps: on average, module by module, and beside how predictable maps are."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ghostlib.figures.ablation import COLOURS, MARKERS
from ghostlib.studies.lesions import MEAN, by_depth, estimate, key, told
from ghostlib.studies.map_guides import GUIDES, correlations, guided

VALUES = {"lost": "points of top-1 lost", "per_share": "points for a tenth of the variance"}


def fig_lesions(overall: pd.DataFrame) -> Figure:
    """What half of a set of maps costs, averaged over modules, in a line each: the mean with its interval, and small points
    for single networks where there are several; to the right the same for a tenth of the module's variance.

    Args:
        overall: Of `studies.lesions.named`.
    """
    own = overall[overall.second.fillna("") == ""]
    lines = list(dict.fromkeys(zip(own.name, own["first"])))
    figure, axes = plt.subplots(1, 2, figsize=(9, 0.27 * len(lines) + 1.1), sharey=True)
    names = list(dict.fromkeys(own.name))
    for place, (name, first) in enumerate(lines):
        rows = own[(own.name == name) & (own["first"] == first)]
        colour = COLOURS[names.index(name) % len(COLOURS)]
        for ax, value in zip(axes, VALUES):
            one = estimate(rows, value)
            if np.isnan(one.mean):
                ax.text(0, place, "  made without error: no share is lost", va="center", fontsize=7, color="0.4")
                continue
            ax.plot([one.low, one.high], [place, place], color=colour, linewidth=1.6)
            ax.plot(one.mean, place, "o", color=colour, markersize=5.5, markerfacecolor=colour if MEAN in first else "white")
            if len(rows) > 1:
                ax.plot(rows[value], np.full(len(rows), place + 0.25), ".", color=colour, markersize=3, alpha=0.6)
    for place in range(1, len(lines)):
        if lines[place][0] != lines[place - 1][0]:
            for ax in axes:
                ax.axhline(place - 0.5, color="0.8", linewidth=0.8)
    for ax, label in zip(axes, VALUES.values()):
        ax.axvline(0, color="0.3", linewidth=1, zorder=1)
        ax.set(xlabel=label, ylim=(len(lines) - 0.5, -0.5))
        ax.grid(axis="x", color="0.92")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(lines)), [" by ".join(told(first)) for _, first in lines], fontsize=8)
    over = {name: estimate(own[(own.name == name) & (own["first"] == own[own.name == name]["first"].iloc[0])], "lost").over
            for name in names}
    handles = [Line2D([], [], color=COLOURS[number % len(COLOURS)], marker="o", label=f"{name} (95 % over {over[name]})")
               for number, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(2, len(names)), fontsize=8)
    return figure


def fig_lesions_by_depth(rows: pd.DataFrame) -> Figure:
    """What each module loses, a panel for each network: a colour for each set of maps, filled and solid where a mean takes
    their place, hollow and dashed where other maps do; of a single network with 95 % intervals over photographs.

    Args:
        rows: Of `studies.lesions.named`.
    """
    names = list(dict.fromkeys(rows.name))
    figure, axes = plt.subplots(len(names), 1, figsize=(9, 2.5 * len(names) + 0.5), squeeze=False, sharex=True)
    for ax, name in zip(axes.flat, names):
        found = by_depth(rows, name)
        sets = list(dict.fromkeys(found.what))
        for (what, how), own in found.groupby(["what", "how"], sort=False):
            number, mean = sets.index(what), how == MEAN
            colour = COLOURS[number]
            at = own.depth + 0.16 * (number - 1)
            ax.plot(at, own.lost, "-" if mean else "--", color=colour, marker=MARKERS[number], markersize=4, linewidth=1,
                    markerfacecolor=colour if mean else "white", label=" by ".join(told(key(what, how))))
            if mean:
                ax.vlines(at, own.low, own.high, color=colour, linewidth=0.7, alpha=0.6)
        ax.axhline(0, color="0.3", linewidth=0.8, zorder=0)
        ax.set(title=name, ylabel="points of top-1 lost", xlim=(0.4, found.depth.max() + 0.6))
        ax.grid(axis="y", color="0.92")
        ax.legend(fontsize=7, loc="upper right", ncols=2)
    axes[-1, 0].set_xlabel("module, from the first to the last")
    return figure


def fig_guides(single: pd.DataFrame) -> Figure:
    """How well two guides order a module's maps by what they cost (cross-entropy): a point for each module, the mean over
    modules of its networks as a line, with its interval as a band;
    below 0 a map that has more of it costs less.

    Args:
        single: Of `studies.lesions.named`.
    """
    table = correlations(single).query("cost == 'nats'")
    figure, axes = plt.subplots(1, len(GUIDES), figsize=(9, 3), sharey=True)
    names = list(dict.fromkeys(single.name))
    for ax, (guide, by) in zip(axes, GUIDES.items()):
        for number, name in enumerate(names):
            own, colour = table[(table.guide == guide) & (table.name == name)], COLOURS[number % len(COLOURS)]
            means, one = own.groupby("depth").rho.mean(), guided(single, name, guide)
            ax.axhspan(one.low, one.high, color=colour, alpha=0.15, linewidth=0)
            ax.axhline(one.mean, color=colour, linewidth=1.4)
            ax.plot(means.index, means, MARKERS[number], color=colour, markersize=4, alpha=0.8, label=name)
        ax.axhline(0, color="0.3", linewidth=0.8)
        ax.set(title=f"a map's cost and {by}", xlabel="module, from the first to the last", ylim=(-1.05, 1.05))
        ax.title.set_fontsize(9)
    axes[0].set_ylabel("rank correlation within the module")
    handles, labels = axes[0].get_legend_handles_labels()
    handles += [Line2D([], [], color="0.3", linewidth=1.4), Patch(color="0.3", alpha=0.15, linewidth=0)]
    several = single.groupby("name").seed.nunique() > 1
    over = ("networks" if several.all() else "networks; of a single network over modules" if several.any() else "modules")
    labels += ["mean over modules", f"its 95 % interval over {over}"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure
