"""A run: trained, and told how it went."""

from pathlib import Path

import click

from ghostlib.commands.group import PATH, changes, main, with_params


@main.command_of("train", "ghostlib train notebooks/params/train_smoke.yaml -p ratio 4 -p run_dir data/runs/mine")
@with_params
def train(params: Path, pairs) -> None:
    """Train the network of a parameter file; notebooks/train.ipynb does the same with the same file."""
    from ghostlib.config import Config
    from ghostlib.training import launch
    config = Config.load(params, changes(pairs))
    for remark in config.remarks():
        click.echo(f"note: {remark}", err=True)
    if config.devices > 1 and launch.process_count() is None:
        whole = ["--traceback"] if click.get_current_context().find_root().params["traceback"] else []
        started = launch.Launch(config, [*whole, "train", str(params), *(word for pair in pairs for word in ("-p", *pair))])
        click.echo(started)
        with started:
            for _ in started.follow():
                pass
        return
    from ghostlib.training import train as run
    result = run(config, compile_cache=True)
    from ghostlib.training.run_folder import files_of
    click.echo(f"{result.test}\nin {config.run_dir}: {', '.join(files_of(config.run_dir))}")


@main.command_of("train", "ghostlib report data/runs/mine --latex")
@click.argument("run_dirs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("--markdown", "kind", flag_value="markdown", help="A table of all runs, one line for those of all seeds.")
@click.option("--latex", "kind", flag_value="latex", help="The same for LaTeX with booktabs.")
@click.option("--csv", "kind", flag_value="csv", help="The same with all digits.")
def report(run_dirs: tuple[Path, ...], kind: str | None) -> None:
    """Say how a finished run ended and what to try next; of several, a table to publish, means with intervals over seeds."""
    if kind or len(run_dirs) > 1:
        _report_table(run_dirs, kind or "markdown")
    else:
        _report_run(run_dirs[0])


def _report_table(run_dirs: tuple[Path, ...], kind: str) -> None:
    from ghostlib import results
    from ghostlib.config import Config
    from ghostlib.studies import report
    rows = results.collect(run_dirs, {"top1": float, "weights": int, "macs": int, "seed": int})
    table = report.table_of(rows, list(Config.model_fields))
    if dropped := report.repeats(rows, table):
        click.echo(f"note: {dropped} of {len(rows)} runs not counted: another one of the same seed differs in nothing",
                   err=True)
    click.echo(report.FORMATS[kind](table))


def _report_run(run_dir: Path) -> None:
    from ghostlib import results
    from ghostlib.paths import lab
    from ghostlib.training.run_folder import FILES, files_of
    row = results.read_row(run_dir, {"model": str, **dict.fromkeys(("test_images", "weights", "macs", "epochs"), int),
                                     **dict.fromkeys(("top1", "seconds"), float)})
    click.echo(f"top-1 {100 * row['top1']:.1f} %")
    click.echo(f"of {row['test_images']} test images; {row['model']} with {row['weights']:,} weights and "
               f"{row['macs'] / 1e6:.1f} M multiply-adds, {row['epochs']} epochs, {row['seconds']:.0f} s in all")
    click.echo(f"in {run_dir}:")
    for name in files_of(run_dir):
        click.echo(f"  {name:<17} {FILES.get(name, 'the executed notebook: curves, mistakes, ghost feature maps')}")
    if (lab() / "Makefile").is_file():  # not where ghostlib is installed without its checkout
        click.echo("next: make lab, which opens the notebooks; begin with tutorials/1_ghost_module.ipynb")
