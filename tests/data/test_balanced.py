"""As many images of each class, the same ones each time."""

import numpy as np
import pytest
from PIL import Image

from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.data.batches import balanced_images, first_images, spread_images
from ghostlib.data.folders import FolderBatches
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


def test_images_are_of_all_classes_also_where_these_come_one_after_the_other(tmp_path, monkeypatch):
    """Of digits, which come mixed, the first; of folders, which come class by class, some of each."""
    split = load(Config()).test
    images, places = spread_images(split, 20)
    assert places.tolist() == list(range(20))
    np.testing.assert_array_equal(images, first_images(split, 20))
    for number in range(18):
        for part in ("train", "val"):
            path = tmp_path / part / ("one", "other")[number // 9] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40, 3), 10 * number, np.uint8)).save(path)
    config = Config(dataset="imagefolder", data_dir=str(tmp_path), num_classes=2, image_size=32, batch_size=4)
    folders = load(config).test
    images, places = spread_images(folders, 6)
    assert places.tolist() == [0, 3, 7, 10, 14, 17] and folders.labels[places].tolist() == [0, 0, 0, 1, 1, 1]
    whole = np.concatenate([batch.images[:len(batch.places)] for batch in folders.epoch()])
    np.testing.assert_array_equal(images, whole[places])
    read, real = [], FolderBatches._first_readable

    def noted(own, order, place, box):
        read.append(int(order[place]))
        return real(own, order, place, box)
    monkeypatch.setattr(FolderBatches, "_first_readable", noted)
    spread_images(load(config).test, 6)
    assert sorted(read) == places.tolist()  # and no other is decoded
    (tmp_path / "val" / "one" / "07.png").write_text("<html>")
    images, places = spread_images(load(config).test, 6)
    assert places.tolist() == [0, 1, 3, 10, 14, 17] and len(images) == 6  # another in its place
    with pytest.raises(InputError, match="images: 18 given; of the split's 18 17 at most can be read"):
        spread_images(load(config).test, 18)
    with pytest.raises(InputError, match="images: 19 given; the split has 18"):
        spread_images(folders, 19)
