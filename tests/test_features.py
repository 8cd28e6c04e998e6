"""What layers show: by name, without a trace left in the network."""

import mindspore
import numpy as np
import pytest
from mindspore import nn

from ghostlib import features, models
from ghostlib.errors import InputError


def images(count=5, size=32):
    return np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32)


def test_activations_are_what_the_layers_put_out(pynative):
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


def test_activations_leave_no_hook_behind():
    net = models.resnet20(0.25)
    features.activations(net, images(), ["conv1"])
    assert not any(cell._forward_hook for _, cell in net.cells_and_names())


@pytest.mark.parametrize(("name", "message"), [("layer1.3", "did you mean layer1"), ("", "layer: '' given")])
def test_a_layer_that_does_not_exist_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        features.activations(models.resnet20(0.25), images(), [name])


def test_a_cell_that_says_nothing_as_it_fails_is_told_by_its_error():
    class Silent(nn.Cell):
        def construct(self, _):
            raise NotImplementedError
    with pytest.raises(InputError, match="NotImplementedError"):
        features.activations(nn.SequentialCell(nn.Conv2d(3, 2, 3), Silent()), images(), ["0"])


def test_ghost_layers_are_found_in_both_forms():
    assert features.ghost_layers(models.ghostnet(0.5, ratio=1)) == {}
    found = features.ghost_layers(models.ghostnet(0.5))
    assert found["blocks.0.0.ghost1"] == (4, 2) and len(found) == 32
    assert len(features.ghost_layers(models.vgg16(0.25, ratio=4))) == 13
