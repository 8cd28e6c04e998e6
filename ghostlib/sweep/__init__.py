"""Many papermill runs of one notebook, spread by Ray over cores, NPUs or a cluster: what `ghostlib sweep` does.

A grid is a YAML file: `notebook`, `params` (a file of parameters, or the parameters), `grid` (for each parameter a list
of values, of which every combination is a point; or a list of such grids, put together) and `seeds`. A point is known
by the notebook's name and its parameters, so that the same command runs only what is missing or new. A row that was made
by other code of the notebook counts as well: its column `code` says so, and `again` runs it anew.

Runs hand their notebook and their row back; this process alone writes, to `data/runs/NAME/`: for each point KEY.json and
KEY.ipynb, and `rows.csv`. No disk needs to be shared, and whatever is killed leaves nothing half written. A point whose row
is recorded in `data/results/NAME.csv` counts as there, too, so that a study goes on in another checkout.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from ghostlib import results
from ghostlib.errors import RunError
from ghostlib.sweep.cluster import run_points
from ghostlib.sweep.grid import Point, Sweep, read
from ghostlib.sweep.rows import check_folder, collect, made_by_other_code, plan, remark_on_code, rows_there

__all__ = ["Point", "Sweep", "collect", "plan", "read", "remark_on_code", "rows_there", "run"]


def run(sweep: Sweep | str | Path, address: str | None = None, npus: int | None = None, cpus: int | None = None,
        record: bool = False, progress: bool = True, say=print, again: bool = False, **ray_options: Any) -> pd.DataFrame:
    """Runs what is missing of a sweep and collects its rows.

    Args:
        sweep: A Sweep, or the path of a grid.
        address: HOST:PORT of a Ray cluster; None starts Ray on this machine, if there is anything to run.
        npus: NPUs of each run; None is as many as `devices` says where `device` is Ascend, else none.
        cpus: CPUs, and threads, of each run; None gives a run all of a machine's, so that one runs at a time, or with
            NPUs a fair share.
        record: Whether to copy the rows to data/results/NAME.csv when all are there.
        progress: Whether to show a bar.
        say: Gets each line of what happened.
        again: Whether to run anew the points whose rows were made by other code of the notebook.
        **ray_options: For `ray.init`, where no address is given.

    Returns:
        One row for each point, in the grid's order.

    Raises:
        InputError: For an address that does not answer, more CPUs or NPUs than there are, or a recorded table with two
            rows of one point.
        RunError: When points failed; the others are finished and kept.
    """
    sweep = sweep if isinstance(sweep, Sweep) else read(sweep)
    check_folder(sweep)
    there = rows_there(sweep)
    runs_again = made_by_other_code(sweep, there) if again else []
    missing = [point for point in sweep.points if point.key not in there or point.key in runs_again]
    if not again and (remark := remark_on_code(sweep, there)):
        say(remark)
    if not missing:
        say(f"{sweep.name}: all {len(sweep.points)} points are there; nothing to run")
    failed = run_points(sweep, missing, address, npus, cpus, progress, say, ray_options) if missing else []
    table = collect(sweep)
    if failed:
        raise RunError(f"{sweep.name}: {len(failed)} of {len(missing)} runs failed, see {sweep.folder}; the same "
                       f"command tries them again")
    if record:
        sweep.recorded.parent.mkdir(parents=True, exist_ok=True)
        results.write_table(sweep.recorded, table)
        say(f"{sweep.recorded}: {len(table)} rows")
    return table
