"""Cheap kernels: pictures of them, and how much of them is a pattern, layer by layer."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ghostlib.figures.ablation import COLOURS, MARKERS
from ghostlib.redundancy.kernels import references
from ghostlib.studies.cheap_kernels import FITTED, HARDLY, PATTERNS, START, TRAINED, by_depth

COLUMNS = 4  # kernels beside each other in a layer's picture


def fig_kernels(drawn: pd.DataFrame) -> Figure:
    """Kernels of a few layers, a row of pictures for each network and `when`, a column for each layer, from the first to the
    last; above them a kernel of each pattern, to compare with, and below a key of the colours. White is 0, blue positive,
    red negative; each kernel has a scale of its own. In a layer they stand by how much of an edge they are.

    Args:
        drawn: Columns title, depth, and w0 to w(d d - 1).
    """
    titles = list(dict.fromkeys(drawn.title))
    patterns = references()
    most = max(len(patterns), *(drawn[drawn.title == title].depth.nunique() for title in titles))
    figure, axes = plt.subplots(len(titles) + 1, most, figsize=(1.3 * most, 1.25 * len(titles) + 1.9), squeeze=False)
    if isinstance(layout := figure.get_layout_engine(), ConstrainedLayoutEngine):
        layout.set(wspace=0.12)  # wider than what is between a layer's kernels
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, kernel) in zip(axes[0], patterns.items()):
        shown = ax.imshow(kernel / np.abs(kernel).max(), cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
        ax.set_title(name, fontsize=7, pad=2)
    _name(axes[0, 0], "patterns, to compare with")
    key = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.5, aspect=40, ticks=[-1, 0, 1])
    key.set_label("weight, as a share of its kernel's largest", fontsize=8)
    key.ax.tick_params(labelsize=7)
    for row, title in zip(axes[1:], titles):
        own = drawn[drawn.title == title]
        for ax, (depth, layer) in zip(row, own.groupby("depth")):
            ax.imshow(_tiled(layer), cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
            ax.set_title(f"layer {depth}", fontsize=7, pad=2)
        _name(row[0], title)
    return figure


def _name(ax: Axes, title: str) -> None:
    """Names a row of pictures, left of its first one."""
    ax.text(-0.12, 0.5, title.replace(", ", ",\n"), transform=ax.transAxes, ha="right", va="center", fontsize=8)


def _tiled(layer: pd.DataFrame) -> np.ndarray:
    """A layer's kernels side by side, each scaled to its largest weight, with white between."""
    weights = layer[[name for name in layer if name[0] == "w" and name[1:].isdigit()]].dropna(axis=1).to_numpy()
    size = round(weights.shape[1] ** 0.5)
    weights = (weights / np.abs(weights).max(axis=1, keepdims=True).clip(1e-12)).reshape(-1, size, size)
    rows = -(-len(weights) // COLUMNS)
    whole = np.zeros((rows * (size + 1) - 1, COLUMNS * (size + 1) - 1))
    whole[:] = np.nan
    for place, kernel in enumerate(weights):
        top, left = (size + 1) * (place // COLUMNS), (size + 1) * (place % COLUMNS)
        whole[top:top + size, left:left + size] = kernel
    return whole


def fig_patterns(rows: pd.DataFrame) -> Figure:
    """How much of the kernels' energy lies in each pattern, layer by layer, and how far training has turned them: a panel
    for each, a colour for each network; dashed is the same network before training, dotted what a plain network would want;
    broad and grey what a random kernel has, where that is known; thin and grey from where on kernels hardly turned.

    Args:
        rows: Of `cheap_kernels.named`.
    """
    panels = {**{pattern: f"{pattern}, % of the energy" for pattern in PATTERNS}, "turned": "cosine with the start"}
    figure, axes = plt.subplots(1, len(panels), figsize=(2.4 * len(panels), 3.4), sharex=True)
    for place, name in enumerate(dict.fromkeys(rows.name)):
        found = by_depth(rows, name)
        for ax, column in zip(axes, panels):
            for when, line in ((TRAINED, "-"), (START, "--"), (FITTED, ":")):
                own = found[found.when == when]
                if len(own) and own[column].notna().any() and (column, when) != ("turned", START):
                    ax.plot(own.deep, own[column], line, color=COLOURS[place], linewidth=1.2, markersize=3.5,
                            marker=None if when == START else MARKERS[place],
                            label=name + {TRAINED: "", START: ", before training", FITTED: ", least squares"}[when])
    share = 100 / int(rows.d.min()) ** 2
    chance = {"copy": share, "smoothing": share, "edge": 2 * share}
    for ax, (column, title) in zip(axes, panels.items()):
        if column in chance:
            ax.axhline(chance[column], color="0.6", linewidth=3, alpha=0.5, zorder=0, label="a random kernel")
        elif column == "turned":
            ax.axhline(HARDLY, color="0.6", linewidth=0.8, zorder=0)
        ax.set_title(title, fontsize=9)
        ax.set(ylim=(0, None), xlabel="Ghost layer")
        ax.set_xticks([0, 1], ["first", "last"])
        ax.grid(axis="y", color="0.92")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure
