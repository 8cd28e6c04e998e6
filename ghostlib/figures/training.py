"""How a training run went: curves, schedules, mistakes, pictures."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from ghostlib.figures.style import TEST, TRAIN


def fig_curves(history: pd.DataFrame) -> Figure:
    """Loss and error of `Run.history`, epoch by epoch, for the training and the test images."""
    if not len(history):
        figure, ax = plt.subplots(figsize=(9, 0.6))
        ax.set_axis_off()
        ax.text(0.5, 0.5, "nothing was trained: 0 epochs", ha="center", va="center", transform=ax.transAxes)
        return figure
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for split, colour in (("train", TRAIN), ("test", TEST)):
        left.plot(history.epoch, history[f"{split}_loss"], color=colour, label=split, marker=".")
        right.plot(history.epoch, 100 * (1 - history[f"{split}_top1"]), color=colour, label=split, marker=".")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy, nats", yscale="log")
    right.set(title="Error", xlabel="epoch", ylabel="images not recognised, %", yscale="log")
    for ax in (left, right):
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend()
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
