"""The explorer: what it shows is what the network and the filters make; choices change it; bad ones end in one line."""

import io

import numpy as np
import pytest
from mindspore import Tensor
from PIL import Image

from ghostlib import data, features, redundancy
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.deploy.engines import reference
from ghostlib.deploy.predict import probabilities
from ghostlib.errors import InputError
from ghostlib.explorer import pictures, tiles, views
from ghostlib.explorer.panel import Panel
from ghostlib.figures import Tile, grey, mosaic, signed
from ghostlib.training.setup import build
from ghostlib.weights import save_weights

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
    np.testing.assert_allclose(one.prediction, view.made[ghost], atol=1e-5)
    assert one.r2 == pytest.approx(view.r2[ghost], abs=1e-6) and one.kernel.shape == (3, 3)
    assert len(plain.view("features.3", 1, 3).intrinsic) == 8


def test_no_filter_was_fitted_on_the_picture_looked_at(plain):
    maps = plain.maps("features.3")
    fitted = maps[1:1 + 2 * (len(maps) - 1) // 3]
    again = redundancy.fit(fitted, fitted, 3)
    first, second = plain.pairs("features.3")[0]
    np.testing.assert_allclose(again.kernels[first, second], plain.pair("features.3", first, second, 3).kernel, atol=1e-5)


def test_a_ghost_network_shows_its_own_ghosts():
    explorer = views.Explorer(SMALL.having(ratio=2))
    view = explorer.view("features.3", 4, 3)  # s is the network's
    assert list(view.intrinsic) == [0, 1, 2, 3] and list(view.source) == [0, 1, 2, 3, 0, 1, 2, 3]
    assert explorer.is_ghost("features.3") and explorer.ghosts_of("features.3") == (2, 3)
    # Its cheap operation is linear, so that a filter of its size explains all of a ghost, and a scaled copy does not.
    assert view.r2[4:] == pytest.approx(1, abs=1e-4) and explorer.view("features.3", 4, 1).r2[4:].max() < 0.999
    maps = explorer.maps("features.3")
    whole = redundancy.fit(maps[1:1 + 2 * (len(maps) - 1) // 3], maps[1:1 + 2 * (len(maps) - 1) // 3], 1)
    made = [whole.predict(maps[:1], source, ghost)[0] for source, ghost in zip(range(4), range(4, 8))]
    np.testing.assert_allclose(explorer.view("features.3", 4, 1).made[4:], made, atol=1e-5)


def test_a_silenced_map_is_one_that_was_replaced_by_its_mean(tmp_path):
    """The same constant by other means: what comes behind the layer normalises, and is told to put it there."""
    net, file, layer, silent = build(SMALL), str(tmp_path / "made.safetensors"), "features.3", np.array([0, 5])
    for name, one in net.parameters_and_names():
        if name.endswith("gamma"):  # else little of a layer's change would reach the end of an untrained network
            one.set_data(Tensor(np.full(one.shape, 3, np.float32)))
    save_weights(net, file)
    explorer = views.Explorer(SMALL.having(weights=file), "astronaut")
    before, after = explorer.answers(layer, silent)
    image = explorer._images[:1]
    np.testing.assert_allclose(before, probabilities(reference(net.set_train(False), image))[0], rtol=1e-3)
    others = explorer._images[1:len(explorer.maps(layer))]
    level = features.activations(net, others, [layer])[layer].mean(axis=(0, 2, 3))[silent]
    norm = dict(net.cells_and_names())["features.4"]
    gamma, beta, mean, variance = (one.asnumpy().copy() for one in (norm.gamma, norm.beta, norm.moving_mean,
                                                                    norm.moving_variance))
    beta[silent] += gamma[silent] * (level - mean[silent]) / np.sqrt(variance[silent] + norm.eps)
    gamma[silent] = 0
    norm.gamma.set_data(Tensor(gamma))
    norm.beta.set_data(Tensor(beta))
    np.testing.assert_allclose(after, probabilities(reference(net, image))[0], rtol=1e-3)
    assert np.abs(after / before - 1).max() > 0.01


def test_of_a_large_layer_as_many_maps_are_shown_as_there_is_room_for():
    wide = SMALL.having(width=0.25)
    plain, ghost = views.Explorer(wide), views.Explorer(wide.having(ratio=4))
    layer = "features.24"
    assert plain.channels(layer) == ghost.channels(layer) == 128
    assert list(plain.view(layer, 2, 1).numbers) == list(range(64)) and len(plain.view(layer, 2, 1).intrinsic) == 32
    view = ghost.view(layer, 2, 1)
    assert len(view.maps) == 64 and list(view.numbers[view.intrinsic]) == list(range(16))
    sources = redundancy.source_of_ghosts(128, features.GhostLayer(32, 4))
    ghosts = np.setdiff1d(np.arange(64), view.intrinsic)
    np.testing.assert_array_equal(view.numbers[view.source[ghosts]], sources[view.numbers[ghosts] - 32])
    whole = features.activations(ghost.net, ghost._images[:1], [layer])[layer][0]
    np.testing.assert_allclose(view.maps, whole[view.numbers], atol=1e-4)


@pytest.mark.parametrize(("channels", "ratio"), [(10, 3), (9, 4), (16, 5)])
def test_a_ghosts_source_is_the_map_that_its_filter_sees(channels, ratio):
    """One intrinsic map changed: the ghosts that move are those said to be made of it, where s divides no channels, too."""
    from ghostlib.ghost import GhostConv2d
    cell = GhostConv2d(3, channels, 3, ratio=ratio, kernel=3)
    image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    before = cell(Tensor(image)).asnumpy()[0]
    weight = cell.primary_conv.weight
    changed = weight.asnumpy().copy()
    changed[1] *= 2
    weight.set_data(Tensor(changed))
    moved = np.abs(cell(Tensor(image)).asnumpy()[0] - before).max(axis=(1, 2)) > 1e-6
    source = redundancy.source_of_ghosts(channels, features.GhostLayer(cell.intrinsic, ratio))
    assert list(np.flatnonzero(moved)) == [1, *(cell.intrinsic + np.flatnonzero(source == 1))]


def test_the_cost_is_that_of_the_network_built_so(plain):
    cost = plain.cost(3, 5)
    counted = count(build(SMALL.having(ratio=3, kernel=5)), (3, 32, 32))
    assert (cost.weights, cost.macs) == (counted.weights, counted.macs)


def test_every_image_can_be_looked_at(plain, tmp_path):
    file = tmp_path / "mine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)).save(file)
    for image in (*pictures.IMAGES, str(file), Image.open(file)):
        found = pictures.squares(image, 16)
        assert found.shape == (pictures.SQUARES, 16, 16, 3) and found.dtype == np.uint8
    assert not np.array_equal(found[0], found[1])
    before = pictures.squares(str(file), 16)
    before[:] = 0  # is the caller's own
    np.testing.assert_array_equal(pictures.squares(str(file), 16), pictures.squares(Image.open(file), 16))
    Image.new("RGB", (40, 70), "red").save(file)
    assert (pictures.squares(str(file), 16) == [255, 0, 0]).all()
    for bad in ("nobody", str(tmp_path)):
        with pytest.raises(InputError, match=r"image: '.*' cannot be read \(cannot be opened: .*\); allowed are astronaut"):
            pictures.squares(bad, 16)
    plain.look_at("digits", 5)
    assert np.array_equal(plain.pictures[0], pictures.squares("digits", 32)[5])
    assert np.array_equal(plain.pictures[0], data.load(SMALL).test.picture(5))
    plain.look_at("astronaut")


def test_photographs_of_what_a_network_was_trained_on_can_be_chosen(tmp_path):
    file = tmp_path / "imagenette" / "val" / "n03028079" / "one.JPEG"
    file.parent.mkdir(parents=True)
    Image.new("RGB", (20, 20), "red").save(file)
    found = pictures.choices(tmp_path)
    assert found["church, a test photograph"] == str(file) and list(found.values())[1:] == list(pictures.IMAGES)


def test_moving_a_slider_changes_the_page():
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    [column] = page.columns
    shown, about = column.maps.value, column.about.value
    page.ratio.value = 4
    assert column.maps.value != shown and column.about.value != about and "2 kept" in column.caption.value
    shown = column.pair.value
    page.kernel.value = 5
    assert column.pair.value != shown and "5 × 5 filter" in column.pair.value
    shown = column.pair.value
    page.pair.value = 2
    assert column.pair.value != shown and "Pair 2 of 4" in column.pair.value
    shown = column.says.value
    column.silent.index = 1
    assert column.says.value != shown and "silenced: map 0" in column.says.value and "map 0\nsilenced" in {
        one.title for one in column.tiles}
    column.layer.value = "features.40"
    assert "one pixel" in column.caption.value or column.kernels == [1]
    assert column.silent.index == 0  # what was silenced belonged to another layer
    shown = column.says.value
    page.image.value = "coffee"
    assert column.says.value != shown
    shown = column.says.value
    page.number.value = 2
    assert column.says.value != shown
    assert page.still().size[0] > 300


def test_two_networks_stand_beside_each_other(tmp_path):
    """A trained one and the same untrained: each with its own layer, maps and answer, of one picture."""
    save_weights(build(SMALL.having(seed=5)), tmp_path / "made.safetensors")
    page = Panel(SMALL.having(weights=str(tmp_path / "made.safetensors")), "digits", "features.3", 2, 3)
    page.beside.value = "untrained"
    first, second = page.columns
    assert len(page._row.children) == 2 and second.layer.value == first.layer.value == "features.3"
    assert first.maps.value != second.maps.value and "its answers mean nothing" in second.says.value
    second.layer.value = "features.7"
    assert first.layer.value == "features.3" and "features.7" in second.caption.value
    page.image.value = "coffee"
    assert np.array_equal(first.explorer.pictures, second.explorer.pictures)
    page.beside.value = "none"
    assert page.columns == [first] and len(page._row.children) == 1
    first.layer.value = "features.7"
    page.beside.value = "untrained"
    assert page.columns[1].layer.value == "features.7"  # the same layer of both, until one is moved


def test_a_network_that_cannot_stand_beside_the_first_leaves_it_alone(tmp_path):
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    first = page.columns[0]
    page._other_beside({"new": "ghostlib/ghostnet_050_imagenette"})
    assert len(page._row.children) == len(page.columns) == 2
    page._other_beside({"new": str(tmp_path / "damaged.safetensors")})
    assert page.columns == [first] and len(page._row.children) == 1 and "damaged" in first.caption.value


def test_what_is_chosen_is_what_is_shown_where_a_network_is_refused(tmp_path):
    damaged = str(tmp_path / "damaged.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    [column] = page.columns
    shown = column.maps.value
    for chooser in (column.network, page.beside):
        chooser.options = [*chooser.options, ("damaged", damaged)]
        before = chooser.value
        chooser.value = damaged
        assert chooser.value == before and "damaged" in column.caption.value
    assert column.maps.value == shown and page.columns == [column]


def test_a_layer_of_single_pixels_is_said_to_have_nothing_to_look_at():
    ghostnet = Config(model="ghostnet", width=0.5)
    page = Panel(ghostnet, "digits", "conv_stem", 2, 3)
    [column] = page.columns
    column.layer.value = "conv_head"
    assert "maps of one pixel" in column.caption.value
    assert not column.maps.value and not column.pair.value and column.says.value
    page.pair.value = page.pair.max
    with pytest.raises(InputError, match="layer: conv_head given, with maps of one pixel; allowed are layers with larger"):
        page.still()
    column.layer.value = "conv_stem"
    assert column.maps.value and page.still().size[0] > 300


def test_a_picture_of_ones_own_and_what_is_none():
    page = Panel(SMALL, "digits", "features.3", 2, 3)
    held = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(held, "PNG")
    page._own_image({"new": [{"content": held.getvalue(), "name": "red.png"}]})
    assert (page.explorer.pictures == [255, 0, 0]).all()
    page._own_image({"new": [{"content": b"words", "name": "words.txt"}]})
    assert "words.txt: no image of a known format; allowed are JPEG, PNG" in page.columns[0].caption.value
    held = io.BytesIO()
    Image.fromarray(np.full((40, 40), 32768, np.uint16)).save(held, "PNG")  # as a file of it is read
    page._own_image({"new": [{"content": memoryview(held.getvalue()), "name": "grey.png"}]})
    assert abs(page.explorer.pictures.mean() - 127.5) <= 1


@pytest.mark.parametrize(("choice", "line"), [
    ({"image": "nobody"}, "image: 'nobody' cannot be read"),
    ({"layer": "features.99"}, "layer: 'features.99' given; allowed are"),
    ({"s": 9}, "^s: 9 given; allowed here are 1, 2"), ({"d": 2}, "^d: 2 given; allowed here are 1, 3, 5, 7")])
def test_bad_choices_end_in_one_line(choice, line):
    with pytest.raises(InputError, match=line):
        Panel(**{"config": SMALL, "image": "digits", "layer": "features.3", "s": 2, "d": 3, **choice})


def test_layers_have_names_in_every_network():
    for model in ("ghostnet", "resnet20", "vgg16"):
        explorer = views.Explorer(Config(model=model, width=0.25))
        assert len(explorer.layers) > 10 and set(explorer.layers) <= set(features.layer_names(explorer.net))


def test_small_pictures_are_what_they_show():
    assert grey(np.array([[0., 1.], [2., 4.]]))[..., 0].tolist() == [[0, 63], [127, 255]]
    colours = signed(np.array([[-1., 0., 1.]]))[0].astype(int)
    assert colours[0, 0] > colours[0, 2] and colours[2, 2] > colours[2, 1] and (colours[1] == 247).all()


def test_a_pixel_of_a_map_is_a_whole_number_of_the_screens():
    values = np.random.default_rng(0).integers(0, 255, (7, 7, 1), np.uint8).repeat(3, axis=2)
    one = Tile(values, "map 3", "#ff0000")
    assert [one.times(least) for least in (1, 7, 8, 64)] == [1, 1, 2, 10]
    page = np.asarray(mosaic([one, one], 2))
    left, top = np.argwhere((page == [255, 0, 0]).all(axis=2)).min(axis=0)[::-1]
    assert np.array_equal(page[top + 3:top + 73, left + 3:left + 73], np.kron(values, np.ones((10, 10, 1), np.uint8)))
    assert "width:70px;height:70px" in tiles.as_html([one], 64) and "&lt;b&gt;" in tiles.as_html([Tile(values, "<b>")], 64)
