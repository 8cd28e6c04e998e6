"""Where weights come from: a file, a URL or a short name, brought to this machine once and checked.

Downloads are kept in the folder that the variable GHOSTLIB_CACHE names, else in the user's cache; what Hugging Face
offers in its own. Nothing here, or in `load.py`, ever opens a pickle.
"""

import logging
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from ghostlib.cache import cache_folder
from ghostlib.errors import InputError, in_a_line, nearest, some
from ghostlib.paths import expand, lab
from ghostlib.weights.kinds import other_kind

# Source: mindcv's models/*.py, commit 51b0636; the file names end in the first digits of their SHA-256 (its
# configs/README.md).
MINDCV_FILES = {
    "ghostnet": ("ghostnet_050-85b91860", "ghostnet_100-bef8025a", "ghostnet_130-cf4c235c"),
    "mobilenet/mobilenetv2": ("mobilenet_v2_075-bd7bd4c4", "mobilenet_v2_100-d5532038", "mobilenet_v2_140-98776171"),
    "mobilenet/mobilenetv3": ("mobilenet_v3_small_100-509c6047", "mobilenet_v3_large_100-1279ad5f"),
    "resnet": ("resnet50-e0733ab8",)}
MINDCV = {f"mindcv/{file.partition('-')[0]}": f"https://download.mindspore.cn/toolkits/mindcv/{folder}/{file}.ckpt"
          for folder, files in MINDCV_FILES.items() for file in files}
OWN = "ghostlib/"  # begins the short names of what this lab trained; the files come with it
OWN_FOLDER = lab() / "data" / "weights"
TIMM, TIMM_FILE = "timm/", "model.safetensors"  # timm's repositories on Hugging Face, and what each calls its weights
NAMED_BY_HASH = re.compile(r"-([0-9a-f]{8})(-\w+)?\.ckpt$")  # mindcv's convention
ALLOWED = "allowed are a file, a URL, ghostlib/NAME, mindcv/NAME and timm/NAME ('ghostlib models' lists names)"
# What runs and Hugging Face call theirs, in a folder and in its cache.
FILES = ("last.safetensors", "best.safetensors", TIMM_FILE, f"snapshots/*/{TIMM_FILE}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def as_path(source: str | Path) -> Path | None:
    """A source as a path, `~` and variables replaced, whether such a file is there or not; None for a URL."""
    text = str(source)
    return None if text.startswith(("http://", "https://")) else Path(expand(text, "weights"))


def locate(source: str | Path) -> Path:
    """The local file of a source, downloaded if it is not here yet.

    Args:
        source: A path; a URL, which may end in ``#sha256=...`` or ``#md5=...`` with all or the first digits of the
            hash; a name in MINDCV; ``timm/NAME`` for what timm publishes; or
            ``ghostlib/NAME`` for what this lab trained, a file in data/weights/.

    Raises:
        InputError: For a source that is blank, a folder (naming a file in it), not there, that cannot be downloaded, has
            another hash, or is a download that holds no weights, such as an HTML page.
    """
    text = str(source)
    if not text.strip():
        raise InputError(f"weights: {text!r} given, an empty text; {ALLOWED}")
    path = as_path(text)
    if path is None or text in MINDCV:
        return _download(MINDCV.get(text, text))
    try:
        if text.startswith(TIMM) and not path.exists():
            return _from_hugging_face(text)
        if text.startswith(OWN) and not path.exists():
            return _own(text)
        if path.is_dir():
            raise InputError(f"weights: {source} is a folder; {_within(path)}")
        found = path.is_file()
    except OSError as error:  # such as a name that is too long for a file's
        raise InputError(f"weights: {source} cannot be read ({error.strerror}); {ALLOWED}") from None
    if not found:
        hint = f" ({nearest(text, MINDCV)})" if text.startswith("mindcv/") else ""
        raise InputError(f"weights: {source} cannot be read, there is no such file{hint}; {ALLOWED}")
    return path


def own_names() -> list[str]:
    """The short names of what this lab trained."""
    return [f"{OWN}{path.stem}" for path in sorted(OWN_FOLDER.glob("*.safetensors"))]


def _own(name: str) -> Path:
    path = OWN_FOLDER / f"{name.removeprefix(OWN)}.safetensors"
    if name in own_names():
        return path
    raise InputError(f"weights: {name} is not there; " + (
        f"{nearest(name, own_names())}" if own_names() else
        f"what this lab trained comes with it, and {OWN_FOLDER} holds none"))


def _within(folder: Path) -> str:
    """What of a folder may be meant: the usual names, or else the first few of all that could be weights."""
    usual = [path for name in FILES for path in sorted(folder.glob(name)) if path.is_file()]
    others = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".ckpt"))
    if usual:
        return f"did you mean {usual[0]}?"
    return f"allowed is a file, such as those in it: {some(path.name for path in others)}" if others else ALLOWED


def _download(url: str) -> Path:
    import pooch

    address, fragment = urldefrag(url)
    name = Path(urlsplit(address).path).name
    algorithm, _, wanted = fragment.partition("=")
    if fragment and (algorithm not in ("sha256", "md5") or not wanted):
        raise InputError(f"weights: {url} ends in #{fragment}; allowed are #sha256=... and #md5=...")
    if not fragment and (found := NAMED_BY_HASH.search(name)):
        algorithm, wanted = "sha256", found[1]
    folder = cache_folder()
    target = folder / re.sub(r"[^\w.-]+", "_", address.split("://", 1)[1])
    if not target.exists() or other_kind(target):
        pooch.get_logger().setLevel(logging.WARNING)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as scratch:
                fresh = Path(pooch.retrieve(address, None, path=scratch, fname=name or "weights", progressbar=True))
                if other := other_kind(fresh):
                    raise InputError(f"weights: {address} {other}")
                _check(fresh, algorithm, wanted, address)
                os.replace(fresh, target)
        except OSError as error:
            raise InputError(f"weights: {address} cannot be downloaded ({in_a_line(error)})") from None
    _check(target, algorithm, wanted, address)
    return target


def _check(path: Path, algorithm: str, wanted: str, source: str) -> None:
    if not wanted:
        return
    import pooch

    found = pooch.file_hash(str(path), algorithm)
    if not found.startswith(wanted.lower()):
        raise InputError(f"weights: {source} has {algorithm} {found[:len(wanted)]}, wanted is {wanted}; damaged on its way "
                         f"or another file" + (f"; remove {path} to fetch it anew" if path.parent.name[0] != "." else ""))


def _from_hugging_face(name: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        path = Path(huggingface_hub.hf_hub_download(name, TIMM_FILE))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise InputError(f"weights: {name} cannot be fetched from Hugging Face ({in_a_line(error)})") from None
    stored = path.resolve().name  # large files are kept there under their published SHA-256
    if SHA256.fullmatch(stored):
        _check(path, "sha256", stored, name)
    return path
