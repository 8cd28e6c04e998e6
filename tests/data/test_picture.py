"""From decoded pixels to a place in a batch, to the bit."""

import numpy as np
import pytest
from mindspore.dataset import vision

from ghostlib.data.picture import MEAN, STD, Normalisation, middle, put


@pytest.mark.parametrize("width", [16, 20, 37])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_reaches_its_place_mirrored_or_not(width, mirrored):
    picture = np.random.default_rng(0).integers(0, 256, (9, width, 3), np.uint8)
    planes, out = np.empty((1, 3, 9, width), np.uint8), np.empty((1, 3, 9, width), np.float32)
    put(picture, mirrored, planes[0])
    wanted = picture[:, ::-1] if mirrored else picture
    np.testing.assert_array_equal(planes[0].transpose(1, 2, 0), wanted)
    Normalisation()(planes, out)
    for channel, (mean, std) in enumerate(zip(MEAN, STD)):
        np.testing.assert_array_equal(
            out[0, channel], wanted[:, :, channel] * np.float32(1 / 255 / std) - np.float32(mean / std))


@pytest.mark.parametrize("height", [32, 33, 37, 48])
@pytest.mark.parametrize("width", [32, 35, 44])
def test_the_middle_is_mindspores(height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(middle(picture, 32), vision.CenterCrop(32)(picture))
