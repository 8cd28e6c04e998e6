"""ImageNet's original archives (ILSVRC 2012) into class folders; goes on where an earlier try ended.

What is expected comes from the devkit: the classes, how many training images each has, and each validation image's
class. An image or a class folder has its final name only when it is complete. Knows nothing of MindSpore.
"""

import hashlib
import os
import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ghostlib.errors import InputError, RunError
from ghostlib.progress import progress_bar

TRAIN, VAL, DEVKIT = ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
BLOCK = 4096  # bytes; file systems give space in blocks of this size
ENTRY = 128  # bytes that a name takes in its folder, with half of the folder's blocks empty
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class Prepared:
    """What is in the class folders now, and what this try did for it."""

    classes: int
    train_images: int
    val_images: int
    needed_bytes: int  # an upper bound, known before anything was written
    unpacked: int  # images, this time


@dataclass(frozen=True)
class _Devkit:
    train: Mapping[str, int]  # the number of training images of each class
    val: Mapping[str, str]  # the class of each validation image, by its name


def prepare(archives: str | Path, target: str | Path, md5: str | Path | None = None, progress: bool = True,
            say: Callable[[str], None] = print) -> Prepared:
    """Unpacks the training and validation images into `target/train/CLASS/` and `target/val/CLASS/`.

    Args:
        archives: The folder with the three ARCHIVES, as image-net.org offers them.
        target: Made if need be. What an interrupted try completed is kept, what it left half-done is redone.
        md5: A file as md5sum writes it; the archives that it names are hashed before anything is written.
        progress: Show bars.
        say: Is given a line with the disk space needed and free, or that there is nothing to do.

    Raises:
        InputError: For a missing or unusable archive, a wrong hash, a target with other contents, or too little disk.
        RunError: If an archive is truncated or not what the devkit says, or the target cannot be written.
    """
    archives, target = Path(archives), Path(target)
    for name in ARCHIVES:
        if not (archives / name).is_file():
            raise InputError(f"archives: {archives} has no {name}; wanted are {', '.join(ARCHIVES)}")
    with _opened(archives / TRAIN) as train, _opened(archives / VAL) as val:
        devkit = _read_devkit(archives / DEVKIT)
        class_tars = _members(train, TRAIN, ".tar", [f"{wnid}.tar" for wnid in devkit.train])
        val_images = _members(val, VAL, ".JPEG", devkit.val)
        classes = _missing_classes(target / "train", devkit)
        images = _missing_images(target / "val", devkit, val_images)
        needed = _needed(devkit, [class_tars[f"{wnid}.tar"].size for wnid in classes], classes,
                         {name: val_images[name].size for name in images})
        unpacked = sum(devkit.train[wnid] for wnid in classes) + len(images)
        if unpacked:
            line = _check_space(target, needed)
        if md5 is not None:
            _check_sums(archives, Path(md5), progress)
        if not unpacked:
            say(f"{target}: complete already, nothing to unpack")
        else:
            say(f"{line} for {unpacked:,} images")
            with progress_bar(unpacked, "images", progress) as bar:
                for wnid in classes:
                    _unpack_class(train, class_tars[f"{wnid}.tar"], target / "train" / wnid, devkit.train[wnid],
                                  bar.update)
                for name in images:
                    _unpack_image(val, val_images[name], target / "val" / devkit.val[name] / name)
                    bar.update()
            _verify(target / "train", devkit.train)
            _verify(target / "val", Counter(devkit.val.values()))
    return Prepared(len(devkit.train), sum(devkit.train.values()), len(devkit.val), needed, unpacked)


def _opened(path: Path, mode: str = "r:") -> tarfile.TarFile:
    try:
        return tarfile.open(path, mode)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as a tar archive ({error})") from None


def _read_devkit(path: Path) -> _Devkit:
    from scipy.io import loadmat

    try:
        with _opened(path, "r:*") as tar:
            meta, truth = (tar.extractfile(name).read() for name in (META, TRUTH))
        synsets = loadmat(BytesIO(meta), squeeze_me=True)["synsets"].reshape(-1)
        leaves = {int(synset["ILSVRC2012_ID"]): synset for synset in synsets if synset["num_children"] == 0}
        train = {str(synset["WNID"]): int(synset["num_train_images"]) for synset in leaves.values()}
        labels = [int(line) for line in truth.decode().split()]
    except InputError:
        raise
    except Exception as error:  # a damaged archive or meta.mat: gzip, tarfile and scipy raise errors of many kinds
        raise InputError(f"{path}: {META} and {TRUTH} cannot be read ({error!r})") from None
    for wnid in train:
        if not re.fullmatch(r"n\d{8}", wnid):  # it becomes a folder's name
            raise InputError(f"{path}: WNID {wnid!r} in {META}; allowed are n and eight digits")
    for line, label in enumerate(labels, 1):
        if label not in leaves:
            raise InputError(f"{path}: {label} in line {line} of {TRUTH}; allowed are the ILSVRC2012_IDs of the "
                             f"{len(leaves)} classes")
    return _Devkit(train, {f"ILSVRC2012_val_{number:08}.JPEG": str(leaves[label]["WNID"])
                           for number, label in enumerate(labels, 1)})


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RunError(f"{where}: truncated or damaged ({error})") from None


def _files(tar: tarfile.TarFile, where: str, suffix: str) -> Iterator[tarfile.TarInfo]:
    """An archive's members; `RunError` for one that is no plain file beside the others, or is there twice."""
    names = set()
    for member in tar:
        if not member.isreg() or member.issparse():  # sparse: it would take more disk than its archive
            raise RunError(f"{where}: member {member.name!r} is no plain file; nothing else is unpacked")
        if not re.fullmatch(r"\w[\w-]*" + re.escape(suffix), member.name):
            raise RunError(f"{where}: member {member.name!r}; allowed are names that end in {suffix} and have no path")
        if member.name in names:
            raise RunError(f"{where}: member {member.name!r} is there twice")
        names.add(member.name)
        yield member


def _members(tar: tarfile.TarFile, where: str, suffix: str, wanted: Collection[str]) -> dict[str, tarfile.TarInfo]:
    with _reading(where):
        found = {member.name: member for member in _files(tar, where, suffix)}
    missing, unknown = [name for name in wanted if name not in found], sorted(found.keys() - set(wanted))
    if missing:
        raise RunError(f"{where}: {missing[0]} is missing, {len(missing):,} of {len(wanted):,} members are; the "
                       f"archive is truncated or not of this devkit")
    if unknown:
        raise RunError(f"{where}: {unknown[0]} is unknown to the devkit, {len(unknown):,} of {len(found):,} members are")
    return found


def _class_folders(folder: Path, classes: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """The classes that have a folder already, and what is in it but for hidden files."""
    if not folder.is_dir():
        return
    try:
        for entry in folder.iterdir():
            if entry.name.startswith(".") or not entry.is_dir():
                continue
            if entry.name not in classes:
                raise InputError(f"target: {entry} is no class of the devkit; remove it or choose another target")
            yield entry.name, [name for name in os.listdir(entry) if not name.startswith(".")]
    except OSError as error:
        raise InputError(f"target: {folder} cannot be read ({error.strerror})") from None


def _missing_classes(folder: Path, devkit: _Devkit) -> list[str]:
    present = {wnid: len(names) for wnid, names in _class_folders(folder, devkit.train)}
    for wnid, count in present.items():
        if count not in (0, devkit.train[wnid]):
            raise InputError(f"target: {folder / wnid} has {count:,} files, the devkit says {devkit.train[wnid]:,}; "
                             f"remove it to have it unpacked anew")
    return [wnid for wnid, count in devkit.train.items() if present.get(wnid, 0) != count]


def _missing_images(folder: Path, devkit: _Devkit, members: Mapping[str, tarfile.TarInfo]) -> list[str]:
    """The validation images that are not there with their right size, in the archive's order."""
    done = set()
    for wnid, names in _class_folders(folder, devkit.train):
        for name in names:
            path = folder / wnid / name
            if devkit.val.get(name) != wnid:
                raise InputError(f"target: {path} is no image of that class by the devkit; remove it or choose another "
                                 f"target")
            if path.stat().st_size == members[name].size:
                done.add(name)
    return [name for name in members if name not in done]


def _needed(devkit: _Devkit, class_tars: list[int], classes: list[str], images: Mapping[str, int]) -> int:
    """Upper bound of the disk that missing classes and images will take, in bytes, from their sizes in the archives."""
    def blocks(size: int) -> int:
        return -(-size // BLOCK) * BLOCK

    folders = [devkit.train[wnid] for wnid in classes] + list(Counter(devkit.val[name] for name in images).values())
    folders += [0, len(devkit.train), len(devkit.train)] if folders else []  # target, train and val themselves
    rounding = BLOCK * sum(devkit.train[wnid] for wnid in classes)  # at most a block for each image
    return (sum(blocks(size) for size in class_tars) + rounding + sum(blocks(size) for size in images.values())
            + sum(BLOCK + blocks(ENTRY * entries) for entries in folders))


def _check_space(target: Path, needed: int) -> str:
    """A line with the space needed and free, once what an interrupted try left half-done is removed."""
    try:
        for wnid in (target / "train").glob(".n????????.part"):
            shutil.rmtree(wnid)
        for image in (target / "val").glob("n????????/.ILSVRC2012_val_*.part"):
            image.unlink()
        there = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"target: {target} cannot be written, {there} is no folder or is write-protected")
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise InputError(f"target: {target} cannot be used ({error})") from None
    line = f"target: {target} needs up to {needed / GIB:,.2f} GiB, {free / GIB:,.2f} GiB free"
    if free < needed:
        raise InputError(line)
    return line


def _check_sums(archives: Path, sums: Path, progress: bool) -> None:
    wanted = {}
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"md5: {sums} cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *](?:.*/)?([^/]+)", line)
        if not match or match[2] not in ARCHIVES:
            raise InputError(f"md5: line {number} of {sums} is {line!r}; allowed are lines of md5sum, a hash and one of "
                             f"{', '.join(ARCHIVES)}")
        wanted[match[2]] = match[1].lower()
    if not wanted:
        raise InputError(f"md5: {sums} is empty; wanted are lines of md5sum for {', '.join(ARCHIVES)}")
    with progress_bar(sum((archives / name).stat().st_size // MIB for name in wanted), "MiB", progress) as bar:
        for name, md5 in wanted.items():
            found = _hash(archives / name, bar.update)
            if found != md5:
                raise InputError(f"md5: {archives / name} has {found}, {sums} says {md5}; download it anew")


def _hash(path: Path, advance: Callable[[int], object]) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(MIB):
                md5.update(chunk)
                advance(len(chunk) // MIB)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return md5.hexdigest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from None


def _unpack_class(train: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, count: int,
                  advance: Callable[[], object]) -> None:
    """Unpacks one class's tar, read where it lies in the outer one; its folder appears when all images are in it."""
    where, part = f"{TRAIN}: {member.name}", folder.with_name(f".{folder.name}.part")
    found = 0
    try:
        with _writing(part):
            part.mkdir(parents=True)
        with _reading(where), tarfile.open(fileobj=train.extractfile(member), mode="r:") as images:
            for image in _files(images, where, ".JPEG"):
                found += 1
                if found > count:  # before it is written: no more disk than was said
                    break
                content = images.extractfile(image).read()
                with _writing(part / image.name):
                    (part / image.name).write_bytes(content)
                advance()
        if found != count:
            raise RunError(f"{where}: {found:,} images{' or more' if found > count else ''}, the devkit says {count:,}")
        with _writing(folder):
            os.sync()  # else a power cut could leave the final name with files that are empty
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack_image(val: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Writes one validation image; after a power cut its size shows whether it is whole."""
    with _reading(f"{VAL}: {member.name}"):
        content = val.extractfile(member).read()
    part = path.with_name(f".{path.name}.part")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _verify(folder: Path, expected: Mapping[str, int]) -> None:
    found = {wnid: len(names) for wnid, names in _class_folders(folder, expected)}
    for wnid, count in expected.items():
        if found.get(wnid, 0) != count:
            raise RunError(f"{folder / wnid}: {found.get(wnid, 0):,} images, the devkit says {count:,}")
