"""How long a trained network takes to answer, by each engine: measured in a process of its own, with threads of its own.

Threads of one engine go on spinning for a while when another is asked, and would be measured with it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlib.config import Config
from ghostlib.errors import RunError, printable

WARM, LEAST, SECONDS = 3, 7, 1.5  # calls that do not count, calls at least, seconds at least
SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "sve")  # as /proc/cpuinfo names them


def instruction_sets() -> str:
    """Those of SETS that this machine's processor has; what an engine reaches depends on them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "").split()
    return " ".join(name for name in SETS if name in flags)


def measure(config: Config, engine: str, batches: Sequence[int] = (1, 32), threads: int | None = None
            ) -> list[dict[str, Any]]:
    """Times a Config's network, with random weights, on random images.

    Args:
        config: The network and the size of its images.
        engine: One of `engines.ENGINES`.
        batches: How many images at a time.
        threads: What the engine may use; None is all cores.

    Returns:
        For each batch a row: engine, threads, batch, ms (median of the calls) and images_per_second.

    Raises:
        RunError: If the process ended badly, with its last line.
    """
    threads = threads or len(os.sched_getaffinity(0))
    task = json.dumps({"config": config.model_dump(), "engine": engine, "batches": list(batches)})
    done = subprocess.run([sys.executable, "-m", "ghostlib.latency", task], capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": str(threads)}, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise RunError(f"engine: {engine} was not measured ({printable(said[-1])[:200]})")
    times = json.loads(done.stdout.splitlines()[-1])
    return [{"engine": engine, "threads": threads, "batch": batch, "ms": 1e3 * seconds, "images_per_second": batch / seconds}
            for batch, seconds in zip(batches, times)]


def _times(config: Config, engine: str, batches: Sequence[int]) -> list[float]:
    """Seconds that one call takes for each batch."""
    import numpy as np

    from ghostlib.deploy import engines
    from ghostlib.device import use_device
    from ghostlib.models.build import build
    use_device("CPU")
    shape = (3, config.image_size, config.image_size)
    ready = engines.of_network(build(config).set_train(False), shape, engine)
    return [_median(ready, np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)) for batch in batches]


def _median(call: Any, images: Any) -> float:
    for _ in range(WARM):
        call(images)
    seconds: list[float] = []
    while len(seconds) < LEAST or sum(seconds) < SECONDS:
        start = time.perf_counter()
        call(images)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(_times(Config.of(given["config"]), given["engine"], given["batches"])))
