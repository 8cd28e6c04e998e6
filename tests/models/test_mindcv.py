"""Checkpoints of mindcv's other networks: its names are read, and our networks then answer as its own classes did."""

import json
import warnings
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from reference import formula

from ghostlib import models
from ghostlib.weights import load_weights

NETWORKS = {"resnet50": models.resnet50, "mobilenet_v2_100": models.mobilenet_v2,
            "mobilenet_v3_large_100": models.mobilenet_v3_large, "mobilenet_v3_small_100": models.mobilenet_v3_small}


STORED = np.load(Path(__file__).parent / "reference" / "mindcv.npz")


@pytest.mark.usefixtures("pynative")
@pytest.mark.parametrize("name", NETWORKS)
def test_mindcvs_checkpoints_load_and_answer_as_there(name, tmp_path):
    shapes, gain = json.loads(str(STORED[f"{name}.shapes"])), float(STORED[f"{name}.gain"])
    path = tmp_path / f"{name}.ckpt"
    mindspore.save_checkpoint([{"name": key, "data": Tensor(formula.tensor(key, shape, gain))}
                               for key, shape in shapes.items()], str(path))
    net = NETWORKS[name]().set_train(False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_weights(net, path)
    told = [str(one.message) for one in caught if "mindcv" in str(one.message)]
    expected, largest = STORED[f"{name}.225"], np.abs(STORED[f"{name}.225"]).max()
    assert np.abs(net(Tensor(formula.images(2, 225, 225))).asnumpy() - expected).max() < 1e-4 * largest
    # Where a side is even mindcv's "same" padding stands at one end alone, so that answers differ, and that is said.
    differs = np.abs(net(Tensor(formula.images())).asnumpy() - STORED[f"{name}.224"]).max() / largest
    assert (differs > 1e-4) == bool(told) == (name != "mobilenet_v2_100")
