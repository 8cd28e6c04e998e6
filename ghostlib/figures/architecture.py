"""How a network is put together: both Ghost bottlenecks drawn, and a network's stages with what each of them costs."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from ghostlib.figures.style import GHOST, INTRINSIC

MODULE, PLAIN, ASIDE = INTRINSIC, "0.35", GHOST  # colours: a Ghost module, any other layer, what only some bottlenecks have


def fig_bottlenecks() -> Figure:
    """The two bottlenecks of GhostNet side by side, from top to bottom: stride 1, and stride 2 (the paper's Figure 3)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 5.2))
    for ax, stride in zip(axes, (1, 2)):
        _draw_bottleneck(ax, stride)
    return figure


def _draw_bottleneck(ax: Axes, stride: int) -> None:
    steps = [("Ghost module: widen", "BatchNorm, ReLU", MODULE)]
    if stride == 2:
        steps.append(("depthwise convolution, stride 2", "BatchNorm", PLAIN))
    steps += [("squeeze-and-excitation", "in some stages only", ASIDE),
              ("Ghost module: narrow", "BatchNorm, no ReLU", MODULE)]
    places = [3.3 - 3.1 * number / (len(steps) - 1) for number in range(len(steps))]
    for (name, below, colour), y in zip(steps, places):
        _box(ax, 0, y, 2.6, name, below, colour, dashed=colour == ASIDE)
    for start, end in zip([4.3, *places], [*places, -0.9]):
        _arrow(ax, 0, start - (0.27 if start != 4.3 else 0), end + (0.27 if end != -0.9 else 0.17))
    ax.text(0, 4.4, "input maps", ha="center", va="bottom")
    ax.text(0, -1.3, "output maps" if stride == 1 else "output maps, half as high and wide", ha="center", va="top")
    ax.text(0, -0.9, "+", ha="center", va="center", fontsize=13,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "0.3"})
    ax.plot([0, 2.35, 2.35], [4.1, 4.1, -0.9], color="0.3", linewidth=1.3)
    ax.annotate("", (0.2, -0.9), (2.35, -0.9), arrowprops={"arrowstyle": "->", "color": "0.3", "linewidth": 1.3})
    if stride == 1:
        ax.text(2.45, 1.6, "shortcut:\nthe input\nas it is", va="center", fontsize=9)
    else:
        _box(ax, 2.35, 2.1, 1.3, "depthwise,\nstride 2", "", PLAIN, height=0.75)
        _box(ax, 2.35, 0.7, 1.3, "1 × 1\nconvolution", "", PLAIN, height=0.75)
    ax.set_title(f"stride {stride}")
    ax.set(xlim=(-1.6, 3.3), ylim=(-1.8, 4.8))
    ax.axis("off")


def _box(ax: Axes, x: float, y: float, width: float, name: str, below: str, colour: str, height: float = 0.54,
         dashed: bool = False) -> None:
    ax.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08",
                                facecolor="white", edgecolor=colour, linewidth=1.6, linestyle="--" if dashed else "-",
                                zorder=2))
    ax.text(x, y + (0.09 if below else 0), name, ha="center", va="center", fontsize=9, zorder=3)
    if below:
        ax.text(x, y - 0.13, below, ha="center", va="center", fontsize=7.5, color="0.4", zorder=3)


def _arrow(ax: Axes, x: float, start: float, end: float) -> None:
    ax.annotate("", (x, end), (x, start), arrowprops={"arrowstyle": "->", "color": "0.3", "linewidth": 1.3})


def fig_stages(stages: pd.DataFrame) -> Figure:
    """A network from its first to its last stage: the maps each gives, and its share of weights and multiply-adds.

    Args:
        stages: One row a stage, in order: stage (a name), shape (channels, height, width), weights, macs.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.36 * len(stages) + 1.2), sharey=True)
    rows = range(len(stages))
    for ax, column, scale, title in zip(axes, ("macs", "weights"), (1e6, 1e3), ("multiply-adds, M", "weights, thousands")):
        values = stages[column] / scale
        bars = ax.barh(rows, values, color="0.6", height=0.65)
        ax.bar_label(bars, [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in values], padding=3, fontsize=8)
        ax.set(title=title, xlim=(0, 1.15 * values.max()))
    shapes = [f"{name}   {' × '.join(map(str, shape))}" for name, shape in zip(stages.stage, stages["shape"])]
    axes[0].set_yticks(rows, shapes)
    axes[0].invert_yaxis()
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    return figure
