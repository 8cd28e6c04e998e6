"""Milliseconds beside multiply-adds, engine by engine, and where they go, kind by kind of operator."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ghostlib.figures.labels import Point, covered, write_names
from ghostlib.figures.style import TEST, TRAIN
from ghostlib.studies.latency import TRIPLES

FAMILIES = {"GhostNet": ("o", TEST), "thin": ("s", TRAIN), "plain": ("D", "0.55")}
OTHERS = ("^", "0.2")


def fig_latency(table: pd.DataFrame) -> Figure:
    """Time of a batch against multiply-adds, a panel for each engine, both logarithmic; bars from the fastest turn to the
    slowest. GhostNets, their thin and their plain twins are joined by lines.

    Args:
        table: Rows of `studies.latency.summary` of one batch and number of threads.
    """
    engines = list(dict.fromkeys(table.engine))
    columns = min(2, len(engines))
    rows_of = -(-len(engines) // columns)
    figure, axes = plt.subplots(rows_of, columns, figsize=(4.8 * columns, 4.6 * rows_of), sharex=True, sharey=True,
                                squeeze=False)
    for ax in axes.flat[len(engines):]:
        ax.set_visible(False)
    drawn = {}
    for ax, engine in zip(axes.flat, engines):
        own = table[table.engine == engine].set_index("network")
        points, twins = list[Point](), list[Point]()
        groups = {"GhostNet": list(TRIPLES), "thin": [thin for thin, _ in TRIPLES.values()],
                  "plain": [plain for _, plain in TRIPLES.values()]}
        for family, names in groups.items():
            marker, colour = FAMILIES[family]
            rows = own.loc[[name for name in names if name in own.index]]
            ax.plot(rows.macs / 1e6, rows.ms, "-", color=colour, linewidth=1, label=family, marker=marker, markersize=5)
        for row in own.itertuples():
            family = next((name for name, names in groups.items() if row.Index in names), "")
            marker, colour = FAMILIES.get(family, OTHERS)
            ax.vlines(row.macs / 1e6, row.low, row.high, color=colour, linewidth=1)
            if not family:
                ax.plot(row.macs / 1e6, row.ms, marker, color=colour, markersize=5)
            point = Point(row.macs / 1e6, row.ms, row.Index.removesuffix(" 1.0") if not family else row.Index, colour,
                          marker, row.macs / 1e6, row.macs / 1e6, row.low, row.high)
            (twins if family in ("thin", "plain") else points).append(point)
        ax.set(title=engine, xscale="log", yscale="log")
        ax.margins(x=0.2, y=0.12)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.set_minor_formatter(NullFormatter())
        drawn[ax] = points, twins
    for ax in axes[-1]:
        ax.set_xlabel("multiply-adds, millions")
    for ax in axes[:, 0]:
        ax.set_ylabel("milliseconds")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.canvas.draw()  # lays out; then it stays, so that names stay where they are free
    figure.set_layout_engine("none")
    for ax, (points, twins) in drawn.items():
        write_names(ax, points, [box for twin in twins for box in covered(ax, twin)], fontsize=7)
    return figure


def fig_kinds(kinds: pd.DataFrame) -> Figure:
    """Where each network's time goes: a bar for each, its parts the kinds of operators.

    Args:
        kinds: Rows of `studies.latency_layers.by_kind`.
    """
    table = kinds.pivot_table(index="network", columns="kind", values="share", sort=False).fillna(0)
    table = 100 * table[table.mean().sort_values(ascending=False).index]
    figure, ax = plt.subplots(figsize=(8.5, 0.34 * len(table) + 1.4))
    left = pd.Series(0.0, table.index)
    for kind, colour in zip(table, sns.color_palette("colorblind", table.shape[1])):
        ax.barh(table.index, table[kind], left=left, color=colour, label=kind, height=0.75)
        left += table[kind]
    ax.invert_yaxis()
    ax.set(xlim=(0, 100), xlabel="share of the time, %")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure
