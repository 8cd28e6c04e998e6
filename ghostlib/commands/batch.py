"""Many runs at once, and their rows put together."""

from pathlib import Path

import click

from ghostlib.commands.group import PATH, TEXT, main
from ghostlib.extras import need


@main.command_of("batch", "ghostlib sweep notebooks/params/ablate_kernel_smoke.yaml --dry-run")
@click.argument("grid", metavar="GRID.yaml", type=PATH)
@click.option("--address", default=None, type=TEXT, metavar="HOST:PORT", help="A Ray cluster; without it, this machine.")
@click.option("--npus", default=None, type=int, help="NPUs of each run.")
@click.option("--cpus", default=None, type=int, help="CPUs, and threads, of each run; all, or with NPUs a fair share.")
@click.option("--record", is_flag=True, help="Put the rows that are there into data/results/, also when runs failed.")
@click.option("--again", is_flag=True, help="Run anew what other code of the notebook made, or what lacks a file to keep.")
@click.option("--prune", is_flag=True, help="With --record: remove recorded rows of points that are not in the grid.")
@click.option("--dry-run", is_flag=True, help="Only list the runs, what they cost and how long they may take.")
def sweep(grid: Path, address: str | None, npus: int | None, cpus: int | None, record: bool, again: bool,
          prune: bool, dry_run: bool) -> None:
    """Run a notebook at every point of a grid; the same command goes on where it ended."""
    need("ray")  # and said before anything else: all that a sweep wants comes with it
    from ghostlib import sweep as sweeps
    points = sweeps.read(grid)
    if dry_run:
        there = sweeps.rows_there(points)
        table = sweeps.plan(points, again, there)
        if not again and (remark := sweeps.remark_on_rows(points, there)):
            click.echo(remark)
        left = table[~table.there]
        click.echo(table.to_string(index=False, max_colwidth=24))  # a ratio for each layer is long
        click.echo(f"{len(left)} of {len(table)} to run" + (
            f", about {left.seconds.sum() / 60:.0f} minutes one after the other" if left.seconds.notna().any() else ""))
        return
    table = sweeps.run(points, address, npus, cpus, record, report=click.echo, again=again, prune=prune)
    click.echo(f"{points.folder / 'rows.csv'}: {len(table)} rows")


@main.command_of("batch", "ghostlib collect mine.csv data/runs/mine")
@click.argument("table", type=PATH)
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--prune", is_flag=True, help="Remove the rows of other runs from TABLE.")
def collect(table: Path, run_dirs, prune: bool) -> None:
    """Record finished runs: put the rows of RUN_DIRS into TABLE, a CSV file; rows of other runs stay there."""
    from ghostlib import atomic, results
    atomic.check_target(table, "TABLE")
    results.check_recorded(table, ["run_dir"])
    rows = results.collect(run_dirs, {"top1": float, "run_dir": str})
    told = results.record(table, rows, ["run_dir"], prune)
    click.echo(f"{table}: {told}; top-1 of these runs {100 * rows.top1.mean():.2f} % on average")
    if remark := results.remark_on_fingerprints(results.read_table(table)):
        click.echo(f"note: {remark}", err=True)
