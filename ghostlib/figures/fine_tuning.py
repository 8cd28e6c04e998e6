"""Fine-tuning on few photographs beside training anew on them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ghostlib.figures.style import TEST, TRAIN
from ghostlib.studies.fine_tuning import ANEW, TUNED


def fig_few(rows: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Accuracy against how many photographs of each class there were: every draw a point, their mean and 95 % interval.

    Args:
        rows: Of `fine_tuning.named`.
        summary: Of `fine_tuning.summary`.
    """
    figure, ax = plt.subplots(figsize=(7.5, 3.8))
    for name, colour, marker, aside in ((TUNED, TEST, "o", 0.97), (ANEW, TRAIN, "s", 1.03)):
        own, mean = rows[rows.network == name], summary[summary.network == name]
        ax.plot(own.photographs * aside**2, own.accuracy, marker, color=colour, markersize=4, alpha=0.35)
        ax.errorbar(mean.photographs * aside, mean.accuracy, [mean.accuracy - mean.low, mean.high - mean.accuracy],
                    color=colour, marker=marker, markersize=6, linewidth=1.2, capsize=3, label=name)
    sizes = sorted(rows.photographs.unique())
    ax.set(xscale="log", xlabel="training photographs of each class", ylabel="top-1 on test photographs, %")
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([str(size) for size in sizes])
    ax.grid(axis="y", color="0.92")
    ax.legend(title="bars: 95 % interval over draws", fontsize=8, title_fontsize=8)
    return figure
