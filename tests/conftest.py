"""What the tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ghostlib.device import avoid_reference_convolutions

ROOT = Path(__file__).parents[1]

avoid_reference_convolutions()  # before the first test runs a convolution


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def ghostlib_command(tmp_path):
    """Runs the command line in an empty folder; gives the finished process, its outputs as text."""
    def run(*words: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "ghostlib", *map(str, words)], cwd=cwd, text=True,
                              capture_output=True, env={**os.environ, "COLUMNS": "110"}, stdin=subprocess.DEVNULL)
    return run
