"""Feature maps and what makes them: the Ghost module drawn, pairs that are alike, one map made from another."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ghostlib.figures.style import GHOST, INTRINSIC


def fig_module(inputs: int, intrinsic: int, ghosts: int, kernel_size: int, kernel: int) -> Figure:
    """The Ghost module drawn: c input maps, m intrinsic ones framed red, the ghosts made of them framed blue.

    Args:
        inputs, intrinsic, ghosts: Numbers of maps; at most eight of each are drawn, the last one lowest.
        kernel_size: k of the real convolution.
        kernel: d of the cheap operations.
    """
    figure, ax = plt.subplots(figsize=(9, 3.6))

    def stack(left: float, bottom: float, count: int, colour: str, label: str) -> float:
        """Draws maps behind one another; gives the height of their middle."""
        drawn = min(count, 8)
        for i in range(drawn):
            ax.add_patch(Rectangle((left + 0.09 * i, bottom - 0.09 * i), 0.9, 0.9, facecolor="white", edgecolor=colour,
                                   linewidth=1.6, zorder=i))
        ax.text(left + 0.45 + 0.045 * drawn, bottom + 1.02, label, ha="center", va="bottom", color=colour)
        return bottom + 0.45 - 0.045 * drawn

    def arrow(start: tuple[float, float], end: tuple[float, float], label: str) -> None:
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.3", "linewidth": 1.3})
        ax.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.1, label, ha="center", va="bottom", fontsize=9)

    middle = stack(0, 2.6, inputs, "0.3", f"{inputs} input maps")
    upper = stack(4.0, 2.6, intrinsic, INTRINSIC, f"{intrinsic} intrinsic maps")
    arrow((1.7, middle), (3.9, upper), f"real convolution, {kernel_size} × {kernel_size}\neach looks at all inputs")
    lower = stack(7.4, 0.35, ghosts, GHOST, f"{ghosts} ghosts")
    stack(7.4, 2.6, intrinsic, INTRINSIC, f"{intrinsic} intrinsic maps")
    arrow((5.7, upper), (7.3, upper), "unchanged")
    arrow((5.7, upper - 0.4), (7.3, lower), "")
    ax.text(5.6, 1.0, f"cheap operations, {kernel} × {kernel}\neach looks at one map", ha="center", va="top", fontsize=9)
    ax.plot([9.3, 9.4, 9.4, 9.3], [3.5, 3.5, lower - 0.45, lower - 0.45], color="0.3", linewidth=1.3)  # what holds both
    ax.text(9.55, (3.05 + lower) / 2, f"{intrinsic + ghosts}\noutput\nmaps", ha="left", va="center")
    ax.set(xlim=(-0.2, 10.2), ylim=(-0.5, 4.0), aspect="equal")
    ax.axis("off")
    return figure


def _bare(ax: Axes, title: str) -> None:
    """A picture with its title and without axes."""
    ax.set_title(title)
    ax.axis("off")


def fig_matched_maps(picture: np.ndarray, maps: np.ndarray, pairs: Sequence[tuple[int, int]],
                     columns: int = 16) -> Figure:
    """All maps of a layer for one picture, pairs that are alike framed in one colour each, as in the paper's Figure 1.

    Args:
        picture: (H, W, 3) uint8.
        maps: (C, H', W'), each drawn in a grey scale of its own.
        pairs: At most six pairs of maps' indices.
        columns: Maps in a row.
    """
    rows = -(-len(maps) // columns)
    figure = plt.figure(figsize=(0.62 * columns + 1.8, max(1.7, 0.66 * rows)))
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.8, 0.62 * columns])[0]
    axes = left.subplots()
    axes.imshow(picture)
    _bare(axes, "image")
    colours = {index: colour for pair, colour in zip(pairs, sns.color_palette("colorblind")) for index in pair}
    grid = right.subplots(rows, columns, squeeze=False)
    for index, ax in enumerate(grid.flat):
        ax.set(xticks=[], yticks=[])
        if index >= len(maps):
            ax.axis("off")
            continue
        ax.imshow(maps[index])
        ax.set_title(index, fontsize=6, pad=1.5)
        for spine in ax.spines.values():
            spine.set(visible=index in colours, color=colours.get(index), linewidth=3)
    return figure


def fig_filter(source: np.ndarray, kernel: np.ndarray, prediction: np.ndarray, target: np.ndarray,
               title: str) -> Figure:
    """One map made from another: source (H, W), filter (d, d), what it makes, what it should be, and what is left."""
    figure, axes = plt.subplots(1, 5, figsize=(10, 2.3))
    reach = np.abs(kernel).max() or 1
    low, high = target.min(), target.max()
    error = max(np.abs(target - prediction).max(), 1e-9)
    shown = {"source": (source, {}), "filter": (kernel, {"cmap": "PuOr", "vmin": -reach, "vmax": reach}),
             "prediction": (prediction, {"vmin": low, "vmax": high}), "target": (target, {"vmin": low, "vmax": high}),
             "target − prediction": (target - prediction, {"cmap": "PuOr", "vmin": -error, "vmax": error})}
    for ax, (name, (values, options)) in zip(axes, shown.items()):
        image = ax.imshow(values, **options)
        _bare(ax, name)
        if name in ("filter", "target − prediction"):
            bar = figure.colorbar(image, ax=ax, shrink=0.75)
            bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return figure
