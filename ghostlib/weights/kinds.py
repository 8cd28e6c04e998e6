"""What a file is that someone gave as weights, by its first bytes and never by its name. Nothing is unpickled."""

import codecs
import json
import re
import zipfile
from pathlib import Path

from ghostlib.errors import in_a_line

START = 4096  # bytes that are looked at
LONGEST_HEADER = 10**8  # bytes, of safetensors
WANTED = "wanted is safetensors or mindcv's .ckpt"
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
EXPORTED = f"a graph exported for inference; {WANTED} of the network that it was exported from"
MAGIC = {  # of what is told by its first bytes alone
    b"version https://git-lfs.github.com/": "is a git-lfs pointer, not the file it stands for; git lfs pull fetches that",
    b"\x93NUMPY": f"is a NumPy array, one without names; {WANTED}",
    b"\x89HDF\r\n\x1a\n": f"is HDF5, as Keras saves it; {WANTED}",
    b"GGUF": f"is GGUF, made for inference; {WANTED}",
    **{start: f"is compressed with {name}; unpack it first" for start, name in (
        (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))}}
ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a:]")  # ir_version; producer_name, producer_version or graph
MINDIR = re.compile(rb"\n.[\d.]+\x12\tMindSpore", re.DOTALL)
HTML = re.compile(r"<!doctype html|<html|<head|<body", re.IGNORECASE)
TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


def is_safetensors(path: Path) -> bool:
    """Whether a file is safetensors, perhaps a damaged one: the length of its header, then the header, which is JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < LONGEST_HEADER


def is_onnx(path: Path) -> bool:
    """Whether there is such a file and it is ONNX."""
    try:
        if not path.is_file():
            return False
    except OSError:  # such as a name that is too long for a file's
        return False
    with path.open("rb") as file:
        return bool(ONNX.match(file.read(16)))


def other_kind(path: Path) -> str | None:
    """A clause on what a file is and what to do, if it is not worth trying to read as weights; None if it is."""
    if is_safetensors(path):
        return _truncated(path)
    with path.open("rb") as file:
        start = file.read(START)
    if not start:
        return f"is an empty file; {WANTED}"
    if start.startswith(PICKLES):
        return _pickle(path)
    if start.startswith(ZIPS):
        return _zip(path)
    for magic, clause in MAGIC.items():
        if start.startswith(magic):
            return clause
    if start[257:262] == b"ustar":
        return "is a tar archive; unpack it first"
    if ONNX.match(start):
        return f"is ONNX, {EXPORTED}"
    if MINDIR.match(start):
        return f"is MindIR, {EXPORTED}"
    return _text(start)


def _truncated(path: Path) -> str | None:
    size = path.stat().st_size
    with path.open("rb") as file:
        whole = 8 + int.from_bytes(file.read(8), "little")
        try:
            if whole <= size:
                header = json.loads(file.read(whole - 8))
                whole += max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"),
                             default=0)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # damaged; who reads it says how
            return None
    return (f"is truncated: {size:,} bytes of at least {whole:,}, as after a download or copy that broke off; fetch it "
            f"anew") if size < whole else None


def _pickle(path: Path) -> str:
    old, new = json.dumps(path.name, ensure_ascii=False), json.dumps(f"{path.stem}.safetensors", ensure_ascii=False)
    return ("is a pickle, which would run code of whoever made it; PyTorch makes safetensors of its own: import torch, "
            f"safetensors.torch; safetensors.torch.save_file(torch.load({old}, map_location=\"cpu\", weights_only=True), "
            f"{new}), with [\"state_dict\"] or [\"model\"] after torch.load(...) if they lie deeper")


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return ("is a truncated or damaged zip archive, such as a .pth of PyTorch's or an .npz; fetch it anew, and make "
                "safetensors of it")
    if any(name.endswith(".pkl") for name in names):
        return _pickle(path)
    if names and all(name.endswith(".npy") for name in names):
        old, new = json.dumps(path.name, ensure_ascii=False), json.dumps(f"{path.stem}.safetensors", ensure_ascii=False)
        return (f"is an .npz of NumPy's; it makes safetensors of it: import numpy, safetensors.numpy; "
                f"safetensors.numpy.save_file(dict(numpy.load({old})), {new})")
    return f"is a zip archive; unpack it first; {WANTED}"


def _text(start: bytes) -> str | None:
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(start).lstrip("\ufeff \t\r\n")
    if text.startswith("<") and HTML.search(text):
        title = TITLE.search(text)
        told = f" ({_line(title[1])!r})" if title and title[1].strip() else ""
        return f"is an HTML page{told}, as a server sends for a login or an address that is not the file's own; {WANTED}"
    if all(character.isprintable() or character in "\t\r\n" for character in text) and "\ufffd" not in text:
        if '"weight_map"' in text:
            return f"is the index of weights in several files; {WANTED}, in one file"
        return f"is text ({_line(text)!r}); {WANTED}"
    return None


def _line(text: str) -> str:
    words = in_a_line(text, None)
    return words if len(words) <= 60 else f"{words[:57]}..."
