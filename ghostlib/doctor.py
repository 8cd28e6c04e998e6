"""What this machine has, and which parts of the lab can run on it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ghostlib import processor
from ghostlib.extras import hint
from ghostlib.results import distributions_of, version_of

PACKAGES = ("mindspore", "numpy", "pydantic")  # without which nothing runs
OPTIONAL = ("papermill", "jupyterlab", "matplotlib", "seaborn", "ray", "onnx", "onnxruntime", "openvino",
            "nbval")
GIB = 2**30
# Where Huawei's software says its version, by what it is; its own guide, "Querying the Software Package Version". CANN's
# set_env.sh names its folder in CANN_FOLDERS.
ASCEND = Path("/usr/local/Ascend")
CANN_FOLDERS = "ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"
VERSION_FILES = {"CANN": ("*-linux/ascend_toolkit_install.info", "version.info", "share/info/runtime/version.info"),
                 "driver": ("driver/version.info",), "firmware": ("firmware/version.info",)}
VERSION = re.compile(r"^version\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
ASKED = 60  # seconds that npu-smi may take


def examine(device: str = "CPU") -> tuple[list[str], bool]:
    """Lines to print, and whether training can run here on a device: "CPU" or "Ascend". No other one is computed on, since
    MindSpore lets a process have one device."""
    lines = [f"python      {sys.version.split()[0]}"]
    healthy = True
    for name in PACKAGES:
        version = version_of(name)
        lines.append(f"{name:<11} {version or 'missing: install ghostlib with its dependencies'}")
        healthy = healthy and bool(version)
    lines += [f"{name:<11} {version_of(name) or f'not here; {hint(name)}'}" for name in OPTIONAL]
    if len(brought := distributions_of("mindspore")) > 1:
        lines.append(f"mindspore   CLASH: {' and '.join(brought)} lie in one folder; uninstall them all, install one")
        healthy = False
    if healthy and int(version_of("numpy").split(".")[0]) >= 2:
        lines.append("numpy       CLASH: MindSpore was built against NumPy 1; install 'numpy<2'")
        healthy = False
    lines += [f"cores       {os.cpu_count()}", _memory(),
              f"disk        {shutil.disk_usage('.').free / GIB:.1f} GiB free in this folder"]
    if device == "Ascend" or processor.npus():
        lines += [f"{name:<11} {version or 'not found'}" for name, version in ascend_versions().items()]
    if healthy:
        devices, healthy = _devices(device)
        lines += devices
    lines.append("not proven  nothing in this project has been run on an Ascend NPU yet: what is said of NPUs follows "
                 "MindSpore's documentation")
    return lines, healthy


def ascend_versions() -> dict[str, str]:
    """The versions of CANN, driver and firmware, as their files say; "" where none is found."""
    cann = [Path(os.environ[name]) for name in CANN_FOLDERS if os.environ.get(name)]
    cann += [ASCEND / "cann", ASCEND / "ascend-toolkit" / "latest"]

    def found(name: str) -> Iterator[str]:
        for folder in cann if name == "CANN" else [ASCEND]:
            for pattern in VERSION_FILES[name]:
                for path in sorted(folder.glob(pattern)):
                    with suppress(OSError):  # not for this user to read
                        yield from VERSION.findall(path.read_text(errors="replace"))
    return {name: next(found(name), "") for name in VERSION_FILES}


def npu_smi() -> list[str]:
    """What `npu-smi info` says, line by line: cards with their names and states; none where it is not here."""
    try:
        done = subprocess.run(["npu-smi", "info"], capture_output=True, text=True, errors="replace", timeout=ASKED)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return (done.stdout + done.stderr).splitlines()


def _memory() -> str:
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(fields[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
        return f"memory      {total:.1f} GiB, {free:.1f} GiB free"
    except (OSError, KeyError, ValueError):
        return "memory      unknown on this system"


def _devices(device: str) -> tuple[list[str], bool]:
    """Which NPUs there are, and one real operation on the device that is asked for."""
    from ghostlib.device import ONEDNN_ISA, use_device
    from ghostlib.errors import InputError, in_a_line
    lines = []
    cards = processor.npus()
    lines.append(f"Ascend      {', '.join(cards) + ' present' if cards else 'no NPU here'}")
    try:
        use_device(device)
        import mindspore
        from mindspore import nn
        answer = nn.Conv2d(3, 4, 3)(mindspore.ops.ones((1, 3, 8, 8))).asnumpy()  # an NPU's shape is known before it computed
        lines.append(f"{device:<11} works: a compiled convolution gave {answer.shape}")
        if os.environ.get(ONEDNN_ISA):
            lines.append(f"oneDNN      {ONEDNN_ISA}={os.environ[ONEDNN_ISA]}")
        from ghostlib.kernels import native
        kernel = native.library()
        found = f"compiled, {processor.threads()} threads" if kernel else "none, see docs/performance.md"
        lines.append(f"kernel      {found}")
        from ghostlib.training import compile_cache
        kept = compile_cache.size_of(compile_cache.folder()) / 2**20
        lines.append(f"graphs      {kept:.0f} MiB compiled ones in {compile_cache.folder()}; "
                     f"{compile_cache.COMPILE_CACHE}=off does without")
        lines.append("can run     digits, CIFAR-10 and image folders on the CPU, one process at a time"
                     + (f"; device: Ascend may be tried on {len(cards)} card(s)" if cards else ""))
        return lines, True
    except (InputError, RuntimeError, ImportError) as error:
        return [*lines, f"{device:<11} FAILS: {in_a_line(error)}"], False
