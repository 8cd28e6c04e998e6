"""Several devices, proven with two processes on a CPU: they learn as one, judge exactly, and end together."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from click.testing import CliRunner
from conftest import ghostlib_process
from safetensors.numpy import load_file

from ghostlib import processor, results
from ghostlib.commands import main
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.training import launch

SMALL = {"model": "resnet20", "width": 0.25, "devices": 2}
pytestmark = pytest.mark.xdist_group("two devices")
two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two processes want two cores")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def params(folder, **changes):
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "port": free_port(), "run_dir": str(folder / "run"), **changes}))
    return path


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.2)


@pytest.mark.slow
@two_cores
def test_one_step_of_two_is_the_mean_of_their_gradients_and_odd_numbers_are_judged_exactly(root, tmp_path):
    words = ["msrun", "--worker_num=2", "--local_worker_num=2", f"--master_port={free_port()}", "--join=True",
             f"--log_dir={tmp_path / 'logs'}", str(root / "tests" / "training" / "workers" / "one_step.py"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root, timeout=300, env={
        **os.environ, "GLOG_v": "3", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for rank in range(2):
        found = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert found["rank"] == rank
        assert found["step"] > 0.01 and found["shards_differ"] > 0.01
        assert found["error"] < 1e-6 * max(1, found["step"])
        assert found["ranks_differ"] == 0 and found["averages_differ"] == 0 and found["averaged_statistics"] > 0
        assert found["count"] == 599 and found["same_answers"] and found["top1"] == found["top1_alone"]
        assert found["loss"] == pytest.approx(found["loss_alone"], rel=1e-5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two devices from beginning to end: its folder, the finished process and the weights."""
    folder = tmp_path_factory.mktemp("whole")
    path = params(folder, epochs=3, augment="crop", overwrite=True)
    done = ghostlib_process("train", str(path), cwd=folder)
    return folder, done, load_file(folder / "run" / "last.safetensors")


@pytest.mark.slow
@two_cores
def test_two_devices_train_by_one_command_and_by_the_line_it_prints(whole):
    folder, done, weights = whole
    assert done.returncode == 0, done.stderr[-3000:]
    line = done.stdout.splitlines()[0]
    assert "msrun --worker_num=2 --local_worker_num=2" in line
    row = results.read_row(folder / "run")
    assert row["devices"] == 2 and row["test_images"] == 599
    assert "images/s" in done.stderr and f"top-1 {100 * row['top1']:.1f} %" in done.stderr
    typed = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, timeout=300,
                           executable="/bin/bash")
    # Typed, nothing stands between msrun and MindSpore's crash as it ends, when all is written (docs/performance.md).
    assert typed.returncode == 0 or "Error code: -11" in typed.stdout + typed.stderr, typed.stderr[-3000:]
    assert (folder / "run" / "row.json").exists()
    assert_equal(weights, load_file(folder / "run" / "last.safetensors"))


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.slow
@two_cores
def test_two_devices_go_on_where_they_were_stopped(whole, tmp_path, ghostlib_command):
    """The bundle of the first process is enough for both: the second's copy of it is never there."""
    folder, _, weights = whole
    words = ("train", str(folder / "params.yaml"), "-p", "run_dir", str(tmp_path / "again"), "-p", "resume", "true")
    starter = subprocess.Popen([sys.executable, "-m", "ghostlib", *words], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    wait_for((tmp_path / "again" / "last.safetensors").exists)
    everyone = [psutil.Process(starter.pid), *psutil.Process(starter.pid).children(recursive=True)]
    for process in everyone:
        process.kill()
    starter.wait()
    psutil.wait_procs(everyone, 30)
    assert not (tmp_path / "again" / "row.json").exists()
    done = ghostlib_command(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_equal(weights, load_file(tmp_path / "again" / "last.safetensors"))


@pytest.mark.slow
@two_cores
@pytest.mark.parametrize("how", ["worker killed", "interrupted", "starter killed"])
def test_when_one_ends_all_end(how, tmp_path):
    path = params(tmp_path, epochs=1000, lr_batch=1024)
    starter = subprocess.Popen([sys.executable, "-m", "ghostlib", "train", str(path)], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for((tmp_path / "run" / "history.csv").exists)
    everyone = psutil.Process(starter.pid).children(recursive=True)
    ranks = {p.environ()["RANK_ID"]: p for p in everyone if p.environ().get("MS_ROLE") == "MS_WORKER"}
    assert len(ranks) == 2
    start = time.monotonic()
    if how == "worker killed":
        ranks["1"].kill()
    elif how == "interrupted":
        starter.send_signal(signal.SIGINT)
    else:
        starter.kill()
    _, stderr = starter.communicate(timeout=60)
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in everyone), 30)
    assert time.monotonic() - start < 15
    last = stderr.strip().splitlines()[-1]
    if how == "worker killed":
        assert starter.returncode == 1
        assert "note: lr: 0.05 is meant for 1,024 images a step" in stderr  # a remark, and nobody's last word
        assert last.startswith("ghostlib: a process was killed or died without a word (all 2 were ended")
    elif how == "interrupted":
        assert starter.returncode == 130 and last.endswith("ghostlib: interrupted")


@pytest.mark.slow
@two_cores
def test_what_one_process_cannot_use_is_said_in_one_line(tmp_path, ghostlib_command):
    done = ghostlib_command("train", str(params(tmp_path, weights=str(tmp_path / "none.safetensors"))))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("ghostlib: weights: ")
    assert "Traceback" not in done.stderr.split("Start worker")[0]


@pytest.mark.slow
@two_cores
def test_a_notebook_follows_a_run_and_leaving_early_ends_it(tmp_path, capfd):
    config = Config(**SMALL, epochs=1000, port=free_port(), run_dir=str(tmp_path / "run"), overwrite=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "history.csv").write_text("epoch\n7\n")  # an earlier run's, which is not this one's news
    with launch.Launch(config) as run:
        assert (tmp_path / "run" / "history.csv").exists()
        for history in run.follow():
            if len(history) == 2:
                break
        everyone = psutil.Process(run._process.pid).children(recursive=True)
    assert history.epoch.tolist() == [1, 2] and len(everyone) >= 3
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in everyone)
    assert "images/s" in capfd.readouterr().err


@pytest.mark.slow
def test_one_device_is_a_process_of_its_own_too(tmp_path, capfd):
    config = Config(model="resnet20", width=0.25, epochs=1, run_dir=str(tmp_path / "run"))
    with launch.Launch(config) as run:
        assert re.search(r"python -m ghostlib train /\S+/config.yaml$", str(run)) and not (tmp_path / "run").exists()
        histories = list(run.follow())
    assert [len(history) for history in histories] == [1] and (tmp_path / "run" / "row.json").exists()
    with pytest.raises(RunError, match="ended with status 2"), \
            launch.Launch(config.having(weights="none.safetensors", overwrite=True)) as run:
        list(run.follow())


def test_more_devices_than_there_are_and_a_port_in_use_are_refused(tmp_path, ghostlib_command, monkeypatch):
    done = ghostlib_command("train", str(params(tmp_path, devices=5000)))
    assert done.returncode == 2 and done.stderr.startswith("ghostlib: devices: 5000 given; this machine has ")
    for npus, line in ([], r"device: 'Ascend' given; this machine has no NPU \(no /dev/davinci\*\)"), (
            ["davinci0", "davinci1"], r"devices: 8 given; this machine has 2 NPU\(s\); allowed are 1 to 2"):
        monkeypatch.setattr(processor, "npus", lambda npus=npus: npus)
        with pytest.raises(InputError, match=line):
            launch.check(Config(devices=8, device="Ascend"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if (os.cpu_count() or 1) > 1:
            done = ghostlib_command("train", str(params(tmp_path, port=port)))
            assert done.returncode == 2
            assert done.stderr.startswith(f"ghostlib: port: {port} given; something on this machine uses it")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("before", [[], ["--traceback"]])
def test_every_device_is_told_what_the_command_was_told(before, tmp_path, monkeypatch):
    told = []

    def started(config, arguments):
        told.extend(arguments)
        raise RunError("seen")
    monkeypatch.setattr(launch, "Launch", started)
    CliRunner().invoke(main, [*before, "train", str(params(tmp_path)), "-p", "seed", "3"])
    assert told == [*before, "train", str(tmp_path / "params.yaml"), "-p", "seed", "3"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_crash_after_the_end_spoils_nothing_and_one_before_does(whole, tmp_path, capfd):
    run = launch.Launch(Config(**SMALL, port=free_port(), run_dir=str(tmp_path / "run")))
    told = f"import os; [open(os.environ['{launch.WHOLE}'] + f'/{{rank}}', 'w') for rank in range({1 + whole})]"
    run.words = [sys.executable, "-c", f"{told}; print('Worker process 7 exit with exception. Error code: -11.'); exit(1)"]
    with run:
        if whole:
            list(run.follow())
        else:
            with pytest.raises(RunError, match="a process was killed or died without a word"):
                list(run.follow())
    assert (launch.CRASHED_LATE in capfd.readouterr().err) == whole


def test_npus_processes_are_bound_to_cores_and_a_cpus_share_them(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "check", lambda config: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(launch.processor, "threads", lambda: 5)
    config = Config(**SMALL, run_dir=str(tmp_path / "run"))
    assert "OMP_NUM_THREADS=2 msrun --worker_num=2 " in str(launch.Launch(config))
    assert " msrun --bind_core=True --worker_num=2 " in f" {launch.Launch(config.having(device='Ascend'))}"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in str(launch.Launch(config))


def test_a_process_that_msrun_did_not_start_cannot_be_one_of_several():
    from ghostlib.training.loop import train
    with pytest.raises(InputError, match="devices: 2 given; this process is alone"):
        train(Config(**SMALL), progress=False)
