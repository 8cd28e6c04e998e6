"""Compiled graphs kept from process to process: MindSpore's compile cache, where it is known what shaped a graph.

MindSpore numbers graphs in the order in which a process compiles them, takes number n of its folder for the n-th, and
looks for changes in the files that the entry script imports and nowhere else; so it warns of "correctness risks". Here
it is switched on for the two graphs of a run alone, the step and the test, while they are compiled, and its folder is
known by everything that shaped them. What is proven of it, and how it went wrong before: docs/performance.md.

In the cache folder each key has a folder of MindSpore's files with a `manifest.json`: key, and each file's hash. A process
works on a copy of its own, so that processes cannot disturb one another; one that finds nothing puts its copy there,
whole, when all its graphs are compiled.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, nn

import ghostlib
from ghostlib import processor
from ghostlib.cache import cache_folder, sources
from ghostlib.config import Config
from ghostlib.errors import in_a_line
from ghostlib.kernels import native
from ghostlib.models import MODELS
from ghostlib.results import version_of
from ghostlib.training.distributed import Ranks
from ghostlib.training.launch import COMPILE_CACHE

ENABLE, PATH = "MS_COMPILER_CACHE_ENABLE", "MS_COMPILER_CACHE_PATH"  # MindSpore's own variables
MANIFEST = "manifest.json"
NUMBERED = re.compile(r"compile_cache_(\d+)\.mindir$")  # MindSpore's files; under msrun the role stands before
OWN = ".own-"  # begins the names of processes' own copies
A_DAY = 86400.0  # seconds
LARGEST = 512 * 2**20  # bytes of all keys together; those of a small GhostNet take 3 MB
# Fields of Config that shape no graph, each with the reason; every other one counts, one that is new among them.
HARMLESS = {
    "data_dir": "images are inputs",
    "seed": "weights are parameters, and the noise of dropout is an input",
    "weights": "they are parameters",
    "new_head": "says which parameters are loaded",
    "resume": "says which parameters are loaded",
    "run_dir": "is written to by Python alone",
    "overwrite": "is read by Python alone",
    "workers": "threads that make inputs",
    "decoded": "where inputs come from",
    "port": "where processes meet",
    "broken_limit": "is counted by Python alone",
    "bad_steps": "is counted by Python alone",
    "val_interval": "is counted by Python alone",
    **dict.fromkeys(("augment", "jitter", "erasing", "repeats", "val_share"), "images are inputs"),
    **dict.fromkeys(("epochs", "schedule", "warmup_epochs", "lr_end", "milestones", "lr_decay", "decay_epochs"),
                    "the rate is an input"),
}


class Graph(NamedTuple):
    """A cell with the state and the inputs for which it is compiled; of inputs only shapes and types matter."""

    cell: nn.Cell
    training: bool
    inputs: Sequence[np.ndarray | np.generic]


def graph_of_test(net: nn.Cell, config: Config) -> Graph:
    """What `evaluate` compiles of a network."""
    return Graph(net, False, [np.zeros((config.batch_size, 3, config.image_size, config.image_size), np.float32)])


def wanted(default: bool) -> bool:
    """Whether this process may use the cache: as GHOSTLIB_COMPILE_CACHE says, `on` or `off` (1 or 0), else the default."""
    return {"on": True, "1": True, "off": False, "0": False}.get(os.environ.get(COMPILE_CACHE, "").lower(), default)


_used: list[str] = []  # the key of this process: MindSpore takes one folder and keeps to it


def compile_known(config: Config, graphs: Mapping[str, Graph], ranks: Ranks = Ranks()) -> str:
    """Compiles the graphs of a run in their order, or loads them where an equal run has compiled them.

    Args:
        config: What `build` made the network of.
        graphs: All that this process compiles, by name, in the order in which it does; they are left in evaluation state.
        ranks: This process among those of its run.

    Returns:
        What was done: "loaded", "compiled and kept", or why the cache is not used.
    """
    if reason := _unfit(config):
        return reason
    key = _key(config, graphs, ranks)
    store = folder() / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=OWN, dir=store.parent, ignore_cleanup_errors=True) as own:
            _used.append(store.name)
            before = _copy(store, Path(own), key)
            with _switched_on(own):
                for graph in graphs.values():
                    graph.cell.set_train(graph.training)
                    graph.cell.compile(*map(Tensor, graph.inputs))
                    graph.cell.set_train(False)
            after = _hashes(Path(own))
            if before == after:
                with suppress(OSError):  # another process may have made room
                    os.utime(store)  # when it was last of use
                return "loaded"
            # MindSpore must have numbered just these graphs, from 0; else its folder does not say which is which.
            left = [name for name in after if name.endswith(".mindir")]
            numbers = [int(found[1]) for name in left if (found := NUMBERED.search(name))]
            if sorted(numbers) != list(range(len(graphs))) or len(numbers) < len(left):
                return _remark(f"not kept: MindSpore left {', '.join(left) or 'nothing'} for {len(graphs)} graph(s)")
            _publish(Path(own), store, key, after, instead=bool(before))
            with suppress(OSError):
                _prune(store.parent, store.name)
            return "compiled and kept"
    except (OSError, RuntimeError) as error:
        # A network that cannot be compiled fails again, and says why, when it is first used.
        where = getattr(error, "filename", None) or store.parent
        return _remark(f"not used: {where}: {getattr(error, 'strerror', None) or in_a_line(error)}")


def _unfit(config: Config) -> str | None:
    """Why a run may not use the cache at all."""
    if _used:
        return "not used: this process has used it for another run"
    if config.device != "CPU" or config.sink:
        return "not used: nothing is proven of it but on a CPU"
    if not getattr(MODELS[config.model], "__module__", "").startswith(f"{ghostlib.__name__}."):
        return f"not used: {config.model} is no network of ghostlib's own"
    if not os.path.isfile(sys.argv[0]):
        return "not used: MindSpore knows a process by the script that it was started with, and here is none"
    if os.environ.get(ENABLE):
        return f"left alone: {ENABLE} is set"
    return None


def _key(config: Config, graphs: Mapping[str, Graph], ranks: Ranks) -> str:
    """Everything that shapes the graphs, as JSON."""
    fields = {name: value for name, value in config.model_dump().items() if name not in HARMLESS}
    return json.dumps({
        "config": fields,
        "graphs": {name: [graph.training, [[list(np.shape(one)), str(one.dtype)] for one in graph.inputs]]
                   for name, graph in graphs.items()},  # in their order
        "cells": _fingerprint([graph.cell for graph in graphs.values()]),
        "sources": sources(), "kernel": str(native.library()),  # the library's path stands in the graph
        "entry": os.path.realpath(sys.argv[0]),  # by whose imports MindSpore knows a folder as its own
        "rank": ranks.rank, "ranks": ranks.size, "jit_level": mindspore.get_context("jit_level"),
        "environment": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(("MS_DEV", "MS_ENABLE"))},
        "mindspore": version_of("mindspore"), "python": platform.python_version(), "processor": processor.identity(),
    })


def _fingerprint(cells: Sequence[nn.Cell]) -> str:
    """A hash of what a compiled graph holds besides parameters: the cells as they print, and tensors that are constants."""
    digest = hashlib.sha256()
    for root in cells:
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", repr(root)).encode())  # initialisers print their addresses
        for name, cell in root.cells_and_names():
            for attribute, value in sorted(vars(cell).items()):
                for one in value if isinstance(value, (tuple, list)) else [value]:
                    if isinstance(one, Tensor) and not isinstance(one, mindspore.Parameter):
                        digest.update(f"{name}.{attribute}\0".encode() + one.asnumpy().tobytes())
        digest.update(repr([(p.name, p.shape, str(p.dtype), p.requires_grad) for p in root.get_parameters()]).encode())
    return digest.hexdigest()


@contextmanager
def _switched_on(folder: str) -> Iterator[None]:
    os.environ.update({ENABLE: "1", PATH: folder})
    interpreter = dict(vars(sys))
    try:
        yield
    finally:
        # To find the entry script's imports MindSpore makes each module once more, `sys` among them. That sets all of its
        # names to what they were when Python started: stderr to a bare printer, at which a notebook's kernel hangs.
        vars(sys).update(interpreter)
        for name in (ENABLE, PATH):
            del os.environ[name]


def _copy(store: Path, own: Path, key: str) -> dict[str, str]:
    """Copies a key's files, all whole and its own, into an empty folder; their hashes, or nothing where there are none."""
    if not store.exists():
        return {}
    try:
        manifest = json.loads((store / MANIFEST).read_text(encoding="utf-8"))
        there = _hashes(store)
        if there and manifest["key"] == key and manifest["files"] == there:  # a foreign one's names are never followed
            for name in there:
                (own / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(store / name, own / name)
            if _hashes(own) == there:
                return there
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _remark(f"{store} is ignored and made anew: it is damaged or holds something else")
    shutil.rmtree(own)
    own.mkdir()
    shutil.rmtree(store, ignore_errors=True)
    return {}


def _hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder and those below it, by relative name, but for the manifest's."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST}


def _publish(own: Path, store: Path, key: str, files: Mapping[str, str], instead: bool) -> None:
    """Puts a filled folder where others find it, in one step; another process may have been quicker.

    Args:
        instead: Whether what is there was of no use to MindSpore and goes.
    """
    (own / MANIFEST).write_text(json.dumps({"key": key, "files": files}, indent=1), encoding="utf-8")
    if instead:
        shutil.rmtree(store, ignore_errors=True)
    try:
        os.rename(own, store)
    except OSError:
        if not (store / MANIFEST).exists():
            raise


def _prune(folder: Path, newest: str) -> None:
    """Removes the keys longest out of use until those left are small enough together."""
    keys = sorted((path for path in folder.iterdir() if path.name != newest), key=lambda path: path.stat().st_mtime)
    total = size_of(folder)
    for key in keys:
        if total <= LARGEST:
            break
        if key.name.startswith(OWN) and time.time() - key.stat().st_mtime < A_DAY:
            continue  # of a process at work; an older one's was killed
        total -= size_of(key)
        shutil.rmtree(key, ignore_errors=True)


def folder() -> Path:
    """Where graphs are kept."""
    return cache_folder() / "graphs"


def size_of(path: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none. What goes meanwhile, as of a run that compiles, counts 0."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def _remark(what: str) -> str:
    warnings.warn(f"compile cache: {what}", RuntimeWarning, stacklevel=3)
    return what
