"""What the README and the pages behind its doors tell people to type: each command is run, or says why it is not."""

import runpy
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, ghostlib_process

from ghostlib.data import photographs

WALK = runpy.run_path(str(ROOT / "tools" / "walk.py"))
COMMANDS = [command for page in (*WALK["PAGES"], *WALK["BLOCKS"]) for command in WALK["marked"](ROOT / page)]
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
    page = ("`ghostlib doctor` and `make tour`<!-- walk -->, `ghostlib` and `ghostlib.ghost`\n\n"
            "<!-- quick -->\n\n    ghostlib models  # all\n    ghostlib models vgg16\n\n    x = 1\n    make test\n")
    assert WALK["all_commands"](page) == [("ghostlib doctor", ""), ("make tour", "walk"), ("ghostlib models", "quick"),
                                          ("ghostlib models vgg16", "quick"), ("make test", "")]
    assert [command.words for command in COMMANDS if not command.mark] == []
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


def test_the_lines_of_python_in_the_readme_run():
    lines = (ROOT / "README.md").read_text().partition("<!-- run -->\n```python\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "replaced" in done.stdout and 1e9 < int(done.stdout.split()[-1]) < 4.1e9  # fewer than ResNet-50's
