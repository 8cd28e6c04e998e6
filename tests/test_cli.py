"""The command line: each piece of bad input ends in one line on stderr and status 2, with nothing written."""

import errno
import re
import sys

import pytest
import yaml
from click.testing import CliRunner
from conftest import ghostlib_process
from PIL import Image

import ghostlib
from ghostlib import results
from ghostlib.__main__ import main
from ghostlib.commands.group import SECTIONS


@pytest.mark.parametrize(("text", "words", "message"), [
    ("epocs: 3", (), "epocs: no such parameter; did you mean epochs?"),
    ("epochs: many", (), "epochs: 'many' given; allowed is a valid integer"),
    ("ratio: 0", (), "ratio: 0 given; allowed are integers from 1"),
    ("kernel: 2", (), "kernel: 2 given; allowed are odd integers"),
    ("kernel: 35", (), "kernel: 35 given; larger than the 32 x 32 image"),
    ("batch_size: 0", (), "batch_size: 0 given"),
    ("lr: .nan", (), "lr: nan given; allowed is a finite number"),
    ("workers: 9999", (), "workers: 9999 given; this machine has"),
    ("- 1", (), "params.yaml: holds a list, not a mapping"),
    ("lr: [", (), "params.yaml: not YAML"),
    (None, (), "params.yaml: cannot be read"),
    ("{}", ("-p", "lr", "fast"), "lr: 'fast' given"),
    ("{}", ("-p", "sed", "3"), "sed: no such parameter; did you mean seed?"),
    ("{}", ("-p", "lr", "["), "lr: '[' given"),
    ("{}", ("-p", "weights", ""), "weights: '' given, an empty text"),
    ("weights:", (), "weights: '' given, an empty text"),
    ("run_dir: ' '", (), "run_dir: ' ' given, an empty text"),
    ("lr: 1.0\nlr: 2.0", (), "params.yaml: lr: given twice, in lines 1 and 2"),
    ("run_dir: $NOT_SET_HERE/x", (), "run_dir: '$NOT_SET_HERE/x' given; the variable NOT_SET_HERE is not set"),
    ("{dataset: imagefolder, data_dir: nowhere}", (), "data_dir: nowhere does not exist"),
    ("dataset: cifar10", (), "data_dir: data holds no cifar-10-batches-bin"),
    ("weights: none.safetensors", (), "weights: none.safetensors cannot be read"),
    ("{model: resnet20, ratio: {stem: 2}}", (), "ratio: no layer 'stem' to replace"),
    pytest.param("device: Ascend", (), "device: 'Ascend' given", id="no NPU"),
])
def test_bad_input_ends_in_one_line_and_writes_nothing(text, words, message, tmp_path, ghostlib_command):
    if text is not None:
        (tmp_path / "params.yaml").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    done = ghostlib_command("train", "params.yaml", *words)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ghostlib: {message}"), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("words", "message"), [
    (["validate", "params.yaml", "--weights", ""], "--weights: '' given, an empty text"),
    (["validate", "params.yaml", "--weights", " "], "--weights: ' ' given, an empty text"),
    (["validate", "params.yaml"], "Missing option '--weights'"),
    (["train", ""], "PARAMS.yaml: '' given, an empty text"),
    (["train", "$NOT_SET_HERE/params.yaml"], "PARAMS.yaml: '$NOT_SET_HERE/params.yaml' given; the variable NOT_SET_HERE is"),
    (["collect", "", "runs/one"], "TABLE: '' given, an empty text"),
    (["collect", "table.csv", ""], "RUN_DIRS: '' given, an empty text"),
    (["fetch", "cifar10", "--url", ""], "--url: '' given, an empty text"),
    (["sweep", "grid.yaml", "--address", ""], "--address: '' given, an empty text"),
    (["trian", "params.yaml"], "No such command 'trian'. Did you mean 'train'?"),
    (["train", "--epochs", "3", "params.yaml"], "No such option '--epochs'"),
    (["train", "-p", "lr"], "Option '-p' requires 2 arguments"),
])
def test_a_command_typed_wrong_ends_in_one_line(words, message, tmp_path):
    (tmp_path / "params.yaml").write_text("{}")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and done.output.count("\n") == 1
    assert done.output.startswith(f"ghostlib: {message}")


@pytest.mark.parametrize(("words", "message"), [
    (["validate", "params.yaml", "--weights", "none", "--answers", "."], "--answers: . is a folder; allowed is the name of"),
    (["predict", "none.png", "--weights", "none", "--csv", "params.yaml/x.csv"],
     "--csv: params.yaml/x.csv cannot be written, "),
    (["bench", "params.yaml", "--json", "."], "--json: . is a folder"),
    (["accept", "-p", "device", "CPU", "--json", "."], "--json: . is a folder"),
    (["allocate", "none", "--target", "."], "--target: . is a folder"),
    (["collect", "params.yaml/table.csv", "none"], "TABLE: params.yaml/table.csv cannot be written, "),
    (["redundancy", "none", "--target", "x", "--images", "3"], "images: 3 given; allowed for runs, which have test images"),
    (["allocate", "none", "--target", "x.csv", "--images", "-6"], "Invalid value for '--images': -6 is not in the range"),
    (["redundancy", "none", "--target", "x", "--count", "5"], "Invalid value for '--count': 5 is not in the range"),
])
def test_what_cannot_be_written_or_counted_is_refused_before_the_work(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("{}")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and done.output.count("\n") == 1
    assert done.output.startswith(f"ghostlib: {message}") and [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_file_that_nobody_looked_at_before_ends_in_one_line(monkeypatch):
    """Wherever it is met: what may not be read or written is found out where it is."""
    def meets(error):
        def raising(*_):
            raise error
        monkeypatch.setattr(results, "read_row", raising)
        return CliRunner().invoke(main, ["report", "run"])
    for code, what in ((errno.EACCES, "Permission denied"), (errno.EEXIST, "File exists")):
        done = meets(OSError(code, what, "clos\udced/x"))
        assert done.exit_code == 1 and done.output == (
            f"ghostlib: clos\\xed/x: cannot be used ({what}); 'ghostlib --traceback' before the command shows for what\n")
    nameless = OSError(errno.EIO, "of no file")
    assert meets(nameless).exception is nameless


def test_traceback_on_request(tmp_path, ghostlib_command):
    (tmp_path / "params.yaml").write_text("epocs: 3")
    done = ghostlib_command("--traceback", "train", "params.yaml")
    assert done.returncode != 0 and "Traceback" in done.stderr


def test_help_says_in_groups_what_each_command_does_in_whole_sentences():
    told = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert [title for title in re.findall(r"^(\w.*):$", told, re.MULTILINE)] == ["Options", *SECTIONS.values()]
    assert sorted(re.findall(r"^  ([a-z][a-z-]+)  ", told, re.MULTILINE)) == sorted(main.commands)
    words = " ".join(told.split())
    for name, command in main.commands.items():
        sentences = " ".join(command.help.split("\n\n")[0].split())
        assert sentences.endswith(".") and f"{name} {sentences}" in words
        assert main.section_of[name] in SECTIONS


def test_the_version_is_one_and_told(root):
    version = ghostlib.__version__
    assert CliRunner().invoke(main, ["--version"], prog_name="ghostlib").output == f"ghostlib {version}\n"
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["version"] == version and citation["title"].startswith("ghostlib: ")
    newest = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == f"{version}, {citation['date-released']}"


def test_a_shell_completes_what_is_typed(tmp_path):
    """As docs/installing.md has it: bash asks by these variables."""
    typed = {"COMP_WORDS": "ghostlib pre", "COMP_CWORD": "1", "_GHOSTLIB_COMPLETE": "bash_complete"}
    assert ghostlib_process(cwd=tmp_path, **typed).stdout.split() == ["plain,predict", "plain,prepare-imagenet"]


@pytest.mark.slow
def test_train_report_validate_collect(tmp_path, ghostlib_command):
    (tmp_path / "params.yaml").write_text("{model: resnet20, width: 0.25, epochs: 1, run_dir: runs/one}")
    done = ghostlib_command("train", "params.yaml")
    assert done.returncode == 0, done.stderr
    trained = done.stdout.split(" images")[0]
    assert trained.startswith("top-1 ") and (tmp_path / "runs" / "one" / "row.json").exists()
    again = ghostlib_command("validate", "params.yaml", "--weights", "runs/one/last.safetensors")
    assert again.stdout.split(" images")[0] == trained
    (tmp_path / "tuned.yaml").write_text("{model: resnet20, width: 0.25, new_head: true, "
                                         "weights: runs/one/last.safetensors}")
    tuned = ghostlib_command("validate", "tuned.yaml", "--weights", "runs/one/last.safetensors")
    assert tuned.stdout.split(" images")[0] == trained  # the head under test is the stored one
    told = ghostlib_command("report", "runs/one").stdout.splitlines()
    assert told[0] == trained.split(",")[0]
    assert told[-1].startswith("next: make lab, ") and "next" not in "".join(told[:-1])  # the one thing
    collected = ghostlib_command("collect", "table.csv", "runs/one")
    assert collected.returncode == 0 and (tmp_path / "table.csv").read_text().count("\n") == 2
    missing = ghostlib_command("report", "runs/none")
    assert missing.returncode == 2 and "runs/none/row.json: no complete run" in missing.stderr


@pytest.mark.parametrize(("content", "reason"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a git-lfs pointer and not the image"),
    (b"<!doctype html>", "an HTML page"), (b"", "an empty file")])
def test_images_that_are_none_are_a_failure_and_no_result(content, reason, tmp_path, ghostlib_command):
    """A network was judged on nothing: "top-1 nan % of 0 images", status 0."""
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            for number in range(4):
                path = tmp_path / "images" / split / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if split == "train":
                    Image.new("RGB", (40, 40), (9 * number, 99, 7)).save(path)
                else:
                    path.write_bytes(content)
    (tmp_path / "params.yaml").write_text("{model: vgg16, width: 0.0625, epochs: 1, batch_size: 2, dataset: imagefolder, "
                                          "data_dir: images, num_classes: 2, augment: crop, run_dir: run}")
    done = ghostlib_command("train", "params.yaml")
    assert done.returncode == 1 and not (tmp_path / "run").exists()
    assert done.stderr.strip().splitlines()[-1].startswith(
        f"ghostlib: data_dir: none of 8 images looked at in images/val can be read: images/val/cat/0.png ({reason}")


def test_doctor_says_what_there_is(ghostlib_command):
    done = ghostlib_command("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in (f"python      {sys.version.split()[0]}", "mindspore   ", "numpy       1.", "cores", "memory", "disk",
                 "openvino    ", "CPU         works", "graphs ", "nothing in this project has been run on an Ascend NPU"):
        assert part in done.stdout
