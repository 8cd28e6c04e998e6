"""What is said of cheap kernels follows their numbers, and the figures show all of them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from ghostlib import figures
from ghostlib.studies import cheap_kernels

KINDS = (*cheap_kernels.PATTERNS, "other", "dead")


def rows(turned=0.95, copy=0.12, copies=0, others=True):
    def row(network, s, seed, when, layer, depth, **shares):
        return {"network": network, "s": s, "d": 3, "seed": seed, "when": when, "layer": layer, "depth": depth, "ghosts": 10,
                "copy": 0.11, "shift": 0.28, "smoothing": 0.11, "edge": 0.22, **{f"n_{kind}": 0 for kind in KINDS},
                "n_other": 10 - copies, "n_copy": copies, "turned": np.nan, **shares}
    table = [row("ghostnet 0.5", 2, seed, when, f"layer{depth}", depth, turned=1.0 if when == "at the start" else turned,
                 copy=copy if when == "trained" else 0.11) for seed in (0, 1) for when in ("trained", "at the start")
             for depth in (1, 2, 3)]
    table += [row("landmarks", np.nan, np.nan, "trained", "Conv_1", 1, edge=0.35)] if others else []
    return cheap_kernels.named(pd.DataFrame(table))


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "Trained cheap kernels are no copies: 0 of 70 have 70 % of their energy in the middle weight, and 0 of 60 of ours "
         "before training."),
    ({"copies": 4}, "Some trained cheap kernels are copies: 28 of 70 have"),
    ({}, "In landmarks, trained by others, edges hold 35 % and smoothing 11 %")])
def test_the_answer_follows_the_numbers(changes, said):
    assert said in cheap_kernels.answer(rows(**changes))


@pytest.mark.parametrize(("turned", "said"), [
    (0.95, "In the one kind of our networks the average kernel still points nearly where it began (mean cosine 0.95; edges "
           "hold 22 % of the energy, 22 % at the start): GhostNet 0.5 (s = 2, 15 epochs, 2 seeds). *Nearly* is a mean"),
    (0.3, "kernel has turned away from the random one it began as (mean cosine 0.30; edges")])
def test_averages_are_told_apart_from_layers(turned, said):
    told = cheap_kernels.averages(rows(turned=turned))
    assert said in told and told.startswith("On average the middle weight holds 11 to 12 % of a trained kernel's energy, by")
    assert ("*Nearly*" in told) == (turned > 0.9)


@pytest.mark.parametrize(("turned", "said"), [
    ((0.4, 0.95, 0.97), "Training turns the kernels of early layers, those of late ones hardly: in the first half of the "
     "layers the mean cosine between a kernel and itself before is 0.40, in the second 0.96 (1 kind of networks). Counting "
     "as turned a layer whose mean cosine is below 0.9, 15 epochs turn 1 of 3 layers, among them the first 1."),
    ((0.4, 0.6, 0.7), "Training turns the kernels of early layers more than those of late ones: in the first"),
    ((0.97, 0.6, 0.7), "Early layers' kernels are not turned more than late ones' in all of our networks: in the first")])
def test_which_layers_have_turned_is_told(turned, said):
    own = rows()
    for depth, value in enumerate(turned, 1):
        own.loc[(own.when == "trained") & (own.depth == depth) & own.turned.notna(), "turned"] = value
    assert said in cheap_kernels.answer(own)


def test_a_layer_is_compared_with_itself_before_training():
    own = rows()
    first = (own.when == "trained") & (own.network == "ghostnet 0.5") & (own.depth < 3)
    own.loc[first, ["turned", "copy", "smoothing"]] = [[0.3 + depth / 10, 0.25, 0.44] for depth in own.depth[first]]
    own.loc[(own.when == "at the start") & (own.depth == 3), "smoothing"] = 0.5  # another layer's
    said = ("In GhostNet 0.5 (s = 2, 15 epochs, 2 seeds) the kernels of layer 1 have turned most (mean cosine 0.40). The "
            "layers with the largest share of their kernels' energy in one pattern: copy, layer 1, 25 % (11 % before "
            "training); smoothing, layer 1, 44 % (11 % before training); edge, layer 1, ")
    assert said in cheap_kernels.answer(own)


def test_epochs_are_those_of_the_rows_and_unknown_of_others():
    longer = rows().assign(network=lambda own: own.network.replace("ghostnet 0.5", "ghostnet 0.5, 80 epochs"))
    named = cheap_kernels.named(pd.concat([rows(), longer]))
    assert named.groupby("network").epochs.first().to_dict() == {
        "ghostnet 0.5": 15, "ghostnet 0.5, 80 epochs": 80, "landmarks": pytest.approx(np.nan, nan_ok=True)}
    assert cheap_kernels.ours(named) == ["GhostNet 0.5, 80 epochs, s = 2", "GhostNet 0.5, s = 2"]
    assert "In all 2 kinds of our networks the average kernel still points nearly where" in cheap_kernels.averages(named)
    told = cheap_kernels.answer(cheap_kernels.named(longer))
    assert "In GhostNet 0.5 (80 epochs, s = 2, 2 seeds) the kernels of layer" in told
    assert "80 epochs turn 0 of 3 layers; 15 epochs turn 0 of 3 layers." in cheap_kernels.answer(named)


def test_a_summary_is_over_kernels_and_seeds():
    table = cheap_kernels.summary(rows()).set_index(["network", "when"])
    own = table.loc["GhostNet 0.5, s = 2", "trained"]
    assert own.networks == 2 and own.kernels == 60 and own["copy"] == pytest.approx(12) and own.turned == pytest.approx(0.95)
    assert np.isnan(table.loc["landmarks", "trained"].turned)
    assert cheap_kernels.dead(rows()) == "Dead kernels: 0 of 60 in GhostNet 0.5, s = 2, 0 of 10 in landmarks."


def test_one_seed_of_each_is_looked_at():
    seeds = cheap_kernels.first_seeds(rows()).groupby("name").seed.unique()
    assert {name: list(own) for name, own in seeds.dropna().items() if name != "landmarks"} == {"GhostNet 0.5, s = 2": [0]}
    assert "landmarks" in seeds.index


def test_the_figures_show_every_layer_and_kernel():
    figure = figures.fig_patterns(rows())
    lines = {ax.get_title().partition(",")[0]: [line.get_label() for line in ax.lines] for ax in figure.axes}
    networks = ["GhostNet 0.5, s = 2", "GhostNet 0.5, s = 2, before training", "landmarks"]
    assert lines["shift"] == networks and lines["copy"] == lines["edge"] == [*networks, "a random kernel"]
    assert lines["cosine with the start"][0] == networks[0] and len(lines["cosine with the start"]) == 2  # and HARDLY
    drawn = pd.DataFrame([{"title": title, "depth": depth, **{f"w{index}": float(index - depth) for index in range(9)}}
                          for title in ("one", "two") for depth in (1, 5) for _ in range(6)])
    pictures = [ax for ax in figures.fig_kernels(drawn).axes if ax.images]
    assert [ax.get_title() for ax in pictures[:5]] == ["copy (identity)", "shift", "smoothing", "edge, sideways",
                                                       "edge, downwards"]
    assert len(pictures) == 5 + 4
    shown = pictures[5].images[0].get_array()
    assert shown.shape == (7, 15) and np.abs(shown.compressed()).max() == 1
    plt.close("all")


def test_what_a_plain_network_would_want_stands_beside():
    plain = rows(others=False).query("when == 'trained'").assign(
        network="ghostnet 0.395", s=1, when=cheap_kernels.FITTED, copy=0.89, n_copy=9, turned=np.nan, r2=0.59,
        r2_copied=0.57)
    both = cheap_kernels.named(pd.concat([rows(), plain.query("depth < 3")]))
    assert cheap_kernels.answer(both).endswith(
        "Without ghosts: in thin GhostNet 0.395 (15 epochs, 2 seeds), the best 3 x 3 kernels to make half of a layer's maps "
        "from the other half are near copies in 90 % of cases; the middle weight holds 89 % of their energy. They explain "
        "59 % of these maps; one weight instead of 9 explains 57 %.")
    assert "Without ghosts" not in cheap_kernels.answer(rows())
    assert cheap_kernels.ours(both) == ["GhostNet 0.5, s = 2"]
    assert cheap_kernels.by_depth(both, "thin GhostNet 0.395").deep.max() == 0.5  # its third layer's maps are too small
    drawn = figures.fig_patterns(both)
    assert any(text.get_text().endswith(", least squares") for text in drawn.legends[0].texts)
    plt.close("all")
