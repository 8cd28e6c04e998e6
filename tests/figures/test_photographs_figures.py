"""The photographs study's figures show every run, and ring the rates that were chosen."""

import numpy as np
import pandas as pd

from ghostlib import figures

NAMES = ("GhostNet", "MobileNetV3-Small", "thin", "MobileNetV2", "GhostNetV2")


def test_rates_are_drawn_by_size_and_the_chosen_one_is_ringed():
    pilot = pd.DataFrame([(name, lr, 50 + place) for place, name in enumerate(NAMES) for lr in (0.1, 0.05, 0.025)],
                         columns=["network", "lr", "accuracy"])
    ax = figures.fig_rates(pilot, pilot[pilot.lr == 0.05]).axes[0]
    *networks, rings = ax.lines
    assert [line.get_label() for line in networks] == list(NAMES)
    assert all(list(line.get_xdata()) == [0.025, 0.05, 0.1] for line in networks)
    assert list(rings.get_xdata()) == [0.05] * 5 and list(rings.get_ydata()) == [50, 51, 52, 53, 54]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.025", "0.05", "0.1"]


def test_every_run_has_a_line_and_ghostnets_mean_stands_beside_the_others():
    curves = pd.DataFrame([(name, seed, epoch, 10 * epoch + seed) for name in NAMES for seed in (0, 1) for epoch in (1, 2)],
                          columns=["network", "seed", "epoch", "accuracy"])
    figure = figures.fig_runs(curves)
    drawn = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_title() for ax in drawn] == [f"{name}, 2 seeds" for name in NAMES]
    assert [len(ax.lines) for ax in drawn] == [2, 3, 3, 3, 3]
    assert np.allclose(drawn[1].lines[0].get_ydata(), [10.5, 20.5])


def test_one_run_is_no_mean_and_every_panel_has_numbers():
    names = [*NAMES, "s2 d1"]
    curves = pd.DataFrame([(name, 0, epoch, 10 * epoch) for name in names for epoch in (1, 2)],
                          columns=["network", "seed", "epoch", "accuracy"])
    figure = figures.fig_runs(curves)
    figure.canvas.draw()
    drawn = [ax for ax in figure.axes if ax.lines]
    assert [text.get_text() for text in drawn[1].get_legend().get_texts()] == ["GhostNet, one seed", "one seed"]
    numbered = [any(label.label1.get_visible() for label in ax.xaxis.get_major_ticks()) for ax in drawn]
    assert numbered == [True] * 6
