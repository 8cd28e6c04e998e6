"""The explorer: what it shows is what the network and the filters make; choices change it; bad ones end in one line."""

import io

import numpy as np
import pytest
from PIL import Image

from ghostlib import features, redundancy
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.explorer import views
from ghostlib.explorer.panel import Panel
from ghostlib.figures import mosaic, signed, tile
from ghostlib.training.setup import build

SMALL = Config(model="vgg16", width=0.125, ratio=1)


@pytest.fixture(scope="module")
def plain():
    return views.Explorer(SMALL, "astronaut")


def test_intrinsic_maps_stay_and_the_others_are_made_of_them(plain):
    view = plain.view("features.3", 4, 3)
    assert view.maps.shape == (8, 32, 32) and len(view.intrinsic) == 2
    np.testing.assert_array_equal(view.made[view.intrinsic], view.maps[view.intrinsic])
    assert set(view.source) <= set(view.intrinsic) and (view.r2[view.intrinsic] == 1).all()
    ghost = next(number for number in range(8) if number not in view.intrinsic)
    one = plain.pair("features.3", int(view.source[ghost]), ghost, 3)
    np.testing.assert_array_equal(one.prediction, view.made[ghost])
    assert one.r2 == view.r2[ghost] and one.kernel.shape == (3, 3)
    assert len(plain.view("features.3", 1, 3).intrinsic) == 8


def test_no_filter_was_fitted_on_the_picture_looked_at(plain):
    maps = plain.maps("features.3")
    fitted = maps[1:1 + 2 * (len(maps) - 1) // 3]
    again = redundancy.fit(fitted, fitted, 3)
    first, second = plain.pairs("features.3")[0]
    np.testing.assert_array_equal(again.kernels[first, second], plain.pair("features.3", first, second, 3).kernel)


def test_a_ghost_network_shows_its_own_ghosts():
    explorer = views.Explorer(SMALL.having(ratio=2))
    view = explorer.view("features.3", 4, 7)  # s and d are the network's
    assert list(view.intrinsic) == [0, 1, 2, 3] and list(view.source) == [0, 1, 2, 3, 0, 1, 2, 3]
    np.testing.assert_array_equal(view.made, view.maps)
    assert explorer.is_ghost("features.3")


def test_of_a_large_layer_as_many_maps_are_shown_as_there_is_room_for():
    wide = SMALL.having(width=0.25)
    plain, ghost = views.Explorer(wide), views.Explorer(wide.having(ratio=4))
    layer = "features.24"
    assert plain.channels(layer) == ghost.channels(layer) == 128
    assert list(plain.view(layer, 2, 1).numbers) == list(range(64)) and len(plain.view(layer, 2, 1).intrinsic) == 32
    view = ghost.view(layer, 2, 1)
    assert len(view.maps) == 64 and list(view.numbers[view.intrinsic]) == list(range(16))
    sources = redundancy.source_of_ghosts(128, 32)
    ghosts = np.setdiff1d(np.arange(64), view.intrinsic)
    np.testing.assert_array_equal(view.numbers[view.source[ghosts]], sources[view.numbers[ghosts] - 32])
    whole = features.activations(ghost.net, ghost._images[:1], [ghost._names[layer]])[ghost._names[layer]][0]
    np.testing.assert_allclose(view.maps, whole[view.numbers], atol=1e-5)


def test_a_ghosts_source_is_the_map_that_its_filter_sees():
    """Maps of one intrinsic channel changed at a time: the ghosts that move are those said to be made of it."""
    from mindspore import Tensor

    from ghostlib.ghost import GhostConv2d
    cell = GhostConv2d(3, 10, 3, ratio=3, kernel=3)
    assert cell.intrinsic == 4
    image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    before = cell(Tensor(image)).asnumpy()[0]
    weight = cell.primary_conv.weight
    changed = weight.asnumpy().copy()
    changed[1] *= 2
    weight.set_data(Tensor(changed))
    moved = np.abs(cell(Tensor(image)).asnumpy()[0] - before).max(axis=(1, 2)) > 1e-6
    source = redundancy.source_of_ghosts(10, 4)
    assert list(np.flatnonzero(moved)) == [1, *(4 + np.flatnonzero(source == 1))]


def test_the_cost_is_that_of_the_network_built_so(plain):
    cost = plain.cost(3, 5)
    counted = count(build(SMALL.having(ratio=3, kernel=5)), (3, 32, 32))
    assert (cost.weights, cost.macs) == (counted.weights, counted.macs)


def test_every_image_can_be_looked_at(plain, tmp_path):
    file = tmp_path / "mine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)).save(file)
    for image in (*views.IMAGES, str(file), Image.open(file)):
        pictures = views.squares(image, 16)
        assert pictures.shape == (views.SQUARES, 16, 16, 3) and pictures.dtype == np.uint8
    assert not np.array_equal(pictures[0], pictures[1])
    for bad in ("nobody", str(tmp_path)):
        with pytest.raises(InputError, match="image: .* given; allowed are digits, astronaut"):
            views.squares(bad, 16)


def test_moving_a_slider_changes_the_page():
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    shown, cost = page.maps.value, page.cost.value
    page.ratio.value = 4
    assert page.maps.value != shown and page.cost.value != cost and "2 kept" in page.caption.value
    shown, told = page.filter.value, page.pair_caption.value
    page.kernel.value = 5
    assert page.filter.value != shown and "5 × 5 filter" in page.pair_caption.value
    shown = page.filter.value
    page.pair.value = 2
    assert page.filter.value != shown and page.pair_caption.value != told and "Pair 2 of 4" in page.pair_caption.value
    page.layer.value = "features.40"
    assert "too small" in page.caption.value or page.kernel.value == 1
    page.image.value = "coffee"
    assert Image.open(io.BytesIO(page.picture.value)).size[0] > 100
    assert page.still().size[0] > 300


def test_a_layer_of_single_pixels_is_said_to_have_nothing_to_look_at():
    ghostnet = Config(model="ghostnet", width=0.5)
    page = Panel(ghostnet, "digits", "conv_stem", 2, 3)
    page.layer.value = "conv_head"
    assert "maps of one pixel" in page.caption.value
    assert not page.maps.value and not page.filter.value and not page.pair_caption.value and not page.cost.value
    page.pair.value = page.pair.max
    with pytest.raises(InputError, match="layer: conv_head given, with maps of one pixel; allowed are layers with larger"):
        page.still()
    page.layer.value = "conv_stem"
    assert page.maps.value and page.still().size[0] > 300


def test_a_picture_of_ones_own_and_what_is_none():
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    held = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(held, "PNG")
    page._own_image({"new": [{"content": held.getvalue(), "name": "red.png"}]})
    assert (page.explorer.pictures == [255, 0, 0]).all()
    page._own_image({"new": [{"content": b"words", "name": "words.txt"}]})
    assert "words.txt: no picture that can be read" in page.caption.value


@pytest.mark.parametrize(("choice", "line"), [
    ({"image": "nobody"}, "image: 'nobody' given"), ({"layer": "features.99"}, "layer: 'features.99' given; allowed are"),
    ({"s": 9}, "^s: 9 given; allowed here are 1, 2"), ({"d": 2}, "^d: 2 given; allowed here are 1, 3, 5, 7")])
def test_bad_choices_end_in_one_line(choice, line):
    with pytest.raises(InputError, match=line):
        Panel(**{"config": SMALL, "image": "digits", "layer": "features.3", "s": 2, "d": 3, **choice})


def test_layers_have_names_in_every_network():
    for model in ("ghostnet", "resnet20", "vgg16"):
        explorer = views.Explorer(Config(model=model, width=0.25))
        assert len(explorer.layers) > 10 and set(explorer.layers) <= set(features.layer_names(explorer.net))


def test_small_pictures_are_what_they_show():
    assert tile(np.array([[0., 1.], [2., 4.]]))[..., 0].tolist() == [[0, 63], [127, 255]]
    colours = signed(np.array([[-1., 0., 1.]]))[0].astype(int)
    assert colours[0, 0] > colours[0, 2] and colours[2, 2] > colours[2, 1] and (colours[1] == 247).all()
    page = mosaic([tile(np.eye(2))] * 3, ["#ff0000", None, "#00ff00"], 2, edge=10)
    assert page.size == (36, 36) and page.getpixel((0, 0)) == (255, 0, 0) and page.getpixel((18, 0)) == (255, 255, 255)
