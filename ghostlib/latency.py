"""How long a trained network takes to answer, by each engine: measured in a process of its own, with threads of its own, on
as many cores.

Threads of one engine go on spinning for a while when another is asked, and would be measured with it. So what runs ONNX gets
a file, as others would use it, which another process wrote: with MindSpore beside it OpenVINO took a tenth to a quarter
longer (docs/performance.md). And an engine may have more threads than it is told: MindSpore, told to use one, kept one and a
half cores busy.
"""

import functools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ghostlib import onnx_files, processor
from ghostlib.config import Config
from ghostlib.cores import own_cores
from ghostlib.deploy import engines
from ghostlib.errors import InputError, RunError, last_line

WARM, WARM_SECONDS = 3, 1.0  # calls that do not count, fewer where those after the first take so long
LEAST, SECONDS = 5, 1.5  # calls at least, and seconds
KERNEL = "_kernel_time"  # ends the names of what ONNX Runtime's profile tells of an operator's own work
BLOCKED = "_nchwc"  # and of an operator that works in blocks of channels
ARITHMETIC = "Conv", "Gemm"  # ONNX's operators whose multiply-adds count


def measure(config: Config, engine: str, batches: Sequence[int] = (1, 32), threads: int | None = None
            ) -> list[dict[str, Any]]:
    """Times a Config's network, with random weights, on random images.

    Args:
        config: The network and the size of its images.
        engine: One of `engines.ENGINES`.
        batches: How many images at a time.
        threads: What the engine may use; None is what `processor.threads` says. It has as many cores, if they are free
            (`cores`).

    Returns:
        For each batch a row: engine, threads, batch, ms (median of the calls) and images_per_second.

    Raises:
        InputError: For an engine that is not known, or not here.
        RunError: If the process ended badly, with its last line.
    """
    if engines.check(engine) == engines.AUTO:
        raise InputError(f"engine: {engine!r} given; allowed is one of {', '.join(engines.ENGINES)}, by its name")
    threads = threads or processor.threads()
    with tempfile.TemporaryDirectory() as folder:
        task: dict[str, Any] = {"engine": engine, "batches": list(batches)}
        if engine in engines.OF_ONNX:
            task["file"] = f"{folder}/network.onnx"
            Path(task["file"]).write_bytes(onnx_of(config.model_dump_json()))
        times = _in_own_process("times", config, threads, **task)
    return [{"engine": engine, "threads": threads, "batch": batch, "ms": 1e3 * seconds, "images_per_second": batch / seconds}
            for batch, seconds in zip(batches, times)]


@functools.cache  # the same network is measured by several engines, in any order
def onnx_of(config: str, batch: int | None = None) -> bytes:
    """A Config's network (as JSON), with random weights, as `ghostlib export` would write it, for a number of images or for
    any; made in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _in_own_process("write", Config.model_validate_json(config), 1, file=str(path), batch=batch)
        return path.read_bytes()


def measure_layers(config: Config, batch: int = 1, threads: int = 1) -> list[dict[str, Any]]:
    """Times each operator of a Config's network as ONNX Runtime runs it, by its own profile.

    Returns:
        A row for each operator, in their order: layer (the cell that it comes from), operator, kind (what it does: one of
        `operator_kind`'s), ms (median of the calls) and macs, for the whole batch.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(onnx_of(config.model_dump_json(), batch))
        return _in_own_process("layers", config, threads, batch=batch, file=str(path))


def _in_own_process(what: str, config: Config, threads: int, **task: Any) -> Any:
    words = json.dumps({"what": what, "config": config.model_dump(), **task})
    with own_cores(threads):  # which the process inherits
        done = subprocess.run([sys.executable, "-m", "ghostlib.latency", words], capture_output=True, text=True,
                              env={**os.environ, "OMP_NUM_THREADS": str(threads)}, stdin=subprocess.DEVNULL)
    if done.returncode:
        failed = (f"network: {config.model} was not written as ONNX" if what == "write" else
                  f"engine: {task.get('engine', engines.TRUSTED)} was not measured")
        raise RunError(f"{failed} ({last_line(done.stderr)})")
    return json.loads(done.stdout.splitlines()[-1])


def _times(config: Config, engine: str, batches: Sequence[int], file: str | None = None) -> list[float]:
    """Seconds that one call takes for each batch."""
    import numpy as np

    shape = (3, config.image_size, config.image_size)
    if file:
        ready = engines.of_file(file, engine)
    else:
        from ghostlib.deploy import fold_batchnorm
        from ghostlib.device import use_device
        from ghostlib.models.build import build
        use_device("CPU")
        # Not `engines.of_network`, which also compares: that compiles a graph more.
        logits = engines.OF_CELLS[engine](fold_batchnorm(build(config).set_train(False), shape))
        ready = engines.Engine(engine, logits)
    return [_seconds_of_a_call(ready, np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32))
            for batch in batches]


def _seconds_of_a_call(call: Any, images: Any) -> float:
    call(images)  # which also compiles a graph
    begun = time.perf_counter()
    for _ in range(WARM - 1):
        if time.perf_counter() - begun < WARM_SECONDS:
            call(images)
    seconds: list[float] = []
    while len(seconds) < LEAST or sum(seconds) < SECONDS:
        start = time.perf_counter()
        call(images)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _write(config: Config, file: str, batch: int | None) -> None:
    from ghostlib.deploy import fold_batchnorm
    from ghostlib.deploy.onnx_graph import as_onnx
    from ghostlib.device import use_device
    from ghostlib.models.build import build
    use_device("CPU")
    shape = (3, config.image_size, config.image_size)
    model = as_onnx(fold_batchnorm(build(config).set_train(False), shape), shape, batch, apart=True)
    Path(file).write_bytes(model.SerializeToString())


def _layers(config: Config, batch: int, file: str) -> list[dict[str, Any]]:
    import numpy as np
    import onnx

    shape, model = (3, config.image_size, config.image_size), onnx.load(file)
    with tempfile.TemporaryDirectory() as folder:
        session = onnx_files.session(model.SerializeToString(), f"{folder}/profile")
        images = np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)
        _seconds_of_a_call(lambda given: session.run(None, {"images": given}), images)
        events = json.loads(Path(session.end_profiling()).read_text())
    found: dict[str, list[dict[str, Any]]] = {}
    macs = _macs(model)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL):
            found.setdefault(event["name"].removesuffix(KERNEL), []).append(event)
    rows = []
    for name, own in found.items():
        told = own[0]["args"]
        inputs = [tuple(next(iter(one.values()))) for one in told["input_type_shape"]]
        layer, operator = name.rpartition("/")[0], told["op_name"].removeprefix("Fused")
        rows.append({"layer": layer, "operator": operator, "kind": operator_kind(layer, operator, inputs),
                     "ms": statistics.median(event["dur"] for event in own[WARM:]) / 1e3,
                     "macs": macs.get(name.removesuffix(BLOCKED), 0) if operator in ARITHMETIC else 0})
    return rows


def operator_kind(layer: str, operator: str, inputs: Sequence[tuple[int, ...]]) -> str:
    """What an operator of ONNX Runtime does for a network: one of the words below.

    Args:
        layer: The cell that it comes from; "" for what ONNX Runtime adds, which is for its own layout in blocks of channels.
        operator: Its type.
        inputs: Shapes of what it takes; the second of a convolution is (channels, channels of a group, height, width).
    """
    if operator.startswith("Reorder"):
        return "change of layout"
    if ".se" in layer:
        return "squeeze-and-excitation"
    if operator == "Conv":
        _, each, height, width = inputs[1]
        return ("depthwise convolution" if each == 1 and inputs[0][1] > 1 else
                "1 x 1 convolution" if height * width == 1 else "other convolution")
    return {"Concat": "concatenation", "Gemm": "classifier", "Add": "addition"}.get(operator, "other")


def _macs(model: Any) -> dict[str, int]:
    """Multiply-adds of a model's convolutions and dense layers, by their names and by those of what follows them: under that
    ONNX Runtime tells of the two, which it runs as one. What it runs has more, where channels fill up a block."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
              for value in (*graph.value_info, *graph.output)}
    weights = {value.name: list(value.dims) for value in graph.initializer}
    found: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in ARITHMETIC:
            found[node.name] = math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.input and node.input[0] in found:  # an output has its operator's name
            found[node.name] = found[node.input[0]]
    return found


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    tasks: dict[str, Callable[..., Any]] = {"write": _write, "times": _times, "layers": _layers}
    what, own = tasks[given.pop("what")], Config.of(given.pop("config"))
    print(json.dumps(what(own, **given)))
