"""Lesions: nothing replaced changes nothing, a ghost made again from its own source is itself, and a mean is a mean."""

import numpy as np
import pytest
from conftest import fewer_stages, randomise
from mindspore import Tensor
from scipy.special import logsumexp

from ghostlib import models
from ghostlib.deploy.engines import reference
from ghostlib.errors import InputError
from ghostlib.redundancy import lesions
from ghostlib.redundancy.cut import CutNetwork
from ghostlib.redundancy.replacements import fit_filters
from ghostlib.redundancy.sources import ALL, GHOSTS, INTRINSIC, LIKELY, MEAN, OWN, PREDICTED, UNLIKELY

SIZE, LAYERS = 64, ("blocks.0.0.ghost1", "blocks.1.0.ghost2")
RNG = np.random.default_rng(0)
IMAGES, TRAINING = (RNG.normal(size=(count, 3, SIZE, SIZE)).astype(np.float32) for count in (24, 40))
LABELS = RNG.integers(0, 4, 24)
pytestmark = pytest.mark.usefixtures("few_stages")


def cut(ratio=2, layers=LAYERS, model="ghostnet", width=0.5):
    net = randomise(getattr(models, model)(width, ratio, num_classes=4))
    return CutNetwork(net.set_train(False), SIZE, layers)


@pytest.mark.parametrize(("ratio", "model"), [(3, "ghostnet"), (1, "ghostnet"), (2, "ghostnetv2")])
def test_a_network_cut_in_two_is_the_network(ratio, model):
    network = cut(ratio, (), model)
    whole = network.logits(IMAGES)
    for module in network.modules[:6:2]:
        half, (maps, before) = network.half(module), network.maps(module, IMAGES)
        assert maps.shape == before.shape and maps.shape[1] == module.channels
        np.testing.assert_array_equal(maps, np.maximum(before, 0) if module.relu else before)
        for part, shown in network.batches(IMAGES, [half], 7):
            np.testing.assert_allclose(shown[module.maps], maps[part], rtol=1e-4, atol=1e-5)
            none, every = (np.full(module.channels, value) for value in (False, True))
            expected = pytest.approx(whole[part], rel=1e-3, abs=1e-4)
            assert half.logits(shown, none, 0 * maps[:1]) == expected
            assert half.logits(shown, every, maps[part]) == expected
            assert half.logits(shown, every, 0 * maps[:1]) != expected


def test_maps_replaced_by_hand_in_mindspore_give_the_same_logits():
    net = randomise(models.ghostnet(0.5, num_classes=4)).set_train(False)
    network = CutNetwork(net, SIZE, LAYERS)
    module = network.modules[1]
    mask, other = np.arange(module.channels) % 3 == 0, RNG.normal(size=(1, module.channels, 16, 16)).astype(np.float32)
    replaced = np.where(mask.reshape(-1, 1, 1), other, network.maps(module, IMAGES[:4])[0])
    hook = dict(net.cells_and_names())[module.layer].register_forward_hook(lambda *_: Tensor(replaced))
    by_hand = reference(net, IMAGES[:4])
    hook.remove()
    half = network.half(module)
    [(_, shown)] = network.batches(IMAGES[:4], [half], 8)
    assert half.logits(shown, mask, other) == pytest.approx(by_hand, rel=1e-3, abs=1e-4)
    assert np.abs(by_hand - reference(net, IMAGES[:4])).max() > 0.1


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_a_ghost_made_again_of_its_own_source_is_itself(ratio):
    network = cut(ratio, width=0.5 * ratio / 2)
    for module in network.modules:
        maps, before = network.maps(module, TRAINING)
        apart, own, r2 = fit_filters(module, maps, before)
        ghosts = np.arange(module.channels) >= module.channels - module.ghosts
        assert (module.families[own.sources] == module.families)[ghosts].all()
        assert (module.families[apart.sources] != module.families).all()
        shown = network.maps(module, IMAGES)[0]
        spread = np.abs(shown).max()
        assert np.abs(own(shown) - shown)[:, ghosts].max() < 1e-4 * spread
        assert np.abs(apart(shown) - shown)[:, ghosts].max() > 1e-2 * spread and (r2 < 0.9999).all()


@pytest.fixture(scope="module")
def tables():
    """One network's, made once."""
    with pytest.MonkeyPatch.context() as patch:
        fewer_stages(patch)
        patch.setattr(lesions, "RESAMPLES", 200)
        return {s: lesions.measure(cut(s), IMAGES, LABELS, TRAINING) for s in (1, 2)}


def test_what_is_replaced_and_what_it_costs_stands_in_rows(tables):
    found = tables[2]["lesions"]
    assert found.layer.unique().tolist() == list(LAYERS) and found.depth.tolist() == [1] * 7 + [4] * 7
    kinds = [(GHOSTS, MEAN), (GHOSTS, PREDICTED), (GHOSTS, OWN), *((what, how) for what in (INTRINSIC, ALL)
                                                                   for how in (MEAN, PREDICTED))]
    assert list(zip(found.what, found.how)) == 2 * kinds
    assert (found.replaced == np.where(found.what == ALL, found.maps // 2, found.maps // 4)).all()
    own = found[found.how == OWN]
    assert (own.lost.abs() < 1e-9).all() and (own.nats.abs() < 1e-4).all() and (own.share < 1e-4).all()
    others = found[found.how != OWN]
    assert (others.share > 1).all() and (others.nats.abs() > 1e-3).all() and (others.low <= others.lost).all()
    plain = tables[1]["lesions"]
    assert set(plain.what) == {LIKELY, UNLIKELY, ALL} and OWN not in set(plain.how)


def test_a_mean_is_what_is_computed_by_hand(tables):
    """One map of one module, replaced by its mean over training photographs, with numpy and the whole network."""
    network = cut()
    module = network.modules[1]
    row = tables[2]["single"].query(f"layer == '{module.layer}'").iloc[0]
    maps, mean = network.maps(module, IMAGES)[0], network.maps(module, TRAINING)[0].mean(axis=0)
    half = network.half(module)
    [(_, shown)] = network.batches(IMAGES, [half], 24)
    changed = maps.copy()
    changed[:, row.channel] = mean[row.channel]
    logits = half.logits(shown, np.ones(module.channels, bool), changed)

    def entropy(logits):
        return (logsumexp(logits.astype(float), axis=1) - logits[np.arange(24), LABELS]).mean()
    whole = network.logits(IMAGES)
    assert row.nats == pytest.approx(entropy(logits) - entropy(whole), abs=1e-5)
    assert row.lost == pytest.approx(100 * np.mean((whole.argmax(1) == LABELS) * 1. - (logits.argmax(1) == LABELS)))
    deviations = ((maps - mean) ** 2).sum(axis=(0, 2, 3))
    assert row.share == pytest.approx(100 * deviations[row.channel] / deviations.sum(), rel=1e-3)


def test_an_answer_is_right_by_the_rule_of_every_test():
    logits = np.array([[1, 0, 0], [2, 2, 0], [np.nan, 9, 0]], np.float32)
    assert lesions._judged(logits, np.array([0, 0, 1]))[0].tolist() == [1, 0, 0]  # neither a tie nor what is no number


def test_all_modules_together_are_their_mean(tables):
    found, overall = tables[2]["lesions"], tables[2]["overall"].set_index(["first", "second"])
    means = found.groupby(["what", "how"])[["lost", "nats", "share"]].mean()
    ghosts = overall.loc[f"{GHOSTS}: {MEAN}", ""]
    assert ghosts.nats == pytest.approx(means.nats[GHOSTS, MEAN]) and ghosts.nats_low < ghosts.nats < ghosts.nats_high
    assert ghosts.per_share == pytest.approx(10 * means.lost[GHOSTS, MEAN] / means.share[GHOSTS, MEAN])
    difference = overall.loc[f"{GHOSTS}: {MEAN}", f"{INTRINSIC}: {MEAN}"]
    assert difference.lost == pytest.approx(means.lost[GHOSTS, MEAN] - means.lost[INTRINSIC, MEAN])
    assert difference.nats_low <= difference.nats <= difference.nats_high


def test_maps_are_drawn_of_each_set():
    module, = cut(layers=LAYERS[1:]).modules
    drawn = lesions.lesions_of(module, np.zeros(module.channels), np.random.default_rng(0))
    singles = [one for one in drawn if one.single is not None]
    assert len(singles) == len({one.single for one in singles}) == 8
    first_ghost = module.channels - module.ghosts
    for one in drawn:
        places = np.flatnonzero(one.mask)
        assert one.what == ALL or ((places >= first_ghost) == (one.what == GHOSTS)).all()
    halves = {one.what: one.mask.sum() for one in drawn if one.single is None}
    assert halves == {GHOSTS: module.ghosts // 2, INTRINSIC: first_ghost // 2, ALL: module.channels // 2}


def test_the_plain_twins_maps_are_told_apart_by_how_predictable_they_are():
    module, = cut(1, LAYERS[1:]).modules
    predictable = np.linspace(0, 1, module.channels)
    for one in lesions.lesions_of(module, predictable, np.random.default_rng(0)):
        if one.what in (LIKELY, UNLIKELY):
            assert ((predictable[one.mask] > 0.5) == (one.what == LIKELY)).all()


def test_what_cannot_be_lesioned_is_refused_in_one_line():
    net = randomise(models.ghostnet(0.5, num_classes=4)).set_train(False)
    for layers, said in ((("blocks.0.0.ghost3",), r"layer: 'blocks.0.0.ghost3' given; did you mean blocks.0.0.ghost"),
                         ((LAYERS[0], LAYERS[0]), "allowed is each once")):
        with pytest.raises(InputError, match=said):
            CutNetwork(net, SIZE, layers)
    net.blocks[0][0].ghost2 = net.blocks[0][0].ghost1  # one cell in two places
    with pytest.raises(InputError, match=r"layer: 'blocks.0.0.ghost1' runs 2 times"):
        CutNetwork(net, SIZE)
    with pytest.raises(InputError, match="VGG has no Ghost modules"):
        CutNetwork(models.vgg16(0.0625, num_classes=4).set_train(False), SIZE)
    lonely = cut(4, LAYERS[:1], width=0.25)
    with pytest.raises(InputError, match=r"makes all its 4 maps from one"):
        lesions.measure(lonely, IMAGES, LABELS, TRAINING)
    with pytest.raises(InputError, match=r"labels: 3 given for 24 photographs"):
        lesions.measure(lonely, IMAGES, LABELS[:3], TRAINING)
