"""As many images of each class, the same ones each time."""

import numpy as np
import pytest

from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.data.batches import balanced_images
from ghostlib.errors import InputError


def test_as_many_of_each_class_are_drawn_with_their_labels():
    split = load(Config()).test
    images, labels = balanced_images(split, 45)
    assert np.bincount(labels).tolist() == [4] * 10 and len(images) == 40  # five are left out
    assert (np.diff(labels) != 0).mean() > 0.7  # mixed
    whole = np.concatenate([batch.images[:len(batch.places)] for batch in split.epoch()])
    places = [int(np.flatnonzero((whole == image).all(axis=(1, 2, 3)))[0]) for image in images]
    assert len(set(places)) == 40 and (split.labels[places] == labels).all()
    np.testing.assert_array_equal(balanced_images(split, 45)[0], images)
    assert (balanced_images(split, 45, seed=1)[0] != images).any()


@pytest.mark.parametrize("count", [0, 9, 10_000])
def test_more_than_there_are_is_refused(count):
    with pytest.raises(InputError, match=rf"images: {count} given; allowed are 10 to \d+, as many of each"):
        balanced_images(load(Config()).test, count)
