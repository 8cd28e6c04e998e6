"""What the tests share."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zlib import crc32

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several at once: MindSpore's threads spin, so each keeps to one
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would let runs starve beside the other one

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from ghostlib.device import avoid_reference_convolutions

ROOT = Path(__file__).parents[1]

avoid_reference_convolutions()  # before the first test runs a convolution

# A cache of the session's own: nothing is found that an earlier one left, and runs of this one share their graphs.
if "PYTEST_XDIST_WORKER" not in os.environ:  # which has it from the process that started it
    _cache = tempfile.TemporaryDirectory(prefix="ghostlib-tests-")
    os.environ["GHOSTLIB_CACHE"] = _cache.name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", metavar="K/N", help="of the slow tests only the K-th of N parts, beside all others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if share := config.getoption("--share"):
        others = {item for item in items
                  if item.get_closest_marker("slow") and not in_share(f"{item.path.name} {item.name}", share)}
        config.hook.pytest_deselected(items=list(others))
        items[:] = [item for item in items if item not in others]


def in_share(name: str, share: str) -> bool:
    """Whether a test is in the K-th of N parts ("K/N"). A test stays in its part whatever is added."""
    part, _, parts = share.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise pytest.UsageError(f"--share: {share} given; allowed is K/N with K from 1 to N")
    return crc32(name.encode()) % int(parts) == int(part) - 1


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def randomise(net: nn.Cell, seed: int = 0) -> nn.Cell:
    """Weights and statistics that differ from channel to channel, as after training."""
    rng = np.random.default_rng(seed)
    for name, parameter in net.parameters_and_names():
        low, high = (0.5, 1.5) if name.endswith(("gamma", "variance")) else (-0.5, 0.5)
        parameter.set_data(Tensor(rng.uniform(low, high, parameter.shape), mindspore.float32))
    return net


@contextmanager
def _running_in(mode: int) -> Iterator[None]:
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mode)
    yield
    mindspore.set_context(mode=before)


@pytest.fixture
def pynative() -> Iterator[None]:
    """Networks run operator by operator: for what is asked once, compiling a graph is most of the time. That a graph gives
    the same is asked where it matters (tests/deploy/test_engines.py, tests/models/test_reference.py)."""
    with _running_in(mindspore.PYNATIVE_MODE):
        yield


@pytest.fixture
def compiled() -> Iterator[None]:
    """Networks are compiled, as `use_device` has it; MindSpore begins without."""
    with _running_in(mindspore.GRAPH_MODE):
        yield


@pytest.fixture
def few_stages(monkeypatch):
    """GhostNets and MobileNets of this process have half of their stages: all kinds of blocks, with and without
    squeeze-and-excitation, and the head. All there is, less often: it compiles in a third of the time."""
    fewer_stages(monkeypatch)


def fewer_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `few_stages` does, for a fixture that lives longer."""
    for name, table, stages in (("ghostnet", "STAGES", 5), ("mobilenet", "V2", 3), ("mobilenet", "V3_SMALL", 3),
                                ("mobilenet", "V3_LARGE", 4)):
        module = sys.modules[f"ghostlib.models.{name}"]
        monkeypatch.setattr(module, table, getattr(module, table)[:stages])


@pytest.fixture
def ghostlib_command(tmp_path):
    """Runs the command line in an empty folder; gives the finished process, its outputs as text."""
    def run(*words: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        return ghostlib_process(*words, cwd=cwd)
    return run


def ghostlib_process(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """The finished process of one command, its outputs as text."""
    return subprocess.run([sys.executable, "-m", "ghostlib", *map(str, words)], cwd=cwd, text=True, capture_output=True,
                          env={**os.environ, "COLUMNS": "110", **environment}, stdin=subprocess.DEVNULL)


class HuggingFace(BaseHTTPRequestHandler):
    """As much of huggingface.co as one file needs."""

    content, digest, path_ = b"", "", ""  # of the file, its SHA-256 as it is told, and where it lies

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        if self.path.split("?")[0] != self.path_:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {"ETag": f'"{self.digest}"', "X-Repo-Commit": "0" * 40, "Accept-Ranges": "bytes",
                            "X-Linked-ETag": f'"{self.digest}"', "X-Linked-Size": len(self.content),
                            "Content-Length": len(self.content)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if body:
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@contextmanager
def hugging_face(name: str, content: bytes, home: Path, digest: str | None = None) -> Iterator[dict[str, str]]:
    """A Hugging Face of one repository with one file of weights, on loopback; gives the variables by which it is found.

    They must be set before a process imports the library, which reads them then.
    """
    handler = type("Handler", (HuggingFace,), {"content": content, "path_": f"/{name}/resolve/main/model.safetensors",
                                               "digest": digest or sha256(content).hexdigest()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield {"HF_ENDPOINT": f"http://127.0.0.1:{http.server_port}", "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        http.shutdown()


@pytest.fixture
def server(tmp_path):
    """A file server on loopback; gives its folder and address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
