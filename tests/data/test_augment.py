"""RandAugment and erasing: each operation against Pillow's, magnitudes against timm's definition."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from skimage.data import astronaut

from ghostlib.config import Config
from ghostlib.data import augment, randaugment
from ghostlib.errors import InputError

PHOTOGRAPH = np.asarray(Image.fromarray(astronaut()).resize((224, 224)))
PICTURE = Image.fromarray(PHOTOGRAPH)
BILINEAR, FILL = Image.Resampling.BILINEAR, (124, 116, 104)


@pytest.mark.parametrize("factor", [0.1, 0.82, 1.0, 1.72, 1.9])
@pytest.mark.parametrize("name", ["Color", "Contrast", "Brightness", "Sharpness"])
def test_enhancements_agree_with_pillow_to_rounding(name, factor):
    ours = randaugment.enhance(name, PHOTOGRAPH, factor).astype(int)
    theirs = np.asarray(getattr(ImageEnhance, name)(PICTURE).enhance(factor)).astype(int)
    difference = np.abs(ours - theirs)
    assert difference.max() <= 2 and (difference > 1).mean() < 1e-3 and abs((ours - theirs).mean()) < 0.6


@pytest.mark.parametrize(("ours", "theirs", "most"), [
    (lambda: randaugment.invert(PHOTOGRAPH), lambda: ImageOps.invert(PICTURE), 0),
    (lambda: randaugment.posterize(PHOTOGRAPH, 3), lambda: ImageOps.posterize(PICTURE, 3), 0),
    (lambda: randaugment.solarize(PHOTOGRAPH, 230), lambda: ImageOps.solarize(PICTURE, 230), 0),
    (lambda: randaugment.solarize(PHOTOGRAPH, 0), lambda: ImageOps.solarize(PICTURE, 0), 0),
    (lambda: randaugment.solarize(PHOTOGRAPH, 256), lambda: ImageOps.solarize(PICTURE, 256), 0),
    (lambda: randaugment.auto_contrast(PHOTOGRAPH // 2 + 40),
     lambda: ImageOps.autocontrast(Image.fromarray(PHOTOGRAPH // 2 + 40)), 1),
    (lambda: randaugment.equalize(PHOTOGRAPH), lambda: ImageOps.equalize(PICTURE), 0),
    (lambda: randaugment.rotate(PHOTOGRAPH, 27), lambda: PICTURE.rotate(27, BILINEAR, fillcolor=FILL), 0)])
def test_the_others_agree_with_pillow(ours, theirs, most):
    assert np.abs(ours().astype(int) - np.asarray(theirs()).astype(int)).max() <= most


def test_solarize_add_brightens_what_is_dark():
    image = np.array([[[0, 100, 127], [128, 200, 255]]], np.uint8)
    assert randaugment.solarize_add(image, 99).tolist() == [[[99, 199, 226], [128, 200, 255]]]


class Coin:
    """A generator whose coin always falls on one side."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


@pytest.mark.parametrize(("name", "matrix"), [
    ("ShearX", (1, 0.27, 0, 0, 1, 0)), ("ShearY", (1, 0, 0, 0.27, 1, 0)),
    ("TranslateX", (1, 0, 0.405 * 224, 0, 1, 0)), ("TranslateY", (1, 0, 0, 0, 1, 0.405 * 224))])
def test_shears_and_shifts_move_as_far_as_timm_says(name, matrix):
    """At magnitude 9 shear is 0.27 and not, read as degrees, next to nothing."""
    for coin, sign in ((0.9, 1), (0.1, -1)):
        signed = [value * sign if i in (1, 2, 3, 5) else value for i, value in enumerate(matrix)]
        expected = np.asarray(PICTURE.transform((224, 224), Image.Transform.AFFINE, signed, resample=BILINEAR,
                                                fillcolor=FILL))
        found = randaugment.OPERATIONS[name](PHOTOGRAPH, 0.9, Coin(coin))
        np.testing.assert_array_equal(found, expected)
        assert (found != PHOTOGRAPH).mean() > 0.3


def test_posterize_and_solarize_weaken_with_the_magnitude():
    """timm's kind without "increasing": at 9, three bits stay, and only what is brighter than 230 is inverted."""
    bits = randaugment.OPERATIONS["Posterize"](PHOTOGRAPH, 0.9, Coin(0))
    np.testing.assert_array_equal(bits, np.asarray(ImageOps.posterize(PICTURE, 3)))
    inverted = randaugment.OPERATIONS["Solarize"](PHOTOGRAPH, 0.9, Coin(0))
    np.testing.assert_array_equal(inverted, np.asarray(ImageOps.solarize(PICTURE, 230)))


def test_randaugment_draws_as_defined():
    """Two draws with replacement out of fifteen, each done with probability 1/2, magnitudes from N(9, 0.5) up to 10."""
    done, levels = [], []

    def record(name):
        def operation(image, level, rng):
            done.append(name)
            levels.append(10 * level)
            return image
        return operation
    table = {name: record(name) for name in randaugment.OPERATIONS}
    assert len(table) == 15
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randaugment, "OPERATIONS", table)
        for seed in range(6000):
            randaugment.randaugment(PHOTOGRAPH[:2, :2], np.random.default_rng(seed))
    assert len(done) / 6000 == pytest.approx(1.0, abs=0.03)
    counts = np.array([done.count(name) for name in table])
    assert counts.min() > 300 and counts.max() < 500
    assert np.mean(levels) == pytest.approx(9, abs=0.03) and np.max(levels) <= 10
    assert np.std(levels) == pytest.approx(0.48, abs=0.03)  # 0.5, a little less for the cut at 10


def test_randaugment_is_a_function_of_image_and_generator():
    before = PHOTOGRAPH.copy()
    first, again, other = (randaugment.randaugment(PHOTOGRAPH, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(PHOTOGRAPH, before)
    assert first.shape == other.shape == (224, 224, 3) and first.dtype == np.uint8


def test_erasing_takes_the_share_and_the_sizes_of_the_recipe():
    images = augment.erase(np.ones((4000, 1, 64, 64), np.float32), 0.25, np.random.default_rng(0))
    area = (images == 0).mean(axis=(1, 2, 3))
    erased = area > 0
    assert erased.mean() == pytest.approx(0.25, abs=0.02)
    assert 0.015 < area[erased].min() and area[erased].max() < 0.345
    assert area[erased].mean() == pytest.approx((0.02 + 0.33) / 2, abs=0.01)
    for image in images[erased][:50, 0]:  # one full rectangle each
        rows, columns = np.where(image == 0)
        assert (image[rows.min():rows.max() + 1, columns.min():columns.max() + 1] == 0).all()


def test_repeated_augmentation_shows_each_image_several_times_in_an_epoch_of_usual_length():
    from ghostlib.data.batches import share_of
    config = Config(repeats=3)
    order = share_of(100, config, 0, 0, 1, True)
    assert len(order) == 100 and set(np.bincount(order)[np.bincount(order) > 0]) <= {1, 3}
    shares = [share_of(99, config, 0, rank, 3, True) for rank in range(3)]
    np.testing.assert_array_equal(shares[0], shares[1])  # three copies of an image go to three ranks
    assert len(shares[0]) == 33 and len(set(shares[0])) == 33


def test_randaugment_is_for_photographs():
    with pytest.raises(InputError, match="augment: 'randaugment' given; it is for photographs; digits allows"):
        Config.of({"augment": "randaugment"})


def test_crops_are_of_the_recipes_sizes_and_shapes_and_lie_inside():
    boxes = np.array([augment.crop_box(np.random.default_rng(seed), 500, 375) for seed in range(3000)])
    left, top, width, height = boxes.T
    assert (boxes >= 0).all() and (left + width <= 500).all() and (top + height <= 375).all()
    area, ratio = width * height / (500 * 375), width / height
    assert 0.079 < area.min() < 0.1 and 0.9 < area.max() <= 1 and 0.4 < area.mean() < 0.5
    assert 0.74 < ratio.min() < 0.77 and 1.3 < ratio.max() < 1.35 and abs(np.log(ratio).mean()) < 0.03
    assert augment.crop_box(np.random.default_rng(0), 1000, 10) == (493, 0, 13, 10)
    assert augment.crop_box(np.random.default_rng(0), 1, 1) == (0, 0, 1, 1)


def test_jitter_changes_colours_by_no_more_than_it_is_allowed_to_and_repeats_itself():
    picture = np.random.default_rng(1).integers(60, 180, (12, 10, 3)).astype(np.uint8)
    rng = np.random.default_rng(3)
    means = np.array([randaugment.jitter(picture, 0.2, rng).mean() for _ in range(200)])
    assert means.min() >= 0.79 * picture.mean() and means.max() <= 1.21 * picture.mean() and np.ptp(means) > 20
    one, other = (randaugment.jitter(picture, 0.4, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == picture.shape and one.dtype == np.uint8 and (one != picture).any()
