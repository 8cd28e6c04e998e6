"""ImageNet's original archives (ILSVRC 2012) into class folders; goes on where an earlier try ended.

What is expected comes from the devkit: the classes, how many training images each has, and each validation image's
class. A class folder or a validation image has its final name only when it is whole.
"""

import hashlib
import os
import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Literal, cast

from ghostlib.errors import InputError, RunError
from ghostlib.progress import progress_bar

TRAIN, VAL, DEVKIT = ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
BLOCK, MIB, GIB = 4096, 2**20, 2**30  # bytes; a file system gives a file whole blocks
ENTRY = 128  # bytes; more than a name takes in its folder

_Members = Mapping[str, tarfile.TarInfo]  # by class or by image


@dataclass(frozen=True)
class Prepared:
    """What the class folders hold, and what this try did."""

    classes: int
    train_images: int
    val_images: int
    needed_bytes: int  # of disk, at most, for what was missing
    unpacked: int  # images, this time


@dataclass(frozen=True)
class _Devkit:
    train: Mapping[str, int]  # the number of training images of each class
    val: Mapping[str, str]  # the class of each validation image


def prepare(archives: str | Path, target: str | Path, md5: str | Path | None = None, progress: bool = True,
            report: Callable[[str], None] = print) -> Prepared:
    """Unpacks both splits into `target/train/CLASS/` and `target/val/CLASS/`; what is there already is kept.

    Args:
        archives: The folder with the three ARCHIVES.
        target: Made if need be.
        md5: A file as md5sum writes it; the archives that it names are hashed before anything is unpacked.
        progress: Show bars.
        report: Is given one line: the disk space needed at most and free, or that nothing is to be done.

    Raises:
        InputError: For an unusable archive or devkit, a wrong hash, a target with other contents or too little disk.
        RunError: If an archive is truncated or not what the devkit says, or the target cannot be written.
    """
    archives, target = Path(archives), Path(target)
    for name in ARCHIVES:
        if not (archives / name).is_file():
            raise InputError(f"archives: {archives} has no {name}; wanted are {', '.join(ARCHIVES)}")
    with _opened(archives / TRAIN, "r:") as train, _opened(archives / VAL, "r:") as val:
        devkit = _read_devkit(archives / DEVKIT)
        tars, images = _members(train, ".tar", devkit.train.keys()), _members(val, ".JPEG", devkit.val.keys())
        new_classes, new_images = _missing(target, devkit, tars, images)
        count = sum(map(devkit.train.__getitem__, new_classes)) + len(new_images)
        needed = _needed(devkit, new_classes, new_images) if count else 0
        report(f"{target}: {count:,} images to unpack, {_check_space(target, needed)}" if count else
            f"{target}: complete already, nothing to unpack")
        if md5 is not None:
            _check_sums(archives, Path(md5), progress)
        with progress_bar(count, "images", progress and count > 0) as bar:
            for label, member in new_classes.items():
                _unpack_class(train, member, target / "train" / label, devkit.train[label], bar.update)
            for name, member in new_images.items():
                _unpack_image(val, member, target / "val" / devkit.val[name] / name)
                bar.update()
        for left in _missing(target, devkit, tars, images) if count else ():
            if left:
                raise RunError(f"{target}: {next(iter(left))} is missing though it was unpacked")
    return Prepared(len(devkit.train), sum(devkit.train.values()), len(devkit.val), needed, count)


@contextmanager
def _told(where: str | Path, what: str, kind: type[Exception] = RunError) -> Iterator[None]:
    """Makes a failed reading or writing, such as of a full disk, one line."""
    try:
        yield
    except (tarfile.TarError, OSError, EOFError) as error:
        raise kind(f"{where}: {what} ({getattr(error, 'strerror', None) or error})") from None


def _opened(path: Path, mode: Literal["r:", "r:gz"]) -> tarfile.TarFile:
    with _told(path, "cannot be read as a tar archive", InputError):
        return tarfile.open(path, mode)


def _read_devkit(path: Path) -> _Devkit:
    from scipy.io import loadmat

    with _opened(path, "r:gz") as tar:
        try:
            meta, truth = (cast(IO[bytes], tar.extractfile(name)).read() for name in (META, TRUTH))  # None is damage, too
            synsets = loadmat(BytesIO(meta), squeeze_me=True)["synsets"].reshape(-1)
            leaves = {int(synset["ILSVRC2012_ID"]): synset for synset in synsets if synset["num_children"] == 0}
            train = {str(synset["WNID"]): int(synset["num_train_images"]) for synset in leaves.values()}
            labels = [int(line) for line in truth.split()]
        except Exception as error:  # gzip, tarfile and scipy meet damage with errors of many kinds
            raise InputError(f"{path}: {META} or {TRUTH} cannot be read ({error!r})") from None
    odd: list[str | int] = [name for name in train if not re.fullmatch(r"n\d{8}", name)]  # it becomes a folder
    odd += [label for label in labels if label not in leaves]
    if odd:
        raise InputError(f"{path}: {odd[0]!r} in {META} or {TRUTH}; allowed are WNIDs like n01440764 and classes' IDs")
    return _Devkit(train, {f"ILSVRC2012_val_{number:08}.JPEG": str(leaves[label]["WNID"])
                           for number, label in enumerate(labels, 1)})


def _files(tar: tarfile.TarFile, where: str, suffix: str) -> Iterator[tarfile.TarInfo]:
    """A tar's members, none twice; `RunError` for one that is no plain file or has another name than NAME + suffix."""
    seen = set()
    for member in tar:
        if not member.isreg() or member.issparse():  # a sparse file may take more disk than its archive
            raise RunError(f"{where}: member {member.name!r} is no plain file; nothing else is unpacked")
        if not re.fullmatch(r"\w[\w-]*" + re.escape(suffix), member.name) or member.name in seen:
            raise RunError(f"{where}: member {member.name!r}; allowed are names *{suffix} without a path, each once")
        seen.add(member.name)
        yield member


def _members(tar: tarfile.TarFile, suffix: str, wanted: Set[str]) -> dict[str, tarfile.TarInfo]:
    """The members by class or by image, which must be those wanted."""
    where = Path(cast(str, tar.name)).name  # opened by its path
    with _told(where, "truncated or damaged"):
        found = {member.name.removesuffix(".tar"): member for member in _files(tar, where, suffix)}
    for odd, what in (wanted - found.keys(), "missing"), (found.keys() - wanted, "unknown to the devkit"):
        if odd:
            raise RunError(f"{where}: {min(odd)} is {what} ({len(odd):,} are); the devkit names {len(wanted):,}")
    return found


def _class_folders(folder: Path, classes: Collection[str]) -> Iterator[tuple[Path, list[str]]]:
    """The folders of classes that are there already, and the files in each."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir() and not entry.name.startswith("."):
            if entry.name not in classes:
                raise InputError(f"target: {entry} is no class of the devkit; remove it or choose another target")
            yield entry, [name for name in os.listdir(entry) if not name.startswith(".")]


def _missing(target: Path, devkit: _Devkit, tars: _Members, images: _Members) -> tuple[_Members, _Members]:
    """The classes without training images, and the validation images that are not there with their right size."""
    counts, whole = dict.fromkeys(tars, 0), set()
    with _told(f"target: {target}", "cannot be read", InputError):
        for folder, names in _class_folders(target / "train", devkit.train):
            counts[folder.name] = len(names)
            if len(names) not in (0, devkit.train[folder.name]):
                raise InputError(f"target: {folder} has {len(names):,} files, the devkit says "
                                 f"{devkit.train[folder.name]:,}; remove it to have it unpacked anew")
        for folder, names in _class_folders(target / "val", devkit.train):
            for name in names:
                if devkit.val.get(name) != folder.name:
                    raise InputError(f"target: {folder / name} is no image of this class in the devkit; remove it")
                if (folder / name).is_file() and (folder / name).stat().st_size == images[name].size:
                    whole.add(name)
    return ({label: member for label, member in tars.items() if counts[label] != devkit.train[label]},
            {name: member for name, member in images.items() if name not in whole})


def _needed(devkit: _Devkit, classes: _Members, images: _Members) -> int:
    """Upper bound of the disk that missing classes and images take, in bytes, by their sizes in the archives."""
    counts = [devkit.train[label] for label in classes]
    folders = [2, len(devkit.train), len(devkit.train)]  # target, train and val themselves
    folders += counts + list(Counter(devkit.val[name] for name in images).values())
    return (sum(-(-member.size // BLOCK) * BLOCK for member in (*classes.values(), *images.values()))
            + BLOCK * sum(counts)  # an image in a tar ends with a block of 512 bytes, on disk with one of BLOCK
            + sum(2 * BLOCK + ENTRY * entries for entries in folders))


def _check_space(target: Path, needed: int) -> str:
    """Says how much disk is needed and free, once what an interrupted try left half-done is removed."""
    with _told(f"target: {target}", "cannot be used", InputError):
        for part in (*target.glob("train/.n????????.part"), *target.glob("val/n????????/.ILSVRC2012_val_*.part")):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        there = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"target: {target} cannot be written; {there} is no folder or write-protected")
    space = f"needs up to {needed / GIB:,.3f} GiB, {free / GIB:,.3f} GiB free"
    if free < needed:
        raise InputError(f"target: {target} {space}")
    return space


def _check_sums(archives: Path, sums: Path, progress: bool) -> None:
    with _told(f"md5: {sums}", "cannot be read", InputError):
        lines = [line for line in sums.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    wanted = {}
    for line in lines or [""]:
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *](?:.*/)?([^/]+)", line)
        if not match or match[2] not in ARCHIVES:
            raise InputError(f"md5: {sums} has {line!r}; allowed are a hash and one of {', '.join(ARCHIVES)} a line")
        wanted[archives / match[2]] = match[1].lower()
    with progress_bar(sum(path.stat().st_size // MIB for path in wanted), "MiB", progress) as bar:
        for path, md5 in wanted.items():
            found = hashlib.md5(usedforsecurity=False)
            with _told(path, "cannot be read", InputError), path.open("rb") as file:
                while chunk := file.read(MIB):
                    found.update(chunk)
                    bar.update(len(chunk) // MIB)
            if found.hexdigest() != md5:
                raise InputError(f"{path}: its md5 is {found.hexdigest()}, {sums} says {md5}")


def _unpack_class(train: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, count: int, advance: Callable) -> None:
    """Unpacks a class's tar straight out of the outer one; its folder appears when all its images are in it."""
    where, part, found = f"{TRAIN}: {member.name}", folder.with_name(f".{folder.name}.part"), 0
    try:
        with _told(part, "cannot be written"):
            part.mkdir(parents=True)
        with _told(where, "truncated or damaged"), tarfile.open(fileobj=train.extractfile(member), mode="r:") as images:
            for found, image in enumerate(_files(images, where, ".JPEG"), 1):
                if found > count:  # not written: it was not counted on when the space was checked
                    break
                file = images.extractfile(image)
                assert file is not None  # `_files` gives plain files alone
                content = file.read()
                with _told(part / image.name, "cannot be written"):
                    (part / image.name).write_bytes(content)
                advance()
        if found != count:
            raise RunError(f"{where}: {found:,} images{' or more' if found > count else ''}, the devkit says {count:,}")
        with _told(folder, "cannot be written"):
            os.sync()  # else a power cut could leave the final name with empty files
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack_image(val: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    with _told(f"{VAL}: {member.name}", "truncated or damaged"):
        file = val.extractfile(member)
        assert file is not None  # `_files` gave plain files alone
        content = file.read()
    part = path.with_name(f".{path.name}.part")
    with _told(path, "cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
