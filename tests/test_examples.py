"""The line with which each command's help ends works: all of them, in one process, with the smallest network there is."""

import shlex

import pytest
from click.testing import CliRunner
from conftest import ROOT
from data.test_imagenet_archives import write_archives
from PIL import Image

from ghostlib import acceptance, bench
from ghostlib.commands import main

pytestmark = pytest.mark.xdist_group("examples")  # one process trains, and all use what it trained
SMALL = ["-p", "model", "vgg16", "-p", "width", "0.0625", "-p", "ratio", "1"]
# What is typed after an example so that it takes seconds; nothing for those that do anyway.
LESS = {"train": [*SMALL, "-p", "batch_size", "256"], "accept": SMALL,
        "bench": [*SMALL, "-p", "batch_size", "16"], "redundancy": ["--count", "24"], "allocate": ["--images", "24"]}


def example_of(name):
    """The last line of a command's help."""
    told = CliRunner().invoke(main, [name, "--help"], terminal_width=110).output
    *_, title, line = told.splitlines()
    assert title == "Example:" and line.startswith(f"  ghostlib {name}"), told
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with what the examples speak of: notebooks, archives, a picture, and the runs of train's example."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    (folder / "archives").mkdir()
    write_archives(folder / "archives")
    Image.new("RGB", (32, 32), (0, 90, 180)).save(folder / "mine.png")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        done = CliRunner().invoke(main, [*example_of("train"), *LESS["train"]])
    assert done.exit_code == 0, done.output
    (folder / "data" / "runs" / "plain").symlink_to("mine")
    return folder


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in ("accept", "bench") else [])
                                  for name in sorted(set(main.commands) - {"train"})])
def test_the_example_of_a_command_works(name, lab, monkeypatch):
    monkeypatch.chdir(lab)
    # A process each, for minutes; tests/test_acceptance.py makes them all.
    monkeypatch.setattr(acceptance, "CHECKS", {"versions": acceptance.CHECKS["versions"]})
    monkeypatch.setattr(bench, "SECONDS", 0.2)
    done = CliRunner().invoke(main, [*example_of(name), *LESS.get(name, [])])
    assert done.exit_code == 0, done.output
    assert done.output.strip()
