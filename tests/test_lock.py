"""A folder has one owner at a time, whatever becomes of the owner."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ghostlib import lock
from ghostlib.atomic import check_target
from ghostlib.errors import InputError

HOLDER = """
import sys, time
from pathlib import Path
from ghostlib.lock import hold
with hold(Path(sys.argv[1]), "run_dir"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def holder(tmp_path):
    """Starts processes that hold a folder for some seconds; gives each when it does."""
    started = []

    def start(folder, seconds=60.0):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), str(seconds)], stdout=subprocess.PIPE,
                                   text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process
    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_second_is_refused_and_told_who_holds_it(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.3)
    folder = tmp_path / "run"
    first = holder(folder)
    with pytest.raises(InputError, match=f"run_dir: .*run is held by process {first.pid} on {socket.gethostname()}, "
                                         f"started 20") as error, lock.hold(folder, "run_dir"):
        pass
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_holder_that_ends_makes_room_at_once(end, tmp_path, holder):
    folder = tmp_path / "run"
    first = holder(folder, 0.5)
    if end:
        first.send_signal(end)
    start = time.monotonic()
    with lock.hold(folder, "run_dir"):
        assert json.loads((folder / lock.LOCK).read_text())["process"] == os.getpid()
    assert time.monotonic() - start < 5


def test_what_waits_gets_it_after_the_other_and_never_both(tmp_path, holder):
    """The file goes when its holder ends: who locked the one that went must not take itself for the owner."""
    folder = tmp_path / "run"
    for _ in range(5):
        first = holder(folder, 0.05)
        with lock.hold(folder, "run_dir"):
            assert first.wait(5) == 0


def test_nothing_is_left_where_nothing_was_written(tmp_path):
    with lock.hold(tmp_path / "a" / "run", "run_dir"):
        pass
    assert not (tmp_path / "a").exists()
    (tmp_path / "kept").mkdir()
    with lock.hold(tmp_path / "kept", "run_dir"):
        (tmp_path / "kept" / "row.json").write_text("{}")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["row.json"]


@pytest.mark.parametrize(("age", "refused"), [(5, True), (590, True), (610, False)])
def test_another_host_is_believed_while_it_shows_signs_of_life(age, refused, tmp_path):
    path = tmp_path / lock.LOCK
    path.write_text(json.dumps({"host": "node17", "process": 4711, "start": "2026-01-01 00:00:00"}))
    os.utime(path, (time.time() - age,) * 2)
    if refused:
        with pytest.raises(InputError, match="process 4711 on node17, started 2026-01-01 00:00:00, which showed a sign"), \
                lock.hold(tmp_path, "run_dir"):
            pass
        assert path.exists()
    else:
        with lock.hold(tmp_path, "run_dir"):
            pass


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0\0"])
def test_a_lock_file_that_says_nothing_is_nobodys(content, tmp_path):
    (tmp_path / lock.LOCK).write_text(content)
    with lock.hold(tmp_path, "run_dir"):
        pass


def test_a_holder_shows_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    with lock.hold(tmp_path, "run_dir"):
        os.utime(tmp_path / lock.LOCK, (0, 0))
        time.sleep(0.5)
        assert time.time() - (tmp_path / lock.LOCK).stat().st_mtime < 5


@pytest.mark.parametrize("code", [37, 95])
def test_a_disk_without_locks_is_said_and_used(code, tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(code, "No locks available")
    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.warns(RuntimeWarning, match="this disk has no locks"), lock.hold(tmp_path, "run_dir"):
        assert (tmp_path / lock.LOCK).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_elses_is_said(tmp_path):
    """In one that is closed not even whether it is there can be asked."""
    (tmp_path / "closed").mkdir(mode=0o700)
    os.seteuid(65534)  # nobody
    try:
        with pytest.raises(InputError, match="run_dir: .*closed/a/run cannot be written .Permission denied.; allowed"), \
                lock.hold(tmp_path / "closed" / "a" / "run", "run_dir"):
            pass
        with pytest.raises(InputError, match="--csv: .*closed/a.csv cannot be written .Permission denied"):
            check_target(tmp_path / "closed" / "a.csv", "--csv")
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="run_dir: .*file/run cannot be written .Not a directory"), \
            lock.hold(tmp_path / "file" / "run", "run_dir"):
        pass
