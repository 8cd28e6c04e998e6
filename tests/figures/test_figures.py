"""Every figure is drawn from arrays and rows alone."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex, to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from ghostlib import features, figures, models
from ghostlib.features import GhostLayer
from ghostlib.figures.ghosts import _paired, in_words
from ghostlib.figures.style import GHOST, INTRINSIC, TEST, TRAIN


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_ghosts_stand_below_their_sources():
    assert _paired(np.zeros((6, 1, 1)), GhostLayer(3, 2)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert _paired(np.zeros((6, 1, 1)), GhostLayer(2, 3)).tolist() == [[0, 1], [2, 4], [3, 5]]
    assert _paired(np.zeros((7, 1, 1)), GhostLayer(3, 3)).tolist() == [[0, 1, 2], [3, 5, -1], [4, 6, -1]]
    assert _paired(np.zeros((8, 1, 1)), GhostLayer(2, 5)).tolist() == [[0, 1], [2, 6], [3, 7], [4, -1], [5, -1]]
    assert _paired(np.zeros((4, 1, 1)), GhostLayer(4, 1)).tolist() == [[0, 1, 2, 3]]


def test_figures_are_drawn():
    history = pd.DataFrame({"epoch": [1, 2], "lr": [.1, 0.], "train_loss": [2., 1.], "test_loss": [2., 1.5],
                            "train_top1": [.2, .6], "test_top1": [.1, .5]})
    picture = np.zeros((8, 8, 3), np.uint8)
    drawn = [figures.fig_curves(history), figures.fig_confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), "ab"),
             figures.fig_pictures([picture] * 3, ["a", "b", "c"]), figures.fig_pictures([], []),
             figures.fig_ghost_maps(picture, {"a": (np.zeros((7, 4, 4)), GhostLayer(3, 3)),
                                              "b": (np.zeros((20, 4, 4)), GhostLayer(20, 1))}),
             figures.fig_module(3, 9, 27, 3, 5), figures.fig_bottlenecks(),
             figures.fig_stages(pd.DataFrame({"stage": ["stem", "head"], "shape": [(16, 8, 8), (10,)],
                                              "weights": [400, 9000], "macs": [25_000, 9000]})),
             figures.fig_speedup(pd.DataFrame({"channels": [16, 960], "theory": [1.3, 2.], "counted": [1.3, 2.]}), 2)]
    for figure in drawn:
        figure.canvas.draw()


def images_of(figure):
    return [image.get_array() for ax in figure.axes for image in ax.images]


def frame(ax):
    return to_hex(ax.spines["left"].get_edgecolor())


def test_a_ghost_stands_below_its_filter_and_that_below_its_source():
    rng = np.random.default_rng(0)
    maps, kernels = rng.normal(size=(32, 4, 4)), rng.normal(size=(16, 3, 3))
    layers = {"features.3": (maps, GhostLayer(16, 2), kernels)}
    figure = figures.fig_ghost_maps(np.zeros((8, 8, 3), np.uint8), layers, title="a\nb")
    figure.canvas.draw()
    where = {image.get_array().tobytes(): ax for ax in figure.axes for image in ax.images}
    shown = [number for number in range(16) if maps[number].tobytes() in where]
    assert shown == list(range(12))
    for number in shown:
        above, between, below = (where[part.tobytes()] for part in (maps[number], kernels[number], maps[16 + number]))
        assert (frame(above), frame(below)) == (INTRINSIC, GHOST)
        upper, middle, lower = (ax.get_position() for ax in (above, between, below))
        assert upper.y0 > middle.y1 and middle.y0 > lower.y1 and upper.x0 < middle.x0 < middle.x1 < upper.x1 == lower.x1
    said = {text.get_text() for text in figure.axes[0].texts}
    assert {"convolution 2", "12 of 16 shown", "intrinsic", "filter", "ghost", "a", "b"} <= said
    assert where[kernels[0].tobytes()].images[0].get_clim() == pytest.approx((-abs(kernels[0]).max(), abs(kernels[0]).max()))


def test_ghost_layers_are_drawn_without_filters_too_and_stand_side_by_side():
    layers = {f"blocks.0.{block}.ghost1": (np.ones((8, 4, 4)), GhostLayer(4, 2)) for block in range(4)}
    figure = figures.fig_ghost_maps(np.zeros((8, 8, 3), np.uint8), layers)
    names = {text.get_text(): text.get_position() for text in figure.axes[0].texts if "Ghost" in text.get_text()}
    assert list(names) == [f"stage 1, block {block}, first Ghost module" for block in (1, 2, 3, 4)]
    (first, top), (second, beside), *_, (_, below) = names.values()
    assert first < second and top == beside < below
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "filter" not in said and said.count("4 of 4 shown") == said.count("ghost") == 4
    assert len(images_of(figure)) == 1 + 4 * 8


@pytest.mark.parametrize(("name", "words"), [
    ("blocks.6.1.ghost2", "stage 7, block 2, second Ghost module"), ("features.3", "convolution 2"),
    ("features.40", "convolution 13"), ("features.4", "features.4"), ("layer1.1.conv2", "stage 1, block 2, layer 2"),
    ("mine", "mine")])
def test_a_layer_is_named_in_words(name, words):
    assert in_words(name) == words


def test_the_places_of_vgg_16s_convolutions_are_those_of_the_network():
    named = [in_words(layer) for layer in features.ghost_layers(models.vgg16(width=0.1, ratio=2))]
    assert named == [f"convolution {number}" for number in range(1, 14)]


def test_curves_are_of_loss_and_error_alone():
    history = pd.DataFrame({"epoch": [1, 2], "lr": [.1, 0.], "train_loss": [2., 1.], "test_loss": [2., 1.5],
                            "train_top1": [.2, .6], "test_top1": [.1, .5]})
    assert [ax.get_title() for ax in figures.fig_curves(history).axes] == ["Loss", "Error"]


# Machado, Oliveira and Fernandes 2009, Table 1: how the commonest kinds of colour blindness see linear RGB.
SEEN = {"protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]}


def lab(colour, seen=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    linear = np.array([value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)])
    shown = np.clip(np.array(seen) @ linear, 0, 1)
    return rgb2lab(np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055))


def told_apart(pair):
    """The least difference (CIEDE2000) that colour-blind eyes see, and that of lightness, which is what print keeps."""
    seen = min(deltaE_ciede2000(*(lab(colour, matrix) for colour in pair)) for matrix in SEEN.values())
    return seen, abs(lab(pair[0])[0] - lab(pair[1])[0])


@pytest.mark.parametrize("pair", [(INTRINSIC, GHOST), (TRAIN, TEST)])
def test_colours_that_mean_something_are_told_apart_in_print_and_by_colour_blind_eyes(pair):
    seen, lightness = told_apart(pair)
    assert seen > 30 and lightness > 15


def test_a_red_and_a_green_would_not_be():
    seen, lightness = told_apart(("#c44e52", "#4c9f70"))
    assert seen < 10 and lightness < 15


def test_a_confusion_shows_each_count():
    figure = figures.fig_confusion(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1]), ["a", "b"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1", "", "3"]
