"""A grid of runs, read from its file and checked before anything starts."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostlib.config import Config
from ghostlib.errors import InputError, nearest, some
from ghostlib.notebook import code_hash, parameters_of, readable
from ghostlib.notebook import read as read_notebook
from ghostlib.paths import expand, lab
from ghostlib.yaml_input import read_yaml

RUNS, RESULTS = Path("data/runs"), Path("data/results")  # where a sweep works, and where its rows are recorded
OWN = {"json", "ipynb", "failed.ipynb"}  # beside a key, what a sweep writes itself
FIELDS = {"notebook", "params", "grid", "seeds", "keep", "record"}
KEYLESS = {"run_dir", "decoded"}  # parameters that decide nothing about what comes out of a run


@dataclass(frozen=True)
class Point:
    """One run: its parameters, and the key that they and the notebook's name make."""

    key: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.parameters.items())


@dataclass(frozen=True)
class Sweep:
    """A grid read and checked; `name` is the file's.

    Attributes:
        name: Where its runs and results go.
        notebook: Where the notebook was found.
        named: What the grid calls it; rows tell this.
        code: The hash of the notebook's code cells (`notebook.code_hash`), a column of every row that it makes.
        fixed: Parameters that all points share.
        points: Only what differs between them, and the seed.
        has_run_dir: Whether the notebook takes a run folder, and leaves its row there.
        keep: Names of files in a run's folder that are brought back beside its notebook.
        tables: Those of them that are recorded, put together.
    """

    name: str
    notebook: Path
    named: str
    code: str
    fixed: Mapping[str, Any]
    points: tuple[Point, ...]
    has_run_dir: bool
    keep: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its runs go."""
        return RUNS / self.name

    @property
    def recorded(self) -> Path:
        """Where its rows are recorded."""
        return RESULTS / f"{self.name}.csv"

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
    notebook = _find(path, values["notebook"], "notebook")
    known = _parameters_of(notebook)
    known |= set(Config.model_fields) if "data_dir" in known else set()  # its Config takes what papermill passes on
    fixed = values.get("params") or {}
    fixed = read_yaml(_find(path, fixed, "params")) if isinstance(fixed, str) else fixed
    if not isinstance(fixed, dict):
        raise InputError(f"{path}: params: {fixed!r} given; allowed are a file of parameters, or parameters")
    combinations = list(_combinations(path, values.get("grid"), values.get("seeds")))
    for name in {*fixed, *(name for one in combinations for name in one)}:
        if name not in known:
            raise InputError(f"{path}: {name}: {notebook} has no such parameter; {nearest(name, sorted(known))}")
    points = [Point(key_of(notebook, {**fixed, **one}), one) for one in combinations]
    seen: set[str] = set()
    for point in points:
        if point.key in seen:
            raise InputError(f"{path}: the point {point} is there twice; allowed is once")
        seen.add(point.key)
        _check(path, {**fixed, **point.parameters}, point)
    keep = _kept(path, values.get("keep"), "run_dir" in known)
    return Sweep(path.stem, notebook, values["notebook"], code_hash(read_notebook(notebook)),
                 {name: value for name, value in fixed.items() if name != "run_dir"}, tuple(points), "run_dir" in known,
                 keep, _recorded(path, values.get("record"), keep))


def _find(grid: Path, name: str, field: str) -> Path:
    """A file that a grid names: in the current folder, else beside the grid or above it, as from the lab's top."""
    wanted = Path(expand(name, field))
    places = [Path(), *grid.absolute().parents, lab()]
    found = next((place / wanted for place in places if (place / wanted).is_file()), None)
    if found is None:
        raise InputError(f"{field}: {name} does not exist; looked in this folder, beside {grid} and above it, and in "
                         f"{lab()}")
    return found


def _kept(path: Path, names: Any, has_run_dir: bool) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() and name == Path(name).name
                                              for name in names):
        raise InputError(f"{path}: keep: {names!r} given; allowed is a list of names of files in a run's folder")
    if taken := OWN & set(names):
        raise InputError(f"{path}: keep: {some(sorted(taken))} given, which is a sweep's own file; allowed are a run's")
    if names and not has_run_dir:
        raise InputError(f"{path}: keep: {names!r} given; the notebook has no run_dir, of which files could be kept")
    return tuple(names)


def _recorded(path: Path, names: Any, keep: tuple[str, ...]) -> tuple[str, ...]:
    tables = tuple(name for name in keep if name.endswith(".csv"))
    if names is None:
        return tables
    if not isinstance(names, list) or not set(names) <= set(tables):
        raise InputError(f"{path}: record: {names!r} given; allowed is a list of tables that are kept"
                         + (f", of {', '.join(tables)}" if tables else ", and none is"))
    return tuple(names)


def _combinations(path: Path, grid: Any, seeds: Any) -> Iterator[dict[str, Any]]:
    grids = grid if isinstance(grid, list) else [grid]
    if not grids or any(not isinstance(one, dict) or not one or not all(isinstance(values, list) and values
                                                                      for values in one.values()) for one in grids):
        raise InputError(f"{path}: grid: {grid!r} given; wanted is for each parameter a list of values, at least one, or "
                         f"a list of such grids")
    if seeds is not None and (not isinstance(seeds, list) or not seeds):
        raise InputError(f"{path}: seeds: {seeds!r} given; allowed is a list of integers")
    made = [{**dict(zip(one, values)), **({} if seed is None else {"seed": seed})}
            for seed in (seeds if seeds is not None else [None]) for one in grids
            for values in itertools.product(*one.values())]
    # Seeds outermost, also those within grids: what ends early is all of a smaller study.
    yield from sorted(made, key=lambda one: one["seed"] if isinstance(one.get("seed"), int) else -1)


def _parameters_of(notebook: Path) -> set[str]:
    with readable(notebook):
        known = set(parameters_of(read_notebook(notebook)))
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


def key_of(notebook: Path, parameters: Mapping[str, Any]) -> str:
    """A point's key: a hash of the notebook's name and of the parameters that it is given, but for KEYLESS.

    Code is no part of it: a renamed module or a comment would make every recorded run count as missing.
    """
    told = json.dumps({name: value for name, value in parameters.items() if name not in KEYLESS}, sort_keys=True)
    return hashlib.sha256(f"{notebook.name}\0{told}".encode()).hexdigest()[:16]
