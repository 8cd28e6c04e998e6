"""The paper's Figure 1: its layer, pairs as it and as we choose them, on ResNet-50 at 224 with weights made here."""

import numpy as np
import pytest
from conftest import randomise

from ghostlib import features, models
from ghostlib.config import Config
from ghostlib.data import examples
from ghostlib.data.batches import first_images
from ghostlib.errors import InputError
from ghostlib.redundancy import controls, figure1
from ghostlib.redundancy.layers import stages_of
from ghostlib.redundancy.measured import Splits
from ghostlib.redundancy.sources import SOURCES

RNG = np.random.default_rng(0)


def test_the_papers_layer_is_shown_for_photographs_at_224():
    config = Config.of(figure1.fields(None, "resnet50")).having(epochs=0)
    assert (config.model, config.ratio, config.dataset, config.image_size) == ("resnet50", 1, "examples", 224)
    images = first_images(examples.load(config, 0, 1).test, 6)
    net, layer = randomise(models.resnet50()).set_train(False), figure1.LAYERS["resnet50"]
    assert stages_of(net, layer) == {"output": layer}
    maps = features.activations(net, images, [layer])[layer]
    assert maps.shape == (6, 256, 56, 56) and maps.min() == 0  # behind the group's last ReLU
    splits, small = Splits.draw(6), maps[:, :12].copy()  # as many of its maps as take seconds
    small[:, 1] = 2 * small[:, 0]
    pairs = {figure1.PAPERS: figure1.pairs_of_picture(small[splits.report[0]]),
             figure1.OURS: figure1.typical_pairs(small, splits)}
    assert [len(own) for own in pairs.values()] == [3, 3]
    table = figure1.table(small, splits, pairs, (1, 3))
    assert table.shape == (6, 2) and (table <= 1).all().all()
    np.testing.assert_allclose(table.loc[figure1.PAPERS, "0 → 1"], 1, atol=1e-9)  # whatever the others are


def test_pairs_are_chosen_by_their_rules():
    fields = RNG.normal(size=(12, 3, 16, 16)).cumsum(axis=2).cumsum(axis=3)
    noise = RNG.normal(size=(12, 6, 16, 16))
    maps = np.concatenate([fields, -fields + 0.01 * noise[:, :3], noise[:, 3:]], axis=1)  # three maps, copies, noise
    splits = Splits.draw(12)
    assert sorted(map(sorted, figure1.pairs_of_picture(maps[0]))) == [[0, 3], [1, 4], [2, 5]]
    pairs = figure1.typical_pairs(maps, splits)
    table = figure1.table(maps, splits, {"typical": pairs}, (3,))
    r2 = [table.loc["typical", f"{source} → {target}"].iloc[0] for source, target in pairs]
    assert r2[0] < 0.2 and r2[2] > 0.9  # a quarter of the maps and more are noise, half and more are copies
    made = figure1.filter_between(maps, splits, (0, 3), 1)
    assert made.kernels[0, 0, 0, 0] == pytest.approx(-1, abs=0.01)
    np.testing.assert_allclose(made.predict(maps[:2, [0]], 0, 0), maps[:2, 3], atol=0.2)
    maps[:] = 1
    assert figure1.pairs_of_picture(maps[0]) == [] and figure1.typical_pairs(maps, splits) == []


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_layer_of_few_maps_has_each_typical_pair_once(count):
    maps, splits = RNG.normal(size=(12, count, 8, 8)), Splits.draw(12)
    pairs = figure1.typical_pairs(maps, splits)
    assert 1 <= len(pairs) == len(set(pairs)) <= 3
    assert figure1.table(maps, splits, {"typical": pairs}, (1, 3)).shape == (len(pairs), 2)


def test_a_group_of_layers_is_measured_by_its_output():
    net, images = models.resnet20(0.25), RNG.normal(size=(12, 3, 16, 16)).astype(np.float32)
    rows = controls.similarity_study(net, models.resnet20(0.25), images, [1], layers=["layer1"])
    assert set(rows.stage) == {"output"} and set(rows.layer) == {"layer1"} and set(rows.source) == set(SOURCES)
    for name in ("layer1.0.relu1", "layer9", ""):
        with pytest.raises(InputError, match=f"layer: '{name}' given"):
            stages_of(net, name)


def test_weights_come_before_the_model():
    assert figure1.fields("timm/resnet50.tv_in1k")["interpolation"] == "bilinear"
    assert figure1.fields(None) == figure1.fields(None, "ghostnet") == figure1.SMALL
