"""Python and C++ agree on the options of a pass, or no pass is made."""

from enum import IntEnum
from typing import NamedTuple

import pytest

from ghostlib.kernels import native, options

pytestmark = pytest.mark.skipif(native.library() is None, reason="no compiler here: there are no passes")

load = native.library.__wrapped__  # as in a process that has not loaded it yet


def test_the_library_as_it_is_has_the_options_that_python_has():
    assert load() == native.library()


def test_pythons_options_in_another_order_are_refused(monkeypatch):
    swapped = ["mode2", "mode1", *options.Options._fields[2:]]
    monkeypatch.setattr(options, "Options", NamedTuple("Options", [(name, float) for name in swapped]))
    with pytest.raises(RuntimeError) as refused:
        load()
    assert str(refused.value) == (
        "pass_options: fused.cpp has mode1, mode2, stride, activation, keep, joint, ghosts, eps, momentum; "
        "options.py has mode2, mode1, stride, activation, keep, joint, ghosts, eps, momentum")


@pytest.mark.parametrize("names", ["NONE BATCH GIVEN", "NONE GIVEN", "NONE GIVEN BATCH MOVING"])
def test_other_modes_of_python_are_refused(names, monkeypatch):
    monkeypatch.setattr(options, "Mode", IntEnum("Mode", names, start=0))
    with pytest.raises(RuntimeError, match=f"^pass_modes: fused.cpp has NONE, GIVEN, BATCH; "
                                           f"options.py has {names.replace(' ', ', ')}$"):
        load()


def test_other_activations_of_python_are_refused(monkeypatch):
    monkeypatch.setattr(options, "Activation", IntEnum("Activation", "LINEAR RELU HSWISH RELU6", start=0))
    with pytest.raises(RuntimeError, match="^pass_activations: fused.cpp has LINEAR, RELU, RELU6, HSWISH; options.py has "):
        load()


@pytest.mark.parametrize(("old", "new"), [("eps, momentum", "momentum, eps"), ("GIVEN, BATCH", "BATCH, GIVEN")])
def test_a_changed_source_is_refused(old, new, monkeypatch, tmp_path):
    """The list that C++ reads by is the one that is compared."""
    sources = {path.name: path.read_text() for path in native.SOURCE.parent.glob("*.?pp")}
    assert sum(source.count(f", {old}\n") for source in sources.values()) == 1
    for name, source in sources.items():
        (tmp_path / name).write_text(source.replace(f", {old}\n", f", {new}\n"))
    monkeypatch.setattr(native, "SOURCE", tmp_path / "fused.cpp")
    monkeypatch.setattr(native, "FLAGS", ("-std=c++17", "-shared", "-fPIC", "-pthread"))  # quick to compile
    with pytest.raises(RuntimeError, match=f"fused.cpp has .*{new}; options.py has .*{old}$"):
        load()
