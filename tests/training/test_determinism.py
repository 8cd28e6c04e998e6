"""A run's weights do not depend on what else the machine does, nor, for a network and images as small as these, on how many
threads computed them. Larger ones differ: GhostNet 0.5 at 128 x 128 with one thread and with two (docs/photographs.md)."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ghostlib_process
from safetensors.numpy import load_file


@pytest.mark.slow
def test_runs_are_equal_to_the_bit_with_one_thread_and_with_two_under_load(tmp_path):
    (tmp_path / "empty.yaml").write_text("{}")

    def train(name, threads):
        done = ghostlib_process("train", "empty.yaml", "-p", "width", "0.25", "-p", "epochs", "1", "-p", "batch_size", "128",
                                "-p", "run_dir", name, cwd=tmp_path, OMP_NUM_THREADS=str(threads))
        assert done.returncode == 0, done.stderr
        return load_file(tmp_path / name / "last.safetensors")

    one = train("one", 1)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        two = train("two", 2)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    for name, values in one.items():
        assert np.array_equal(values, two[name]), name
