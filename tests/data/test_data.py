"""From files to batches: what is random depends on seed, epoch and rank alone, and broken input is named."""

import io
import re
import tarfile
from hashlib import md5

import numpy as np
import pytest
import skimage.data
from PIL import Image

from ghostlib import data
from ghostlib.config import Config
from ghostlib.data import augment, cifar10, decoding, folders
from ghostlib.data.photographs import write as write_photographs
from ghostlib.errors import InputError, RunError


def all_batches(batches, epoch=0):
    return list(batches.epoch(epoch))


def test_digits_are_real_and_a_third_is_kept_for_testing():
    digits = data.load(Config())
    assert (digits.train.images, digits.test.images) == (1198, 599)
    assert len(digits.train) == 1198 // 64 and len(digits.test) == 10
    batches = all_batches(digits.test)
    assert sum(len(batch.places) for batch in batches) == 599
    assert all(batch.images.shape == (64, 3, 32, 32) and batch.images.dtype == np.float32 for batch in batches)
    np.testing.assert_array_equal(np.concatenate([b.labels[:len(b.places)] for b in batches]), digits.test.labels)
    train = {digits.train.picture(i).tobytes() for i in range(digits.train.images)}
    shared = sum(digits.test.picture(i).tobytes() in train for i in range(digits.test.images))
    assert shared == 0


def test_digits_are_normalised():
    plain = data.load(Config(augment="none", batch_size=599))
    images = np.concatenate([batch.images for batch in all_batches(plain.train)])
    assert abs(images.mean()) < 0.02 and abs(images.std() - 1) < 0.02


def test_randomness_is_a_function_of_seed_epoch_and_rank():
    def first(seed=0, epoch=0, rank=0, ranks=1):
        return next(data.load(Config(seed=seed), rank, ranks).train.epoch(epoch))
    reference = first()
    np.testing.assert_array_equal(reference.images, first().images)
    for other in (first(seed=1), first(epoch=1), first(rank=1, ranks=2)):
        assert not np.array_equal(reference.images, other.images)


def test_streams_of_different_purposes_and_places_are_different():
    from ghostlib.randomness import AUGMENT, ORDER, PICTURE, stream
    places = [(ORDER, 3), (AUGMENT, 3, 0), (AUGMENT, 3, 1), (AUGMENT, 0, 3), (PICTURE, 3, 0, 0), (PICTURE, 3, 0, 1)]
    drawn = {stream(5, *place).integers(2**62) for place in places}
    assert len(drawn) == len(places)
    assert stream(5, ORDER, 3).integers(2**62) in drawn and stream(6, ORDER, 3).integers(2**62) not in drawn


def test_ranks_share_an_epoch_out():
    shares = [data.load(Config(augment="none", batch_size=1), rank, 3).train for rank in range(3)]
    seen = [{batch.images.tobytes() for batch in share.epoch(2)} for share in shares]
    assert [len(share) for share in shares] == [399, 399, 399]
    assert not (seen[0] & seen[1] or seen[1] & seen[2] or seen[0] & seen[2])


def test_crop_moves_and_flip_mirrors():
    image = np.zeros((1, 3, 8, 8), np.uint8)
    image[0, :, 4, 2] = 255
    places = set()
    for seed in range(200):
        moved = augment.crop(image, np.random.default_rng(seed), padding=2)
        assert moved.shape == image.shape
        places |= {tuple(place) for place in np.argwhere(moved[0, 0])}
    assert places == {(row, column) for row in range(2, 7) for column in range(0, 5)}
    mirrored = augment.flip(np.repeat(image, 1000, axis=0), np.random.default_rng(0))
    assert set(np.argwhere(mirrored[:, 0])[:, 2]) == {2, 5}
    assert 400 < (mirrored[:, 0, 4, 5] > 0).sum() < 600


def cifar(folder, records=4, names=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5",
                                    "test_batch")):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        rows = rng.integers(0, 256, (records, cifar10.RECORD), np.uint8)
        rows[:, 0] = np.arange(records) % 10
        rows.tofile(folder / f"{name}.bin")
    return folder


CIFAR = {"dataset": "cifar10", "batch_size": 2}


def test_cifar_is_read_in_its_layout(tmp_path):
    folder = cifar(tmp_path / cifar10.FOLDER)
    loaded = data.load(Config(data_dir=str(tmp_path), **CIFAR))
    assert (loaded.train.images, loaded.test.images) == (20, 4)
    raw = np.fromfile(folder / "test_batch.bin", np.uint8)[1:cifar10.RECORD]
    np.testing.assert_array_equal(loaded.test.picture(0)[..., 0].ravel(), raw[:1024])  # the red plane comes first


def test_the_real_cifar_when_it_is_there(root):
    if not (root / "data" / cifar10.FOLDER).is_dir():
        pytest.skip("CIFAR-10 is not in data/: ghostlib fetch cifar10")
    loaded = data.load(Config(data_dir=str(root / "data"), dataset="cifar10"))
    assert (loaded.train.images, loaded.test.images) == (50_000, 10_000)
    assert (np.bincount(loaded.train.labels) == 5000).all()


@pytest.mark.parametrize(("damage", "message"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-7]), r"data_batch_3.bin: 12,285 bytes, truncated"),
    (lambda path: path.write_bytes(b""), r"data_batch_3.bin: 0 bytes, truncated"),
    (lambda path: path.unlink(), r"data_batch_3.bin: cannot be read"),
    (lambda path: path.write_bytes(b"\x0b" * cifar10.RECORD), r"data_batch_3.bin: label 11 in record 0")])
def test_a_damaged_cifar_file_is_named(damage, message, tmp_path):
    damage(cifar(tmp_path / cifar10.FOLDER) / "data_batch_3.bin")
    with pytest.raises(InputError, match=message):
        data.load(Config(data_dir=str(tmp_path), **CIFAR))


def test_a_missing_cifar_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="holds no cifar-10-batches-bin; 'ghostlib fetch cifar10"):
        data.load(Config(data_dir=str(tmp_path), **CIFAR))


def test_cifar_is_downloaded_checked_and_unpacked(server, tmp_path):
    folder, address = server
    cifar(tmp_path / "source" / cifar10.FOLDER)
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "source" / cifar10.FOLDER, cifar10.FOLDER)
    right = md5((folder / "cifar.tar.gz").read_bytes()).hexdigest()
    with pytest.raises(RunError, match="wrong hash, nothing was kept"):
        cifar10.fetch(tmp_path / "target", f"{address}/cifar.tar.gz", "0" * 32)
    with pytest.raises(RunError, match="cannot be downloaded"):
        cifar10.fetch(tmp_path / "target", f"{address}/nothing.tar.gz", right)
    assert not (tmp_path / "target").exists()
    target = cifar10.fetch(tmp_path / "target", f"{address}/cifar.tar.gz", right)
    assert [p.name for p in (tmp_path / "target").iterdir()] == [target.name]
    assert data.load(Config(data_dir=str(tmp_path / "target"), **CIFAR)).train.images == 20
    assert cifar10.fetch(tmp_path / "target", "http://127.0.0.1:9/none", right) == target  # there already


def photographs(root, classes=("cat", "dog"), each=3, size=(48, 40)):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.{'png' if i % 2 else 'jpg'}")
    return root


def folder_config(root, **changes):
    return Config(dataset="imagefolder", data_dir=str(root), batch_size=2, num_classes=2, augment="crop+flip", **changes)


def test_folders_are_classes(tmp_path):
    loaded = data.load(folder_config(photographs(tmp_path)))
    assert loaded.classes == ["cat", "dog"] and len(loaded.train) == 3
    batch = next(loaded.train.epoch(0))
    assert batch.images.shape == (2, 3, 32, 32) and batch.images.dtype == np.float32
    assert [len(b.places) for b in loaded.test.epoch()] == [2, 2, 2]
    np.testing.assert_array_equal(batch.images, next(loaded.train.epoch(0)).images)
    assert not np.array_equal(batch.images, next(loaded.train.epoch(1)).images)
    assert loaded.test.picture(0).shape == (32, 32, 3)


def test_greyscale_photographs_are_read_as_colour(tmp_path):
    root = photographs(tmp_path)
    Image.fromarray(np.full((40, 40), 128, np.uint8)).save(root / "val" / "cat" / "0.jpg")
    image = next(data.load(folder_config(root)).test.epoch()).images[0]
    assert image.shape == (3, 32, 32)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda root: [p.unlink() for p in (root / "train" / "dog").iterdir()], r"class folder .*train/dog is empty"),
    (lambda root: [p.rename(p.with_suffix(".txt")) for p in (root / "train" / "dog").iterdir()],
     r"class folder .*train/dog holds no image, only 0.txt, 1.txt, 2.txt; wanted is at least one"),
    (lambda root: (root / "val").rename(root / "test"),
     r"/val does not exist; wanted is a folder with one subfolder for each class, or val_share: 0.1"),
    (lambda root: (root / "val" / "dog").rename(root / "val" / "wolf"), r"differ in their class folders: dog, wolf")])
def test_an_unusable_folder_is_named(damage, message, tmp_path):
    damage(photographs(tmp_path))
    with pytest.raises(InputError, match=message):
        data.load(folder_config(tmp_path))


def test_a_missing_folder_and_a_wrong_number_of_classes(tmp_path):
    with pytest.raises(InputError, match="data_dir: .*nowhere does not exist"):
        data.load(folder_config(tmp_path / "nowhere"))
    photographs(tmp_path, classes=("a", "b", "c"))
    with pytest.raises(InputError, match="num_classes: 2 given; .* has 3"):
        data.load(folder_config(tmp_path))


def spoil(root):
    """Damages what ImageNet has damaged, and worse: gives the names of those that nothing can read."""
    def encoded(mode, fmt):
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 48, 3), np.uint8)).convert(mode).save(stream, fmt)
        return stream.getvalue()

    contents = {"cmyk.jpg": encoded("CMYK", "JPEG"), "grey.jpg": encoded("L", "JPEG"), "palette.png": encoded("P", "PNG"),
                "disguised.jpg": encoded("RGBA", "PNG"), "text.jpg": b"not a picture at all", "zero.jpg": b"",
                "half.jpg": encoded("RGB", "JPEG")[:500]}
    for split in ("train", "val"):
        for name, content in contents.items():
            (root / split / "dog" / name).write_bytes(content)
    return {"text.jpg": "no image of a known format", "zero.jpg": "an empty file",
            "half.jpg": "damaged: Truncated File Read"}


def told(names):
    """The files and reasons of a line that names unreadable images."""
    return dict(re.findall(r"/([^/]+) \(([^)]*)\)", names))


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 5}])
def test_photographs_are_decoded_as_pillow_decodes_them(options, tmp_path):
    path, box = tmp_path / "x.jpg", (7, 3, 20, 31)
    noise = np.random.default_rng(0).integers(0, 256, (43, 59, 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG", **options)
    wanted = np.asarray(Image.open(path))
    np.testing.assert_array_equal(decoding.decode(path), wanted)
    np.testing.assert_array_equal(decoding.decode(path, lambda width, height: box), wanted[3:34, 7:27])


def test_damaged_photographs_are_what_pillow_makes_of_them(tmp_path):
    path, rng = tmp_path / "x.jpg", np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (43, 59, 3), np.uint8))
    noise.save(path, "JPEG")
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    read = 0
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged[:rng.integers(100, 2 * len(whole))].tobytes())
        try:
            wanted = np.asarray(Image.open(path, formats=decoding.FORMATS).convert("RGB"))
        except (OSError, SyntaxError, ValueError):
            with pytest.raises(decoding.Unreadable):
                decoding.decode(path)
        else:
            np.testing.assert_array_equal(decoding.decode(path), wanted)
            read += 1
    assert 50 < read < 250  # both happen


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_read_is_skipped_and_named_and_everything_else_is_read(workers, tmp_path):
    unreadable = spoil(photographs(tmp_path, each=4))
    loaded = data.load(folder_config(tmp_path, workers=workers))
    batches = all_batches(loaded.test)
    places = np.concatenate([batch.places for batch in batches])
    assert len(places) == len(set(places)) == loaded.test.images - 3 == 12
    assert [len(batch.images) for batch in batches] == [2] * len(batches)
    for batch in batches:
        np.testing.assert_array_equal(batch.labels[:len(batch.places)], loaded.test.labels[batch.places])
    for epoch in range(2):
        assert len(all_batches(loaded.train, epoch)) == len(loaded.train) == 7
    for batches in (loaded.train, loaded.test):
        assert told(batches.names(batches.broken)) == unreadable


def test_one_broken_image_that_comes_several_times_in_a_row_ends_nothing(tmp_path):
    """With repeated augmentation the next places show the same file."""
    photographs(tmp_path, each=4)
    broken = sorted((tmp_path / "train").rglob("*.jpg"))[0]
    broken.write_text("<html>")
    loaded = data.load(folder_config(tmp_path, broken_limit=1, repeats=3))
    for epoch in range(20):  # until it has come
        assert len(all_batches(loaded.train, epoch)) == len(loaded.train)
    assert loaded.train.broken.sum() == 1


def test_too_many_unreadable_images_end_the_run(tmp_path):
    spoil(photographs(tmp_path))
    loaded = data.load(folder_config(tmp_path, broken_limit=1))
    for batches in (loaded.train, loaded.test):
        with pytest.raises(RunError, match=r"data_dir: [23] images cannot be read, broken_limit allows 1: .*\.jpg"):
            all_batches(batches)
    assert data.load(folder_config(tmp_path, broken_limit=3)).test.broken.sum() == 0


def test_nothing_but_unreadable_images(tmp_path):
    for path in photographs(tmp_path).rglob("*.*g"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"data_dir: none of 6 images looked at in .*train can be read: .*0.jpg .an empty"):
        data.load(folder_config(tmp_path))


def test_cmyk_is_read_as_the_colours_it_means(tmp_path):
    photographs(tmp_path, size=(37, 37))
    Image.new("CMYK", (37, 37), (0, 255, 255, 0)).save(tmp_path / "val" / "cat" / "0.jpg", quality=100)
    red = data.load(folder_config(tmp_path)).test.picture(0).reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_a_flat_validation_folder_is_recognised(tmp_path):
    photographs(tmp_path)
    for path in list((tmp_path / "val").rglob("*.*g")):
        path.rename(tmp_path / "val" / f"{path.parent.name}_{path.name}")
    for folder in ("cat", "dog"):
        (tmp_path / "val" / folder).rmdir()
    with pytest.raises(InputError, match=r"val has no class folders but 6 images .* 'ghostlib prepare-imagenet ARCHIVES"):
        data.load(folder_config(tmp_path))


def test_a_failure_that_no_file_explains_is_told_as_it_is(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")
    batches = data.load(folder_config(photographs(tmp_path))).train
    monkeypatch.setattr(folders, "padded", fail)
    with pytest.raises(RunError, match="data_dir: .*out of memory"):
        all_batches(batches)


@pytest.mark.parametrize("ranks", [2, 3, 7, 20])
def test_ranks_share_the_test_images_out_with_none_left_or_twice(ranks):
    config = Config(batch_size=50)
    shares = [data.load(config, rank, ranks).test for rank in range(ranks)]
    places = np.concatenate([batch.places for share in shares for batch in share.epoch()])
    assert sorted(places) == list(range(599))


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(InputError, match="batch_size: 2000 given; .* allowed are 1 to 1198"):
        data.load(Config(batch_size=2000))


def test_pictures_from_a_stream_of_bytes_are_equal(tmp_path):
    """Decoding is lossless for PNG, so a picture looked at is the picture stored."""
    pixels = np.random.default_rng(1).integers(0, 256, (37, 37, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    photographs(tmp_path)
    (tmp_path / "val" / "cat" / "0.jpg").write_bytes(stream.getvalue())
    shown = data.load(folder_config(tmp_path)).test.picture(0)
    np.testing.assert_array_equal(shown, pixels[2:34, 2:34])  # 37 = round(32 / 0.875): not scaled, centre cut out


def test_photographs_take_the_whole_recipe_and_repeat_themselves(tmp_path):
    config = folder_config(photographs(tmp_path), erasing=0.5, interpolation="bicubic", workers=1)
    plain, recipe = (data.load(config.having(augment=how)) for how in ("crop+flip", "randaugment"))
    one, again = all_batches(recipe.train, 3), all_batches(recipe.train, 3)
    for first, second in zip(one, again):
        np.testing.assert_array_equal(first.images, second.images)
    assert any(not np.array_equal(a.images, b.images) for a, b in zip(one, all_batches(plain.train, 3)))
    assert one[0].images.shape == (2, 3, 32, 32)


def test_the_photographs_are_a_dataset_whose_test_images_were_not_trained_on(tmp_path):
    folder = write_photographs(tmp_path)
    survey = folders.survey(folder)
    assert survey.classes.tolist() == [8, 8] and survey.images.tolist() == [320, 160]
    assert survey.unreadable.tolist() == [0, 0] and survey.fewest.tolist() == survey.most.tolist() == [40, 20]
    before = sorted(tmp_path.rglob("*"))
    assert write_photographs(tmp_path) == folder and sorted(tmp_path.rglob("*")) == before


def test_a_survey_names_what_cannot_be_read(tmp_path):
    unreadable = spoil(photographs(tmp_path, each=4))
    survey = folders.survey(tmp_path)
    assert survey.unreadable.tolist() == [3, 3] and survey.looked_at.tolist() == [15, 15]
    assert told(survey.names[0]) == unreadable


def test_normalised_images_can_be_looked_at_again(tmp_path):
    loaded = data.load(folder_config(photographs(tmp_path)))
    batch = next(loaded.test.epoch())
    np.testing.assert_array_equal(folders.as_pictures(batch.images)[0], loaded.test.picture(batch.places[0]))


def test_the_examples_are_six_photographs_with_classes_of_imagenet():
    config = Config(dataset="examples", num_classes=1000, image_size=96, epochs=0, batch_size=4)
    shown = data.load(config)
    named = [shown.classes[label] for label in shown.test.labels]
    assert named == ["stone wall", "tripod", "tabby", "analog clock", "espresso", "missile"]
    assert len(shown.classes) == 1000 == len(set(shown.classes)) and shown.train.images == 0
    batches = list(shown.test.epoch())
    assert [len(batch.places) for batch in batches] == [4, 2] and batches[0].images.shape == (4, 3, 96, 96)
    whole = skimage.data.chelsea()  # 300 x 451: scaled to 110 x 165, and the middle cut out
    assert abs(shown.test.picture(2).mean(axis=(0, 1)) - whole[20:280, 96:356].mean(axis=(0, 1))).max() < 3
    with pytest.raises(InputError, match="epochs: 1 given; the examples are six photographs"):
        data.load(Config(dataset="examples", num_classes=1000, epochs=1))
    with pytest.raises(InputError, match="num_classes: 10 given; examples has 1000"):
        Config.of({"dataset": "examples", "epochs": 0})
