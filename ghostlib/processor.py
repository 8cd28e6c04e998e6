"""What is known of this machine's processors and NPUs, and how many threads to use."""

import functools
import os
import platform
from pathlib import Path

LISTED = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "sve")  # as /proc/cpuinfo names them
DEVICES = Path("/dev")


@functools.cache
def _lines() -> tuple[str, ...]:
    """Those of /proc/cpuinfo, each once; none outside Linux."""
    try:
        return tuple(dict.fromkeys(Path("/proc/cpuinfo").read_text().splitlines()))
    except OSError:
        return ()


def name() -> str:
    """Its maker's name for it, else the kind of machine."""
    return next((line.split(":", 1)[1].strip() for line in _lines() if line.startswith("model name")),
                platform.processor() or platform.machine())


def flags() -> set[str]:
    """What it can do, in the kernel's words; empty where that is not known."""
    return set(next((line for line in _lines() if line.startswith(("flags", "Features"))), "").split())


def instruction_sets() -> str:
    """Those of LISTED that it has; what an engine reaches depends on them."""
    known = flags()
    return " ".join(one for one in LISTED if one in known)


def identity() -> str:
    """All that a compiler's -march=native may depend on."""
    return "".join(line for line in _lines() if line.startswith(("model name", "flags", "Features"))) or platform.processor()


def threads() -> int:
    """How many threads to use: OMP_NUM_THREADS, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")  # Python's copy: MindSpore sets the variable itself to 1
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def npus() -> list[str]:
    """The Ascend NPUs of this machine, as the driver calls them: davinci0, ...; none where there is no driver."""
    return sorted((path.name for path in DEVICES.glob("davinci[0-9]*")), key=lambda name: (len(name), name))
