"""What the passes compute does not depend on how long a register of the processor is: built for others, they agree."""

import ctypes
import platform
import subprocess

import numpy as np
import pytest

from ghostlib import processor
from ghostlib.kernels import native
from ghostlib.kernels.options import Activation, Mode, Options

pytestmark = pytest.mark.skipif(native.library() is None or platform.machine() != "x86_64",
                                reason="no compiler here, or another kind of processor")
BUILDS = {"sse": [], "avx2": ["-mavx2", "-mfma"]}  # 4 and 8 numbers at once; the library that is used has as many as can be
IMAGES, MAPS = 3, 5


def outcome(library: ctypes.CDLL, kernel: tuple[int, int], stride: int, size: tuple[int, int], keep: bool, joint: bool
            ) -> list[np.ndarray]:
    """All that a pass forwards and backwards in training writes, of random numbers; inputs and outputs as passes.py says."""
    rng = np.random.default_rng(kernel)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)
    ghosts, one = 2 * MAPS, np.ones(1, np.float32)
    out = IMAGES, (MAPS if keep else 0) + ghosts, (size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1
    x, weight = random(IMAGES, MAPS, *size), random(ghosts, 1, *kernel)
    first = [random(MAPS + ghosts if joint else MAPS) for _ in range(2)] if keep or joint else [one, one]
    second = [one, one] if joint else [random(ghosts) for _ in range(2)]
    mode1, mode2 = (Mode.BATCH if keep or joint else Mode.NONE), Mode.BATCH
    options = np.array(Options(mode1, mode2, stride, Activation.RELU, keep, joint, ghosts, 1e-5, 0.9), np.float32)
    y, kept = np.empty(out, np.float32), np.zeros(2 * MAPS + 2 * ghosts + 2, np.float32)
    call(library.pass_forward, x, weight, *first, one, one, *second, one, one, options, y, kept)
    gradients = [np.zeros_like(of) for of in (x, weight, *first, *second)]
    call(library.pass_backward, x, weight, *first, *second, kept, random(*out), options, *gradients)
    return [y, kept, *gradients]


def call(function, *arrays: np.ndarray) -> None:
    shapes = [(ctypes.c_int64 * array.ndim)(*array.shape) for array in arrays]
    status = function(len(arrays), (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays)),
                      (ctypes.c_int * len(arrays))(*(array.ndim for array in arrays)),
                      (ctypes.POINTER(ctypes.c_int64) * len(arrays))(
                          *(ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)) for shape in shapes)), None, None, None)
    assert status == 0


@pytest.fixture(scope="module", params=BUILDS)
def build(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("build") / f"{request.param}.so"
    words = ["-O1", "-fopenmp-simd", "-std=c++17", "-shared", "-fPIC", "-pthread", *BUILDS[request.param]]
    subprocess.run(["g++", *words, "-o", path, native.SOURCE], check=True)
    if request.param == "avx2" and " avx2 " not in processor.identity():
        pytest.skip("this processor has no AVX2")
    return ctypes.CDLL(str(path))


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "stride"), [((size, size), stride) for size in (1, 3, 5, 7) for stride in (1, 2)]
                         + [((1, 5), 1), ((5, 1), 1)])
@pytest.mark.parametrize("size", [(7, 7), (14, 13), (5, 36)])
def test_other_builds_agree(kernel, stride, size, build):
    own = ctypes.CDLL(str(native.library()))
    for keep, joint in [(True, False), (True, True)] if stride == 1 else [(False, False)]:
        for expected, found in zip(outcome(own, kernel, stride, size, keep, joint),
                                   outcome(build, kernel, stride, size, keep, joint)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * (np.abs(expected).max() + 1))
