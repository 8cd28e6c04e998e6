"""What was written with the names that a ResNet's layers had before is still read, with a remark."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from mindspore import nn
from safetensors.numpy import load_file, save_file

from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.former_names import current_name
from ghostlib.models import resnet20, resnet50
from ghostlib.results import read_table
from ghostlib.training.checkpoint import FORMAT, State, load_bundle, save_bundle
from ghostlib.training.optimizers import make_optimizer
from ghostlib.weights import load_weights, save_weights

INSIDE = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4", "conv3": "body.6", "bn3": "body.7",
          "downsample": "shortcut"}
CONTENTS = load(Config()).contents


def former(name):
    """What a tensor was called."""
    first, *rest = name.split(".")
    if first.startswith("layer"):
        return ".".join([f"stages.{int(first[5:]) - 1}", rest[0], INSIDE[rest[1]], *rest[2:]])
    return ".".join([{"conv1": "stem.0", "bn1": "stem.1", "fc": "classifier"}[first], *rest])


@pytest.mark.parametrize("net", [resnet20(0.25, ratio=2), resnet50(0.125)], ids=["resnet20", "resnet50"])
def test_weights_under_former_names_load_with_a_remark(net, tmp_path):
    save_weights(net, tmp_path / "now.safetensors")
    tensors = load_file(tmp_path / "now.safetensors")
    old = {former(name): array for name, array in tensors.items()}
    assert all(name.startswith("classifier") or current_name(name) in tensors for name in old)
    save_file(old, tmp_path / "old.safetensors")
    for parameter in net.get_parameters():
        parameter.set_data(parameter * 0 + 1)
    with pytest.warns(RuntimeWarning, match="is a former name, read as (conv1|bn1|layer)"):
        load_weights(net, tmp_path / "old.safetensors")
    for name, parameter in net.parameters_and_names():
        np.testing.assert_array_equal(parameter.asnumpy(), tensors[name], err_msg=name)


def test_a_ratio_by_layer_is_read_by_former_names():
    with pytest.warns(RuntimeWarning, match="stages.0.0.body.0 is a former name, read as layer1.0.conv1"):
        config = Config(model="resnet20", ratio={"stages.0.0.body.0": 4}, stem_stride=None)
    assert config.ratio == {"layer1.0.conv1": 4}
    with pytest.warns(RuntimeWarning, match="former name"):
        net = resnet20(0.5, ratio={"stages.0.0.body.0": 4})
    assert net.layer1[0].conv1.ratio == 4 and type(net.layer1[0].conv2) is nn.Conv2d
    assert Config(model="vgg16", ratio={"stages.0.0.body.0": 4}).ratio == {"stages.0.0.body.0": 4}  # no ResNet's name


def test_a_bundle_of_an_earlier_version_is_resumed(tmp_path):
    config = Config(model="resnet20", width=0.25, ratio={"layer1.0.conv1": 2})
    net = resnet20(0.25, config.ratio)
    optimizer = make_optimizer(net, config)
    for number, moment in enumerate(optimizer.moments):
        moment.set_data(moment * 0 + number)
    path = tmp_path / "last.safetensors"
    save_bundle(path, net, optimizer, State(epoch=3), config, CONTENTS)
    tensors = load_file(path)
    momentum = "optimizer.momentum."
    old = {momentum + former(name.removeprefix(momentum)) if name.startswith(momentum) else former(name): array
           for name, array in tensors.items()}
    stored = config.model_dump() | {"ratio": {"stages.0.0.body.0": 2}}
    save_file(old, path, {"format": FORMAT, "config": json.dumps(stored), "data": CONTENTS.to_json(),
                          "state": json.dumps({"epoch": 3})})
    again = resnet20(0.25, config.ratio)
    fresh = make_optimizer(again, config)
    with pytest.warns(RuntimeWarning, match="former name"):
        state = load_bundle(path, again, fresh, config, CONTENTS)
    assert state.epoch == 3
    for number, moment in enumerate(fresh.moments):
        assert (moment.asnumpy() == number).all()


def test_recorded_rows_are_read_with_the_names_of_now(tmp_path):
    rows = pd.DataFrame({"model": ["resnet20", "resnet20", "vgg16"], "layer": ["stages.0.0.body.3", "classifier", "stem.0"],
                         "ratio": ['{"stages.0.0.body.0": 2}', "2", "2"]})
    rows.to_csv(tmp_path / "old.csv", index=False)
    with pytest.warns(RuntimeWarning, match="former name"):
        found = read_table(tmp_path / "old.csv")
    assert found.layer.tolist() == ["layer1.0.conv2", "fc", "stem.0"]
    assert found.ratio.tolist() == ['{"layer1.0.conv1": 2}', "2", "2"]
    found.to_csv(tmp_path / "new.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_table(tmp_path / "new.csv").astype(str).equals(found.astype(str))
