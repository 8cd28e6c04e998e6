"""Points of a sweep spread by Ray over this machine or a cluster; what comes back is handed on as it comes."""

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import nbformat

from ghostlib import atomic, results
from ghostlib.cores import own_cores
from ghostlib.errors import InputError, RunError, in_a_line, some
from ghostlib.notebook import execute, read
from ghostlib.progress import progress_bar, tell
from ghostlib.sweep.grid import Point, Sweep
from ghostlib.sweep.rows import store
from ghostlib.sweep.table import Table
from ghostlib.training.launch import UNATTENDED

REACHED_WITHIN = 5.0  # seconds in which an address must take a call, and then answer it
# Ray talks gRPC, which is HTTP/2: either side begins with a frame of settings. Where anything else listens, Ray waits for
# minutes.
GREETING, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 4
PASSED_ON = ("DNNL_", "GHOSTLIB_", "GLOG_", "MS_", "ONEDNN_")  # environment variables that a standing cluster does not have
WATCHED = 1000  # runs whose end is waited for at a time, more than run at once; asking Ray for all would grow with the grid
NPU_VARIABLE = "ASCEND_RT_VISIBLE_DEVICES"


def run_points(sweep: Sweep, points: Sequence[Point], table: Table, address: str | None, npus: int | None, cpus: int | None,
               progress: bool, report: Callable[[str], None], ray_options: Mapping[str, Any]) -> list[Point]:
    """Runs points on Ray and writes what comes back; those that failed."""
    if address is not None:
        _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # "local": else Ray joins a cluster that happens to stand here, or waits for one that did.
    where = {"address": address} if address else {"address": "local", "include_dashboard": False, **ray_options}
    environment = {**UNATTENDED, **{name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as problem:  # Ray raises that very class where its processes are too slow to start
        raise RunError(f"Ray did not start ({in_a_line(problem)}); nothing was run, and the same command "
                       f"tries again") from problem
    failed = []
    try:
        wanted = _resources(ray, sweep, npus, cpus)
        notebook = ray.put(nbformat.writes(read(sweep.notebook)))  # once: as an argument each task would get a copy
        task = ray.remote(max_retries=0, **wanted)(_execute)
        cores = 0 if "resources" in wanted else wanted["num_cpus"]
        pending = {task.remote(notebook, sweep.parameters(point), sweep.has_run_dir, sweep.keep, os.getcwd(), cores,
                               environment): point
                   for point in points}
        with progress_bar(len(points), "runs", progress) as bar:
            while pending:
                # Runs begin in this order, so the next to end is among the first.
                ended, _ = ray.wait(list(islice(pending, WATCHED)), num_returns=1, timeout=table.patience)
                if not ended:
                    table.keep_up()
                    continue
                done = ended[0]
                point = pending.pop(done)
                try:
                    executed, row, files, error = ray.get(done)
                except ray.exceptions.RayError as problem:
                    executed, row, files, error = None, None, {}, f"its process died ({type(problem).__name__})"
                if error:
                    failed.append(point)
                    if executed:
                        atomic.write_text(sweep.folder / f"{point.key}.failed.ipynb", executed)
                    tell(bar, f"failed: {point}: {error}")
                else:
                    table.add(store(sweep, point, executed, row, files))
                bar.update(1)
    finally:
        ray.shutdown()
    return failed


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), REACHED_WITHIN) as call:
            call.sendall(GREETING)
            frame = call.recv(9)  # length, type, flags, stream
        if len(frame) < 4 or frame[3] != SETTINGS:
            raise ValueError("something else than Ray listens there")
    except (OSError, ValueError) as error:
        raise InputError(f"address: {address} does not answer as Ray does ({error}); wanted is HOST:PORT as "
                         f"`ray start --head` prints it") from None


def npus_wanted(sweep: Sweep) -> int:
    """As many NPUs as the largest of a sweep's runs on Ascend has devices; 0 without any."""
    parameters = map(sweep.parameters, sweep.points)
    return max((one.get("devices", 1) for one in parameters if one.get("device") == "Ascend"), default=0)


def _resources(ray, sweep: Sweep, npus: int | None, cpus: int | None) -> dict[str, Any]:
    """What a run asks Ray for: CPUs and NPUs, no more than one machine has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most_cpus, most_npus = (int(max(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "NPU"))
    npus = npus_wanted(sweep) if npus is None else npus
    if not 0 <= npus <= most_npus:
        raise InputError(f"npus: {npus} given; a machine has {most_npus} at most, allowed are 0 to {most_npus}")
    share = most_cpus * npus // most_npus if npus else most_cpus
    cpus = max(1, share) if cpus is None else cpus
    if not 1 <= cpus <= most_cpus:
        raise InputError(f"cpus: {cpus} given; a machine has {most_cpus} at most, allowed are 1 to {most_cpus}")
    return {"num_cpus": cpus, **({"resources": {"NPU": npus}} if npus else {})}


def _ascending(cards: str) -> str:
    """Numbers of cards, such as 3,1, in the order in which CANN wants them; as they stand where they are no numbers, such as
    the empty text by which somebody hides all cards."""
    numbers = cards.split(",")
    return ",".join(sorted(numbers, key=int)) if all(one.strip().isdecimal() for one in numbers) else cards


def _execute(notebook: str, parameters: Mapping[str, Any], has_run_dir: bool, keep: Sequence[str], folder: str, cores: int,
             environment: Mapping[str, str]) -> tuple[str, dict[str, Any] | None, dict[str, bytes], str | None]:
    """One run, in a Ray worker: the executed notebook, its row, the files it is to keep, and what went wrong."""
    import ray
    from papermill import PapermillExecutionError

    if os.path.isdir(folder):
        os.chdir(folder)
    # Here and not as Ray's runtime_env, with which no worker starts where the path of Python has a space in it.
    os.environ.update(environment)
    if NPU_VARIABLE in os.environ:
        os.environ[NPU_VARIABLE] = _ascending(os.environ[NPU_VARIABLE])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ghostlib-") as scratch:
        source, done, run_dir = (Path(scratch) / name for name in ("notebook.ipynb", "done.ipynb", "run"))
        source.write_text(notebook, encoding="utf-8")
        error, given = None, {**parameters, **({"run_dir": str(run_dir)} if has_run_dir else {})}
        try:
            with own_cores(cores) if cores else nullcontext():
                execute(source, done, given)
        except PapermillExecutionError as problem:
            error = f"{problem.ename}: {in_a_line(problem.evalue, 300)}"
        where = {"wall_seconds": round(time.perf_counter() - start, 1), "npus": os.environ.get(NPU_VARIABLE, ""),
                 "node": ray.get_runtime_context().get_node_id()}
        left = [name for name in keep if (run_dir / name).is_file()]
        if not error and len(left) < len(keep):
            error = f"keep: the run left no {some(set(keep) - set(left))}"
        row = None if error else {**(results.read_row(run_dir) if (run_dir / results.ROW).exists() else parameters),
                                  **where}
        if row:
            row.pop("run_dir", None)  # which goes with this process
        return (done.read_text(encoding="utf-8") if done.exists() else "", row,
                {} if error else {name: (run_dir / name).read_bytes() for name in left}, error)
