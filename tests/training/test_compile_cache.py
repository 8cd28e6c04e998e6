"""Graphs kept from process to process: never another run's, never half of one, and the same to the bit."""

import importlib.util
import json
import os
import shutil
import stat
import sys

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from safetensors.numpy import load_file

import ghostlib
from ghostlib.config import Config
from ghostlib.kernels import native
from ghostlib.models import MODELS
from ghostlib.models.build import ARCHITECTURE
from ghostlib.training import compile_cache, loop, setup
from ghostlib.training.compile_cache import HARMLESS, MANIFEST, Graph
from ghostlib.training.distributed import Ranks
from ghostlib.training.optimizers import make_optimizer
from ghostlib.training.precision import set_precision
from ghostlib.training.step import TrainStep

TINY = {"model": "vgg16", "width": 0.0625, "epochs": 1, "batch_size": 256}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    native.library()  # found once a process, in the tests' own cache
    monkeypatch.setattr(sys, "argv", [__file__])  # pytest-xdist's workers were started with no script
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compile_cache, "_used", [])
    return tmp_path / "cache" / "graphs"


def graphs(size=8, constant=1.0, width=4):
    cell = nn.SequentialCell(nn.Dense(size, width))
    cell.constant = Tensor(np.full(2, constant, np.float32))
    return {"step": Graph(cell, True, [np.zeros((2, size), np.float32)]),
            "test": Graph(cell, False, [np.zeros((2, size), np.float32)])}


# What a key is made of.

def test_every_field_of_config_counts_but_those_proven_harmless():
    config, shown = Config(), graphs()
    own = compile_cache._key(config, shown, Ranks())
    assert own == compile_cache._key(Config(), graphs(), Ranks())
    for name in Config.model_fields:
        other = compile_cache._key(Config.model_construct(**{**config.model_dump(), name: "another"}), shown, Ranks())
        assert (other == own) == (name in HARMLESS), name
    assert set(HARMLESS) <= set(Config.model_fields) and not set(HARMLESS) & set(ARCHITECTURE)


def test_what_shapes_a_graph_never_looks_at_the_harmless_fields():
    """But at the seed, whose weights are parameters; for it runs are compared below."""
    seen = set()

    class Watched:
        def __init__(self, config):
            self._config = config

        def __getattr__(self, name):
            seen.add(name)
            return getattr(self._config, name)
    for options in ({}, {"model": "vgg16", "dropout": 0.5, "amp": "O2", "loss_scale": 8.0, "clip": 1.0}):
        config = Watched(Config(**options))
        net = setup.build(config)
        set_precision(net, config)
        step = TrainStep(net, make_optimizer(net, config), config)
        loop._known_graphs(step, net, net, config)
    assert {"width", "momentum", "image_size"} < seen and seen & set(HARMLESS) == {"seed"}


@pytest.mark.parametrize("change", ["order", "shape", "constant", "cells", "rank", "ranks", "kernel", "sources", "variable",
                                    "version", "processor", "entry"])
def test_whatever_else_shapes_a_graph_counts(change, monkeypatch):
    own, shown, ranks = compile_cache._key(Config(), graphs(), Ranks()), graphs(), Ranks()
    if change == "order":
        shown = dict(reversed(shown.items()))
    elif change in ("shape", "constant", "cells"):
        shown = graphs(**{"shape": {"size": 9}, "constant": {"constant": 2.0}, "cells": {"width": 5}}[change])
    elif change in ("rank", "ranks"):
        ranks = Ranks(1, 2) if change == "rank" else Ranks(0, 2)
    elif change == "variable":
        monkeypatch.setenv("MS_DEV_SOMETHING", "1")
    elif change == "entry":
        monkeypatch.setattr("sys.argv", ["another.py"])
    else:
        target, name = {"kernel": (native, "library"), "sources": (compile_cache, "sources"),
                        "version": (compile_cache, "version_of"), "processor": (compile_cache.processor, "identity")}[change]
        monkeypatch.setattr(target, name, lambda *_: "another")
    assert compile_cache._key(Config(), shown, ranks) != own


def test_changed_source_is_another_key(tmp_path, monkeypatch):
    own = compile_cache.sources()
    shutil.copytree(os.path.dirname(ghostlib.__file__), tmp_path / "ghostlib")
    monkeypatch.setattr(ghostlib, "__file__", str(tmp_path / "ghostlib" / "__init__.py"))
    assert compile_cache.sources() == own
    with (tmp_path / "ghostlib" / "kernels" / "fused.cpp").open("a") as file:
        file.write("\n")
    changed = compile_cache.sources()
    with (tmp_path / "ghostlib" / "kernels" / "pass.hpp").open("a") as file:
        file.write("\n")
    assert own != changed != compile_cache.sources() != own


# When it is used at all.

@pytest.mark.parametrize(("value", "default", "wanted"), [
    (None, False, False), (None, True, True), ("on", False, True), ("off", True, False), ("OFF", True, False),
    ("", True, True), ("0", True, False), ("1", False, True)])
def test_only_processes_whose_graphs_are_known_use_it(value, default, wanted, monkeypatch):
    monkeypatch.delenv("GHOSTLIB_COMPILE_CACHE", raising=False)
    if value is not None:
        monkeypatch.setenv("GHOSTLIB_COMPILE_CACHE", value)
    assert compile_cache.wanted(default) == wanted


def test_it_is_for_one_run_a_process_and_for_our_own_networks(cache, monkeypatch):
    monkeypatch.setattr(compile_cache, "_used", ["a key"])
    assert compile_cache.compile_known(Config(), graphs()) == "not used: this process has used it for another run"
    monkeypatch.setattr(compile_cache, "_used", [])
    assert "nothing is proven of it but on a CPU" in compile_cache.compile_known(Config(device="Ascend"), graphs())
    monkeypatch.setitem(MODELS, "vgg16", graphs)
    assert "vgg16 is no network of ghostlib's own" in compile_cache.compile_known(Config(model="vgg16"), graphs())
    monkeypatch.setenv("MS_COMPILER_CACHE_ENABLE", "1")
    assert "left alone: MS_COMPILER_CACHE_ENABLE is set" == compile_cache.compile_known(Config(), graphs())
    assert not cache.exists()


# What is done with files.

KEY = "everything"


def filled(folder):
    """An own folder as MindSpore leaves it, files that nobody may write to."""
    inside = folder / "rank_0" / "graph_cache"
    inside.mkdir(parents=True)
    for name, content in (("compile_cache_0.mindir", b"step"), ("compile_cache_1.mindir", b"test")):
        (inside / name).write_bytes(content)
        (inside / name).chmod(stat.S_IRUSR)
    return folder


@pytest.fixture
def store(tmp_path):
    """A published key, and an empty folder to copy it into."""
    own = filled(tmp_path / ".own-1")
    compile_cache._publish(own, tmp_path / "key", KEY, compile_cache._hashes(own), False)
    (tmp_path / ".own-2").mkdir()
    return tmp_path / "key", tmp_path / ".own-2"


def test_what_was_published_is_copied_whole(store):
    key, own = store
    before = compile_cache._copy(key, own, KEY)
    assert before == compile_cache._hashes(own) == compile_cache._hashes(key) and len(before) == 2


def truncated(key):
    path = key / "rank_0" / "graph_cache" / "compile_cache_0.mindir"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:2])


def flipped(key):
    path = key / "rank_0" / "graph_cache" / "compile_cache_0.mindir"
    path.chmod(0o600)
    path.write_bytes(b"stop")


def filled_twice(key):
    (key / "rank_0" / "graph_cache" / "compile_cache_2.mindir").write_bytes(b"a third")


def foreign(key):
    manifest = json.loads((key / MANIFEST).read_text())
    (key / MANIFEST).write_text(json.dumps({**manifest, "key": "something else"}))


def outside(key):
    manifest = json.loads((key / MANIFEST).read_text())
    (key / MANIFEST).write_text(json.dumps({**manifest, "files": {**manifest["files"], "../escaped": "0"}}))
    (key.parent / "escaped").write_text("of nobody's business")


def without_manifest(key):
    (key / MANIFEST).unlink()


def with_odd_manifest(key):
    (key / MANIFEST).write_text("[1, 2")


def without_a_file(key):
    (key / "rank_0" / "graph_cache" / "compile_cache_0.mindir").unlink()


@pytest.mark.parametrize("damage", [truncated, flipped, filled_twice, foreign, outside, without_manifest, with_odd_manifest,
                                    without_a_file])
def test_what_is_damaged_or_foreign_is_ignored_said_and_made_anew(damage, store):
    key, own = store
    damage(key)
    with pytest.warns(RuntimeWarning, match="is ignored and made anew: it is damaged or holds something else") as said:
        assert compile_cache._copy(key, own, KEY) == {}
    assert len(said) == 1 and not key.exists() and not list(own.iterdir())


def test_of_two_that_fill_a_key_at_once_the_first_counts(store):
    key, own = store
    before = compile_cache._hashes(key)
    filled(own)
    (own / "rank_0" / "graph_cache" / "compile_dependency.hash").write_bytes(b"second")
    compile_cache._publish(own, key, KEY, compile_cache._hashes(own), instead=False)
    assert compile_cache._hashes(key) == before
    compile_cache._publish(own, key, KEY, compile_cache._hashes(own), instead=True)  # MindSpore did not take what was there
    assert len(compile_cache._hashes(key)) == 3


def test_its_size_is_bounded(tmp_path, monkeypatch):
    for number in range(4):
        compile_cache._publish(filled(tmp_path / f".own-{number}"), tmp_path / f"key{number}", KEY, {}, False)
        os.utime(tmp_path / f"key{number}", (number, number))
    (tmp_path / ".own-old").mkdir()
    os.utime(tmp_path / ".own-old", (1, 1))  # of a process that was killed
    filled(tmp_path / ".own-now")
    monkeypatch.setattr(compile_cache, "LARGEST", 3 * compile_cache.size_of(tmp_path / "key0"))
    compile_cache._prune(tmp_path, "key0")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".own-now", "key0", "key3"]


def test_files_that_go_while_they_are_counted_count_nothing(tmp_path, monkeypatch):
    """A run that compiles beside `ghostlib doctor` removes what it worked with."""
    real = os.stat

    def removing(path, *rest, **options):
        found = real(path, *rest, **options)
        for name in ("one", "other") if stat.S_ISREG(found.st_mode) else ():
            (tmp_path / name).unlink(missing_ok=True)
        return found
    for name in ("one", "other"):
        (tmp_path / name).write_text("content")
    monkeypatch.setattr(os, "stat", removing)
    assert compile_cache.size_of(tmp_path) == 7


@pytest.mark.parametrize("place", ["a file", "a full disk"])
def test_where_it_cannot_be_written_it_is_said_and_the_run_goes_on(place, cache, tmp_path, monkeypatch):
    if place == "a file":
        cache.parent.write_text("in the way")
    else:
        def full(*_, **__):
            raise OSError(28, "No space left on device")
        monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.warns(RuntimeWarning, match="compile cache: not used: .*(Not a dir|File exists|No space left)") as said:
        assert compile_cache.compile_known(Config(), graphs()).startswith("not used")
    assert len(said) == 1


# That it changes nothing: whole runs, each in a process of its own, since MindSpore keeps to one folder a process.

@pytest.fixture(scope="module")
def runs(tmp_path_factory, request):
    """Trains and validates by the command line; gives a run's tensors, what was said, and how many keys there are."""
    folder = tmp_path_factory.mktemp("cached")
    from conftest import ghostlib_process

    def train(name, cached="on", **changes):
        words = [word for field, value in {**TINY, "run_dir": name, **changes}.items() for word in ("-p", field, str(value))]
        (folder / "empty.yaml").write_text("{}")
        done = ghostlib_process("train", "empty.yaml", *words, cwd=folder, GHOSTLIB_COMPILE_CACHE=cached,
                                GHOSTLIB_CACHE=str(folder / "cache"))
        assert done.returncode == 0, done.stderr
        return load_file(folder / name / "last.safetensors"), done.stderr

    def validate(weights, cached="on"):
        words = [word for field, value in TINY.items() for word in ("-p", field, str(value))]
        done = ghostlib_process("validate", "empty.yaml", *words, "--weights", f"{weights}/last.safetensors", cwd=folder,
                                GHOSTLIB_COMPILE_CACHE=cached, GHOSTLIB_CACHE=str(folder / "cache"))
        assert done.returncode == 0, done.stderr
        return done.stdout.rpartition(",")[0]  # but for the speed

    def keys():
        return sorted((folder / "cache" / "graphs").iterdir(), key=lambda path: path.stat().st_ctime)
    return train, validate, keys


def equal(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_runs_are_equal_to_the_bit_with_an_empty_and_a_full_cache(runs):
    train, validate, keys = runs
    empty, said = train("empty")
    assert len(keys()) == 1 and "compile cache" not in said and "correctness risks" not in said
    full, _ = train("full")
    assert len(keys()) == 1 and equal(empty, full)
    moving = [name for name in full if name.endswith("moving_variance")]
    assert moving and all((full[name] != 1).any() for name in moving)  # once they stayed at their start
    other, _ = train("other", seed=1)  # takes the graphs of seed 0
    without, _ = train("without", "off", seed=1)
    assert len(keys()) == 1 and equal(other, without) and not equal(other, full)
    # Two networks' weights through one graph of the folded network, whose scales come from them.
    answers = [validate("full"), validate("other")]
    assert len(keys()) == 2 and answers[0] != answers[1]
    assert answers == [validate("full", "off"), validate("other", "off")]


@pytest.mark.slow
def test_another_config_takes_no_graph_of_this_one_and_a_damaged_one_is_made_anew(runs):
    train, _, keys = runs
    first, _ = train("first")
    train("everything", accumulate=2, mixup=0.2, ema=0.9, clip=1.0, amp="O2", loss_scale_dynamic=True)  # can be kept as well
    before = len(keys())
    other, _ = train("kernel5", kernel=5)
    assert before >= 2 and len(keys()) == before + 1 and equal(other, train("kernel5 without", "off", kernel=5)[0])
    for key in keys():
        truncated(key)
    again, said = train("again")
    assert said.count("is ignored and made anew") == 1 and equal(again, first)
    again, said = train("and again")
    assert "is ignored" not in said and equal(again, first)


def test_what_mindspore_does_to_the_interpreter_is_undone(tmp_path):
    streams = sys.stdout, sys.stderr, sys.argv
    with compile_cache._switched_on(str(tmp_path)):
        importlib.util.module_from_spec(importlib.util.find_spec("sys"))  # as in mindspore/graph/api.py
        assert sys.stderr is not streams[1]
    assert (sys.stdout, sys.stderr, sys.argv) == streams


def test_graphs_outside_the_known_ones_are_not_kept(cache):
    """What is compiled before and after has no part in MindSpore's numbers."""
    cell = nn.SequentialCell(nn.Dense(3, 3))
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    assert "MS_COMPILER_CACHE_ENABLE" not in os.environ
    cell(Tensor(np.zeros((1, 3), np.float32)))
    with compile_cache._switched_on(str(cache)):
        assert os.environ["MS_COMPILER_CACHE_ENABLE"] == "1"
    assert "MS_COMPILER_CACHE_ENABLE" not in os.environ and not cache.exists()
