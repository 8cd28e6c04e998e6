"""Many papermill runs of one notebook, spread by Ray over cores, NPUs or a cluster: what `ghostlib sweep` does.

A grid is a YAML file: `notebook`, `params` (a file of parameters, or the parameters), `grid` (for each parameter a list
of values, of which every combination is a point; or a list of such grids, put together) and `seeds`. A point is known
by its parameters and the notebook's code, so that the same command runs only what is missing or new.

Runs hand their notebook and their row back; this process alone writes, to `data/runs/NAME/`: for each point KEY.json and
KEY.ipynb, and `rows.csv`. No disk needs to be shared, and whatever is killed leaves nothing half written. A point whose row
is recorded in `data/results/NAME.csv` counts as there, too, so that a study goes on in another checkout.
"""

import hashlib
import itertools
import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from ghostlib import results
from ghostlib.config import Config, read_yaml
from ghostlib.cores import own_cores
from ghostlib.errors import InputError, RunError, nearest
from ghostlib.notebook import code_hash
from ghostlib.progress import progress_bar

RUNS, RESULTS = Path("data/runs"), Path("data/results")
FIELDS = {"notebook", "params", "grid", "seeds"}
REACHED_WITHIN = 5.0  # seconds in which an address must take a call, and then answer it
# Ray talks gRPC, which is HTTP/2: either side begins with a frame of settings. Where anything else listens, Ray waits for
# minutes.
GREETING, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 4
PASSED_ON = ("GHOSTLIB_", "GLOG_", "MS_", "ONEDNN_")  # environment variables that a standing cluster does not have
NPU_VARIABLE = "ASCEND_RT_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Point:
    """One run: its parameters, and the key that they and the notebook's code make."""

    key: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.parameters.items())


@dataclass(frozen=True)
class Sweep:
    """A grid read and checked; `name` is the file's.

    Attributes:
        name: Where its runs and results go.
        notebook: Path of the notebook.
        fixed: Parameters that all points share.
        points: Only what differs between them, and the seed.
        has_run_dir: Whether the notebook takes a run folder, and leaves its row there.
    """

    name: str
    notebook: Path
    fixed: Mapping[str, Any]
    points: tuple[Point, ...]
    has_run_dir: bool

    @property
    def folder(self) -> Path:
        return RUNS / self.name

    def parameters(self, point: Point) -> dict[str, Any]:
        """All that the notebook is given, but for its run folder."""
        return {**self.fixed, **point.parameters}

    def config(self, point: Point) -> Config:
        """Those of its parameters that are fields of Config, as one; `InputError` for what Config refuses."""
        return _config(self.parameters(point))


def read(path: str | Path) -> Sweep:
    """Reads a grid.

    Raises:
        InputError: For a missing or odd field, parameters that the notebook does not have or Config refuses, an empty
            grid, two equal points, or a notebook without a cell of parameters.
    """
    path = Path(path)
    values = read_yaml(path)
    for field in values:
        if field not in FIELDS:
            raise InputError(f"{path}: {field}: no such field; {nearest(field, sorted(FIELDS))}")
    if not isinstance(values.get("notebook"), str):
        raise InputError(f"{path}: notebook: {values.get('notebook')!r} given; wanted is the path of a notebook")
    notebook = Path(values["notebook"])
    known = _parameters_of(notebook)
    fixed = values.get("params") or {}
    fixed = read_yaml(fixed) if isinstance(fixed, str) else fixed
    if not isinstance(fixed, dict):
        raise InputError(f"{path}: params: {fixed!r} given; allowed are a file of parameters, or parameters")
    combinations = list(_combinations(path, values.get("grid"), values.get("seeds")))
    for name in {*fixed, *(name for one in combinations for name in one)}:
        if name not in known:
            raise InputError(f"{path}: {name}: {notebook} has no such parameter; {nearest(name, sorted(known))}")
    code = code_hash(nbformat.read(notebook, as_version=4))
    points = [Point(_key({**fixed, **one}, code), one) for one in combinations]
    for number, point in enumerate(points):
        if point.key in {other.key for other in points[:number]}:
            raise InputError(f"{path}: the point {point} is there twice; allowed is once")
        _check(path, {**fixed, **point.parameters}, point)
    return Sweep(path.stem, notebook, {name: value for name, value in fixed.items() if name != "run_dir"}, tuple(points),
                 "run_dir" in known)


def run(sweep: Sweep | str | Path, address: str | None = None, npus: int | None = None, cpus: int | None = None,
        record: bool = False, progress: bool = True, say=print, **ray_options: Any) -> pd.DataFrame:
    """Runs what is missing of a sweep and collects its rows.

    Args:
        sweep: A Sweep, or the path of a grid.
        address: HOST:PORT of a Ray cluster; None starts Ray on this machine, if there is anything to run.
        npus: NPUs of each run; None is one where `device` is Ascend, else none.
        cpus: CPUs, and threads, of each run; None gives a run all of a machine's, so that one runs at a time, or with
            NPUs a fair share.
        record: Whether to copy the rows to data/results/NAME.csv when all are there.
        progress: Whether to show a bar.
        say: Gets each line of what happened.
        **ray_options: For `ray.init`, where no address is given.

    Returns:
        One row for each point, in the grid's order.

    Raises:
        InputError: For an address that does not answer, or more CPUs or NPUs than there are.
        RunError: When points failed; the others are finished and kept.
    """
    sweep = sweep if isinstance(sweep, Sweep) else read(sweep)
    _check_folder(sweep)
    there = _rows(sweep)
    missing = [point for point in sweep.points if point.key not in there]
    if not missing:
        say(f"{sweep.name}: all {len(sweep.points)} points are there; nothing to run")
    failed = _run_points(sweep, missing, address, npus, cpus, progress, say, ray_options) if missing else []
    table = collect(sweep)
    if failed:
        raise RunError(f"{sweep.name}: {len(failed)} of {len(missing)} runs failed, see {sweep.folder}; the same "
                       f"command tries them again")
    if record:
        RESULTS.mkdir(parents=True, exist_ok=True)
        target = RESULTS / f"{sweep.name}.csv"
        results.write_table(target, table)
        say(f"{target}: {len(table)} rows")
    return table


def collect(sweep: Sweep) -> pd.DataFrame:
    """The rows of a sweep's finished points, also written to rows.csv."""
    table = pd.DataFrame(list(_rows(sweep).values()))
    if len(table):
        sweep.folder.mkdir(parents=True, exist_ok=True)
        results.write_table(sweep.folder / "rows.csv", table)
    return table


def plan(sweep: Sweep) -> pd.DataFrame:
    """What a sweep would run: for each point its parameters, weights, multiply-adds and seconds, and whether it is there.

    The seconds of a point that is not there are estimated from those that are, by their multiply-adds.
    """
    rows, found = [], _rows(sweep)
    for point in sweep.points:
        row = found.get(point.key) or _counted(sweep.config(point))
        # As in a row, `weights` are how many there are, and the file that a run starts from is weights_from.
        own = {"weights_from" if name == "weights" else name: value for name, value in point.parameters.items()}
        rows.append({**own, "there": point.key in found,
                     **{name: row.get(name) for name in ("weights", "macs", "seconds")}})
    table = pd.DataFrame(rows)
    done = table[table.there & table.seconds.notna() & table.macs.notna()]
    if len(done):
        rate = done.seconds.sum() / done.macs.sum()
        table["seconds"] = table.seconds.where(table.there, (table.macs.astype(float) * rate).round())
    return table


def _combinations(path: Path, grid: Any, seeds: Any) -> Iterator[dict[str, Any]]:
    grids = grid if isinstance(grid, list) else [grid]
    if not grids or any(not isinstance(one, dict) or not one or not all(isinstance(values, list) and values
                                                                      for values in one.values()) for one in grids):
        raise InputError(f"{path}: grid: {grid!r} given; wanted is for each parameter a list of values, at least one, or "
                         f"a list of such grids")
    if seeds is not None and (not isinstance(seeds, list) or not seeds):
        raise InputError(f"{path}: seeds: {seeds!r} given; allowed is a list of integers")
    for seed in seeds if seeds is not None else [None]:  # outermost: what ends early is all of a smaller study
        for one in grids:
            for values in itertools.product(*one.values()):
                yield {**dict(zip(one, values)), **({} if seed is None else {"seed": seed})}


def _parameters_of(notebook: Path) -> set[str]:
    import papermill

    if not notebook.is_file():
        raise InputError(f"notebook: {notebook} does not exist; wanted is the path of a notebook")
    try:
        known = set(papermill.inspect_notebook(str(notebook)))
    except Exception as error:  # whatever nbformat finds wrong with a file
        raise InputError(f"notebook: {notebook} cannot be read ({' '.join(str(error).split())[:200]})") from None
    if not known:
        raise InputError(f"notebook: {notebook} has no parameters; wanted is a cell with the tag parameters that sets them")
    return known


def _check(path: Path, values: Mapping[str, Any], point: Point) -> None:
    """What Config refuses is refused before anything runs; parameters that are not its own are the notebook's matter."""
    try:
        _config(values)
    except InputError as error:
        raise InputError(f"{path}: at {point}: {error}") from None


def _config(values: Mapping[str, Any]) -> Config:
    return Config.of({name: value for name, value in values.items() if name in Config.model_fields})


def _key(parameters: Mapping[str, Any], code: str) -> str:
    told = json.dumps({name: value for name, value in parameters.items() if name != "run_dir"}, sort_keys=True)
    return hashlib.sha256(f"{told}\0{code}".encode()).hexdigest()[:16]


def _row_file(sweep: Sweep, point: Point) -> Path:
    return sweep.folder / f"{point.key}.json"


def _rows(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """The rows of a sweep's finished points by their keys, in the grid's order: recorded before, or in its folder."""
    recorded = RESULTS / f"{sweep.name}.csv"
    found: dict[str, dict[str, Any]] = {}
    if recorded.exists():
        table = results.read_table(recorded)
        for row in table.astype(object).where(table.notna(), None).to_dict("records") if "point" in table else []:
            found[row["point"]] = row
    for point in sweep.points:
        if _row_file(sweep, point).exists():
            found[point.key] = json.loads(_row_file(sweep, point).read_text())
    return {point.key: found[point.key] for point in sweep.points if point.key in found}


def _check_folder(sweep: Sweep) -> None:
    """Refuses to write into a folder whose rows are another grid's."""
    rows = sweep.folder / "rows.csv"
    if rows.exists():
        table = results.read_table(rows)
        other = set(table.notebook) - {str(sweep.notebook)} if "notebook" in table else {"something else"}
        if "point" not in table or other:
            raise InputError(f"{rows}: holds the rows of {', '.join(map(str, other)) or 'something else'}, not of "
                             f"{sweep.notebook}; move it away or name the grid differently")


def _counted(config: Config) -> dict[str, int]:
    from ghostlib.complexity import count
    from ghostlib.train import build

    cost = count(build(config), (3, config.image_size, config.image_size))
    return {"weights": cost.weights, "macs": cost.macs}


def _run_points(sweep: Sweep, points: Sequence[Point], address: str | None, npus: int | None, cpus: int | None,
                progress: bool, say, ray_options: Mapping[str, Any]) -> list[Point]:
    """Runs points on Ray and writes what comes back; those that failed."""
    if address is not None:
        _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # "local": else Ray joins a cluster that happens to stand here, or waits for one that did.
    where = {"address": address} if address else {"address": "local", "include_dashboard": False, **ray_options}
    environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    failed = []
    try:
        wanted = _resources(ray, sweep, npus, cpus)
        notebook = nbformat.writes(nbformat.read(sweep.notebook, as_version=4))
        task = ray.remote(max_retries=0, **wanted)(_execute)
        cores = 0 if "resources" in wanted else wanted["num_cpus"]
        pending = {task.remote(notebook, sweep.parameters(point), sweep.has_run_dir, os.getcwd(), cores,
                               environment): point
                   for point in points}
        sweep.folder.mkdir(parents=True, exist_ok=True)
        with progress_bar(len(points), "runs", progress) as bar:
            while pending:
                [done], _ = ray.wait(list(pending), num_returns=1)
                point = pending.pop(done)
                try:
                    executed, row, error = ray.get(done)
                except ray.exceptions.RayError as problem:
                    executed, row, error = None, None, f"its process died ({type(problem).__name__})"
                if error:
                    failed.append(point)
                    bar.write(f"failed: {point}: {error}")
                    if executed:
                        results.write_text(sweep.folder / f"{point.key}.failed.ipynb", executed)
                else:
                    _keep(sweep, point, executed, row)
                bar.update(1)
    finally:
        ray.shutdown()
    return failed


def _keep(sweep: Sweep, point: Point, executed: str, row: Mapping[str, Any]) -> None:
    """Writes a finished run: its notebook, then its row, which is the sign that it is there, then all rows."""
    results.write_text(sweep.folder / f"{point.key}.ipynb", executed)
    (sweep.folder / f"{point.key}.failed.ipynb").unlink(missing_ok=True)
    told = {"point": point.key, "notebook": str(sweep.notebook), **row}
    results.write_text(_row_file(sweep, point), json.dumps(told, indent=1) + "\n")
    collect(sweep)


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


def _resources(ray, sweep: Sweep, npus: int | None, cpus: int | None) -> dict[str, Any]:
    """What a run asks Ray for: CPUs and NPUs, no more than one machine has."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most_cpus, most_npus = (int(max(node.get(kind, 0) for node in nodes)) for kind in ("CPU", "NPU"))
    ascend = any(sweep.parameters(point).get("device") == "Ascend" for point in sweep.points)
    npus = int(ascend) if npus is None else npus
    if npus > most_npus:
        raise InputError(f"npus: {npus} given; a machine has {most_npus} at most, allowed is up to that")
    share = most_cpus * npus // most_npus if npus else most_cpus
    cpus = max(1, share) if cpus is None else cpus
    if not 1 <= cpus <= most_cpus:
        raise InputError(f"cpus: {cpus} given; a machine has {most_cpus} at most, allowed are 1 to {most_cpus}")
    return {"num_cpus": cpus, **({"resources": {"NPU": npus}} if npus else {})}


def _execute(notebook: str, parameters: Mapping[str, Any], has_run_dir: bool, folder: str, cores: int,
             environment: Mapping[str, str]) -> tuple[str, dict[str, Any] | None, str | None]:
    """One run, in a Ray worker: the executed notebook, its row, and what went wrong."""
    import papermill
    import ray

    if os.path.isdir(folder):
        os.chdir(folder)
    # Here and not as Ray's runtime_env, with which no worker starts where the path of Python has a space in it.
    os.environ.update(environment)
    if NPU_VARIABLE in os.environ:  # CANN wants them ascending
        os.environ[NPU_VARIABLE] = ",".join(sorted(os.environ[NPU_VARIABLE].split(","), key=int))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ghostlib-") as scratch:
        source, done, run_dir = (Path(scratch) / name for name in ("notebook.ipynb", "done.ipynb", "run"))
        source.write_text(notebook, encoding="utf-8")
        error, given = None, {**parameters, **({"run_dir": str(run_dir)} if has_run_dir else {})}
        try:
            with own_cores(cores) if cores else nullcontext():
                papermill.execute_notebook(source, done, given, progress_bar=False, cwd=os.getcwd())
        except papermill.PapermillExecutionError as problem:
            error = f"{problem.ename}: {' '.join(problem.evalue.split())[:300]}"
        where = {"wall_seconds": round(time.perf_counter() - start, 1), "npus": os.environ.get(NPU_VARIABLE, ""),
                 "node": ray.get_runtime_context().get_node_id()}
        row = None if error else {**(results.read_row(run_dir) if (run_dir / results.ROW).exists() else parameters),
                                  **where}
        return done.read_text(encoding="utf-8") if done.exists() else "", row, error
