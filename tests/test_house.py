"""The commands of the README, and what they say before they start."""

import ast
import graphlib
import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, in_share


def run(words, cwd, **environment):
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})


def copy_of_the_makefile(root, folder):
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "tools/preflight.py"):
        shutil.copy(root / name, folder / name)
    return folder


def fake_python(folder, version):
    """An executable that is this Python but says it is another version."""
    path = folder / f"python{version[0]}.{version[1]}"
    path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c \"import runpy, sys; sys.version_info = {version}; "
                    f"sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])\" \"$@\"\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 13, 0)])
def test_a_wrong_python_is_said_in_one_line_before_anything_is_installed(version, root, tmp_path):
    folder = copy_of_the_makefile(root, tmp_path / "a folder with spaces")
    done = run(["make", "tour", f"PYTHON={fake_python(tmp_path, version)}"], folder)
    assert done.returncode != 0
    assert f"Python {version[0]}.{version[1]} found; MindSpore needs 3.10, 3.11 or 3.12" in done.stderr
    assert not (folder / ".venv").exists() and not (folder / "data").exists()


def test_too_little_disk_is_said_in_one_line(root, tmp_path):
    code = ("import shutil, runpy, sys, collections; sys.argv = ['preflight', '.']; "
            "shutil.disk_usage = lambda _: collections.namedtuple('u', 'total used free')(9e9, 8e9, 1e9); "
            f"runpy.run_path({str(root / 'tools' / 'preflight.py')!r})")
    done = run([sys.executable, "-c", code], tmp_path)
    assert done.returncode == 1 and done.stderr.strip().count("\n") == 0
    assert done.stderr.startswith("0.9 GiB of disk free here; the lab's packages need 6 GiB")


def test_tests_of_one_group_share_a_worker(tmp_path):
    """Else what one worker has would be made by each of them. With pytest 9 xdist 3.8 scattered groups without a word."""
    (tmp_path / "test_group.py").write_text("import os, pathlib, pytest\n@pytest.mark.xdist_group('a group')\n"
                                            "@pytest.mark.parametrize('number', range(6))\ndef test(number):\n"
                                            "    pathlib.Path(str(number)).write_text(os.environ['PYTEST_XDIST_WORKER'])\n")
    words = re.search(r"PYTEST := \$\(PY\) (.*)", (ROOT / "Makefile").read_text())[1].split()
    done = run([sys.executable, *words, "test_group.py"], tmp_path, PYTEST_XDIST_WORKER="")
    assert done.returncode == 0, done.stdout
    assert len({(tmp_path / str(number)).read_text() for number in range(6)}) == 1


def test_make_lists_its_targets(root):
    done = run(["make"], root)
    for target in ("tour", "test", "test-fast", "test-with", "lab", "figures", "notebooks"):
        assert f"make {target} " in done.stdout


@pytest.mark.parametrize("given", ["", "torch==2.0", "numpy"])
def test_another_mindspore_is_asked_for_by_a_requirement(given, root, tmp_path):
    folder = copy_of_the_makefile(root, tmp_path / "a folder with spaces")
    shutil.copy(root / "tools" / "test_with.py", folder / "tools")
    done = run(["make", "test-with", f"MINDSPORE={given}"], folder)
    assert done.returncode != 0 and "such as mindspore==2.7.0" in done.stderr
    assert f"MINDSPORE: {given!r} given" in done.stderr
    assert not list(folder.glob(".venv*"))


def test_figures_are_rebuilt_by_one_command(root, tmp_path):
    for part in ("notebooks", "data/results"):
        shutil.copytree(root / part, tmp_path / part)
    done = run([sys.executable, root / "tools" / "make_figures.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        path.name for path in (root / "figures").iterdir()}


def test_the_readme_states_what_was_recorded(root):
    tour = pd.read_csv(root / "data" / "results" / "tour.csv")
    assert sorted(tour.seed) == [0, 1, 2] and tour.commit.nunique() == 1
    readme = " ".join((root / "README.md").read_text().split())
    stated = re.search(r"top-1 of \*\*([\d.]+) %\*\* \(mean of 3 seeds, ([\d.]+) to ([\d.]+) %\)", readme)
    assert [float(part) for part in stated.groups()] == [
        round(100 * value, 1) for value in (tour.top1.mean(), tour.top1.min(), tour.top1.max())]
    assert tour.top1.mean() >= 0.98


def test_a_page_states_the_speed_that_was_recorded(root):
    page = " ".join((root / "docs" / "comparison.md").read_text().split())
    stated = re.search(r"in its best mode: (.*?)\)\.", page)[1].split("; ")
    assert len(stated) == 3
    for told, (table, again) in zip(stated, (("speed", "speed"), ("speed_intel", "speed_intel_again"), ("speed_avx2",) * 2)):
        rows, others = (pd.read_csv(root / "data" / "results" / f"{name}.csv").query("model == 'ghostnet'")
                        .set_index("contender").training for name in (table, again))
        best = others[others.index.str.startswith("PyTorch")].max()
        assert told.startswith(f"{rows['ghostlib'] / rows['mindcv']:.1f} and {others['ghostlib'] / best:.2f} (")


def test_ratios_are_those_of_the_rows(root):
    """The table that stands first on the page of speeds."""
    table = (root / "docs" / "performance.md").read_text().partition("## Ratios first")[2].partition("\n## ")[0]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "data/results" in line]
    assert len(told) == 13
    names = {"GhostNetV2": "ghostnetv2", "MobileNetV2": "mobilenet_v2", "MobileNetV3-Small": "mobilenet_v3_small",
             "MobileNetV3-Large": "mobilenet_v3_large"}
    for what, _, *ratios, rows in told:
        own = pd.read_csv(root / "docs" / re.search(r"\((.*)\)", rows)[1]).set_index("contender")
        own = own[own.model == names.get(what.split()[0], "ghostnet")] if "model" in own else own

        def times(part, rival, own=own):
            rivals = own.index.str.startswith(rival) & ~own.index.str.contains(" by ")  # engines are another matter
            others = own[part][rivals].dropna() if part in own else ()
            return f"{own[part]['ghostlib'] / others.max():.2f}" if len(others) else ""
        assert ratios == [times(part, rival) for part, rival in (
            ("training", "mindcv"), ("training", "PyTorch"), ("evaluation", "mindcv"), ("evaluation", "PyTorch"),
            ("pipeline", "mindcv"))], what


def test_the_readmes_tables_are_those_of_the_rows(root, monkeypatch):
    monkeypatch.chdir(root)
    readme = runpy.run_path(str(root / "tools" / "make_readme.py"))
    findings = readme["Path"]("docs/findings.md")
    text = findings.read_text()
    for page in readme["PAGES"]:
        assert readme["current"](page.read_text(), page) == page.read_text(), "make figures"
    changed = text.replace("| thin |", "| thick |")
    assert changed != text and readme["current"](changed, findings) == text  # what is typed over is seen
    with pytest.raises(SystemExit, match=r"README.md: has no part tour"):
        readme["current"]("nothing")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *sorted(
    f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_a_page_names_only_files_that_exist(page):
    text = re.sub(r"^ *```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    links = [(ROOT / page).parent / name for name in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [ROOT / name for name in re.findall(
        r"`((?:notebooks|ghostlib|data/paper|data/results|docs|tests|tools)/[\w./-]+)`", text)
        if not re.search(r"/[A-Z]+(_\w+)?\.", name)]  # NAME stands for a name
    assert links + named
    missing = [str(path) for path in links + named if not path.exists()]
    assert not missing


def test_no_config_is_changed_without_being_checked():
    """pydantic's `model_copy(update=...)` checks nothing; `Config.having` does."""
    changed = [str(path) for folder in ("ghostlib", "notebooks", "tools", "tests") for path in (ROOT / folder).rglob("*")
               if path.suffix in (".py", ".ipynb") and path != Path(__file__) and "model_copy(" in path.read_text()]
    assert not changed


# The floors of the house, from the ground: a module may import from its own floor and from those below.
FLOORS = [
    {"atomic", "cache", "cells", "cores", "device", "errors", "extras", "former_names", "hooks", "lab", "lock", "notebook",
     "onnx_files", "paths", "processor", "progress", "randomness", "watched", "yaml_input"},
    {"complexity", "config", "ghost", "mindcv_recipes", "results"},
    {"data", "models", "weights"},
    {"deploy", "features", "kernels"},
    {"training"},
    {"figures", "redundancy", "studies", "sweep"},
    {"__main__", "acceptance", "bench", "commands", "doctor", "explorer", "latency"},
]


def imports_of(root, nodes=lambda tree: tree.body):
    """For each module of ghostlib those of ghostlib that it imports: when it is imported itself, or by `nodes`."""
    files = {str(path.relative_to(root).with_suffix("")).replace("/", ".").removesuffix(".__init__"): path
             for path in (root / "ghostlib").rglob("*.py")}
    found = {}
    for module, path in files.items():
        imports = [node for node in nodes(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        named = [(node.module, f"{node.module}.{name.name}") for node in imports for name in node.names]
        found[module] = {whole if whole in files else part for part, whole in named if part in files}
    return found


def test_imports_do_not_go_round(root):
    """Not when modules are imported; what a function imports when it runs may."""
    order = list(graphlib.TopologicalSorter(imports_of(root)).static_order())  # CycleError where they do
    assert order.index("ghostlib.config") < order.index("ghostlib.training.loop") < order.index("ghostlib.explorer.panel")


def test_imports_go_down_the_floors(root):
    """All of them, those within functions, too; and every module and package has its floor."""
    floor = {f"ghostlib.{room}": number for number, rooms in enumerate(FLOORS) for room in rooms}
    imports = imports_of(root, ast.walk)

    def room(module):
        return ".".join(module.split(".")[:2])
    assert {room(module) for module in imports} - {"ghostlib"} == set(floor)
    up = [(module, other) for module, others in imports.items() for other in others - {"ghostlib"}
          if floor[room(other)] > floor[room(module)]]
    assert not up


def test_the_page_for_contributors_has_the_same_floors(root):
    told = re.findall(r"^\d\. (.*)$", (root / "CONTRIBUTING.md").read_text().partition("floor by floor")[2], re.MULTILINE)
    floors = [{word.rstrip("/") for names in re.findall(r"`([^`]+)`", line) for word in names.split()} for line in told]
    assert len(floors) == len(FLOORS) and [own - other for own, other in zip(FLOORS, floors)] == [set()] * len(FLOORS)


@pytest.mark.parametrize("name", [
    *(f"models.{model}" for model in ("ghostnet", "vgg16", "resnet20", "resnet56", "resnet50")), "weights.load_weights",
    "deploy.fold_batchnorm", "kernels.accelerated", "training.train", "training.evaluate", "complexity.count",
    "features.activations", "redundancy.linear_maps", "config.Config", "bench.speed", "sweep.run"])
def test_what_others_use_is_handed_on_by_its_package(name):
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(f"ghostlib.{module}"), function))


@pytest.mark.parametrize("module", ["studies.ablation", "studies.paper", "sweep", "training.launch", "training.schedule"])
def test_what_needs_no_mindspore_does_not_import_it(module):
    code = f"import sys, ghostlib.{module}; assert 'mindspore' not in sys.modules"
    done = run([sys.executable, "-c", code], None)
    assert done.returncode == 0, done.stderr


def test_nothing_is_tracked_that_a_machine_left_there(root):
    """No file that git is told to ignore, such as logs and profiles, and no path of somebody's home."""
    def tracked(*options):
        return run(["git", "ls-files", *options], root).stdout.splitlines()
    assert tracked(), "not a checkout"
    assert not tracked("--cached", "--ignored", "--exclude-standard")
    homes = re.compile(r"/(?:home|Users|root)/" + r"\w")
    texts = {name: (root / name).read_text(errors="ignore") for name in tracked() if not name.endswith((".png", ".npz"))}
    assert not {name: found[0] for name, text in texts.items() if (found := homes.search(text))}


def test_every_slow_test_is_in_one_share_and_stays_there():
    names = [f"test_{number}[{number % 7}]" for number in range(400)]
    parts = [{name for name in names if in_share(name, f"{part}/4")} for part in range(1, 5)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 400 and min(map(len, parts)) > 70
    assert in_share("test_cli.py test_train_report_validate_collect", "2/4")  # by its name alone, on every machine
    for share in ("0/4", "5/4", "2", "a/b", "1/0"):
        with pytest.raises(pytest.UsageError, match=f"--share: {share} given; allowed is K/N with K from 1 to N"):
            in_share("test_a", share)
