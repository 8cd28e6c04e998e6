"""What layers show, and that every figure is drawn from arrays and rows alone."""

import mindspore
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from ghostlib import features, figures, models, results
from ghostlib.errors import InputError
from ghostlib.figures.maps import _paired
from ghostlib.figures.style import GHOST, INTRINSIC, TEST, TRAIN


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def images(count=5, size=32):
    return np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32)


def test_activations_are_what_the_layers_put_out():
    net = models.ghostnet(0.5, num_classes=10, stem_stride=1).set_train(True)
    names = ["blocks.0.0.ghost1", "blocks.0.0.ghost1.primary_conv.0", "blocks.0.0.ghost1.primary_conv.1",
             "blocks.0.0.ghost1.primary_conv.2", "blocks.0.0.ghost1.cheap_operation", "classifier"]
    maps = features.activations(net, images(), names, batch_size=2)
    assert list(maps) == names and net.training
    whole, convolved, normalised, intrinsic, ghosts, logits = (maps[name] for name in names)
    assert whole.shape == (5, 8, 32, 32) and logits.shape == (5, 10)
    np.testing.assert_array_equal(whole, np.concatenate([intrinsic, ghosts], axis=1))
    np.testing.assert_array_equal(intrinsic, np.maximum(normalised, 0))
    assert not np.array_equal(convolved, normalised)
    net.set_train(False)
    np.testing.assert_allclose(logits, net(mindspore.Tensor(images())).asnumpy(), atol=1e-4)


def test_the_rest_of_the_network_can_be_left_out():
    net, names = models.resnet20(0.25), ["stem.0", "stages.0.1.body.0"]
    whole, short = (features.activations(net, images(), names, batch_size=2, first=first) for first in (False, True))
    for name in names:
        np.testing.assert_array_equal(whole[name], short[name])
    ran = []
    handle = net.classifier.register_forward_hook(lambda *_: ran.append(True))
    features.activations(net, images(), names, first=True)
    assert not ran
    handle.remove()


def test_activations_leave_no_hook_behind():
    net = models.resnet20(0.25)
    features.activations(net, images(), ["stem.0"])
    features.activations(net, images(), ["stem.0"], first=True)
    assert not any(cell._forward_hook for _, cell in net.cells_and_names())


@pytest.mark.parametrize(("name", "message"), [("stem.3", "did you mean stem"), ("", "layer: '' given")])
def test_a_layer_that_does_not_exist_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        features.activations(models.resnet20(0.25), images(), [name])


def test_ghost_layers_are_found_in_both_forms():
    assert features.ghost_layers(models.ghostnet(0.5, ratio=1)) == {}
    found = features.ghost_layers(models.ghostnet(0.5))
    assert found["blocks.0.0.ghost1"] == 4 and len(found) == 32
    assert len(features.ghost_layers(models.vgg16(0.25, ratio=4))) == 13


def test_ghosts_stand_below_their_sources():
    assert _paired(np.zeros((6, 1, 1)), 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert _paired(np.zeros((6, 1, 1)), 2).tolist() == [[0, 1], [2, 4], [3, 5]]
    assert _paired(np.zeros((7, 1, 1)), 3).tolist() == [[0, 1, 2], [3, 5, -1], [4, 6, -1]]


def test_figures_are_drawn():
    history = pd.DataFrame({"epoch": [1, 2], "lr": [.1, 0.], "train_loss": [2., 1.], "test_loss": [2., 1.5],
                            "train_top1": [.2, .6], "test_top1": [.1, .5]})
    picture = np.zeros((8, 8, 3), np.uint8)
    drawn = [figures.fig_curves(history), figures.fig_confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), "ab"),
             figures.fig_pictures([picture] * 3, ["a", "b", "c"]), figures.fig_pictures([], []),
             figures.fig_ghost_maps(picture, {"a": (np.zeros((7, 4, 4)), 3), "b": (np.zeros((20, 4, 4)), 20)}),
             figures.fig_module(3, 9, 27, 3, 5),
             figures.fig_speedup(pd.DataFrame({"channels": [16, 960], "theory": [1.3, 2.], "counted": [1.3, 2.]}), 2)]
    for figure in drawn:
        figure.canvas.draw()


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


def test_wilson_interval_against_known_values():
    assert results.wilson_interval(0.5, 100) == pytest.approx((0.404, 0.596), abs=1e-3)
    low, high = results.wilson_interval(1.0, 50)
    assert high == 1.0 and low == pytest.approx(0.929, abs=1e-3)


def test_what_was_not_recorded_is_missing_and_not_zero(tmp_path):
    for name, row in (("a", {"top1": 0.5, "top5": 0.9}), ("b", {"top1": 0.25})):
        (tmp_path / name).mkdir()
        results.write_row(tmp_path / name, row)
    table = results.collect([tmp_path / "a", tmp_path / "b"])
    results.write_table(tmp_path / "table.csv", table)
    again = results.read_table(tmp_path / "table.csv")
    assert np.isnan(again.top5[1]) and again.top1.tolist() == [0.5, 0.25]
    with pytest.raises(InputError, match="no complete run"):
        results.read_row(tmp_path / "c")
