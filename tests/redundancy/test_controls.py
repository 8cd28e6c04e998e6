"""Controls are what they say, and the study of a network tells training, image and convolution apart."""

import numpy as np
import pytest
from click.testing import CliRunner
from mindspore import nn

from ghostlib import features, lock, models, redundancy, results
from ghostlib.__main__ import main
from ghostlib.data.batches import first_images
from ghostlib.errors import InputError
from ghostlib.redundancy import controls, measured
from ghostlib.redundancy.runs import TABLES


@pytest.fixture(scope="module")
def digits():
    from ghostlib.config import Config
    from ghostlib.data import load
    return first_images(load(Config()).test, 24)


def test_stages_are_named_in_plain_and_ghost_networks():
    found = features.stages(models.vgg16(0.25, ratio=2))
    assert len(found) == 13
    assert found["features.0"] == {"convolution": "features.0", "BatchNorm": "features.1", "ReLU": "features.2"}
    ghosts = features.stages(models.ghostnet(0.5))
    assert ghosts["blocks.0.0.ghost1"] == {"ReLU": "blocks.0.0.ghost1"}
    assert ghosts["blocks.0.0.ghost2"] == {"BatchNorm": "blocks.0.0.ghost2"}
    plain = features.stages(models.ghostnet(0.5, ratio=1))
    assert plain["blocks.0.0.ghost1"] == {"convolution": "blocks.0.0.ghost1.primary_conv.0",
                                          "BatchNorm": "blocks.0.0.ghost1.primary_conv.1",
                                          "ReLU": "blocks.0.0.ghost1.primary_conv.2"}
    assert list(plain["blocks.0.0.ghost2"]) == ["convolution", "BatchNorm"]


def test_stages_are_what_the_names_say(digits):
    net = models.vgg16(0.25)
    names = features.stages(net)["features.3"]
    maps = features.activations(net, digits[:4], list(names.values()))
    np.testing.assert_array_equal(maps[names["ReLU"]], np.maximum(maps[names["BatchNorm"]], 0))


def test_maps_that_do_not_fit_are_refused(digits):
    with pytest.raises(InputError, match=r"images: 24 given, whose maps take 0.0 GiB, features.0 alone .*; allowed are"):
        features.activations(models.vgg16(0.25), digits, ["features.0", "features.7"], most_bytes=1_000_000)


def test_scrambling_keeps_the_spectrum_and_the_colours(digits):
    photographs = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).cumsum(axis=2).cumsum(axis=3).astype(np.float32)
    scrambled = controls.phase_scrambled(photographs)
    spectrum = [np.abs(np.fft.fft2(images)) for images in (photographs, scrambled)]
    np.testing.assert_allclose(spectrum[1], spectrum[0], rtol=1e-3, atol=1e-2 * spectrum[0].mean())
    crossed = [np.einsum("nchw,ndhw->ncd", images.astype(np.float64), images) for images in (photographs, scrambled)]
    np.testing.assert_allclose(crossed[1], crossed[0], rtol=1e-3)
    assert abs(np.corrcoef(photographs[0].ravel() - photographs[0].mean(), scrambled[0].ravel())[0, 1]) < 0.9


def test_grey_candidates_are_made_of_the_image_alone():
    images = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    candidates = controls.grey_filtered(images, 5, (16, 16))
    assert candidates.shape == (4, 5, 16, 16)
    grey = np.tensordot(images, np.array(controls.GREY_WEIGHTS), axes=(1, 0)).reshape(4, 16, 2, 16, 2).mean(axis=(2, 4))
    found = redundancy.fit(grey[:, None], candidates, 3)
    assert redundancy.score(found, grey[:, None], candidates).r2.min() > 1 - 1e-5


def test_maps_of_another_image_are_of_the_same_split():
    splits = measured.Splits.draw(18, seed=1)
    maps = np.arange(18.0)[:, None, None, None]
    exchanged = controls.of_another_image(maps, splits).ravel().astype(int)
    for part in (splits.fit, splits.choose, splits.report):
        assert set(exchanged[part]) == set(part) and (exchanged[part] != part).all()


def test_the_study_of_a_network_has_every_control_and_finds_ghosts(digits):
    ghost, plain = models.vgg16(0.25, ratio=2), models.vgg16(0.25)
    layers = ["features.3", "features.40"]
    rows = controls.similarity_study(plain, models.vgg16(0.25), digits, (1, 3), layers=layers)
    first = rows[rows.layer == "features.3"]
    assert set(rows[rows.layer == "features.40"]["filter"]) == {1}  # its maps are 2 x 2
    assert len(first) == 3 * 2 * len(controls.SOURCES) and set(first.source) == set(controls.SOURCES)
    assert ((rows.low <= rows.high) & (rows.r2 <= 1)).all()
    assert (rows[rows.source == controls.TRAINED].gap == 0).all()
    by_source = first.groupby("source").r2
    assert by_source.max()[controls.OTHER_IMAGE] < by_source.min()[controls.TRAINED]
    ratios = controls.ratio_study(ghost, digits, (3,), (0.5, 0.99), layers=["features.3"])
    convolution = ratios[(ratios.stage == "convolution") & (ratios.threshold == 0.99)].iloc[0]
    assert convolution.promised >= 2 and convolution.ratio >= 2  # by construction: half the maps are ghosts
    both = controls.intrinsic_study(ghost, plain, digits, (1,), draws=3)
    assert set(both.columns) >= {"ghost", "plain", "gap", "gap_low", "gap_high"} and (both.gap_low <= both.gap_high).all()


def test_a_layer_that_does_not_exist_is_refused(digits):
    with pytest.raises(InputError, match="layer: 'features.4' given; did you mean features.40"):
        controls.ratio_study(models.vgg16(0.25), digits, (1,), (0.5,), layers=["features.4"])


def test_a_layer_of_one_map_is_left_out(digits):
    """No other map could be its source, and no grey candidates are as many as its others."""
    net = nn.SequentialCell(nn.Conv2d(3, 1, 3), nn.Conv2d(1, 4, 3))
    rows = controls.similarity_study(net, nn.SequentialCell(nn.Conv2d(3, 1, 3), nn.Conv2d(1, 4, 3)), digits, (1,))
    assert set(rows.layer) == {"1"} and set(rows.source) == set(controls.SOURCES)


@pytest.mark.parametrize("shape", [(6, 3, 8, 8), (6, 1, 32, 32), (6, 32, 32)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(InputError, match=r"images: \(6, .*\) given, which do not fit this network"):
        features.activations(models.vgg16(0.25), np.zeros(shape, np.float32), ["features.40"])


def test_maps_of_images_of_another_size_are_no_sources(digits):
    small = np.random.default_rng(0).normal(size=(24, 4, 8, 8))
    with pytest.raises(InputError, match=r"sources: \(N, H, W\) = \(8, 8, 8\) given; allowed are those of the targets, "
                                         r"\(8, 16, 16\)"):
        measured.measure(small, np.zeros((24, 4, 16, 16)), measured.Splits.draw(24), 3)


def test_a_target_that_cannot_be_a_folder_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["redundancy", "no_run", "--target", str(tmp_path / "file")])
    assert done.exit_code == 2 and "target: " in done.output and "cannot be written" in done.output


def test_a_study_that_is_refused_leaves_no_folder_and_two_do_not_share_one(tmp_path):
    target = tmp_path / "new" / "tables"
    words = ["redundancy", str(tmp_path / "no_run"), "--target", str(target)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and "no_run" in done.output and not (tmp_path / "new").exists()
    with lock.hold(target, "target"):
        assert "target: " in (said := CliRunner().invoke(main, words).output) and "is held by" in said


@pytest.mark.slow
def test_finished_runs_become_three_tables(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("model: vgg16\nwidth: 0.125\nepochs: 1\nval_interval: 1\n")
    for ratio in (1, 2):
        done = CliRunner().invoke(main, ["train", str(params), "-p", "ratio", str(ratio), "-p", "run_dir",
                                         str(tmp_path / str(ratio))])
        assert done.exit_code == 0, done.output
    runs = [str(tmp_path / "1"), str(tmp_path / "2")]
    done = CliRunner().invoke(main, ["redundancy", *runs, "--target", str(tmp_path), "--images", "24"])
    assert done.exit_code == 0, done.output
    tables = {name: results.read_table(tmp_path / f"{name}.csv") for name in TABLES}
    assert {name: set(table.s) for name, table in tables.items()} == {
        "redundancy": {1, 2}, "allowed_ratio": {1, 2}, "intrinsic": {2}}
    # A run's folder whose network is another than its weights'.
    config = tmp_path / "1" / "config.yaml"
    config.write_text(config.read_text().replace("width: 0.125", "width: 0.25"))
    done = CliRunner().invoke(main, ["redundancy", runs[0], "--images", "24", "--target", str(tmp_path)])
    assert done.exit_code == 2 and done.output.count("\n") == 1 and "weights: " in done.output, done.output
    config.write_text(config.read_text().replace("width: 0.25", "width: 0.125"))
    done = CliRunner().invoke(main, ["allocate", runs[0], "--images", "24", "--target", str(tmp_path / "ratios.csv")])
    assert done.exit_code == 0, done.output
    chosen = results.read_table(tmp_path / "ratios.csv").query("chosen")
    assert len(chosen) == 13 and (chosen.ratio[chosen.loss.isna()] == 2).all()
    done = CliRunner().invoke(main, ["allocate", runs[0], "--like", "9", "--target", str(tmp_path / "ratios.csv")])
    assert done.exit_code == 2 and "like: 9 given; allowed are 1, 2, 3, 4, 5, 6, 7, 8" in done.output
    done = CliRunner().invoke(main, ["allocate", *runs, "--target", str(tmp_path / "ratios.csv")])
    assert done.exit_code == 2 and "ratio 2, digits given; allowed are runs of one plain network" in done.output
    assert "images: 1000 given" in CliRunner().invoke(main, ["redundancy", runs[0], "--images", "1000", "--target",
                                                                       str(tmp_path)]).output


def test_a_few_images_give_no_interval_over_images(digits):
    net = models.vgg16(0.125)
    for images, known in ((digits[:21], False), (digits[:24], True)):  # 7 and 8 to report on
        rows = controls.similarity_study(net, net, images, [1], layers=["features.3"])
        assert rows.r2.notna().all() and (rows.low.notna() == known).all() and (rows.gap_high.notna() == known).all()
