"""The first hour on a machine with NPUs: does everything that training needs hold here? One line for each thing tried.

Each check (`checks.py`) runs in a process of its own (`one.py`), so that what crashes or hangs there ends nothing here.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ghostlib.config import Config
from ghostlib.errors import InputError, last_line, printable
from ghostlib.results import read_json

MINUTES = 15.0  # for all checks together, unless more are given
LONGEST = 7 * 60.0  # for one: compiling GhostNet 0.5 for eight cards took mindcv 125 s to 383 s
LINES = 40  # of what a failed check said that are kept
PASSED, FAILED, SKIPPED, LATE = "passed", "FAILED", "skipped", "NO TIME"  # skipped is what a machine does not have
# In their order, what compiles least and tells most first; for each what to try when it fails.
CHECKS = {
    "versions": "compare MindSpore, CANN and driver with docs/ascend.md; 'npu-smi info' must list every card as OK",
    "logits": "Ascend convolves in HF32 unless mindspore.device_context.ascend.op_precision.conv_allow_hf32(False) says "
              "otherwise; differences of 1e-3 come from there",
    "step": "as for logits; then -p amp O0 and -p optimizer momentum, to find which part differs",
    "precision": "-p amp O2 in place of O3, -p loss_scale 1024; run with MS_SUBMODULE_LOG_v unset for MindSpore's own words",
    "speed": "'ghostlib bench PARAMS.yaml' tells training, evaluation and pipeline apart; minutes of compiling are usual",
    "ranks": "'npu-smi info' for a second card; -p port for a free port; HCCL's own logs lie in ~/ascend/log",
    "sink": "-p sink false feeds batches from the host and is slower",
    "resume": "set_deterministic(True) of mindspore, if the two differ only a little; else please tell us",
}


@dataclass(frozen=True)
class Outcome:
    """How one check ended: its name, one of PASSED, FAILED, SKIPPED and LATE, a line, how long it took, what it measured,
    and of a failed one the last of what it said."""

    name: str
    status: str
    told: str
    seconds: float
    measured: Mapping[str, Any]
    said: str = ""

    def __str__(self) -> str:
        return f"{self.name:<9} {self.status:<7} {self.told} ({self.seconds:.0f} s)"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def of(config: Config, run_dir: str) -> Config:
    """A run as the checks make it: its network and its way to train, on digits, which need no download."""
    return config.having(dataset="digits", data_dir="data", num_classes=10, image_size=32, augment="crop", jitter=0.0,
                         erasing=0.0, repeats=1, val_share=0.0, decoded="none", epochs=1, warmup_epochs=0, schedule="cosine",
                         milestones=[], batch_size=64, accumulate=1, lr_batch=None, lr_scaling=False, weights=None,
                         new_head=False, devices=1, sink=False, workers=1, val_interval=1, resume=False, overwrite=True,
                         run_dir=run_dir)


def run(config: Config, minutes: float = MINUTES) -> Iterator[Outcome]:
    """Tries all CHECKS, the next one after each failure, and gives each outcome as it is known; before them that of what the
    CPU computes for comparison, if it failed.

    Args:
        config: What is to be trained later; its device is what is tried.
        minutes: For all checks together; what they leave no time for is LATE.
    """
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="ghostlib-accept-") as scratch:
        folder = Path(scratch)
        (folder / "params.yaml").write_text(of(config, str(folder / "run")).to_yaml())
        reference = _check("reference", folder, min(LONGEST, end - time.monotonic()),
                           "'ghostlib accept -p device CPU', which needs no NPU")
        if reference.status != PASSED:  # else no check of its own: without it others only say that its numbers are missing
            yield reference
        for name, advice in CHECKS.items():
            yield _check(name, folder, min(LONGEST, end - time.monotonic()), advice)


def _check(name: str, folder: Path, seconds: float, advice: str = "") -> Outcome:
    start, target = time.monotonic(), folder / f"{name}.json"
    if seconds <= 0:
        return Outcome(name, LATE, "not tried: the time was over; --minutes gives more", 0.0, {})
    words = [sys.executable, "-m", "ghostlib.acceptance.one", name, str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=seconds,
                              stdin=subprocess.DEVNULL)
        said, status = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        parts = [part if isinstance(part, str) else (part or b"").decode(errors="replace")
                 for part in (error.stdout, error.stderr)]
        said, status = "".join(parts), None
    taken = time.monotonic() - start
    try:
        found = read_json(target)
    except InputError:  # it ended before it could write any
        if status is None and seconds < LONGEST:  # the end of all of them, not its own
            told = f"not done when the time was over, after {seconds:.0f} s; --minutes gives more"
            return Outcome(name, LATE, told, taken, {})
        how = f"was not done after {seconds:.0f} s" if status is None else f"ended with status {status}"
        found = {"status": FAILED, "told": f"its process {how}: {last_line(said)}", "measured": {}}
    failed = found["status"] == FAILED
    told = f"{found['told']}; try: {advice}" if failed and advice else found["told"]
    return Outcome(name, found["status"], told, taken, found["measured"],
                   printable("\n".join(said.splitlines()[-LINES:])) if failed else "")
