"""Redundancy of full-size networks: by depth and kind of layer, what training does to it, and others' measures beside it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ghostlib.features.graphs import KINDS
from ghostlib.figures.ablation import COLOURS, MARKERS
from ghostlib.redundancy.sources import TRAINED
from ghostlib.studies.at_size import STATES

LOOKS = {kind: (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]) for place, kind in enumerate(KINDS)}
ABREAST = 4  # panels in a row, so that their words can be read


def fig_by_kind(rows: pd.DataFrame) -> Figure:
    """R2 of the best other map against depth: a row of panels for each network, a column for each state, a mark for each
    layer by its kind; hollow and grey is the control.

    Args:
        rows: Of `studies.at_size.named`, of one filter and of two sources, the trained network and a control.
    """
    names = list(dict.fromkeys(rows.name))
    states = [state for state in dict.fromkeys(STATES.values()) if state in set(rows.state)]
    figure, axes = plt.subplots(len(names), len(states), figsize=(3.4 * len(states), 2.3 * len(names) + 0.7), sharex=True,
                                sharey=True, squeeze=False)
    for name, line in zip(names, axes):
        for state, ax in zip(states, line):
            own = rows[(rows.name == name) & (rows.state == state)]
            for kind, (colour, marker) in LOOKS.items():
                layers = own[own.kind == kind]
                trained, control = layers[layers.source == TRAINED], layers[layers.source != TRAINED]
                ax.plot(control.deep, control.r2, marker, color="0.6", markersize=4.5, markerfacecolor="none")
                ax.plot(trained.deep, trained.r2, marker, color=colour, markersize=5)
            ax.set(ylim=(min(-0.05, rows.r2.min() - 0.03), 1.03))
            ax.set_xticks([0, 1], ["first", "last"])
            ax.grid(axis="y", color="0.92")
            if len(own):
                continue
            ax.text(0.5, 0.5, "folded into the convolution" if state == "normalisation" else "none", ha="center",
                    fontsize=8, color="0.4", transform=ax.transAxes)
        line[0].set_ylabel(f"{name}\nR²", fontsize=9)
    for state, ax in zip(states, axes[0]):
        ax.set_title(f"after {state}")
    for ax in axes[-1]:
        ax.set_xlabel("layer, by depth")
    kinds = [kind for kind in KINDS if kind in set(rows.kind)]
    control = next((source for source in dict.fromkeys(rows.source) if source != TRAINED), "")
    marks = [Line2D([], [], linestyle="", marker=LOOKS[kind][1], color=LOOKS[kind][0], label=kind) for kind in kinds]
    marks.append(Line2D([], [], linestyle="", marker="o", color="0.6", markerfacecolor="none", label=control))
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=8)
    return figure


def fig_training(rows: pd.DataFrame) -> Figure:
    """What training does to R2, layer by layer: a panel for each network, a line of dots for each kind and control; a bar is
    the mean over that kind's layers.

    Args:
        rows: Of `studies.at_size.named`, of one filter and state; the rows of the controls.
    """
    names, controls = list(dict.fromkeys(rows.name)), list(dict.fromkeys(rows.source))
    kinds = [kind for kind in KINDS if kind in set(rows.kind)]
    wide, high = min(len(names), ABREAST), -(-len(names) // ABREAST)
    size = 3.2 * wide + 1, (0.45 * len(kinds) + 0.8) * high + 0.7
    figure, axes = plt.subplots(high, wide, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(names):]:
        ax.set_axis_off()
    for place, ax in enumerate(axes.flat[:len(names)]):  # the lowest of each column says what they share
        ax.tick_params(labelbottom=place + wide >= len(names))
        ax.set_xlabel("R², trained − control" if place + wide >= len(names) else "")
    for name, ax in zip(names, axes.flat):
        for number, control in enumerate(controls):
            colour, aside = COLOURS[number], 0.22 * (number - (len(controls) - 1) / 2)
            for place, kind in enumerate(kinds):
                own = rows[(rows.name == name) & (rows.source == control) & (rows.kind == kind)].gap
                ax.plot(own, np.full(len(own), place + aside), MARKERS[number], color=colour, markersize=4, alpha=0.6)
                if len(own):
                    ax.plot([own.mean()] * 2, [place + aside - 0.1, place + aside + 0.1], color=colour, linewidth=2.5)
        ax.axvline(0, color="0.5", linewidth=0.8)
        ax.set(title=name, yticks=range(len(kinds)), yticklabels=kinds)
        ax.title.set_fontsize(9)
    axes[0, 0].invert_yaxis()
    marks = [Line2D([], [], linestyle="", marker=MARKERS[number], color=COLOURS[number], label=f"against {control}")
             for number, control in enumerate(controls)]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=8)
    return figure


def fig_orders(table: pd.DataFrame) -> Figure:
    """Rank correlations of two measures over a network's layers, with their intervals; a cross is what is left of it when
    the number and the size of maps are taken out.

    Args:
        table: Of `studies.crosschecks.orders`.
    """
    names = list(dict.fromkeys(table.name))
    pairs = list(dict.fromkeys(zip(table["first"], table["second"])))
    figure, ax = plt.subplots(figsize=(8.5, 0.55 * len(pairs) + 0.12 * len(names) + 1.2))
    for number, name in enumerate(names):
        own = table[table.name == name]
        places = np.array([pairs.index(pair) for pair in zip(own["first"], own["second"])])
        colour, aside = COLOURS[number % len(COLOURS)], 0.14 * (number - (len(names) - 1) / 2)
        ax.errorbar(own.rho, places + aside, xerr=(own.rho - own.low, own.high - own.rho), color=colour, label=name,
                    fmt=MARKERS[number % len(MARKERS)], markersize=5, linewidth=1.2, capsize=2)
        ax.plot(own.given, places + aside, "x", color=colour, markersize=5)
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set(xlim=(-1.05, 1.05), xlabel="rank correlation over layers; 1: both order them alike", yticks=range(len(pairs)),
           yticklabels=[f"{first}\nand {second}" for first, second in pairs])
    ax.tick_params(axis="y", labelsize=8)
    ax.invert_yaxis()
    ax.plot([], [], "x", color="0.3", label="number and size of maps taken out")
    figure.legend(loc="outside lower center", ncols=min(3, len(names) + 1), fontsize=8)
    return figure
