"""The first hour on a new machine, whole on a CPU: what holds, what fails and what hangs are each told in a line."""

import json
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from ghostlib import __version__, acceptance, device, doctor, processor
from ghostlib.acceptance import CHECKS, FAILED, LATE, PASSED, SKIPPED, checks
from ghostlib.commands import main
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.training import launch

SMALL = ["-p", "model", "vgg16", "-p", "width", "0.0625"]


@pytest.mark.slow
@pytest.mark.xdist_group("two devices")
def test_everything_holds_on_a_cpu(tmp_path, monkeypatch):
    target = tmp_path / "accept.json"
    done = CliRunner().invoke(main, ["accept", *SMALL, "-p", "device", "CPU", "--json", str(target)])
    assert done.exit_code == 0, done.stdout
    written = json.loads(target.read_text())
    status = {check["name"]: check["status"] for check in written["checks"]}
    assert status == {**dict.fromkeys(CHECKS, PASSED), "sink": SKIPPED}
    measured = {check["name"]: check["measured"] for check in written["checks"]}
    assert measured["logits"]["difference"] == measured["step"]["difference"] == measured["resume"]["difference"] == 0
    assert measured["precision"]["loss_scale"] < checks.SCALE and measured["resume"]["stopped_after"] == 1
    assert measured["speed"]["rows"][0]["images_per_second"] > 0 and written["device"] == "CPU" and written["commit"]
    assert written["ghostlib"] == __version__
    assert done.stdout.splitlines()[-1] == f"{target}: 7 of 8 hold; not here: sink"


def children(monkeypatch, code):
    """Checks whose process runs this code instead of the check."""
    run = acceptance.subprocess.run
    monkeypatch.setattr(acceptance.subprocess, "run", lambda words, **how: run([sys.executable, "-c", code], **how))


def outcomes(monkeypatch, names=("logits", "step")):
    monkeypatch.setattr(acceptance, "CHECKS", {name: f"advice on {name}" for name in names})
    return list(acceptance.run(Config(device="CPU")))


def test_what_crashes_is_told_and_the_next_is_tried(monkeypatch):
    children(monkeypatch, "import os, sys; print('a card fell out', flush=True); os.abort()")
    cpu, one, other = outcomes(monkeypatch)
    assert (cpu.name, cpu.status, cpu.said) == ("reference", FAILED, "a card fell out")
    assert one.status == other.status == FAILED
    assert one.told == "its process ended with status -6: a card fell out; try: advice on logits"
    assert one.said == "a card fell out" and "advice on step" in other.told


def test_what_hangs_is_ended(monkeypatch):
    children(monkeypatch, "import time; print('waiting for HCCL', flush=True); time.sleep(60)")
    monkeypatch.setattr(acceptance, "LONGEST", 1.0)
    _, one = outcomes(monkeypatch, ["ranks"])
    assert one.status == FAILED and one.told.startswith("its process was not done after 1 s: waiting for HCCL; try:")


def test_what_there_is_no_time_for_is_neither_here_nor_held(monkeypatch, tmp_path):
    monkeypatch.setattr(acceptance, "CHECKS", {name: CHECKS[name] for name in ("versions", "logits")})
    real, given = acceptance._check, []

    def check(name, folder, seconds, advice=""):
        given.append(seconds)
        return real(name, folder, 0.0) if name == "logits" else acceptance.Outcome(name, PASSED, "", 0.0, {})
    monkeypatch.setattr(acceptance, "_check", check)
    target = tmp_path / "accept.json"
    done = CliRunner().invoke(main, ["accept", *SMALL, "--json", str(target), "--minutes", "2"])
    assert done.exit_code == 1 and len(given) == 3 and all(100 < seconds <= 120 for seconds in given)
    assert json.loads(target.read_text())["server"]["versions"].keys() == {"CANN", "driver", "firmware"}
    assert done.stdout.splitlines()[-1] == f"{target}: 1 of 2 hold; no time for: logits (--minutes gives more)"


def test_a_check_without_time_is_not_begun_and_one_that_the_end_cuts_off_did_not_fail(tmp_path, monkeypatch):
    assert acceptance._check("ranks", tmp_path, 0.0).status == LATE
    children(monkeypatch, "import time; time.sleep(60)")
    assert acceptance._check("ranks", tmp_path, 0.5).told.startswith("not done when the time was over, after 0 s")


@pytest.mark.slow
def test_without_an_npu_each_check_fails_in_words_and_all_are_tried(monkeypatch, tmp_path):
    """On the device that is not here: no check passes by computing on a CPU in silence."""
    monkeypatch.setattr(acceptance, "CHECKS", {name: CHECKS[name] for name in ("versions", "logits")})
    done = CliRunner().invoke(main, ["accept", *SMALL, "--json", str(tmp_path / "accept.json")])
    assert done.exit_code == 1
    assert "FAILED  Ascend FAILS: device: 'Ascend' given; MindSpore has no such device here" in done.stdout
    assert "FAILED  device: 'Ascend' given; MindSpore has no such device here" in done.stdout
    assert done.stdout.endswith("0 of 2 hold; not: versions, logits\n")


@pytest.mark.parametrize(("name", "gap", "allowed"), [("logits", 0.02, "0.01"), ("step", 0.06, "0.05")])
def test_a_device_that_computes_otherwise_is_found(name, gap, allowed, monkeypatch, tmp_path):
    def computed(config):
        array = checks.np.array([1.0 + (gap if config.device == "Ascend" else 0)])
        return {"logits": array, "loss": array, "step.weight": array}
    monkeypatch.setattr(checks, "COMPUTED", dict.fromkeys(checks.COMPUTED, computed))
    config = Config(device="Ascend")
    checks.reference(config, tmp_path)
    with pytest.raises(checks.RunError, match=rf"differ from a CPU's by {gap} of the largest; allowed is {allowed}"):
        getattr(checks, name)(config, tmp_path)


def test_bfloat16_is_compared_in_float32_and_needs_no_overflow(monkeypatch, tmp_path):
    """A CPU has none, and its range is float32's, under which a loss scale of 2**24 may stay."""
    config, asked = Config(device="Ascend", amp="O3", amp_dtype="bfloat16"), []
    monkeypatch.setattr(checks, "COMPUTED",
                        dict.fromkeys(checks.COMPUTED, lambda one: asked.append(one) or {"x": np.ones(1)}))
    checks.reference(config, tmp_path)
    assert {(one.device, one.amp, one.amp_dtype) for one in asked} == {("CPU", "O0", "float16")}

    def ended(run, progress, loss=1.5):
        folder = tmp_path / "precision"
        folder.mkdir(exist_ok=True)
        save_file({"w": np.ones(1, np.float32)}, folder / checks.LAST, {"state": json.dumps({"loss_scale": checks.SCALE})})
        return SimpleNamespace(history=pd.DataFrame({"train_loss": [loss]}))
    monkeypatch.setattr(checks, "train", ended)
    told, found = checks.precision(config, tmp_path)
    assert told == "O3 in bfloat16: the loss scale had no overflow to move for, and the loss is 1.50"
    assert found["amp_dtype"] == "bfloat16"
    with pytest.raises(checks.RunError, match="the loss scale stayed at 16,777,216"):
        checks.precision(config.having(amp_dtype="float16"), tmp_path)
    monkeypatch.setattr(checks, "train", partial(ended, loss=np.nan))
    with pytest.raises(checks.RunError, match="O3 in bfloat16: the loss is nan; wanted is a number"):
        checks.precision(config, tmp_path)


def test_a_recipe_for_npus_can_be_tried_on_a_cpu_and_a_files_device_counts(monkeypatch, tmp_path, root):
    tried = []
    monkeypatch.setattr(acceptance, "run", lambda config, minutes: tried.append(config) or iter(()))
    (tmp_path / "mine.yaml").write_text("model: vgg16\ndevice: CPU\n")
    (tmp_path / "silent.yaml").write_text("model: vgg16\n")
    recipe = tmp_path / "recipe.yaml"
    of_npus = (root / "notebooks" / "params" / "imagenet_ghostnet_100.yaml").read_text()
    recipe.write_text(of_npus + "amp_dtype: bfloat16\n")
    for words in ([tmp_path / "mine.yaml"], [tmp_path / "silent.yaml"], [recipe, "-p", "device", "CPU"], [recipe]):
        done = CliRunner().invoke(main, ["accept", *map(str, words), "--json", str(tmp_path / "accept.json")])
        assert done.exit_code == 0, done.output
    assert [one.device for one in tried] == ["CPU", "Ascend", "CPU", "Ascend"] and not tried[2].sink


def test_no_device_is_set_before_the_one_that_is_tried(monkeypatch, tmp_path):
    """MindSpore lets a process have one device."""
    asked = []
    monkeypatch.setattr(device, "use_device", asked.append)
    monkeypatch.setattr(checks, "use_device", asked.append)
    monkeypatch.setattr(processor, "npus", lambda: ["davinci0"])
    told, found = checks.versions(Config(device="Ascend"), tmp_path)
    assert set(asked) == {"Ascend"} and "1 NPU(s); Ascend computes a convolution" in told
    assert any(line.startswith("Ascend      works") for line in found["doctor"])


def test_a_process_that_has_a_device_is_told_to_restart(monkeypatch):
    def refuse(_device):
        raise RuntimeError("The 'mindspore.set_device' can not be modified.")
    monkeypatch.setattr(device.mindspore, "set_device", refuse)
    with pytest.raises(InputError, match="device: 'Ascend' given; this process has already run on CPU: restart it"):
        device.use_device("Ascend")


@pytest.mark.parametrize("name", ["logits", "step"])
def test_what_is_no_number_is_found_wherever_it_stands(name, monkeypatch, tmp_path):
    def computed(config):
        other = np.array([1.0, np.nan if config.device == "Ascend" else 2.0])
        return {"logits": other, "step.first": np.ones(2), "step.second": other}
    monkeypatch.setattr(checks, "COMPUTED", dict.fromkeys(checks.COMPUTED, computed))
    checks.reference(Config(device="Ascend"), tmp_path)
    with pytest.raises(checks.RunError, match="differ from a CPU's by inf of the largest"):
        getattr(checks, name)(Config(device="Ascend"), tmp_path)


def test_two_ranks_are_not_tried_on_one_core_or_card(monkeypatch, tmp_path):
    monkeypatch.setattr(launch.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(processor, "npus", lambda: ["davinci0"])
    for name, what in (("CPU", "core"), ("Ascend", "card")):
        with pytest.raises(checks.NotHere, match=rf"1 {what}\(s\) here, and two are wanted"):
            checks.ranks(Config(device=name), tmp_path)


def test_a_run_that_warns_much_is_stopped_all_the_same(monkeypatch, tmp_path):
    """More than a pipe holds, before its first epoch ends; then it would go on for a minute."""
    def trained(config, progress):
        folder = tmp_path / config.run_dir.rpartition("/")[2]
        folder.mkdir(exist_ok=True)
        save_file({"weight": np.ones(2, np.float32)}, folder / checks.LAST)
    code = (f"import pathlib, sys, time; sys.stderr.write('warning\\n' * 20_000); "
            f"folder = pathlib.Path({str(tmp_path)!r}, 'stopped'); folder.mkdir(); "
            f"(folder / {checks.HISTORY!r}).write_text('epoch\\n1\\n'); "
            f"(folder / {checks.LAST!r}).write_text(''); time.sleep(60)")
    monkeypatch.setattr(checks, "train", trained)
    monkeypatch.setattr(launch, "command", lambda *_: [sys.executable, "-c", code])
    told, found = checks.resume(Config(), tmp_path)
    assert told == "stopped after epoch 1 and gone on with, weights are equal to the bit" and found["stopped_after"] == 1


def test_huaweis_versions_and_cards_are_written_down(monkeypatch, tmp_path):
    """As an Ascend server has them; what is not there is said."""
    for name, text in (("cann/x86_64-linux/ascend_toolkit_install.info", "package_name=toolkit\nversion=8.0.RC3\n"),
                       ("driver/version.info", "Version=24.1.rc3\nascendhal_version=7.35\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(doctor, "ASCEND", tmp_path)
    for name in doctor.CANN_FOLDERS:
        monkeypatch.delenv(name, raising=False)
    assert doctor.ascend_versions() == {"CANN": "8.0.RC3", "driver": "24.1.rc3", "firmware": ""}
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "version.info").write_text("version = 8.5.0\n")
    assert doctor.ascend_versions()["CANN"] == "8.5.0"
    monkeypatch.setenv("ASCEND_HOME_PATH", "")  # not the folder that one is in
    (tmp_path / "firmware" / "version.info").mkdir(parents=True)  # nothing that can be read
    assert doctor.ascend_versions() == {"CANN": "8.5.0", "driver": "24.1.rc3", "firmware": ""}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.npu_smi() == []
    (tmp_path / "npu-smi").write_text("#!/bin/sh\necho '| 0     910B3 | OK |'\n")
    (tmp_path / "npu-smi").chmod(0o755)
    assert doctor.npu_smi() == ["| 0     910B3 | OK |"]
