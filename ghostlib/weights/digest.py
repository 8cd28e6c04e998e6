"""A file's own account of its content: safetensors has none, so that a bit flipped on a disk would load without a word."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = "sha256"  # in the metadata


def with_digest(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with a hash of all that the file is going to hold."""
    return {**metadata, KEY: _digest(tensors, metadata)}


def is_damaged(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bool:
    """Whether a file read holds something else than was written; never of one that does not say, as others' do not."""
    return KEY in metadata and metadata[KEY] != _digest(tensors, metadata)


def _digest(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(metadata.keys() - {KEY}):
        digest.update(f"{name}\0{metadata[name]}\0".encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name}\0{array.dtype.str}{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
