"""What a sweep's finished points left: their rows, found again, collected and used to plan the rest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib import results
from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.sweep.grid import Point, Sweep


def collect(sweep: Sweep) -> pd.DataFrame:
    """The rows of a sweep's finished points, one for each, also written to rows.csv."""
    table = pd.DataFrame(list(rows_there(sweep).values()))
    if len(table):
        sweep.folder.mkdir(parents=True, exist_ok=True)
        results.write_table(sweep.folder / "rows.csv", table)
    return table


def plan(sweep: Sweep, again: bool = False) -> pd.DataFrame:
    """What a sweep would run: for each point its parameters, weights, multiply-adds and seconds, and whether it is there.

    The seconds of a point that never ran are estimated from those that did, by their multiply-adds. With `again`
    a row that other code made counts for that, and not as there.
    """
    rows, found = [], rows_there(sweep)
    runs_again = set(made_by_other_code(sweep, found)) if again else set()
    for point in sweep.points:
        row = found.get(point.key) or _counted(sweep.config(point))
        # As in a row, `weights` are how many there are, and the file that a run starts from is weights_from.
        own = {"weights_from" if name == "weights" else name: value for name, value in point.parameters.items()}
        rows.append({**own, "there": point.key in found and point.key not in runs_again,
                     **{name: row.get(name) for name in ("weights", "macs", "seconds")}})
    table = pd.DataFrame(rows)
    done = table[table.seconds.notna() & table.macs.notna()]
    if len(done):
        rate = done.seconds.sum() / done.macs.sum()
        table["seconds"] = table.seconds.fillna((table.macs.astype(float) * rate).round())
    return table


def keep(sweep: Sweep, point: Point, executed: str, row: Mapping[str, Any]) -> None:
    """Writes a finished run: its notebook, then its row, which is the sign that it is there, then all rows."""
    results.write_text(sweep.folder / f"{point.key}.ipynb", executed)
    (sweep.folder / f"{point.key}.failed.ipynb").unlink(missing_ok=True)
    told = {"point": point.key, "notebook": str(sweep.notebook), "code": sweep.code, **row}
    results.write_text(_row_file(sweep, point), json.dumps(told, indent=1) + "\n")
    collect(sweep)


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
            row = json.loads(_row_file(sweep, point).read_text())
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
        twice = ", ".join(table.point[table.point.duplicated()].unique()[:5])
        raise InputError(f"{sweep.recorded}: point: {twice} stands there more than once; allowed is one row of each point")
    return {row["point"]: row for row in table.astype(object).where(table.notna(), None).to_dict("records")}


def made_by_other_code(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys of those rows that were made by another state of the notebook's code cells than today's."""
    return [key for key, row in rows.items() if row.get("code") != sweep.code]


def remark_on_code(sweep: Sweep, rows: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The line that says how many of a sweep's rows other code made; None if none were."""
    other = made_by_other_code(sweep, rows)
    return (f"{sweep.name}: {len(other)} of {len(rows)} rows were made by other code of {sweep.notebook} and count; "
            f"--again runs them anew") if other else None


def _row_file(sweep: Sweep, point: Point) -> Path:
    return sweep.folder / f"{point.key}.json"


def check_folder(sweep: Sweep) -> None:
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
    from ghostlib.training.loop import build

    cost = count(build(config), (3, config.image_size, config.image_size))
    return {"weights": cost.weights, "macs": cost.macs}
