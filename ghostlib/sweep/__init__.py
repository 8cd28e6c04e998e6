"""Many papermill runs of one notebook, spread by Ray over cores, NPUs or a cluster: what `ghostlib sweep` does.

A grid is a YAML file: `notebook`, `params` (a file of parameters, or the parameters), `grid` (for each parameter a list
of values, of which every combination is a point; or a list of such grids, put together), `seeds`, `keep` (files of each
run's folder to bring back, such as last.safetensors) and `record` (the tables among them that are put together and
recorded; all, if it does not say). A point is known by the notebook's name and its parameters, so that the same command
runs only what is missing or new. A row that was made by other code of the notebook counts as well: its column `code`
says so, and `again` runs it anew.

Runs hand their notebook and their row back; this process alone writes, to `data/runs/NAME/`: for each point KEY.json and
KEY.ipynb, and `rows.csv` (in one step, when it is due: `table`). No disk needs to be shared, and whatever is killed leaves
nothing half written. A point whose row is recorded in `data/results/NAME.csv` counts as there, too, so that a study goes on
in another checkout.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib import results
from ghostlib.errors import InputError, RunError
from ghostlib.lock import hold
from ghostlib.sweep.cluster import run_points
from ghostlib.sweep.grid import Point, Sweep, read
from ghostlib.sweep.rows import check_folder, plan, remark_on_rows, rows_there, to_run_again, write_rows
from ghostlib.sweep.rows import record as record_rows
from ghostlib.sweep.table import Table

__all__ = ["Point", "Sweep", "plan", "read", "remark_on_rows", "rows_there", "run", "write_rows"]


def run(sweep: Sweep | str | Path, address: str | None = None, npus: int | None = None, cpus: int | None = None,
        record: bool = False, progress: bool = True, report: Callable[[str], None] = print, again: bool = False,
        prune: bool = False, **ray_options: Any) -> pd.DataFrame:
    """Runs what is missing of a sweep and collects its rows.

    Args:
        sweep: A Sweep, or the path of a grid.
        address: HOST:PORT of a Ray cluster; None starts Ray on this machine, if there is anything to run.
        npus: NPUs of each run; None is as many as `devices` says where `device` is Ascend, else none.
        cpus: CPUs, and threads, of each run; None gives a run all of a machine's, so that one runs at a time, or with
            NPUs a fair share.
        record: Whether to put the rows that are there in the end into data/results/NAME.csv, also when runs failed or all
            was interrupted, so that a long study is committed as it grows; rows of other points stay there. A table among
            the files to keep, such as history.csv, goes into data/results/NAME_history.csv.
        progress: Whether to show a bar.
        report: Gets each line of what happened.
        again: Whether to run anew the points whose rows were made by other code of the notebook, or lack a file to keep.
        prune: Whether, with `record`, rows of points that are no longer in the grid go.
        **ray_options: For `ray.init`, where no address is given.

    Returns:
        One row for each point, in the grid's order.

    Raises:
        InputError: For an address that does not answer, more CPUs or NPUs than there are, a recorded table with two
            rows of one point, or a folder in which another process runs a sweep.
        RunError: When points failed; the others are finished and kept.
    """
    sweep = sweep if isinstance(sweep, Sweep) else read(sweep)
    if prune and not record:
        raise InputError("prune: true given, and record is not; allowed with it alone")
    check_folder(sweep)
    there = rows_there(sweep)
    if not again and (remark := remark_on_rows(sweep, there)):
        report(remark)
    missing = _missing(sweep, there, again)
    complete, failed = not missing, []
    try:
        if not complete:
            with hold(sweep.folder, "grid"):
                # Again: who held the folder until now may have left some.
                there = rows_there(sweep)
                missing = _missing(sweep, there, again)
                failed = run_points(sweep, missing, Table(sweep, there), address, npus, cpus, progress, report, ray_options)
        else:
            report(f"{sweep.name}: all {len(sweep.points)} points are there; nothing to run")
    finally:
        there = there if complete else rows_there(sweep)
        table = write_rows(sweep, there)
        if record and len(table):
            for line in record_rows(sweep, there, prune):
                report(line)
    if remark := results.remark_on_fingerprints(table):
        report(f"{sweep.name}: {remark}")
    if failed:
        raise RunError(f"{sweep.name}: {len(failed)} of {len(missing)} runs failed, see {sweep.folder}; the same "
                       f"command tries them again")
    return table


def _missing(sweep: Sweep, there: Mapping[str, Any], again: bool) -> list[Point]:
    anew = to_run_again(sweep, there) if again else set()
    return [point for point in sweep.points if point.key not in there or point.key in anew]
