"""Ours against timm's MobileNetV2, V3, GhostNetV2 and ResNet-50: as large, and for the same weights the same logits."""

import json
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor
from reference import formula
from safetensors.numpy import load_file, save_file

from ghostlib.complexity import count
from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.weights import load_weights, save_weights

STORED = np.load(Path(__file__).parent / "reference" / "rivals.npz")
OURS = {"mobilenetv2": "mobilenet_v2", "mobilenetv3_large": "mobilenet_v3_large", "mobilenetv3_small": "mobilenet_v3_small",
        "ghostnetv2": "ghostnetv2"}
NAMES = sorted(name.removesuffix(".macs") for name in STORED.files if name.endswith(".macs"))


def ours(name, **options):
    family, _, width = name.rpartition("_")
    return MODELS[OURS[family]](int(width) / 100, **options) if family else MODELS[name](**options)


def shapes(name):
    return json.loads(str(STORED[f"{name}.shapes"]))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_as_many_weights_and_multiply_adds_as_timms(name):
    cost = count(ours(name), (3, 224, 224))
    weights = sum(int(np.prod(shape)) for key, shape in shapes(name).items()
                  if not key.endswith(("running_mean", "running_var", "num_batches_tracked")))
    assert (cost.weights, cost.macs) == (weights, int(STORED[f"{name}.macs"]))


@pytest.mark.usefixtures("pynative")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name.endswith("100") else pytest.mark.slow)
                                  for name in NAMES])
def test_logits_equal_timms_at_two_sizes_of_image(name, tmp_path):
    gain = float(STORED[f"{name}.gain"])
    save_file({key: formula.tensor(key, tuple(shape), gain) for key, shape in shapes(name).items()},
              tmp_path / "w.safetensors")
    net = ours(name).set_train(False)
    load_weights(net, tmp_path / "w.safetensors")
    for height, width in ((224, 224), (192, 160)):
        reference = STORED[f"{name}.{height}x{width}"]
        assert np.abs(reference[0] - reference[1]).max() > 1e-2  # the images matter, so agreement says something
        logits = net(Tensor(formula.images(2, height, width))).asnumpy()
        np.testing.assert_allclose(logits, reference, atol=1e-4 * max(1, np.abs(reference).max()))


def test_ghosts_take_the_place_of_what_widens_or_narrows_and_of_nothing_else():
    for name in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"):
        plain, ghost = (count(MODELS[name](ratio=ratio), (3, 224, 224)) for ratio in (1, 2))
        changed = {layer.removesuffix(".primary_conv").removesuffix(".cheap_operation")
                   for layer in set(ghost.table.layer) - set(plain.table.layer)}
        assert changed and {layer.rpartition(".")[2] for layer in changed} == {"conv_pw", "conv_pwl"}
        assert changed == {layer for layer in plain.table.layer if layer.rpartition(".")[2] in ("conv_pw", "conv_pwl")}
        assert ghost.macs < 0.75 * plain.macs


@pytest.mark.usefixtures("pynative")
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "ghostnetv2"])
def test_a_map_of_one_pixel_is_no_trouble(name):
    net = MODELS[name](0.5, num_classes=10, stem_stride=2).set_train(False)
    assert net(Tensor(np.zeros((1, 3, 32, 32), np.float32))).shape == (1, 10)


@pytest.mark.parametrize("layer", ["blocks.1.0.se.conv_reduce", "conv_head", "conv_stem", "blocks.1.0.conv_dw", "blocks.9"])
def test_a_mapping_names_only_what_widens_or_narrows_a_block(layer):
    with pytest.raises(InputError, match=f"ratio: '{layer}' given, which widens or narrows no block of this network; "):
        MODELS["mobilenet_v3_small"](0.5, ratio={layer: 2})


@pytest.mark.parametrize(("name", "width", "least"), [("mobilenet_v2", 0.2, 0.25), ("mobilenet_v3_large", 0.2, 0.25),
                                                      ("ghostnet", 0.1, 0.125), ("ghostnetv2", 0.1, 0.125)])
def test_a_width_that_leaves_no_channels_is_refused(name, width, least):
    with pytest.raises(InputError, match=f"width: {width} given, which leaves .* allowed are {least} and more"):
        MODELS[name](width)
    MODELS[name](least)


def test_counters_of_ghostnetv2s_authors_are_dropped_and_nothing_else(tmp_path):
    net = MODELS["ghostnetv2"](0.5, num_classes=10)
    save_weights(net, tmp_path / "own.safetensors")
    tensors = load_file(tmp_path / "own.safetensors")
    counted = {f"{cell}{name}": np.float64([7]) for cell in ("", "blocks.0.", "blocks.2.0.ghost1.short_conv.0.")
               for name in ("total_ops", "total_params")}
    save_file({**tensors, **counted}, tmp_path / "theirs.safetensors")
    load_weights(net, tmp_path / "theirs.safetensors")
    save_file({**tensors, "total_time": np.float64([7])}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="1 unexpected .total_time."):
        load_weights(net, tmp_path / "other.safetensors")
    first = MODELS["ghostnet"](0.5, num_classes=10)
    save_weights(first, tmp_path / "first.safetensors")
    save_file({**load_file(tmp_path / "first.safetensors"), **counted}, tmp_path / "first.safetensors")
    with pytest.raises(InputError, match="6 unexpected"):  # GhostNet's authors publish none
        load_weights(first, tmp_path / "first.safetensors")
