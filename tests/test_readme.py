"""What the README and the pages behind its doors tell people to type: each command is run, or says why it is not."""

import runpy
import shlex
import shutil

import pytest
from conftest import ROOT, ghostlib_process

from ghostlib.data import photographs

WALK = runpy.run_path(str(ROOT / "tools" / "walk.py"))
PAGES = [ROOT / page for page in WALK["PAGES"]]
COMMANDS = [command for page in PAGES for command in WALK["commands"](page.read_text())]
QUICK = list(dict.fromkeys(command.words for command in COMMANDS if command.mark == "quick"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The lab's folders in a folder with a space, where nothing was run but a short tour."""
    folder = tmp_path_factory.mktemp("a lab")
    for name in ("notebooks", "data/results", "data/paper"):
        shutil.copytree(ROOT / name, folder / name)
    words = "train notebooks/params/train_smoke.yaml -p width 0.5 -p epochs 1 -p warmup_epochs 0 -p run_dir data/runs/tour"
    done = ghostlib_process(*words.split(), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_is_run_or_has_a_reason():
    """Quick ones here, as typed; the others by `make walk`, in a clone; what neither does says why, in the page's source."""
    assert WALK["unmarked"]("`ghostlib doctor` and `make tour`<!-- walk -->, `ghostlib` and `ghostlib.ghost`") == [
        "ghostlib doctor"]
    assert [command for page in PAGES for command in WALK["unmarked"](page.read_text())] == []
    assert {command.mark for command in COMMANDS} <= {"quick", "walk"} | {
        command.mark for command in COMMANDS if command.mark.startswith("not run: ")}
    assert {shlex.split(command)[1] for command in QUICK} >= {"doctor", "models", "fetch", "predict", "validate", "report"}


@pytest.mark.slow
@pytest.mark.xdist_group("many runs")
@pytest.mark.parametrize("command", QUICK)
def test_a_quick_command_works_and_works_again(command, lab):
    if "data/photographs" in command:
        photographs.write(lab / "data")
    for time in ("first", "second"):
        done = ghostlib_process(*shlex.split(command)[1:], cwd=lab)
        assert done.returncode == 0, f"{time} time: {done.stderr[-2000:]}"
