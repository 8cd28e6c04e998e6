"""ImageNet's archives, small ones of the same layout: unpacked right, gone on with after a kill, refused when odd."""

import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter, namedtuple
from contextlib import contextmanager
from hashlib import md5

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from ghostlib.data import decoding, folders, imagenet_archives
from ghostlib.errors import InputError, RunError

CLASSES = {"n02119789": 5, "n01440764": 3, "n03000684": 4}  # training images; by ILSVRC2012_ID, not by name
LABELS = [2, 3, 1, 1, 2, 3, 3]  # of the validation images
VAL = {f"ILSVRC2012_val_{number:08}.JPEG": list(CLASSES)[label - 1] for number, label in enumerate(LABELS, 1)}
FIELDS = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images")


def jpeg(seed):
    """A photograph of 0.7 to 20 kB: some need one block of a disk, some several."""
    size, stream = 16 + 31 * seed % 120, io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


TRAIN_FILES = {label: {f"{label}_{37 * i + 18}.JPEG": jpeg(10 * place + i) for i in range(count)}
               for place, (label, count) in enumerate(CLASSES.items())}
VAL_FILES = {name: jpeg(100 + place) for place, name in enumerate(VAL)}


def member(name, size=0, **changes):
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in changes.items():
        setattr(info, field, value)
    return info


def tar_of(files, mode="w", special=()):
    """A tar's bytes, of files by name and of members without content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, content in files.items():
            tar.addfile(member(name, len(content)), io.BytesIO(content))
        for info in special:
            tar.addfile(info)
    return stream.getvalue()


def devkit(classes=CLASSES, labels=LABELS):
    """Synsets in MATLAB's N x 1 struct array: the classes, and one that has a class below it."""
    leaves = [(i, label, "tench, Tinca tinca", "a fish", 0, np.empty(0), 0, count)
              for i, (label, count) in enumerate(classes.items(), 1)]
    inner = (len(leaves) + 1, "n00001740", "entity", "that which is", 1, np.array([1]), 1, 0)
    synsets, stream = np.array([*leaves, inner], [(field, object) for field in FIELDS]).reshape(-1, 1), io.BytesIO()
    savemat(stream, {"synsets": synsets})
    return tar_of({imagenet_archives.META: stream.getvalue(), "ILSVRC2012_devkit_t12/readme.txt": b"About this devkit",
                   imagenet_archives.TRUTH: "".join(f"{label}\n" for label in labels).encode()}, "w:gz")


def write_archives(folder, train=TRAIN_FILES, val=VAL_FILES, **devkit_changes):
    folder.mkdir(exist_ok=True)
    (folder / imagenet_archives.TRAIN).write_bytes(tar_of({f"{label}.tar": tar_of(files) for label, files in train.items()}))
    (folder / imagenet_archives.VAL).write_bytes(tar_of(val))
    (folder / imagenet_archives.DEVKIT).write_bytes(devkit(**devkit_changes))
    return folder


@pytest.fixture
def archives(tmp_path):
    return write_archives(tmp_path / "archives")


@pytest.fixture
def run(archives, tmp_path):
    """Prepares tmp_path/imagenet without bars; `said` collects what was said."""
    def prepare(sums=None):
        return imagenet_archives.prepare(archives, tmp_path / "imagenet", sums, progress=False, report=prepare.said.append)
    prepare.said = []
    return prepare


def contents(target):
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


EXPECTED = {**{f"train/{label}/{name}": content for label, files in TRAIN_FILES.items()
               for name, content in files.items()},
            **{f"val/{VAL[name]}/{name}": content for name, content in VAL_FILES.items()}}


def taken(target):
    """The disk that a folder takes, in bytes, as du says."""
    return 512 * sum(path.lstat().st_blocks for path in (target, *target.rglob("*")))


def test_archives_become_class_folders(run, tmp_path):
    done = run()
    target = tmp_path / "imagenet"
    assert contents(target) == EXPECTED
    assert (done.classes, done.train_images, done.val_images, done.unpacked) == (3, 12, 7, 19)
    assert len(run.said) == 1
    assert re.fullmatch(r".*imagenet: 19 images to unpack, needs up to 0.000 GiB, [\d,.]+ GiB free", run.said[0])
    assert done.needed_bytes < 300_000
    for split, counts in ("train", CLASSES), ("val", Counter(VAL.values())):
        files, labels, classes = folders.list_folder(target / split)
        assert classes == sorted(CLASSES)
        assert np.bincount(labels).tolist() == [counts[label] for label in classes]
        assert all(decoding.decode(path) is not None for path in files)


def test_a_second_run_does_nothing_and_says_so(run, archives, tmp_path, monkeypatch):
    run()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "imagenet").rglob("*")}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: pytest.fail("nothing is to be written"))
    done = run()
    assert (done.unpacked, done.needed_bytes, done.train_images) == (0, 0, 12)
    assert run.said[1].endswith("imagenet: complete already, nothing to unpack")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "imagenet").rglob("*")} == before


def test_it_never_takes_more_disk_than_it_says(run, tmp_path, monkeypatch):
    target, most = tmp_path / "imagenet", [0]
    replace = os.replace

    def watched(source, destination):
        most.append(taken(target))
        replace(source, destination)
    monkeypatch.setattr(os, "replace", watched)
    needed = run().needed_bytes
    assert 0 < max(most) <= needed and taken(target) <= needed
    shutil.rmtree(target / "train" / "n02119789")
    for path in list((target / "val").rglob("*1.JPEG")):
        path.unlink()
    before = taken(target)
    more = run()
    assert more.unpacked == 6 and taken(target) - before <= more.needed_bytes < needed


def test_the_bound_is_tight_for_photographs_of_imagenets_size(tmp_path):
    """Two classes of 300 files of 0 to 200 kB: at most a fifth above what is taken, and never below."""
    rng = np.random.default_rng(0)
    train = {label: {f"{label}_{i}.JPEG": bytes(int(rng.integers(0, 200_000))) for i in range(300)}
             for label in ("n00000001", "n00000002")}
    val = {f"ILSVRC2012_val_{i:08}.JPEG": bytes(4096) for i in range(1, 201)}
    archives = write_archives(tmp_path / "archives", train, val, classes=dict.fromkeys(train, 300), labels=[1, 2] * 100)
    done = imagenet_archives.prepare(archives, tmp_path / "imagenet", progress=False)
    assert done.unpacked == 800
    assert taken(tmp_path / "imagenet") <= done.needed_bytes < 1.2 * taken(tmp_path / "imagenet")


KILLED = """
import os, pathlib, signal, sys
from ghostlib.data import imagenet_archives
archives, target, what, left = *sys.argv[1:4], int(sys.argv[4])

def dying(function, last_words):
    def call(*arguments):
        global left
        left -= 1
        if not left:
            last_words(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

write = pathlib.Path.write_bytes
if what == "write":
    pathlib.Path.write_bytes = dying(write, lambda path, content: write(path, content[:len(content) // 2]))
else:
    os.replace = dying(os.replace, lambda *_: None)
imagenet_archives.prepare(archives, target, progress=False)
"""


@pytest.mark.parametrize(("what", "which"), [
    ("write", 1), ("write", 5), ("write", 7), ("write", 12), ("write", 13), ("write", 16), ("write", 19),
    ("replace", 1), ("replace", 3), ("replace", 4), ("replace", 10)])
def test_it_goes_on_after_being_killed(what, which, run, archives, tmp_path, root):
    """SIGKILL in the middle of the nth file, or just before the nth class or validation image gets its final name."""
    target = tmp_path / "imagenet"
    killed = subprocess.run([sys.executable, "-c", KILLED, archives, target, what, str(which)], cwd=root,
                            capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = contents(target)
    assert any(name.endswith(".part") or ".part/" in name for name in left)
    whole = {name: content for name, content in left.items() if ".part" not in name}
    assert whole.items() <= EXPECTED.items()
    before = taken(target)
    done = run()
    assert done.unpacked == 19 - len(whole)
    assert contents(target) == EXPECTED and not list(target.rglob("*.part"))
    assert taken(target) - before <= done.needed_bytes
    assert run().unpacked == 0


def test_a_validation_image_of_another_size_is_unpacked_anew(run, tmp_path):
    run()
    name = next(iter(VAL))
    (tmp_path / "imagenet" / "val" / VAL[name] / name).write_bytes(b"")  # what a power cut may leave
    assert run().unpacked == 1
    assert contents(tmp_path / "imagenet") == EXPECTED


def sums_of(archives, names=imagenet_archives.ARCHIVES, separator="  "):
    return "".join(f"{md5((archives / name).read_bytes()).hexdigest()}{separator}{name}\n" for name in names)


@pytest.mark.parametrize("written", [
    sums_of, lambda archives: sums_of(archives, separator=" *"), lambda archives: sums_of(archives, [imagenet_archives.VAL]),
    lambda archives: sums_of(archives, separator="  ./") + "\n",
    lambda archives: sums_of(archives).replace("\n", "\r\n")])
def test_right_hashes_are_accepted(written, run, archives, tmp_path):
    (tmp_path / "sums").write_text(written(archives))
    assert run(tmp_path / "sums").unpacked == 19


@pytest.mark.parametrize(("written", "message"), [
    (lambda archives: f"{'0' * 32}  {imagenet_archives.VAL}\n",
     r"ILSVRC2012_img_val.tar: its md5 is [0-9a-f]{32}, .*sums says 0{32}$"),
    (lambda archives: sums_of(archives) + f"{'0' * 32}  ILSVRC2012_img_test.tar\n",
     r"md5: .*sums has '0+  ILSVRC2012_img_test.tar'; allowed are a hash and one of ILSVRC2012_img_train.tar, "),
    (lambda archives: sums_of(archives)[2:], r"md5: .*sums has '[0-9a-f]{30}  ILSVRC2012_img_train.tar'; allowed are"),
    (lambda archives: "", r"md5: .*sums has ''; allowed are"),
    (lambda archives: None, r"md5: .*sums: cannot be read \(No such file")])
def test_wrong_hashes_are_refused_before_anything_is_written(written, message, run, archives, tmp_path):
    text = written(archives)
    if text is not None:
        (tmp_path / "sums").write_text(text)
    with pytest.raises(InputError, match=message):
        run(tmp_path / "sums")
    assert not (tmp_path / "imagenet").exists()


@pytest.mark.parametrize("name", imagenet_archives.ARCHIVES)
def test_a_missing_archive_and_what_is_none(name, run, archives, tmp_path):
    for content, message in ((b"", f"{name}: cannot be read as a tar archive"), (b"<html>", "cannot be read as a tar"),
                             (None, f"archives: .*archives has no {name}; wanted are ILSVRC2012_img_train.tar, ")):
        (archives / name).unlink()
        if content is not None:
            (archives / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            run()
        (archives / name).touch()
    assert not (tmp_path / "imagenet").exists()


def cut_outer(archives):
    path = archives / imagenet_archives.TRAIN
    path.write_bytes(path.read_bytes()[:-15_000])  # in the last class


def cut_between(archives):
    files = {f"{label}.tar": tar_of(files) for label, files in TRAIN_FILES.items()}
    size = sum(512 + len(content) for content in list(files.values())[:2])  # tars end with whole blocks
    (archives / imagenet_archives.TRAIN).write_bytes(tar_of(files)[:size])


def cut_inner(archives):
    files = {label: tar_of(files) for label, files in TRAIN_FILES.items()}
    files["n01440764"] = files["n01440764"][:5000]
    (archives / imagenet_archives.TRAIN).write_bytes(tar_of({f"{label}.tar": content for label, content in files.items()}))


def cut_val(archives):
    path = archives / imagenet_archives.VAL
    path.write_bytes(path.read_bytes()[:-15_000])


def without(files, *names):
    return {name: content for name, content in files.items() if name not in names}


FIRST = "n02119789"
MORE = {**TRAIN_FILES, FIRST: {**TRAIN_FILES[FIRST], "n02119789_9999.JPEG": b"x" * 100_000}}
FEWER = {**TRAIN_FILES, FIRST: without(TRAIN_FILES[FIRST], f"{FIRST}_18.JPEG")}


@pytest.mark.parametrize(("damage", "message", "early"), [
    (cut_outer, r"^ILSVRC2012_img_train.tar: truncated or damaged \(unexpected end of data\)", True),
    (cut_between, r"^ILSVRC2012_img_train.tar: n03000684 is missing \(1 are\)", True),
    (cut_val, r"^ILSVRC2012_img_val.tar: truncated or damaged", True),
    (cut_inner, r"^ILSVRC2012_img_train.tar: n01440764.tar: truncated or damaged", False),
    (lambda a: write_archives(a, MORE), r"img_train.tar: n02119789.tar: 6 images or more, the devkit says 5", False),
    (lambda a: write_archives(a, FEWER), r"img_train.tar: n02119789.tar: 4 images, the devkit says 5", False),
    (lambda a: write_archives(a, {**TRAIN_FILES, FIRST: {}}), r"n02119789.tar: 0 images, the devkit says 5", False),
    (lambda a: write_archives(a, without(TRAIN_FILES, FIRST)), r"img_train.tar: n02119789 is missing", True),
    (lambda a: write_archives(a, {**TRAIN_FILES, "n99999999": TRAIN_FILES[FIRST]}),
     r"img_train.tar: n99999999 is unknown to the devkit \(1 are\); the devkit names 3", True),
    (lambda a: write_archives(a, val=without(VAL_FILES, "ILSVRC2012_val_00000003.JPEG")),
     r"img_val.tar: ILSVRC2012_val_00000003.JPEG is missing \(1 are\)", True),
    (lambda a: write_archives(a, labels=LABELS[:-1]), r"ILSVRC2012_val_00000007.JPEG is unknown to the devkit", True)])
def test_what_is_not_as_the_devkit_says_is_named(damage, message, early, run, archives, tmp_path):
    damage(archives)
    with pytest.raises(RunError, match=message) as raised:
        run()
    assert "\n" not in str(raised.value)
    left = contents(tmp_path / "imagenet")
    assert left.items() <= EXPECTED.items()  # no temporary, nothing of the class that is odd
    assert (tmp_path / "imagenet").exists() is not early


ODD = [member("../evil.JPEG"), member("/tmp/evil.JPEG"), member("n02119789/1.JPEG"), member("./1.JPEG"),
       member("notes.txt"), member(".hidden.JPEG"), member("..JPEG"), member("a\nb.JPEG"),
       member("link.JPEG", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
       member("hard.JPEG", type=tarfile.LNKTYPE, linkname="n02119789_18.JPEG"),
       member("folder.JPEG", type=tarfile.DIRTYPE), member("pipe.JPEG", type=tarfile.FIFOTYPE),
       member("sparse.JPEG", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}),
       member("n02119789_18.JPEG")]


@pytest.mark.parametrize("odd", ODD, ids=lambda info: repr(info.name))
@pytest.mark.parametrize("place", ["class", "train", "val"])
def test_members_that_are_no_plain_images_are_refused(place, odd, run, archives, tmp_path):
    tars = {f"{label}.tar": tar_of(files) for label, files in TRAIN_FILES.items()}
    if place == "class":
        tars["n02119789.tar"] = tar_of(without(TRAIN_FILES[FIRST], "n02119789_55.JPEG"), special=[odd])
        (archives / imagenet_archives.TRAIN).write_bytes(tar_of(tars))
    elif place == "train":
        (archives / imagenet_archives.TRAIN).write_bytes(tar_of(tars, special=[odd]))
    elif odd.name == "n02119789_18.JPEG":
        pytest.skip("is unknown there, not twice")
    else:
        (archives / imagenet_archives.VAL).write_bytes(tar_of(VAL_FILES, special=[odd]))
    where = {"class": "train.tar: n02119789.tar", "train": "train.tar", "val": "val.tar"}[place]
    with pytest.raises(RunError, match=f"{where}: member {re.escape(repr(odd.name))}"):
        run()
    assert contents(tmp_path / "imagenet") == {}
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(("content", "message"), [
    (lambda: devkit()[:-40], "meta.mat or .*ground_truth.txt cannot be read"),
    (lambda: tar_of({imagenet_archives.TRUTH: b"1\n"}, "w:gz"), "cannot be read .*meta.mat"),
    (lambda: tar_of({imagenet_archives.META: b"MATLAB?" * 99, imagenet_archives.TRUTH: b"1\n"}, "w:gz"), "cannot be read"),
    (lambda: devkit(labels=[1, 4]), r"devkit_t12.tar.gz: 4 in .*; allowed are"),  # 4 is no class but has one below it
    (lambda: devkit(labels=["tench"]), "cannot be read .*tench"),
    (lambda: devkit({"../evil": 3}, [1]), r"devkit_t12.tar.gz: '\.\./evil' in .*allowed are WNIDs like n01440764")])
def test_an_unusable_devkit_is_refused(content, message, run, archives, tmp_path):
    (archives / imagenet_archives.DEVKIT).write_bytes(content())
    with pytest.raises(InputError, match=message):
        run()
    assert not (tmp_path / "imagenet").exists()


def test_too_little_disk_is_said_before_anything_is_written(run, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    needed = run().needed_bytes
    shutil.rmtree(tmp_path / "imagenet")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, needed - 1))
    with pytest.raises(InputError, match=r"^target: .*imagenet needs up to [\d.]+ GiB, [\d.]+ GiB free$"):
        run()
    assert not (tmp_path / "imagenet").exists() and len(run.said) == 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, needed))
    assert run().unpacked == 19


@contextmanager
def file_size_limit(size):
    """Makes the system refuse to write files beyond a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_cannot_take_a_file_ends_the_run_in_one_line(run, tmp_path):
    with file_size_limit(3000), pytest.raises(RunError, match=r"/\.n\d+\.part/n\d+_\d+\.JPEG: cannot be written \("):
        run()
    assert contents(tmp_path / "imagenet") == {}
    run()
    for path in (tmp_path / "imagenet" / "val").rglob("*.JPEG"):
        path.unlink()
    with file_size_limit(3000), pytest.raises(RunError, match=r"/ILSVRC2012_val_0000\d+\.JPEG: cannot be written"):
        run()
    assert 0 < run().unpacked <= 7
    assert contents(tmp_path / "imagenet") == EXPECTED


def test_a_target_that_cannot_be_written(archives, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"target: .* cannot be written; .*file is no folder or write-protected"):
            imagenet_archives.prepare(archives, target, progress=False)
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "train").write_text("")
    with pytest.raises(RunError, match=r"blocked/train/\.n02119789\.part: cannot be written"):
        imagenet_archives.prepare(archives, tmp_path / "blocked", progress=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="is no folder or write-protected"):
        imagenet_archives.prepare(archives, tmp_path / "imagenet", progress=False)


@pytest.mark.parametrize(("change", "message"), [
    (lambda target: (target / "train" / FIRST / f"{FIRST}_18.JPEG").unlink(),
     r"target: .*train/n02119789 has 4 files, the devkit says 5; remove it"),
    (lambda target: (target / "train" / "cat").mkdir(), r"target: .*train/cat is no class of the devkit; remove it"),
    (lambda target: (target / "val" / "n99999999").mkdir(), r"target: .*val/n99999999 is no class of the devkit"),
    (lambda target: (target / "val" / FIRST / "ILSVRC2012_val_00000003.JPEG").rename(
        target / "val" / "n01440764" / "ILSVRC2012_val_00000003.JPEG"),
     r"target: .*n01440764/ILSVRC2012_val_00000003.JPEG is no image of this class in the devkit")])
def test_other_contents_of_the_target_are_named_and_kept(change, message, run, tmp_path):
    run()
    change(tmp_path / "imagenet")
    before = contents(tmp_path / "imagenet")
    with pytest.raises(InputError, match=message):
        run()
    assert contents(tmp_path / "imagenet") == before


def test_what_vanishes_meanwhile_is_noticed_at_the_end(run, monkeypatch):
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, destination: (
        shutil.rmtree(source) if FIRST in str(source) and "train" in str(source) else replace(source, destination)))
    with pytest.raises(RunError, match="imagenet: n02119789 is missing though it was unpacked"):
        run()


def test_it_does_without_mindspore(root):
    code = "import sys, ghostlib.data.imagenet_archives; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
