"""Tidy results: one row a run, in files that are whole or absent. Knows nothing of MindSpore."""

import functools
import io
import json
import math
import os
import platform
import subprocess
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib import processor
from ghostlib.atomic import remove_parts, write_text
from ghostlib.config import Config
from ghostlib.errors import InputError, some
from ghostlib.former_names import in_rows
from ghostlib.lock import LOCK, hold
from ghostlib.paths import expand

ROW = "row.json"


def make_row(config: Config, **measured: Any) -> dict[str, Any]:
    """One run's row: every field of its Config, where and with what it ran, and what was measured.

    `weights` is, as in the paper's tables, how many the network has; the file a run started from, Config's field of
    that name, is in `weights_from`. A mapping (`ratio`) is written as JSON.
    """
    fields = config.model_dump()
    fields["weights_from"] = fields.pop("weights")
    fields = {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in fields.items()}
    return {**fields, **measured, **provenance()}


@functools.cache  # what a process imported is what was there when it began; files may change while it runs
def provenance() -> dict[str, str | int]:
    """The commit, the machine and the versions that a result depends on."""
    return {"commit": _commit(), "machine": processor.name(), "cores": os.cpu_count() or 1,
            "python": platform.python_version(),
            **{name: version_of(name) for name in ("mindspore", "numpy")}}


def distributions_of(package: str) -> list[str]:
    """What brought a package that can be imported: mindspore comes as mindspore, mindspore-dev or mindspore-ascend."""
    return sorted(set(metadata.packages_distributions().get(package, [])))


def version_of(package: str) -> str:
    """The version of an installed package, by whatever name it was installed; "" where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return next((metadata.version(name) for name in distributions_of(package)), "")


def _commit() -> str:
    """The commit checked out where this package lies, with "+" where files differ from it; "" outside a checkout of it, such
    as in an environment that lies in somebody else's."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True,
                              check=True).stdout.strip()
    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", "*.py", "*.?pp") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def to_json(value: Any) -> str:
    """A value as JSON that every reader takes: a number that is not finite, for which JSON has no word, is null."""
    def known(part: Any) -> Any:
        if isinstance(part, float):
            return part if math.isfinite(part) else None
        if isinstance(part, Mapping):
            return {name: known(one) for name, one in part.items()}
        return [known(one) for one in part] if isinstance(part, (list, tuple)) else part
    return json.dumps(known(value), indent=1, allow_nan=False) + "\n"


def write_row(run_dir: Path, row: Mapping[str, Any]) -> Path:
    """Writes `run_dir/row.json`, the sign that the run is complete."""
    path = run_dir / ROW
    write_text(path, to_json(row))
    return path


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; `InputError` where there is none or it is broken."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(row, dict):
            raise ValueError(f"a {type(row).__name__}, not a mapping")
        return row
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no complete run ({error})") from None


def read_row(run_dir: str | Path, needs: Mapping[str, type] | None = None) -> dict[str, Any]:
    """A run's row.

    Args:
        run_dir: The run's folder.
        needs: Columns that must be there, with the type that each must have; `float` takes whole numbers, too.

    Raises:
        InputError: Where there is none, it is broken, or lacks what it needs.
    """
    path = Path(expand(run_dir, "run_dir")) / ROW
    row = read_json(path)
    for name, wanted in (needs or {}).items():
        taken: tuple[type, ...] = (int, float) if wanted is float else (wanted,)
        if not isinstance(row.get(name), taken) or (isinstance(row[name], bool) and wanted is not bool):
            raise InputError(f"{path}: {name}: {row.get(name)!r} found; wanted is a {wanted.__name__}, as a finished run "
                             f"leaves it")
    return row


def collect(run_dirs: Iterable[str | Path], needs: Mapping[str, type] | None = None) -> pd.DataFrame:
    """One table of many runs' rows, in the order given; what a run did not record is missing, never 0. See `read_row`."""
    return pd.DataFrame([read_row(run_dir, needs) for run_dir in run_dirs])


def record(path: str | Path, rows: pd.DataFrame, key: Sequence[str], prune: bool = False, stay: Collection[str] = ()) -> str:
    """Puts rows into a recorded table; no row of another point or run is lost, unless told, also when several do it at once.

    A row that says what it said before stays as it is written there, to the byte, and so does every row of others.

    Args:
        path: The table, a CSV file; made where there is none.
        rows: What is to be in it; these come first. Must have rows.
        key: The columns by which rows are of one point or run; one may have several rows, which are replaced together.
        prune: Whether rows of points or runs that are not among `rows` go.
        stay: Values of a key of one column whose rows stay all the same: what is meant to be there, though not on this
            machine.

    Returns:
        What happened, in words.

    Raises:
        InputError: For a table without these columns, which holds something else, or one that another process keeps from us.
        RunError: If it cannot be written.
    """
    path = Path(path)
    with hold(path.parent, str(path), f".{path.name}{LOCK}"):  # the table alone: who calls may hold its folder
        remove_parts(path)
        return _record(path, _as_text(rows.to_csv(index=False)), key, prune, set(stay))


def clear(path: str | Path) -> str | None:
    """Takes all rows out of a recorded table, as pruning does where there are no fresh ones; what happened, in words, or
    None where there was nothing to take."""
    path = Path(path)
    if not path.exists():
        return None
    with hold(path.parent, str(path), f".{path.name}{LOCK}"):
        there = _as_text(_content(path))
        if there.empty:
            return None
        write_table(path, there[:0])
    return f"0 rows; {len(there)} that are not among these went"


def _record(path: Path, fresh: pd.DataFrame, key: Sequence[str], prune: bool, stay: Collection[str]) -> str:
    check_recorded(path, key)
    old = _as_text(_content(path)) if path.exists() else fresh[:0]
    groups, before = ({one: list(own) for one, own in _by_key(table, key)} for table in (fresh, old))
    same = {one for one, own in groups.items() if one in before
            and list(map(_normal, own)) == list(map(_normal, before[one]))}
    parts = [f"{sum(len(own) for one, own in groups.items() if one not in before)} new",
             f"{sum(len(own) for one, own in groups.items() if one in before and one not in same)} replaced"]
    absent = {one: own for one, own in before.items() if one not in groups}
    spare = {one for one in absent if len(one) == 1 and one[0] in stay}
    others = {one: own for one, own in absent.items() if not prune or one in spare}
    if left := sum(len(own) for one, own in absent.items() if one not in spare):
        parts.append(f"{left} that are not among these {'went' if prune else 'stay (--prune removes them)'}")
    whole = [row for one, own in {**groups, **others}.items() for row in (before[one] if one in same else own)]
    columns = list(dict.fromkeys([*(fresh if prune or not len(old) else old), *fresh]))
    write_table(path, pd.DataFrame(whole, columns=columns).fillna(""))
    return f"{len(whole)} rows" + (f"; {', '.join(parts)}" if len(old) else "")


def check_recorded(path: Path, columns: Sequence[str]) -> None:
    """Refuses a recorded table without these columns: it holds something else. To be called before what takes long."""
    if path.exists() and (lacking := [name for name in columns if name not in _as_text(_content(path))]):
        raise InputError(f"{path}: holds no column {some(lacking)}, so something else than these rows; allowed is another "
                         f"file")


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table of results ({error})") from None


def _as_text(content: str) -> pd.DataFrame:
    """A CSV file's cells as they are written: a number that is read and written again may change its last digit."""
    try:
        return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)
    except ValueError:  # an empty file
        return pd.DataFrame()


def _by_key(table: pd.DataFrame, key: Sequence[str]) -> Iterator[tuple[tuple[str, ...], list[dict[Hashable, str]]]]:
    found: dict[tuple[str, ...], list[dict[Hashable, str]]] = {}
    for row in table.to_dict("records"):
        found.setdefault(tuple(_number(row[name]) for name in key), []).append(row)
    yield from found.items()


def _normal(row: Mapping[Hashable, str]) -> dict[Hashable, str]:
    """What a row says, however it is written; what it does not say is no part of it."""
    return {name: _number(text) for name, text in row.items() if text}


def _number(text: str) -> str:
    """A cell's text; of a number, the same for 1 and 1.0. A long word is none, such as a point's key, in hexadecimal."""
    if len(text) > 15 and text.isalnum():
        return text
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def remark_on_fingerprints(rows: pd.DataFrame) -> str | None:
    """The line that says that rows of one dataset were made from different images; None if they were not."""
    if not {"data_fingerprint", "dataset"} <= set(rows.columns):
        return None
    known = rows.dropna(subset="data_fingerprint").astype({"data_fingerprint": str})
    mixed = [(name, own.data_fingerprint.value_counts()) for name, own in known.groupby("dataset")
             if own.data_fingerprint.nunique() > 1]
    return "; ".join(f"{name}: rows of different images stand in one table: " + some(
        f"{count} of {print_[:8]}" for print_, count in counts.items()) for name, counts in mixed) or None


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Writes a table as CSV in one step, see `write_bytes`."""
    write_text(Path(path), table.to_csv(index=False))


def read_table(path: str | Path) -> pd.DataFrame:
    """A table of recorded rows; `InputError` where there is none."""
    path = Path(expand(path, "table"))
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        where = "" if path.is_absolute() or path.exists() else f"; looked in {Path.cwd()}, and paths begin at the lab's top"
        raise InputError(f"{path}: no table of results ({error}){where}") from None
    return in_rows(rows)


def origins(rows: pd.DataFrame) -> str:
    """What recorded rows came from, each named once: machine, MindSpore and commit."""
    return "; ".join(f"{label}{', '.join(map(str, rows[column].unique()))}" for label, column in
                     (("", "machine"), ("MindSpore ", "mindspore"), ("commit ", "commit")))


def wilson_interval(fraction: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """The range of true fractions that fit one observed in `count` independent trials; 95 % for z = 1.96.

    Source: Wilson 1927; unlike the normal approximation it stays within 0 and 1.
    """
    centre = (fraction + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (fraction * (1 - fraction) / count + z * z / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
