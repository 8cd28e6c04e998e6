"""Which files are images, of which class, what is held out, and by what a dataset is known again."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from ghostlib import data
from ghostlib.config import Config
from ghostlib.data import files, listing
from ghostlib.data.contents import Contents
from ghostlib.errors import InputError

SPLITS = ("train", "val")


def fill(folder, classes=("cat", "dog"), each=3, suffix=".png"):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for image in range(each):
            Image.new("RGB", (40, 40), (9 * image, 90 * number, 7)).save(folder / name / f"{image:02d}{suffix}")
    return folder


@pytest.fixture
def root(tmp_path):
    for split in SPLITS:
        fill(tmp_path / "images" / split)
    return tmp_path / "images"


def load(root, **changes):
    return data.load(Config(dataset="imagefolder", data_dir=str(root), batch_size=2, num_classes=2, **changes))


@pytest.mark.parametrize("name", ["Thumbs.db", "THUMBS.DB", "desktop.ini", ".DS_Store", "@eaDir/x.jpg", "._00.png",
                                  "__MACOSX/y"])
def test_litter_is_passed_over_without_a_word(name, root):
    whole = load(root).contents
    for place in (root / "train" / "dog", root / "train"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"litter")
    found = load(root)
    assert found.remarks == () and found.contents == whole


def test_pictures_of_ones_own_are_listed_by_the_same_rules(root, monkeypatch):
    """However deep they lie, which is not asked where folders are no classes; a link that goes round is followed once."""
    monkeypatch.chdir(root)
    for name in ("._cat.jpg", ".ipynb_checkpoints/cat-checkpoint.jpg", "@eaDir/x.jpg", "train/cat/old/x.JPG", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "train" / "round").symlink_to(root)
    (root / "linked").symlink_to(root / "val" / "dog")
    own = [f"{split}/{name}/{number:02d}.png" for split in SPLITS for name in ("cat", "dog") for number in range(3)]
    linked = [f"linked/{number:02d}.png" for number in range(3)]
    assert files.find(["."]) == sorted([*own, *linked, "train/cat/old/x.JPG"])
    assert files.find(["val/cat/"]) == own[6:9]


def test_other_files_and_folders_are_counted_in_one_remark(root):
    whole = load(root).contents
    for name in ("dog/notes.txt", "dog/old/x.png", "cat/labels.csv", "README.md"):
        (root / "train" / name).parent.mkdir(exist_ok=True)
        (root / "train" / name).write_text("x")
    found = load(root)
    assert found.remarks == (f"data_dir: 4 file(s) or folder(s) in {root}/train are no images by their names and are passed "
                             f"over, first {root}/train/README.md",)
    assert found.contents == whole


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".jfif", ".jpe", ".png", ".bmp", ".webp", ".tif", ".TIFF", ".gif"])
def test_each_kind_of_image_is_found_by_its_name_and_read(suffix, tmp_path):
    for split in SPLITS:
        for path in list(fill(tmp_path / split, suffix=".png").rglob("*.png")):
            with Image.open(path) as image:
                picture = image.copy()
            path.unlink()
            fmt = {"jp": "JPEG", "jf": "JPEG", "pn": "PNG", "bm": "BMP", "we": "WEBP", "ti": "TIFF", "gi": "GIF"}
            picture.save(path.with_suffix(suffix), fmt[suffix[1:3].lower()])
    found = load(tmp_path)
    assert (found.train.images, found.test.images) == (6, 6) and found.remarks == ()
    assert abs(found.test.picture(3).reshape(-1, 3).mean(axis=0) - (0, 90, 7)).max() < 5


def test_letters_composed_in_two_ways_are_one_class(tmp_path):
    """macOS writes é as two characters, Linux as one."""
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != apart
    fill(tmp_path / "train", (composed, "dog"))
    fill(tmp_path / "val", (apart, "dog"))
    assert load(tmp_path).classes == [composed, "dog"]
    fill(tmp_path / "val", (composed,))
    with pytest.raises(InputError, match=r"two folders for class café: 'cafe\\u0301' and 'caf\\xe9', the same letters"):
        load(tmp_path)


@pytest.mark.parametrize(("other", "told"), [
    ("dog ", r"'dog' and 'dog ' only look alike"), ("dog\u200b", r"'dog' and 'dog\\u200b' only look alike"),
    ("Dog", r"'dog' and 'Dog' only look alike"), ("\uff44og", r"'dog' and '\\uff44og' only look alike"),
    ("wolf", r"differ in their class folders: dog, wolf;")])
def test_names_that_differ_invisibly_are_shown_apart(other, told, root):
    (root / "val" / "dog").rename(root / "val" / other)
    with pytest.raises(InputError, match=told):
        load(root)


def test_a_file_name_that_is_no_text_is_read_and_can_be_told(root):
    """Bytes in GBK or Latin-1, as old archives have them."""
    name = os.fsdecode("dog/müll.png".encode("latin-1"))
    (root / "val" / name).write_bytes((root / "val" / "dog" / "00.png").read_bytes())
    found = load(root)
    place = next(index for index in range(found.test.images) if found.test.name(index) == name)
    assert found.test.picture(place).shape == (32, 32, 3)
    (root / "val" / name).write_bytes(b"")
    told = load(root).test.names(np.arange(7) == place)
    assert told == f"{root}/val/dog/m\\xfcll.png (an empty file)"
    told.encode("ascii")


def test_a_link_to_nowhere_is_an_image_that_cannot_be_read(root):
    """As a dataset of links has it when its disk moved in part; it ended in a traceback before the first epoch."""
    (root / "val" / "dog" / "00.png").unlink()
    (root / "val" / "dog" / "00.png").symlink_to(root / "nowhere.png")
    batches = load(root).test
    assert sum(len(batch.places) for batch in batches.epoch()) == 5
    assert "val/dog/00.png (cannot be opened: No such file or directory)" in batches.names(batches.broken)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.99])
def test_a_share_of_each_class_is_held_out_whatever_the_seed(share, tmp_path):
    fill(tmp_path / "train", each=20)
    found = [load(tmp_path, val_share=share, seed=seed) for seed in (0, 1)]
    names = [[[split.name(index) for index in range(split.images)] for split in (one.train, one.test)] for one in found]
    assert names[0] == names[1] and found[0].contents == found[1].contents
    train, test = map(set, names[0])
    assert not train & test and len(train | test) == 40
    wanted = min(max(1, round(20 * share)), 19)
    assert [sum(name.startswith(f"{one}/") for name in test) for one in ("cat", "dog")] == [wanted, wanted]
    assert found[0].contents.val == (wanted, wanted) and found[0].contents.train == (20 - wanted, 20 - wanted)


def test_what_is_held_out_changes_little_when_pictures_come(tmp_path):
    fill(tmp_path / "train", each=20)
    before = load(tmp_path, val_share=0.25).test
    fill(tmp_path / "train", each=24)
    after = load(tmp_path, val_share=0.25).test
    names = [{split.name(index) for index in range(split.images)} for split in (before, after)]
    assert len(names[0]) == 10 and len(names[1]) == 12 and len(names[0] - names[1]) <= 4


def test_with_a_share_val_is_not_even_looked_at(root):
    (root / "val" / "wolf").mkdir()
    for path in (root / "val" / "dog").iterdir():
        path.unlink()
    (root / "train" / "notes.txt").write_text("x")
    found = load(root, val_share=0.4)
    assert len(found.remarks) == 1 and "1 file(s) or folder(s)" in found.remarks[0]  # once, though train/ is in both splits
    assert found.train.images == 4 and found.test.images == 2


def test_class_folders_side_by_side_are_split_when_told_so(tmp_path):
    fill(tmp_path, each=10)
    with pytest.raises(InputError, match=r"no train/ and val/ but 2 folder.s. side by side; .* val_share: 0.1 holds"):
        load(tmp_path)
    found = load(tmp_path, val_share=0.2)
    assert (found.train.images, found.test.images) == (16, 4) and found.classes == ["cat", "dog"]


def test_nothing_can_be_held_out_of_one_image_or_of_none(root, tmp_path):
    for number in (0, 1):
        (root / "train" / "cat" / f"{number:02d}.png").unlink()
    with pytest.raises(InputError, match="val_share: 0.1 given; class cat has 1 image"):
        load(root, val_share=0.1)
    (root / "train").rename(root / "elsewhere")
    with pytest.raises(InputError, match="val_share: 0.1 given; .* has no train/ of which to hold it out"):
        load(root, val_share=0.1)


def test_a_share_is_held_out_of_images_in_memory_too():
    whole = data.load(Config())
    found = [data.load(Config(val_share=0.1, seed=seed)) for seed in (0, 1)]
    assert found[0].contents == found[1].contents and found[0].contents.fingerprint != whole.contents.fingerprint
    assert sum(found[0].contents.train) + sum(found[0].contents.val) == whole.train.images  # the test digits stay untouched
    pictures = {split.picture(index).tobytes() for split in (whole.train,) for index in range(split.images)}
    own = [{split.picture(index).tobytes() for index in range(split.images)} for split in (found[0].train, found[0].test)]
    assert own[0] | own[1] == pictures and len(own[0] & own[1]) <= len(pictures) // 100  # a few digits are there twice
    assert all(round(0.1 * (a + b)) == b for a, b in zip(found[0].contents.train, found[0].contents.val))


def test_a_dataset_is_known_again_wherever_it_lies(root, tmp_path, monkeypatch):
    whole = load(root).contents
    moved = root.rename(tmp_path / "scratch 4711")
    monkeypatch.chdir(tmp_path)
    for name in (moved, f"{moved}/", "scratch 4711", "./scratch 4711/", moved / ".." / "scratch 4711"):
        assert load(name).contents == whole
    assert load(moved, epochs=0).contents == whole and len(whole.fingerprint) == 32


@pytest.mark.parametrize(("change", "told"), [
    (lambda root: (root / "train" / "cat" / "02.png").unlink(), "train/cat has 2 images, had 3"),
    (lambda root: fill(root / "val", ("dog",), each=5), "val/dog has 5 images, had 3"),
    (lambda root: (root / "train" / "cat" / "02.png").rename(root / "train" / "cat" / "99.png"), "but other ones"),
    (lambda root: (root / "val" / "dog" / "01.png").write_bytes((root / "val" / "dog" / "01.png").read_bytes() + b"\0"),
     "but other ones"),
    (lambda root: [(root / split / "cat").rename(root / split / "Katze") for split in SPLITS],
     "class 'cat' is missing; class 'Katze' is new (2 classes then, 2 now)")])
def test_what_came_or_went_is_told(change, told, root):
    before = load(root).contents
    change(root)
    assert told in before.difference(load(root).contents)


def test_of_images_in_memory_pixels_and_labels_count(monkeypatch):
    from ghostlib.data import digits
    from ghostlib.data.batches import in_memory
    pictures, labels = np.zeros((40, 3, 8, 8), np.uint8), np.arange(40) % 10
    split, classes = (pictures, labels), list("0123456789")

    def contents(train, test):
        return in_memory(Config(), train, test, digits.MEAN, digits.STD, classes, 0, 1).contents
    other = pictures.copy()
    other[3, 1, 2, 3] = 1
    swapped = labels.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert contents(split, split) == contents((pictures.copy(), labels.copy()), split)
    assert len({contents(split, split).fingerprint, contents((other, labels), split).fingerprint,
                contents(split, (other, labels)).fingerprint, contents((pictures, swapped), split).fingerprint}) == 4
    assert in_memory(Config(), split, split, digits.MEAN, digits.STD, classes, 1, 2).contents.fingerprint == ""


def test_contents_go_through_a_file():
    whole = data.load(Config()).contents
    assert Contents.of_json(whole.to_json()) == whole and whole.difference(whole) is None
    assert whole.columns()["train_images"] == 1198 and whole.columns()["val_images"] == 599


def test_of_many_files_the_sizes_of_a_fixed_sample_are_looked_at(root, monkeypatch):
    monkeypatch.setattr(listing, "LOOKED_AT", 4)
    looked, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, *rest, **options: looked.append(str(path)) or stat(path, *rest, **options))
    found = [listing.scan(root / split) for split in SPLITS]
    prints = []
    for _ in range(2):
        looked.clear()
        prints.append((listing.fingerprint(found), [path for path in looked if path.endswith(".png")]))
    assert prints[0] == prints[1] and len(prints[0][1]) == 4


def test_a_fingerprint_is_of_all_names_and_some_sizes_however_they_are_gone_through(root, monkeypatch):
    """Names of one folder after the other, with a zero between them; so recorded ones stay what they are."""
    for place, name in (("train", "cat"), ("val", "dog")):
        (root / place / name / "größer \N{PILE OF POO}.png").write_bytes(b"12345")
    found = [listing.scan(root / split) for split in SPLITS]
    sizes = np.array([os.stat(path).st_size for one in found for path in one.files], np.int64)
    names = ["\0".join(os.path.relpath(path, one.folder) for path in one.files).encode() for one in found]
    for at_a_time in (2, 7, 10_000):
        monkeypatch.setattr(listing, "AT_A_TIME", at_a_time)
        assert listing.fingerprint(found) == listing.fingerprint_of([*names, sizes])
    monkeypatch.setattr(listing, "LOOKED_AT", 3)
    chosen = np.sort(np.random.default_rng(0).permutation(len(sizes))[:3])
    assert listing.fingerprint(found) == listing.fingerprint_of([*names, sizes[chosen]])
