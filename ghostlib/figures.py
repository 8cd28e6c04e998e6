"""Every figure, from arrays or rows to axes: no training, no files, no MindSpore."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

INTRINSIC, GHOST = "#c44e52", "#4c9f70"  # red and green frames, as in the paper's Figure 4
TRAIN, TEST = "#4c72b0", "#dd8452"


def style() -> None:
    """One quiet style for all figures: call it once, before the first."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 100, "savefig.dpi": 150, "savefig.bbox": "tight", "axes.spines.top": False,
                         "axes.spines.right": False, "axes.titlesize": "medium", "figure.constrained_layout.use": True,
                         "image.cmap": "gray", "legend.frameon": False})


def fig_curves(history: pd.DataFrame) -> Figure:
    """Loss and error of `Run.history`, epoch by epoch, for the training and the test images."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3))
    for split, colour in (("train", TRAIN), ("test", TEST)):
        left.plot(history.epoch, history[f"{split}_loss"], color=colour, label=split, marker=".")
        middle.plot(history.epoch, 100 * (1 - history[f"{split}_top1"]), color=colour, label=split, marker=".")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy, nats", yscale="log")
    middle.set(title="Error", xlabel="epoch", ylabel="images not recognised, %", yscale="log")
    for ax in (left, middle):
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    right.plot(history.epoch, history.lr, color="0.4", marker=".")
    right.set(title="Learning rate at the epoch's last step", xlabel="epoch", ylabel="per step", ylim=(0, None))
    left.legend()
    for ax in (left, middle, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def fig_schedule(rates: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Learning-rate schedules side by side: for each run's name its epochs and the rate at each."""
    figure, axes = plt.subplots(1, len(rates), figsize=(5 * len(rates), 2.6), squeeze=False)
    for ax, (name, (epochs, values)) in zip(axes.flat, rates.items()):
        ax.plot(epochs, values, color=TRAIN)
        ax.set(title=name, xlabel="epoch", ylabel="learning rate", ylim=(0, None))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def fig_confusion(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> Figure:
    """How often each class was taken for each: counts, the diagonal (correct) left pale so that mistakes stand out."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, predictions), 1)
    wrong = counts * (1 - np.eye(len(classes), dtype=int))
    figure, ax = plt.subplots(figsize=(5.2, 4.6))
    sns.heatmap(wrong, annot=np.where(counts, counts.astype(str), ""), fmt="", cmap="Reds", vmin=0,
                vmax=max(3, wrong.max()), cbar=False, linewidths=0.5, linecolor="0.9", square=True,
                xticklabels=list(classes), yticklabels=list(classes), ax=ax)
    ax.set(xlabel="recognised as", ylabel="written", title="Test images, by class")
    ax.tick_params(length=0)
    return figure


def fig_pictures(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8) -> Figure:
    """A grid of pictures (H, W, 3) uint8, each with a caption."""
    rows = max(1, -(-len(pictures) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(1.3 * columns, 1.5 * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, picture, caption in zip(axes.flat, pictures, captions):
        ax.imshow(picture)
        ax.set_title(caption, fontsize=9)
    return figure


def fig_ghost_maps(picture: np.ndarray, layers: Mapping[str, tuple[np.ndarray, int]], columns: int = 12) -> Figure:
    """What Ghost layers make of one picture: intrinsic maps framed red, below each its ghosts, framed green.

    Args:
        picture: (H, W, 3) uint8.
        layers: For each layer's title its maps (C, H', W') and how many of them, the first ones, are intrinsic.
        columns: Intrinsic maps shown at most. Each map has its own grey scale.
    """
    shown = {title: _paired(maps, intrinsic)[:, :columns] for title, (maps, intrinsic) in layers.items()}
    widest = max(pairs.shape[1] for pairs in shown.values())
    figure = plt.figure(figsize=(0.95 * (widest + 2), 0.98 * sum(len(pairs) + 0.35 for pairs in shown.values())))
    left, right = figure.subfigures(1, 2, width_ratios=[2, widest])
    axes = left.subplots()
    axes.imshow(picture)
    axes.set(title="image", xticks=[], yticks=[])
    rows = np.atleast_1d(right.subfigures(len(shown), 1, height_ratios=[len(pairs) + 0.35 for pairs in shown.values()]))
    for part, (title, pairs) in zip(rows, shown.items()):
        maps = layers[title][0]
        part.suptitle(title, fontsize=9, x=0.01, ha="left")
        grid = part.subplots(len(pairs), widest, squeeze=False)
        for (row, column), ax in np.ndenumerate(grid):
            index = pairs[row, column] if column < pairs.shape[1] else -1
            if index < 0:
                ax.axis("off")
                continue
            ax.imshow(maps[index])
            ax.set(xticks=[], yticks=[])
            for spine in ax.spines.values():
                spine.set(visible=True, color=GHOST if row else INTRINSIC, linewidth=2)
    return figure


def _paired(maps: np.ndarray, intrinsic: int) -> np.ndarray:
    """Indices of maps (rows, intrinsic): the intrinsic ones, then their ghosts; -1 where there are no more.

    A depthwise convolution with s - 1 kernels for each map puts out the ghosts of one map one after the other.
    """
    ghosts = len(maps) - intrinsic
    each = -(-ghosts // intrinsic)
    index = intrinsic + np.arange(each)[:, None] + each * np.arange(intrinsic)
    return np.vstack([np.arange(intrinsic), np.where(index < len(maps), index, -1)])


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
    left, right = figure.subfigures(1, 2, width_ratios=[1.8, 0.62 * columns])
    axes = left.subplots()
    axes.imshow(picture)
    axes.set(title="image", xticks=[], yticks=[])
    colours = {index: colour for pair, colour in zip(pairs, sns.color_palette("colorblind")) for index in pair}
    grid = right.subplots(rows, columns, squeeze=False)
    for index, ax in enumerate(grid.flat):
        ax.set(xticks=[], yticks=[])
        if index >= len(maps):
            ax.axis("off")
            continue
        ax.imshow(maps[index])
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
        ax.set(title=name, xticks=[], yticks=[])
        if name in ("filter", "target − prediction"):
            bar = figure.colorbar(image, ax=ax, shrink=0.75)
            bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def fig_controls(table: pd.DataFrame, what: str = "r2") -> Figure:
    """R2 (or "mse") of the best source against d, for one layer of one network and its controls; bars of 95 %.

    Args:
        table: Rows of `controls.similarity_study` of one layer.
        what: "r2", whose intervals are drawn, or "mse".
    """
    stages = list(dict.fromkeys(table.stage))
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3), sharey=what == "r2", squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        for number, (source, rows) in enumerate(table[table.stage == stage].groupby("source", sort=False)):
            places = rows.kernel + 0.12 * (number - 2)  # side by side
            bars = (rows.r2 - rows.low, rows.high - rows.r2) if what == "r2" else None
            ax.errorbar(places, rows[what], bars, marker="o", markersize=4, linewidth=1.2, capsize=2, label=source)
        ax.set(title=f"after {stage}", xlabel="d", xticks=sorted(set(table.kernel)))
    axes[0, 0].set_ylabel("R² of the best source, median" if what == "r2" else "mean squared error, median")
    if what == "r2":
        axes[0, 0].set_ylim(min(-0.05, table.low.min() - 0.02), 1.02)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return figure


def fig_by_depth(table: pd.DataFrame, value: str = "r2", label: str = "R² of the best source, median") -> Figure:
    """A figure of every layer against its depth, stage by stage: each seed a point, their mean a line.

    Args:
        table: Rows with columns depth, stage, source, seed and `value`, of one d.
        value: The column drawn.
        label: What it is, for the axis.
    """
    stages = list(dict.fromkeys(table.stage))
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3.1), sharey=True, squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        for (source, rows), colour in zip(table[table.stage == stage].groupby("source", sort=False),
                                          sns.color_palette("colorblind")):
            mean = rows.groupby("depth")[value].mean()
            ax.plot(mean.index, mean, color=colour, label=source)
            ax.plot(rows.depth, rows[value], ".", color=colour, markersize=5, alpha=0.7)
        if table[value].min() < 0 < table[value].max():
            ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set(title=f"after {stage}", xlabel="layer")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel(label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return figure


def fig_allowed_ratio(table: pd.DataFrame) -> Figure:
    """The ratio that each layer allows, stage by stage and for each tau, with the paper's uniform s = 2.

    Args:
        table: Rows of `controls.ratio_study`, of one d, with the seed: each a point, the mean a line.
    """
    stages = list(dict.fromkeys(table.stage))
    figure, axes = plt.subplots(1, len(stages), figsize=(3.6 * len(stages), 3.2), sharey=True, squeeze=False)
    for ax, stage in zip(axes.flat, stages):
        ax.axhline(2, color="0.5", linewidth=1, label="the paper's s = 2")
        for (tau, rows), colour in zip(table[table.stage == stage].groupby("threshold"), sns.color_palette("colorblind")):
            means = rows.groupby("depth")[["ratio", "pca"]].mean()
            ax.plot(rows.depth, rows.ratio, ".", color=colour, markersize=5, alpha=0.7)
            ax.plot(means.index, means.ratio, color=colour, label=f"one source each, R² ≥ {tau:g}")
            ax.plot(means.index, means.pca, color=colour, linestyle=":", label=f"principal components, {100 * tau:g} %")
        ax.set(title=f"after {stage}", xlabel="layer", yscale="log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel("maps / intrinsic maps")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def fig_speedup(speedup: pd.DataFrame, ratio: int) -> Figure:
    """Saving of each Ghost module against its input channels: equation 4, the count, and the "about s" of the paper.

    Args:
        speedup: Columns channels, theory and counted.
        ratio: s.
    """
    figure, ax = plt.subplots(figsize=(7, 3.4))
    ordered = speedup.sort_values("channels")
    ax.axhline(ratio, color="0.5", linestyle="--", label=f"s = {ratio}")
    ax.plot(ordered.channels, ordered.theory, color=TRAIN, label="equation 4")
    ax.plot(ordered.channels, ordered.counted, "o", color=TEST, label="counted in the built layer", alpha=0.7)
    ax.set(xscale="log", xlabel="input channels c", ylabel="times fewer multiply-adds", ylim=(1, ratio * 1.08),
           title="What a Ghost module saves, layer by layer")
    ticks = ordered.channels.iloc[[0, len(ordered) // 4, len(ordered) // 2, 3 * len(ordered) // 4, -1]].unique()
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    return figure


def fig_module(inputs: int, intrinsic: int, ghosts: int, kernel_size: int, kernel: int) -> Figure:
    """The Ghost module drawn: c input maps, m intrinsic ones framed red, the ghosts made of them framed green.

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
    ax.text(9.5, (upper + lower) / 2, f"{intrinsic + ghosts}\noutput\nmaps", ha="left", va="center")
    ax.set(xlim=(-0.2, 10.2), ylim=(-0.5, 4.0), aspect="equal")
    ax.axis("off")
    return figure
