"""Runs as processes of their own: one, or one for each device through MindSpore's msrun. Knows nothing of MindSpore.

The command is there to be shown and works when typed. What the first process says is passed on as it comes; when one
process ends badly all end; and leaving the `with` block early, as an interrupt does, ends every one.
"""

import codecs
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import psutil

from ghostlib import processor
from ghostlib.atomic import write_text
from ghostlib.config import Config
from ghostlib.errors import InputError, RunError
from ghostlib.progress import Relay
from ghostlib.training.run_folder import CONFIG, HISTORY, LAST, check_unused

LOGS = ".msrun"  # added to the run folder's name: the folder beside it that takes what each process says, by port
WHOLE = "GHOSTLIB_WHOLE"  # the variable that names a folder where each process leaves a file once its run is whole
THREADS = "OMP_NUM_THREADS"  # the variable by which a process knows how many threads are its own
COMPILE_CACHE = "GHOSTLIB_COMPILE_CACHE"  # the variable that switches the cache of compiled graphs `on` or `off`
QUIET = {"MS_SUBMODULE_LOG_v": "{PIPELINE:3}"}  # MindSpore warns of what compile_cache.py sees to
# The environment of a process that runs a notebook from end to end with nobody at the keyboard: `make tour` and sweeps.
UNATTENDED = {COMPILE_CACHE: "on", **QUIET}
POLL = 0.1  # seconds between looks at what was said
GRACE = 5.0  # seconds that processes are given to end by themselves
CRASHED_LATE = "note: a process of MindSpore crashed as it ended; by then the run was whole\n"
WORKER_DIED = b"exit with exception"  # in what msrun says when one did; by then it has killed the others
SET_PARENT_DEATH_SIGNAL = 1  # prctl's number for it


def process_count() -> int | None:
    """How many processes msrun started this one among; None if it did not."""
    return int(os.environ["MS_WORKER_NUM"]) if os.environ.get("MS_ROLE") in ("MS_WORKER", "MS_SCHED") else None


def command(config: Config, arguments: Sequence[str]) -> list[str]:
    """The words that start `ghostlib ARGUMENTS` on all devices of a Config."""
    program = ["python", "-m", "ghostlib", *arguments]  # msrun knows Python by this name only
    if config.devices == 1:
        return program
    # An NPU's process belongs on the cores near it. On a CPU a process held to one core mostly crashes as it ends, or needs
    # minutes to find the others: MindSpore's threads for connections meet states that its main thread has yet to set.
    near = [] if config.device == "CPU" else ["--bind_core=True"]
    return ["msrun", *near, f"--worker_num={config.devices}", f"--local_worker_num={config.devices}",
            f"--master_port={config.port}", "--join=True", "--tail_worker_log=0",
            f"--log_dir={logs_of(config)}", *program]


def logs_of(config: Config) -> Path:
    """Where the processes of several devices write what they say: beside the run's folder, which is its first rank's."""
    return Path(f"{config.run_dir}{LOGS}") / str(config.port)


def devices_here(device: str) -> int:
    """How many of a kind this machine has: cores, of which each process on a CPU wants one, or NPUs."""
    return (os.cpu_count() or 1) if device == "CPU" else len(processor.npus())


def check(config: Config) -> None:
    """Refuses what msrun would stumble over.

    Raises:
        InputError: For more devices than this machine has, or a port in use.
    """
    there = devices_here(config.device)
    if config.devices > max(1, there):  # one that the driver shows otherwise MindSpore may find
        if not there:
            raise InputError(f"device: {config.device!r} given; this machine has no NPU (no /dev/davinci*)")
        kind = "core(s), of which each process wants one" if config.device == "CPU" else "NPU(s)"
        raise InputError(f"devices: {config.devices} given; this machine has {there} {kind}; allowed are 1 to {there}, "
                         f"and docs/ascend.md says how to use several machines")
    if config.devices > 1:
        with socket.socket() as probe, socket.socket() as other:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", config.port))
            except OSError:
                other.bind(("127.0.0.1", 0))
                raise InputError(f"port: {config.port} given; something on this machine uses it; allowed is a free one, "
                                 f"such as {other.getsockname()[1]}") from None


class Launch:
    """A run in processes of its own, from entering the `with` block to leaving it.

    >>> with Launch(config) as run:  # doctest: +SKIP
    ...     for history in run.follow():
    ...         draw(history)

    Args:
        config: The run.
        arguments: What `ghostlib` is called with; without them `train` with the Config, in a file of its own.

    Raises:
        InputError: See `check`, and for a run folder that holds a run (`run_folder.check_unused`).
    """

    def __init__(self, config: Config, arguments: Sequence[str] = ()):
        check(config)
        check_unused(config)
        self.config = config
        self._folder = Path(config.run_dir)
        self._own = tempfile.TemporaryDirectory(prefix="ghostlib-")  # nothing is written to the run's folder but by the run
        self._file = Path(self._own.name) / CONFIG
        self.words = command(config, arguments or ["train", str(self._file)])
        self._bin = str(Path(sys.executable).parent)
        # On a CPU the processes share its cores among them, as msrun's own binding would.
        self._shares = {} if config.device != "CPU" or config.devices == 1 or THREADS in os.environ else {
            THREADS: str(max(1, processor.threads() // config.devices))}

    def __str__(self) -> str:
        """The command as a shell takes it, in this folder."""
        activated = shutil.which("python") == str(Path(self._bin) / "python")
        path = [] if activated else [f'PATH={shlex.quote(self._bin)}:"$PATH"']
        return " ".join([*path, *(f"{name}={value}" for name, value in self._shares.items()), shlex.join(self.words)])

    def __enter__(self) -> "Launch":
        write_text(self._file, self.config.to_yaml())
        self._seen = self._written()
        # MindSpore's warnings while the processes find each other are many and mean nothing; its errors are shown.
        environment = {"GLOG_v": "3", **self._shares, **os.environ, WHOLE: self._own.name,
                       "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}"}
        self._process = subprocess.Popen(self.words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, preexec_fn=_end_with_parent, start_new_session=True)
        assert self._process.stdout is not None  # it is a pipe
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        return self

    def follow(self) -> Iterator[pd.DataFrame]:
        """Passes on what the run says until it ends; yields its history so far (`Run.history`) after each epoch.

        Raises:
            RunError: If it ended badly, with the last word of the process that did.
        """
        relay, decoder = Relay(), codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            ended = self._process.poll() is not None
            said = self._output.read()
            if said:
                relay.write(decoder.decode(said))
            if self._written() not in (0, self._seen):
                self._seen = self._written()
                yield pd.read_csv(self._folder / HISTORY)
            if said and WORKER_DIED in said:  # msrun itself would wait half a minute for its scheduler
                if not self._whole():
                    raise RunError(self._last_words())
                relay.write(CRASHED_LATE)
                return
            if ended and not said:
                break
            time.sleep(POLL)
        if self._process.returncode and not self._whole():
            raise RunError(self._last_words())

    def _whole(self) -> bool:
        """Whether every process said that all is written: what MindSpore does as it ends can spoil nothing then."""
        ranks = self.config.devices
        return ranks > 1 and all(Path(self._own.name, str(rank)).exists() for rank in range(ranks))

    def _written(self) -> int:
        """When an epoch was last whole, in nanoseconds: its bundle is written last. An earlier run's stays until this one
        has its own; a run without an epoch has no history."""
        path = self._folder / LAST
        return path.stat().st_mtime_ns if path.exists() and (self._folder / HISTORY).exists() else 0

    def _last_words(self) -> str:
        if self.config.devices == 1:
            return f"the run ended with status {self._process.returncode}; what it said stands above"
        said: list[str] = []
        for rank in range(self.config.devices):  # a run on more devices may have left others
            path = logs_of(self.config) / f"worker_{rank}.log"
            if not path.exists():
                continue
            lines = path.read_text(errors="replace").replace("\r", "\n").splitlines()
            said = [line.removeprefix("ghostlib: ") for line in lines if line.startswith("ghostlib: ")]
            if said:
                break
        return (f"{said[-1] if said else 'a process was killed or died without a word'} (all {self.config.devices} "
                f"were ended; what each said is in {logs_of(self.config)})")

    def __exit__(self, *_) -> None:
        """Ends what still runs: asked first, then killed. msrun's workers are not of its process group."""
        try:
            everyone = [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]
        except psutil.NoSuchProcess:
            everyone = []
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        left = psutil.wait_procs(everyone, timeout=GRACE)[1]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=GRACE)
        self._output.close()
        self._process.wait()
        self._own.cleanup()


def _end_with_parent() -> None:
    """In the new process: be interrupted if whoever started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
