"""What a sweep's finished points left: their rows, found again, written to one table and used to plan the rest."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib import atomic, results
from ghostlib.config import Config
from ghostlib.errors import InputError, some
from ghostlib.sweep.grid import Point, Sweep


def write_rows(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Writes the rows of a sweep's finished points, one for each, to rows.csv, and gives them.

    Args:
        sweep: Whose points they are.
        rows: The rows by key, in any order; None looks for them.
    """
    found = rows_there(sweep) if rows is None else rows
    table = pd.DataFrame([found[point.key] for point in sweep.points if point.key in found])
    if len(table):
        sweep.folder.mkdir(parents=True, exist_ok=True)
        results.write_table(sweep.folder / "rows.csv", table)
    return table


def plan(sweep: Sweep, again: bool = False, there: Mapping[str, Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """What a sweep would run: for each point its parameters, weights, multiply-adds and seconds, and whether it is there.

    The seconds of a point that never ran are estimated from those that did, by their multiply-adds for one image, their
    epochs and how often each shows an image. With `again`
    a row that other code made counts for that, and not as there. `there` are the rows that `rows_there` found, where
    somebody has looked already.
    """
    rows, found = [], rows_there(sweep) if there is None else there
    runs_again = to_run_again(sweep, found) if again else set()
    costs = _costs(sweep, [point for point in sweep.points if not found.get(point.key)])
    for point in sweep.points:
        row = found.get(point.key) or costs[point.key]
        # As in a row, `weights` are how many there are, and the file that a run starts from is weights_from.
        own = {"weights_from" if name == "weights" else name: value for name, value in point.parameters.items()}
        rows.append({**own, "there": point.key in found and point.key not in runs_again,
                     **{name: row.get(name) for name in ("weights", "macs", "seconds")}})
    table = pd.DataFrame(rows)
    work = table.macs.astype(float) * [_passes(sweep.config(point)) for point in sweep.points]
    done = table.seconds.notna() & work.notna()
    if done.any():
        rate = table.seconds[done].sum() / work[done].sum()
        table["seconds"] = table.seconds.fillna((work * rate).round())
    return table


def _passes(config: Config) -> int:
    """How often a run shows an image, one that only judges once."""
    return max(1, config.epochs * config.repeats)


def _costs(sweep: Sweep, points: Sequence[Point]) -> dict[str, dict[str, int]]:
    """What each point's network costs; MindSpore is imported where there are points."""
    if not points:
        return {}
    from ghostlib.sweep.costs import costs_of
    return dict(zip((point.key for point in points), costs_of(map(sweep.config, points))))


def store(sweep: Sweep, point: Point, executed: str, row: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Writes a finished run: its notebook and the files it is to keep, then its row, which is the sign that it is there.

    Returns:
        The row, as it is found again.
    """
    atomic.write_text(sweep.folder / f"{point.key}.ipynb", executed)
    for name, content in files.items():
        atomic.write_bytes(kept_file(sweep, point, name), content)
    (sweep.folder / f"{point.key}.failed.ipynb").unlink(missing_ok=True)
    told = {"point": point.key, "notebook": sweep.named, "code": sweep.code, **row}
    atomic.write_text(_row_file(sweep, point), results.to_json(told))
    return results.read_json(_row_file(sweep, point))


def rows_there(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """The rows of a sweep's finished points by their keys, in the grid's order: recorded before, or in its folder.

    Of two rows of one point, a recorded one and one in the folder, that of the notebook's present code counts, else the
    folder's.

    Raises:
        InputError: For a recorded table with two rows of one point.
    """
    found = _recorded(sweep)
    for point in sweep.points:
        if _row_file(sweep, point).exists():
            row = results.read_json(_row_file(sweep, point))
            if row.get("code") == sweep.code or found.get(point.key, {}).get("code") != sweep.code:
                found[point.key] = row
    return {point.key: found[point.key] for point in sweep.points if point.key in found}


def _recorded(sweep: Sweep) -> dict[str, dict[str, Any]]:
    if not sweep.recorded.exists():
        return {}
    table = results.read_table(sweep.recorded)
    if "point" not in table:
        return {}
    if table.point.duplicated().any():
        twice = some(table.point[table.point.duplicated()].unique())
        raise InputError(f"{sweep.recorded}: point: {twice} stands there more than once; allowed is one row of each point")
    return {row["point"]: row for row in table.astype(object).where(table.notna(), None).to_dict("records")}


def record(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]], prune: bool = False) -> list[str]:
    """Puts the rows that are there into the recorded table, and the tables that are kept into one each.

    Args:
        sweep: Some of whose points are there.
        rows: Theirs, as `rows_there` found them.
        prune: Whether rows of points that are no longer in the grid go.

    Returns:
        What happened, a line for each table.
    """
    tables = {sweep.recorded: pd.DataFrame(list(rows.values()))}
    for name in sweep.tables:
        if len(kept := _kept_tables(sweep, name)):
            tables[sweep.recorded.with_name(f"{sweep.name}_{name}")] = kept
    planned = {point.key for point in sweep.points}
    return [f"{path}: {results.record(path, table, ['point'], prune, planned)}" for path, table in tables.items()]


def _kept_tables(sweep: Sweep, name: str) -> pd.DataFrame:
    """A table that runs left, of all points in one, with the parameters in which these differ; those that the table has a
    column of its own for, such as an epoch's learning rate, stand in the runs' rows alone."""
    parts = []
    for point in sweep.points:
        if (path := kept_file(sweep, point, name)).exists():
            told = {key: json.dumps(value) if isinstance(value, (dict, list)) else value
                    for key, value in point.parameters.items()}
            own = results.read_table(path)
            parts.append(own.assign(point=point.key, **{key: value for key, value in told.items() if key not in own}))
    return pd.concat(parts) if parts else pd.DataFrame()


def lacking_files(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys of those rows beside which a file is missing that is to be kept."""
    return [point.key for point in sweep.points if point.key in rows
            and any(not kept_file(sweep, point, name).exists() for name in sweep.keep)]


def kept_file(sweep: Sweep, point: Point, name: str) -> Path:
    """Where a file of a run's folder is kept."""
    return sweep.folder / f"{point.key}.{name}"


def made_by_other_code(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys of those rows that were made by another state of the notebook's code cells than today's."""
    return [key for key, row in rows.items() if row.get("code") != sweep.code]


def to_run_again(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The keys of those rows that `again` makes anew: of other code, or without a file to keep."""
    return {*made_by_other_code(sweep, rows), *lacking_files(sweep, rows)}


def remark_on_rows(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The line that says how many of a sweep's rows other code made or lack a file to keep; None if none do."""
    parts = []
    if other := made_by_other_code(sweep, rows):
        parts.append(f"{len(other)} of {len(rows)} rows were made by other code of {sweep.named} and count")
    if lacking := lacking_files(sweep, rows):
        parts.append(f"{len(lacking)} of {len(rows)} runs lack {some(sweep.keep)} and count")
    return f"{sweep.name}: {'; '.join(parts)}; --again runs them anew" if parts else None


def _row_file(sweep: Sweep, point: Point) -> Path:
    return sweep.folder / f"{point.key}.json"


def check_folder(sweep: Sweep) -> None:
    """Refuses to write into a folder whose rows.csv is of another notebook, or no table of a sweep at all.

    Another grid of the same name and notebook cannot be told from this one with other points, and is let through: rows.csv
    is then of its points; the others' own files stay.
    """
    rows = sweep.folder / "rows.csv"
    if rows.exists():
        table = results.read_table(rows)
        other = set(table.notebook) - {sweep.named} if "notebook" in table else {"something else"}
        if "point" not in table or other:
            raise InputError(f"{rows}: holds the rows of {some(other) or 'something else'}, not of {sweep.named}; move it "
                             f"away or name the grid differently")
    if sweep.recorded.exists() and "point" not in results.read_table(sweep.recorded):
        raise InputError(f"{sweep.recorded}: holds something else than the rows of a sweep; move it away or name the grid "
                         f"differently")
