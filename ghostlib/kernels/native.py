"""`fused.cpp` made ready for this machine: compiled where it first runs, kept, found again, or switched off.

Without a compiler, on another device, or with GHOSTLIB_KERNEL=off in the environment there are no passes of our own.
"""

import ctypes
import functools
import hashlib
import os
import platform
import subprocess
import tempfile
import warnings
from pathlib import Path

import mindspore

from ghostlib import processor
from ghostlib.cache import cache_folder
from ghostlib.errors import in_a_line
from ghostlib.kernels import options

SOURCE = Path(__file__).with_name("fused.cpp")
FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-std=c++17", "-shared", "-fPIC", "-pthread",
         *(["-mprefer-vector-width=512"] if platform.machine() == "x86_64" else []))
SWITCH = "GHOSTLIB_KERNEL"


@functools.cache
def library() -> Path | None:
    """The compiled passes, compiled now if they never were on this kind of processor; None, said once, without them."""
    if os.environ.get(SWITCH, "").lower() in ("off", "0"):
        return None
    folder = cache_folder()
    sources = b"".join(path.read_bytes() for path in [SOURCE, *sorted(SOURCE.parent.glob("*.hpp"))])
    key = hashlib.sha256(sources + repr((FLAGS, platform.machine(), processor.identity())).encode())
    path = folder / f"fused-{key.hexdigest()[:16]}.so"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made = Path(scratch) / path.name
                subprocess.run([os.environ.get("CXX", "g++"), *FLAGS, "-o", made, SOURCE], check=True,
                               capture_output=True, text=True)
                os.replace(made, path)
        loaded = ctypes.CDLL(str(path))
        options.check(loaded)  # a difference is a mistake in the sources, not a machine without passes: it is raised
        loaded.use_threads(processor.threads())
    except (OSError, subprocess.CalledProcessError) as error:
        why = in_a_line((getattr(error, "stderr", None) or "").strip().partition("\n")[0] or error)
        warnings.warn(f"ghostlib's CPU kernel is not there ({why}); MindSpore's own operators do the same, slower",
                      RuntimeWarning, stacklevel=2)
        return None
    return path


def available() -> bool:
    """Whether the passes can be used: on a CPU, with the library."""
    return mindspore.get_context("device_target") == "CPU" and library() is not None
