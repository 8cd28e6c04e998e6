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
    """The rows of a sweep's finished points, also written to rows.csv."""
    table = pd.DataFrame(list(rows_there(sweep).values()))
    if len(table):
        sweep.folder.mkdir(parents=True, exist_ok=True)
        results.write_table(sweep.folder / "rows.csv", table)
    return table


def plan(sweep: Sweep) -> pd.DataFrame:
    """What a sweep would run: for each point its parameters, weights, multiply-adds and seconds, and whether it is there.

    The seconds of a point that is not there are estimated from those that are, by their multiply-adds.
    """
    rows, found = [], rows_there(sweep)
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


def keep(sweep: Sweep, point: Point, executed: str, row: Mapping[str, Any]) -> None:
    """Writes a finished run: its notebook, then its row, which is the sign that it is there, then all rows."""
    results.write_text(sweep.folder / f"{point.key}.ipynb", executed)
    (sweep.folder / f"{point.key}.failed.ipynb").unlink(missing_ok=True)
    told = {"point": point.key, "notebook": str(sweep.notebook), **row}
    results.write_text(_row_file(sweep, point), json.dumps(told, indent=1) + "\n")
    collect(sweep)


def rows_there(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """The rows of a sweep's finished points by their keys, in the grid's order: recorded before, or in its folder."""
    found: dict[str, dict[str, Any]] = {}
    if sweep.recorded.exists():
        table = results.read_table(sweep.recorded)
        for row in table.astype(object).where(table.notna(), None).to_dict("records") if "point" in table else []:
            found[row["point"]] = row
    for point in sweep.points:
        if _row_file(sweep, point).exists():
            found[point.key] = json.loads(_row_file(sweep, point).read_text())
    return {point.key: found[point.key] for point in sweep.points if point.key in found}


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
    from ghostlib.train import build

    cost = count(build(config), (3, config.image_size, config.image_size))
    return {"weights": cost.weights, "macs": cost.macs}
