"""A run owns its folder: nobody writes there beside it, and nothing of an earlier run is lost or left without a word."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from conftest import ghostlib_process

from ghostlib import lock, processor, results
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.training import config_of, loop, run_folder

TINY = {"model": "vgg16", "width": 0.0625, "epochs": 1, "batch_size": 256}


@pytest.fixture
def config(tmp_path):
    return Config(**TINY, run_dir=str(tmp_path / "run"))


def fill(config, *names, age=0.0):
    folder = config_folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("earlier")
        os.utime(folder / name, (time.time() - age,) * 2)


def config_folder(config):
    return loop.Path(config.run_dir)


@pytest.mark.parametrize(("there", "kind"), [(["row.json", "last.safetensors"], "finished"),
                                             (["last.safetensors", "history.csv"], "begun"), (["row.json"], "finished")])
def test_a_run_that_is_there_is_not_replaced_without_a_word(there, kind, config):
    fill(config, *there)
    before = {path: path.read_bytes() for path in config_folder(config).iterdir()}
    with pytest.raises(InputError) as error:
        loop.train(config, progress=False)
    assert str(error.value).startswith(f"run_dir: {config.run_dir} holds a {kind} run (")
    assert "resume: true, which goes on with it, overwrite: true, which replaces it" in str(error.value)
    assert {path: path.read_bytes() for path in config_folder(config).iterdir()} == before


@pytest.mark.parametrize("there", [[], ["notes.txt"], ["config.yaml", "train.ipynb"]])
def test_a_folder_without_a_run_is_anybodys(there, config):
    fill(config, *there)
    run_folder.check_unused(config)


def test_overwriting_takes_all_of_the_earlier_run_and_nothing_else(config):
    fill(config, *run_folder.FILES, "notes.txt", "train.ipynb")
    run_folder.begin(config, resumed=False)
    assert sorted(path.name for path in config_folder(config).iterdir()) == ["config.yaml", "notes.txt", "train.ipynb"]
    assert Config.load(config_folder(config) / "config.yaml") == config


def test_going_on_keeps_what_it_goes_on_with(config):
    fill(config, *run_folder.FILES)
    run_folder.begin(config, resumed=True)
    assert sorted(path.name for path in config_folder(config).iterdir()) == [
        "average.safetensors", "best.safetensors", "config.yaml", "history.csv", "last.safetensors"]


def test_what_is_older_than_the_run_is_none_of_its_files(config):
    fill(config, "history.csv", "train.ipynb", age=60)
    fill(config, "config.yaml", "row.json", "last.safetensors")
    assert run_folder.files_of(config.run_dir) == ["row.json", "config.yaml", "last.safetensors"]


def test_a_refused_run_leaves_the_earlier_one_whole(config, monkeypatch):
    """Whatever can be refused comes first, compiling the kernel and finding a folder for it too."""
    from ghostlib.kernels import native
    fill(config, "row.json", "last.safetensors")

    def refused(*_):
        raise InputError("kernel: refused")
    monkeypatch.setattr(loop, "accelerated", refused)
    with pytest.raises(InputError, match="kernel: refused"):
        loop.train(config.having(overwrite=True), progress=False)
    assert sorted(path.name for path in config_folder(config).iterdir()) == ["last.safetensors", "row.json"]
    assert native


def start(folder, *words, **changes):
    path = folder / "params.yaml"
    if not path.exists():
        path.write_text(yaml.safe_dump({**TINY, "epochs": 500, "run_dir": str(folder / "run"), **changes}))
    return subprocess.Popen([sys.executable, "-m", "ghostlib", "train", str(path), *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, cwd=folder)


@pytest.mark.slow
def test_the_second_into_one_folder_is_refused_and_a_killed_one_makes_room_at_once(tmp_path):
    first = start(tmp_path)
    try:
        while not (tmp_path / "run" / "history.csv").exists():
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.05)
        for words in ((), ("-p", "overwrite", "true"), ("-p", "resume", "true")):
            second = start(tmp_path, *words)
            said = second.communicate(timeout=120)[1].strip().splitlines()[-1]
            assert second.returncode == 2
            assert said.startswith(f"ghostlib: run_dir: {tmp_path}/run ") and (
                "holds a begun run" in said if not words else f"is held by process {first.pid} on " in said)
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
        again = start(tmp_path, "-p", "resume", "true")  # at once, as a queue would
        done = len(results.read_table(tmp_path / "run" / "history.csv"))
        while len(results.read_table(tmp_path / "run" / "history.csv")) <= done:
            assert again.poll() is None, again.stderr.read()
            time.sleep(0.05)
        assert (tmp_path / "run" / lock.LOCK).exists()
        again.send_signal(signal.SIGINT)
        assert again.wait(60) == 130
        assert not (tmp_path / "run" / lock.LOCK).exists()
    finally:
        for process in (first, again):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_an_overwriting_run_reports_nothing_of_the_earlier_one(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({**TINY, "run_dir": "run"}))
    assert ghostlib_process("train", "params.yaml", cwd=tmp_path).returncode == 0
    weights = str((tmp_path / "run" / "last.safetensors").rename(tmp_path / "weights.safetensors"))
    words = ("train", "params.yaml", "-p", "epochs", "0", "-p", "weights", weights)
    refused = ghostlib_process(*words, cwd=tmp_path)
    assert refused.returncode == 2 and "run_dir: run holds a finished run (row.json, best.safetensors" in refused.stderr
    done = ghostlib_process(*words, "-p", "overwrite", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "in run: row.json, config.yaml, last.safetensors, answers.csv"
    told = ghostlib_process("report", "run", cwd=tmp_path).stdout
    assert "history.csv" not in told and "best.safetensors" not in told and "answers.csv" in told
    row = results.read_row(tmp_path / "run")
    assert row["trained"] and row["data_fingerprint"] and (row["train_images"], row["val_images"]) == (1198, 599)
    assert row["classes"] == '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]'


@pytest.mark.parametrize(("npus", "wanted"), [([], ("CPU", "O0", "float16")), (["davinci0"], ("Ascend", "O3", "bfloat16"))])
def test_a_finished_run_is_looked_at_on_what_there_is_and_each_image_once(npus, wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "npus", lambda: npus)
    run = Config(**TINY, device="Ascend", devices=8, sink=True, amp="O3", amp_dtype="bfloat16", repeats=3, erasing=0.25,
                 augment="crop", resume=True, run_dir=str(tmp_path))
    (tmp_path / run_folder.CONFIG).write_text(run.to_yaml())
    found = config_of(tmp_path)
    assert (found.device, found.amp, found.amp_dtype) == wanted
    assert (found.repeats, found.augment, found.erasing, found.epochs, found.devices) == (1, "none", 0, 0, 1)
    assert found.weights == str(tmp_path / run_folder.LAST) and found.model == run.model
