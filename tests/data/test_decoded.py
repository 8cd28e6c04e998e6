"""Kept pixels: the same batches to the bit whatever keeps them, bounded, and never another file's or half of one."""

import errno
import os
import subprocess
import sys
import zlib

import numpy as np
import psutil
import pytest
from PIL import Image
from safetensors.numpy import load_file
from test_data import folder_config, photographs, spoil, told

from ghostlib import data
from ghostlib.config import Config
from ghostlib.data import decoded, decoding, pixel_file
from ghostlib.data.decoding import Unreadable, decode
from ghostlib.data.listing import scan
from ghostlib.data.photographs import write as write_photographs
from ghostlib.data.pixel_file import PixelFile
from ghostlib.errors import InputError, RunError
from ghostlib.training import train

KEPT = ["memory", "disk"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """320 and 160 photographs."""
    return write_photographs(tmp_path_factory.mktemp("data"))


def batches_of(config, ranks=1):
    """All that two epochs of training and one of testing give, on every rank."""
    for rank in range(ranks):
        loaded = data.load(config, rank, ranks)
        for split, epoch in ((loaded.train, 0), (loaded.train, 1), (loaded.test, 0)):
            yield from split.epoch(epoch)


def assert_equal(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second) > 0
    for one, other in zip(first, second):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("changes", "ranks"), [
    ({"augment": "crop+flip"}, 1), ({"augment": "crop"}, 2), ({"augment": "none", "interpolation": "bicubic"}, 1),
    ({"augment": "randaugment", "erasing": 0.5}, 1), ({"repeats": 3, "jitter": 0.4, "workers": 2}, 2)])
def test_batches_are_equal_to_the_bit(changes, ranks, real):
    config = folder_config(real).having(num_classes=8, batch_size=40, image_size=64, **changes)
    plain = list(batches_of(config, ranks))
    for how in KEPT:
        assert_equal(plain, batches_of(config.having(decoded=how), ranks))


@pytest.mark.parametrize("how", KEPT)
def test_each_file_is_decoded_once(how, tmp_path, monkeypatch):
    loaded = data.load(folder_config(photographs(tmp_path), decoded=how, epochs=2))
    read = []

    def counted(path, box=None):
        read.append(path)
        return decode(path, box)
    for module in (decoded, pixel_file):
        monkeypatch.setattr(module, "decode", counted)
    for split in (loaded.train, loaded.test):
        for epoch in range(3):
            list(split.epoch(epoch))
    assert sorted(read) == sorted({*loaded.train.pictures.files, *loaded.test.pictures.files})


@pytest.mark.parametrize("how", KEPT)
def test_what_cannot_be_read_is_tried_counted_and_replaced_as_without(how, tmp_path):
    """Also the random numbers that Pillow's reading of half a file uses up before it fails."""
    unreadable = spoil(photographs(tmp_path, each=4))
    runs = {one: data.load(folder_config(tmp_path, decoded=one, workers=2)) for one in ("none", how)}
    for split in ("train", "test"):
        plain, kept = (getattr(runs[one], split) for one in ("none", how))
        for epoch in range(3):
            assert_equal(plain.epoch(epoch), kept.epoch(epoch))
        assert told(kept.names(kept.broken)) == unreadable
        np.testing.assert_array_equal(plain.broken, kept.broken)
    with pytest.raises(RunError, match=r"data_dir: [23] images cannot be read, broken_limit allows 1"):
        list(batches_of(folder_config(tmp_path, decoded=how, broken_limit=1)))


def test_a_part_is_what_the_file_gives(tmp_path, monkeypatch):
    """Of every format, and with every generator where it would be without."""
    spoil(photographs(tmp_path))
    monkeypatch.setattr(decoding, "HELD", 1000)  # the ways for pictures that are too large to keep memory for
    [split] = [data.load(folder_config(tmp_path, decoded="memory")).train]
    for index, path in enumerate(split.pictures.files):
        for _ in range(2):
            outcomes = []
            for read in (lambda box, path=path: decode(path, box), lambda box, index=index: split.pictures(index, box)):
                rng = np.random.default_rng(3)
                try:
                    pixels = read(lambda width, height, rng=rng: (*rng.integers(0, 9, 2),
                                                                  *rng.integers(20, 30, 2))).tobytes()
                except Unreadable as error:
                    pixels = str(error)
                outcomes.append((pixels, rng.integers(2**60)))
            assert outcomes[0] == outcomes[1], path


def file_of(folder, **changes):
    """A split's pixels on disk: as they are opened by a process that has seen none."""
    return data.load(folder_config(folder, decoded="disk", **changes)).train.pictures.file


def test_the_file_is_found_again_and_knows_another_picture(tmp_path, cache):
    photographs(tmp_path)
    first = file_of(tmp_path)
    assert not first.found() and not cache.exists()  # nothing is written before an epoch begins
    first.open()
    made = first.path.stat()
    again = file_of(tmp_path, seed=7, image_size=48)
    assert again.found() and again.path == first.path and again.path.stat().st_mtime_ns == made.st_mtime_ns
    name = tmp_path / "train" / "cat" / "1.png"
    before = name.stat()
    pixels = np.asarray(Image.open(name)).copy()
    Image.fromarray(255 - pixels).save(name)
    os.truncate(name, before.st_size)  # of the same name and size
    assert file_of(tmp_path).path != first.path
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def spoil_index(path):
    content = bytearray(path.read_bytes())
    content[pixel_file.DIGEST + 140] ^= 1
    path.write_bytes(content)


def swap(path):
    """Under this name lies a whole file of another dataset."""
    other = photographs(path.parents[2] / "other", size=(40, 48))
    found = file_of(other)
    found.open()
    os.replace(found.path, path)


@pytest.mark.parametrize("damage", [truncate, lambda path: os.truncate(path, 3), spoil_index, swap,
                                    lambda path: path.write_bytes(b"not pixels at all" * 99),
                                    lambda path: path.write_bytes(b""),
                                    lambda path: path.write_bytes(path.read_bytes() + b"x")])
def test_a_file_that_is_not_whole_or_another_is_told_and_made_anew(damage, tmp_path):
    config = folder_config(photographs(tmp_path))
    first = file_of(tmp_path)
    first.open()
    content = first.path.read_bytes()
    damage(first.path)
    with pytest.warns(RuntimeWarning, match=rf"^decoded: {first.path} is ignored and made anew: \S[^\n]+$"):
        kept = list(batches_of(config.having(decoded="disk")))
    assert_equal(batches_of(config), kept)
    assert first.path.read_bytes() == content


@pytest.mark.parametrize("place", [-1, -4000])
def test_a_damaged_picture_is_told_and_never_trained_on(place, tmp_path):
    config = folder_config(photographs(tmp_path, each=6))
    first = file_of(tmp_path)
    first.open()
    content = bytearray(first.path.read_bytes())
    content[place] ^= 16
    first.path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="the pixels of dog/5.png are damaged"):
        kept = list(batches_of(config.having(decoded="disk")))
    assert_equal(batches_of(config), kept)
    assert file_of(tmp_path).found()  # made anew when the second epoch began


def test_several_processes_at_once_make_one_whole_file(tmp_path, cache):
    photographs(tmp_path, each=100)
    code = ("import sys, zlib; from pathlib import Path; from ghostlib.data import listing, pixel_file\n"
            "found = listing.scan(Path(sys.argv[1])); file = pixel_file.PixelFile(found); file.open()\n"
            "print([zlib.crc32(file.picture(index)) for index in range(len(found.files))])")
    started = [subprocess.Popen([sys.executable, "-W", "error::RuntimeWarning", "-c", code, str(tmp_path / "train")],
                                stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = {process.communicate(timeout=120)[0] for process in started}
    assert not any(process.returncode for process in started)
    assert told == {f"{[zlib.crc32(decode(path)) for path in scan(tmp_path / 'train').files]}\n"}
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".pixels"]


def test_what_a_killed_process_left_goes(tmp_path, cache):
    first = file_of(photographs(tmp_path))
    cache.mkdir(parents=True)
    (cache / f".{first.path.stem}-half").write_bytes(b"x")
    (cache / ".other-half").write_bytes(b"x")
    first.open()
    assert {path.name for path in cache.iterdir()} == {first.path.name, f"{first.path.stem}.lock", ".other-half"}


def test_a_disk_without_locks_serves(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")
    monkeypatch.setattr(pixel_file.fcntl, "flock", refuse)
    first = file_of(photographs(tmp_path))
    first.open()
    assert file_of(tmp_path).found()


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(tmp_path, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(pixel_file.os, "fsync", full)
    loaded = data.load(folder_config(photographs(tmp_path), decoded="disk"))
    with pytest.raises(RunError, match=r"^decoded: .*pixels cannot be written \(No space left on device\); allowed is none"):
        list(loaded.train.epoch(0))
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


SIZE = 3 * 48 * 40  # bytes of one of `photographs`


@pytest.mark.parametrize(("how", "ranks", "free", "field"), [
    ("memory", 1, decoded.MEMORY_SHARE, "disk or none"), ("memory", 2, decoded.MEMORY_SHARE / 2, "disk or none"),
    ("disk", 1, decoded.DISK_SHARE, "none, or GHOSTLIB_CACHE")])
def test_too_little_space_is_refused_with_both_sizes(how, ranks, free, field, tmp_path, monkeypatch):
    config = folder_config(photographs(tmp_path), decoded=how)

    def there(count):
        found = type("", (), {"available": count, "free": count})()
        monkeypatch.setattr(psutil, "virtual_memory", lambda: found)
        monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: found)
    there(round(12 * SIZE / free) + 2)
    [remark] = data.load(config, 0, ranks).remarks
    wanted = 12 * SIZE * (ranks if how == "memory" else 1)
    assert remark.startswith(f"decoded: {how}; {wanted:,} bytes of pixels are to be kept")
    there(round(12 * SIZE / free) - 2)
    with pytest.raises(InputError, match=rf"^decoded: {how} given; the pixels of 12 images take "
                                         rf"{wanted:,} bytes in .*; allowed here is {field}"):
        data.load(config, 0, ranks)
    if how == "disk":  # what is there needs no place
        there(10**9)
        for split in (loaded := data.load(config)).train, loaded.test:
            list(split.epoch(0))
        there(0)
        assert not data.load(config).remarks
    else:
        there(round(6 * SIZE / free) + 2)  # to test alone, the test images are enough
        assert data.load(config.having(epochs=0), 0, ranks).remarks


SECOND = {"memory.max": "100000", "memory.current": "90500", "memory.stat": "anon 100\ninactive_file 500\n"}
FIRST = {"memory.limit_in_bytes": "100000", "memory.usage_in_bytes": "90500",
         "memory.stat": "inactive_file 1\ntotal_inactive_file 500\n"}


@pytest.mark.parametrize(("own", "files", "allowed"), [
    ("0::/", {"": SECOND}, 6000), ("0::/", {"": {**SECOND, "memory.max": "max"}}, None), ("0::/", {}, None),
    ("0::/a/b", {"a": SECOND, "a/b": {**SECOND, "memory.max": "max"}}, 6000),  # what holds for all of a job
    ("0::/called/so/outside", {"": SECOND}, 6000), ("0::/", {"": {**SECOND, "memory.max": "1000"}}, 0),
    ("3:cpuset:/\n4:memory:/a\n0::/", {"memory/a": FIRST}, 6000), ("4:memory:/outside", {"memory": FIRST}, 6000),
    ("4:memory:/", {"memory": {**FIRST, "memory.limit_in_bytes": str(2**63 - 4096)}}, None), (None, {"": SECOND}, 6000)])
def test_a_containers_limit_counts_and_what_it_has_taken(own, files, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(decoded, "OWN", tmp_path / "own")
    if own is not None:
        (tmp_path / "own").write_text(own)
    for group, texts in files.items():
        (tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (tmp_path / "groups" / group / name).write_text(text)
    assert decoded._memory() == allowed or (allowed is None and decoded._memory() > 10**6)


def test_sizes_are_told_by_headers_alone(tmp_path, monkeypatch):
    spoil(photographs(tmp_path))
    files = data.load(folder_config(tmp_path)).train.pictures.files
    wanted = 0
    for path in files:
        try:
            wanted += decode(path).size
        except Unreadable:
            pass
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    assert decoded.bytes_of(files, len(files)) == wanted
    assert decoded.bytes_of(files[:3], 2) == 3 * SIZE and decoded.bytes_of([], 2) == 0


def test_a_remark_says_that_they_would_fit(tmp_path, monkeypatch):
    config = folder_config(photographs(tmp_path), epochs=2)
    assert not data.load(config).remarks  # too few to be worth a word
    monkeypatch.setattr(decoded, "WORTH", 6)
    told = "decoded: none; all pixels of these 12 images, about 0.0 GB, would fit; with {} each is decoded once"
    assert data.load(config).remarks == (told.format("memory or disk"),)
    monkeypatch.setattr(decoded, "_memory", lambda: 12 * SIZE - 1)
    assert data.load(config).remarks == (told.format("disk"),)
    monkeypatch.setattr(decoded, "_disk", lambda: 0)
    assert not data.load(config).remarks
    monkeypatch.undo()
    assert not data.load(config.having(epochs=1)).remarks and not data.load(config.having(epochs=0)).remarks


def test_images_in_memory_take_no_notice():
    assert_equal(data.load(Config()).train.epoch(0), data.load(Config(decoded="memory")).train.epoch(0))
    assert not data.load(Config(decoded="disk")).remarks


def test_kept_pixels_cannot_be_changed(tmp_path):
    for how in KEPT:
        train = data.load(folder_config(photographs(tmp_path / how), decoded=how)).train
        train.pictures.open()
        with pytest.raises(ValueError, match="read-only"):
            train.pictures(0)[0, 0, 0] = 1


def test_the_file_lies_in_the_cache_folder(cache):
    assert PixelFile.folder() == cache


@pytest.mark.slow
def test_a_run_with_kept_pixels_is_the_run_without(real, tmp_path):
    config = folder_config(real).having(num_classes=8, batch_size=40, model="vgg16", width=0.0625, epochs=2)
    runs = {}
    for how in ("none", *KEPT):
        train(config.having(decoded=how, run_dir=str(tmp_path / how)), progress=False)
        runs[how] = load_file(tmp_path / how / "last.safetensors")
    for how in KEPT:
        assert runs[how].keys() == runs["none"].keys()
        for name, wanted in runs["none"].items():
            np.testing.assert_array_equal(runs[how][name], wanted, name)
