"""Rows of finished layers, kept in files until all are there: an interrupted study goes on where it was."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ghostlib import atomic, results
from ghostlib.cache import sources
from ghostlib.errors import InputError, RunError
from ghostlib.features import Network, OnnxNetwork
from ghostlib.redundancy.layers import LayerStudy, Place, Rows

FOLDER = "unfinished"  # beside the tables
INPUTS = "inputs.json"


class Unfinished:
    """What is kept beside the tables while they are not complete.

    Args:
        tables: The folder of the tables.
    """

    def __init__(self, tables: Path):
        self._folder, self._used = tables / FOLDER, list[KeptRows]()

    def of(self, about: Mapping[str, Any], study: LayerStudy, options: Mapping[str, Any]) -> "KeptRows":
        """Where the rows of one study are kept; those that were made from something else go.

        Args:
            about: Names the study, whatever its inputs: a later one of the same name takes its place.
            study: Whose networks and images are its inputs.
            options: Its other inputs.
        """
        whole = ",".join(map(str, about.values()))
        # Readable, and short where s is a mapping of layers.
        name = f"{re.sub(r'[^A-Za-z0-9.,-]', '_', whole)[:60]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
        kept = KeptRows(self._folder / name, _inputs(study, options))
        self._used.append(kept)
        return kept

    def done(self) -> None:
        """Removes what was handed out: it stands in the tables."""
        for kept in self._used:
            shutil.rmtree(kept.folder, ignore_errors=True)
        with suppress(OSError):  # other studies' rows are in it, or it is not there
            self._folder.rmdir()


class KeptRows:
    """Rows of a study's finished places, a file each; see `layers.Kept`.

    Attributes:
        folder: Where; made when the first is finished.
        foreign: Whether rows were there that other inputs had made.
    """

    def __init__(self, folder: Path, inputs: Mapping[str, str]):
        self.folder, self._inputs, self.foreign = folder, dict(inputs), False
        if folder.exists() and _read(folder / INPUTS) != self._inputs:
            self.foreign = any(folder.glob("*_*.json"))
            shutil.rmtree(folder, ignore_errors=True)

    def get(self, place: Place) -> Rows | None:
        """A place's rows; None where they are not there or cannot be read, so that they are made again."""
        found = _read(self._file(place))
        if found is None or not isinstance(found.get("rows"), dict) or found.get("place") != [*place[:-1], [*place.shape]]:
            return None
        # JSON has no word for nan, and a row of nothing else.
        return {table: [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]
                for table, rows in found["rows"].items()}

    def put(self, place: Place, rows: Rows) -> None:
        """Keeps a place's rows: whole, or, where nothing can be written, not at all; `RunError` says so."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.folder}: cannot be written ({error.strerror})") from None
        if not (self.folder / INPUTS).exists():
            atomic.write_text(self.folder / INPUTS, results.to_json(self._inputs))
        atomic.write_text(self._file(place), results.to_json({"place": place, "rows": rows}))

    def _file(self, place: Place) -> Path:
        return self.folder / f"{place.depth:03}_{place.stage}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return results.read_json(path)
    except InputError:
        return None


def _inputs(study: LayerStudy, options: Mapping[str, Any]) -> dict[str, str]:
    """Everything that rows depend on: hashes of networks and images, options, ghostlib's code and what it computes with."""
    known = {"options": json.dumps(options, sort_keys=True), "code": sources(), **{
        name: results.version_of(name) for name in ("mindspore", "numpy")}}
    for source, (net, images) in study.nets.items():
        known[f"network, {source}"] = _hash_of(net)
        known[f"images, {source}"] = hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
    return known


def _hash_of(net: Network) -> str:
    """Of a network's cells as they print, without addresses, and of its weights; of an ONNX graph as it is."""
    if isinstance(net, OnnxNetwork):
        return net.fingerprint()
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", repr(net)).encode())
    for parameter in net.get_parameters():
        digest.update(parameter.name.encode() + parameter.asnumpy().tobytes())
    return digest.hexdigest()
