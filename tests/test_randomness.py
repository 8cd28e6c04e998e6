"""Streams of many places at once are those of each by itself."""

import pytest

from ghostlib.randomness import FLIP, ORDER, PICTURE, stream, streams


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
@pytest.mark.parametrize("key", [(ORDER,), (PICTURE, 0, 0), (FLIP, 3, 1), (FLIP, 2**20, 7)])
def test_streams_are_numpys(seed, key):
    places = [0, 1, 17, 9468, 2**31, 2**32 - 1]
    for place, one in zip(places, streams(seed, *key, places=places), strict=True):
        assert one.bit_generator.state == stream(seed, *key, place).bit_generator.state
        assert one.normal() == stream(seed, *key, place).normal()
    assert streams(seed, *key, places=range(0)) == []
