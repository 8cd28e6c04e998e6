"""The command line: `ghostlib` or `python -m ghostlib`. MindSpore is imported only by the commands that need it."""

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ghostlib.errors import InputError, RunError


class _OneLineErrors(click.Group):
    """Ends bad input with one line and status 2, a failed run with one line and status 1, unless --traceback."""

    def invoke(self, context: click.Context):
        try:
            with _ended_by_sigterm():
                return super().invoke(context)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "ghostlib"
            click.echo(f"ghostlib: {' '.join(error.format_message().split())} ('{command} --help' lists what there is)",
                       err=True)
            sys.exit(2)
        except (InputError, RunError) as error:
            if context.params["traceback"]:
                raise
            click.echo(f"ghostlib: {' '.join(str(error).split())}", err=True)
            sys.exit(2 if isinstance(error, InputError) else 1)
        except KeyboardInterrupt:
            click.echo("ghostlib: interrupted", err=True)
            sys.exit(130)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Has SIGTERM end a command as an interrupt does, with its one line and its lock given back.

    A queue sends it; and MindSpore sends it to its own process in place of an interrupt that comes while a graph runs. One
    process of several is left as it is: it may be waiting in MindSpore for another that is gone, and never hear of it.
    """
    if "MS_ROLE" in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return

    came = []

    def interrupt(*_):
        came.append(True)
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except Exception:
        if came:  # a module that was being imported makes something else of it
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class _Text(click.ParamType):
    """Any text but an empty or blank one, such as a variable of the shell that is not set leaves."""

    name = "text"

    def convert(self, value, param, context):
        if not str(value).strip():
            raise InputError(f"{_field(param)}: {value!r} given, an empty text; allowed is a {self.name}")
        return value


class _Path(_Text):
    """A path, `~` and variables in it replaced."""

    name = "path"

    def convert(self, value, param, context):
        from ghostlib.paths import expand
        return Path(expand(super().convert(value, param, context), _field(param)))


def _field(param) -> str:
    """What a parameter is called where it is typed, as in `--weights` or RUN_DIRS."""
    return param.opts[0] if param.param_type_name == "option" else param.human_readable_name.strip("[]").rstrip(".")


TEXT, PATH = _Text(), _Path()


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def main(traceback: bool) -> None:
    """Networks of cheap operations: see, measure, doubt and train them."""
    for stream in (sys.stdout, sys.stderr):  # names that the terminal cannot encode are escaped and end nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from ghostlib.training.launch import QUIET
    for name, value in QUIET.items():  # MindSpore reads them when it is imported
        os.environ.setdefault(name, value)


def _changes(pairs: tuple[tuple[str, str], ...]) -> dict:
    from ghostlib.config import parse
    return {name: parse(name, text) for name, text in pairs}


def _with_params(command):
    command = click.argument("params", metavar="PARAMS.yaml", type=PATH)(command)
    return click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
                        help="A field in place of the file's; the value is read as YAML.")(command)


@main.command()
@_with_params
def train(params: Path, pairs) -> None:
    """Train the network of a parameter file; notebooks/train.ipynb does the same with the same file."""
    from ghostlib.config import Config
    from ghostlib.training import launch
    config = Config.load(params, _changes(pairs))
    for remark in config.remarks():
        click.echo(f"note: {remark}", err=True)
    if config.devices > 1 and launch.process_count() is None:
        started = launch.Launch(config, ["train", str(params), *(word for pair in pairs for word in ("-p", *pair))])
        click.echo(started)
        with started:
            for _ in started.follow():
                pass
        return
    from ghostlib.training import train as run
    result = run(config, compile_cache=True)
    from ghostlib.training.run_folder import files_of
    click.echo(f"{result.test}\nin {config.run_dir}: {', '.join(files_of(config.run_dir))}")


@main.command()
@_with_params
@click.option("--weights", required=True, type=TEXT,
              help="A safetensors file or mindcv's .ckpt, a URL, mindcv/ghostnet_100 or timm/ghostnet_100.in1k.")
@click.option("--answers", "target", type=PATH, help="A CSV file that gets each image's label, answer and probability.")
def validate(params: Path, pairs, weights: str, target: Path | None) -> None:
    """Test a network's weights on the test split, on one device; writes nothing but what --answers asks for."""
    from ghostlib.config import Config
    config = Config.load(params, _changes(pairs)).to_judge(weights)
    from ghostlib import results
    from ghostlib.deploy import fold_batchnorm
    from ghostlib.kernels import accelerated
    from ghostlib.training import answers, compile_cache, evaluate, prepare
    net, data, _ = prepare(config)
    for remark in data.remarks:
        click.echo(f"note: {remark}", err=True)
    ready = accelerated(fold_batchnorm(net))
    if compile_cache.wanted(True):
        compile_cache.compile_known(config, {"test": compile_cache.graph_of_test(ready, config)})
    outcome = evaluate(ready, data.test, progress=True)
    if target:
        results.write_table(target, answers(outcome, data.test, data.classes))
    click.echo(str(outcome))
    if data.test.broken.any():
        click.echo(f"{data.test.broken.sum()} cannot be read and do not count: {data.test.names(data.test.broken)}")


@main.command()
@click.argument("params", metavar="[PARAMS.yaml]", type=PATH, required=False)
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
              help="A field in place of the file's; the value is read as YAML.")
@click.option("--json", "target", type=PATH, help="A file to write the rows to as well.")
def bench(params: Path | None, pairs, target: Path | None) -> None:
    """Measure how fast a run is here: training, evaluation and the input pipeline, each alone.

    Without PARAMS.yaml the default run is measured, GhostNet on digits.
    """
    from ghostlib import results
    from ghostlib.config import Config
    config = Config.load(params, _changes(pairs)) if params else Config.of(_changes(pairs))
    from ghostlib.bench import describe, measure, with_reference
    rows = measure(config)
    click.echo(describe(rows))
    if table := with_reference(rows, config):
        click.echo(f"\nWhat mindcv reports for this network, and what was measured here:\n{table}")
    if target:
        results.write_text(target, results.to_json({"rows": rows, **results.provenance()}))


@main.command()
@click.argument("archives", type=PATH)
@click.argument("target", type=PATH)
@click.option("--md5", default=None, type=PATH, help="A file of sums, as md5sum writes it.")
def prepare_imagenet(archives: Path, target: Path, md5: Path | None) -> None:
    """Unpack ImageNet's original archives into class folders; goes on where an earlier try ended."""
    from ghostlib.data.imagenet_archives import prepare
    done = prepare(archives, target, md5, report=click.echo)
    click.echo(f"{target}: {done.classes:,} classes, {done.train_images:,} training and {done.val_images:,} "
               f"validation images; 'ghostlib train PARAMS.yaml -p data_dir {target}' trains on them")


@main.command()
@click.argument("model", required=False)
@click.option("--width", default=1.0, show_default=True, help="Channel multiplier.")
@click.option("--ratio", default=None, type=TEXT, help="s, or a mapping of layers; by default the network's own.")
@click.option("--kernel", default=3, show_default=True, help="d.")
@click.option("--classes", default=None, type=int, help="As many as its published size has by default.")
@click.option("--size", default=None, type=int, help="Height and width of the images, pixels.")
def models(model: str | None, width: float, ratio: str | None, kernel: int, classes: int | None, size: int | None) -> None:
    """List the networks that can be built, or count MODEL.

    \b
    ghostlib models ghostnet --width 0.5 --ratio 4
    """
    from ghostlib.config import Config, parse
    from ghostlib.studies import catalogue
    table = catalogue.models()
    if model is None:
        from ghostlib.weights.description import PUBLISHED
        click.echo(catalogue.as_text(table, PUBLISHED))
        return
    known = table[table.model == model]
    own = known.iloc[0] if len(known) else table.iloc[0]  # an unknown one Config refuses
    classes, size = classes or int(own.num_classes), size or int(own.image_size)
    config = Config.of({"model": model, "width": width, "ratio": parse("ratio", ratio) if ratio else None, "kernel": kernel,
                        "num_classes": classes, "image_size": size, "dataset": "imagefolder"})
    from ghostlib.complexity import count
    from ghostlib.training import build
    cost = count(build(config), (3, size, size))
    click.echo(f"{model}, width {width:g}, s = {config.ratio}, d = {kernel}, {classes:,} classes, {size} x {size}: "
               f"{cost.weights:,} weights, {cost.macs:,} multiply-adds ({cost.conv_macs:,} in convolutions)")


@main.command()
def doctor() -> None:
    """Say what this machine has and which parts of the lab can run on it."""
    from ghostlib.doctor import examine
    lines, healthy = examine()
    click.echo("\n".join(lines))
    sys.exit(0 if healthy else 1)


@main.command()
@click.argument("dataset", type=click.Choice(["cifar10", "imagenette", "photographs"]))
@click.option("--data-dir", default="data", show_default=True, type=PATH, help="Where the folder of images goes.")
@click.option("--url", default=None, type=TEXT, help="Another copy of the archive.")
@click.option("--md5", default=None, type=TEXT, help="The hash of that copy.")
@click.option("--size", default="160", show_default=True, type=click.Choice(["160", "320", "full"]),
              help="The shortest side of Imagenette's photographs, in pixels.")
def fetch(dataset: str, data_dir: str, url: str | None, md5: str | None, size: str) -> None:
    """Download CIFAR-10 or Imagenette, hashes checked, or cut a few photographs that are here already into a dataset."""
    from ghostlib.data import cifar10, imagenette, photographs
    if dataset == "photographs":
        folder = photographs.write(data_dir)
    elif dataset == "imagenette":
        folder = imagenette.fetch(data_dir, size, url, md5)
    else:
        folder = cifar10.fetch(data_dir, url or cifar10.URL, md5 or cifar10.MD5)
    click.echo(f"{dataset} is in {folder}")


@main.command()
@click.argument("table", type=PATH)
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--prune", is_flag=True, help="Remove the rows of other runs from TABLE.")
def collect(table: Path, run_dirs, prune: bool) -> None:
    """Record finished runs: put the rows of RUN_DIRS into TABLE, a CSV file; rows of other runs stay there."""
    from ghostlib import results
    results.check_recorded(table, ["run_dir"])
    rows = results.collect(run_dirs, {"top1": float, "run_dir": str})
    told = results.record(table, rows, ["run_dir"], prune)
    click.echo(f"{table}: {told}; top-1 of these runs {100 * rows.top1.mean():.2f} % on average")
    if remark := results.remark_on_fingerprints(results.read_table(table)):
        click.echo(f"note: {remark}", err=True)


@main.command()
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--target", required=True, type=PATH,
              help="The folder that gets redundancy.csv, allowed_ratio.csv and intrinsic.csv.")
@click.option("--images", default=192, show_default=True, help="Test images, a third each to fit, choose and report.")
@click.option("--prune", is_flag=True, help="Remove the rows of other runs from the tables.")
def redundancy(run_dirs, target: Path, images: int, prune: bool) -> None:
    """Measure how alike the feature maps of finished runs' networks are, and what they would be anyway.

    Rows of other runs stay in the tables. If it is interrupted, the same command goes on with the layers that were left.
    """
    from ghostlib import results
    from ghostlib.redundancy import runs
    from ghostlib.redundancy.unfinished import Unfinished
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"target: {target} cannot be written ({error.strerror}); allowed is a folder of yours") from None
    for name in runs.TABLES:
        results.check_recorded(target / f"{name}.csv", runs.OF_ONE_RUN)
    unfinished = Unfinished(target)
    for name, table in runs.of_runs(run_dirs, images, unfinished=unfinished).items():
        click.echo(f"{target / name}.csv: {results.record(target / f'{name}.csv', table, runs.OF_ONE_RUN, prune)}")
    unfinished.done()


@main.command()
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--target", required=True, type=PATH, help="The CSV file that gets the table.")
@click.option("--like", default=2, show_default=True, help="The uniform ratio whose multiply-adds may be spent.")
@click.option("--kernel", default=3, show_default=True, help="d of the ghosts.")
@click.option("--images", default=192, show_default=True, help="Training images, a third each to fit, choose, report.")
def allocate(run_dirs, target: Path, like: int, kernel: int, images: int) -> None:
    """Choose a ratio for each layer from the redundancy of finished runs of a plain network."""
    from ghostlib import results
    from ghostlib.redundancy import runs
    results.check_recorded(target, ("layer", "ratio", "chosen"))
    table = runs.ratios_of_runs(run_dirs, like, kernel, images)
    results.write_table(target, table)
    chosen = table[table.chosen]
    uniform = table[table.ratio == like]
    click.echo(f"ratio: {json.dumps(dict(zip(chosen.layer, map(int, chosen.ratio))))}")
    click.echo(f"{chosen.macs.sum():,} multiply-adds in these layers, with {like} everywhere {uniform.macs.sum():,}; "
               f"summed loss {chosen.loss.sum():.3f}, with {like} everywhere {uniform.loss.sum():.3f}")


@main.command()
@click.argument("grid", metavar="GRID.yaml", type=PATH)
@click.option("--address", default=None, type=TEXT, metavar="HOST:PORT", help="A Ray cluster; without it, this machine.")
@click.option("--npus", default=None, type=int, help="NPUs of each run.")
@click.option("--cpus", default=None, type=int, help="CPUs, and threads, of each run; all of them by default.")
@click.option("--record", is_flag=True, help="Put the rows into the table in data/results/ when all are there.")
@click.option("--again", is_flag=True, help="Run anew what other code of the notebook made, or what lacks a file to keep.")
@click.option("--prune", is_flag=True, help="With --record: remove recorded rows of points that are not in the grid.")
@click.option("--dry-run", is_flag=True, help="Only list the runs, what they cost and how long they may take.")
def sweep(grid: Path, address: str | None, npus: int | None, cpus: int | None, record: bool, again: bool,
          prune: bool, dry_run: bool) -> None:
    """Run a notebook at every point of a grid; the same command goes on where it ended."""
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


@main.command()
@click.argument("run_dir", type=PATH)
def report(run_dir: Path) -> None:
    """Say how a finished run ended, where its files lie and what to try next."""
    from ghostlib import results
    from ghostlib.training.run_folder import FILES, files_of
    row = results.read_row(run_dir, {"model": str, **dict.fromkeys(("test_images", "weights", "macs", "epochs"), int),
                                     **dict.fromkeys(("top1", "seconds"), float)})
    click.echo(f"top-1 {100 * row['top1']:.1f} %")
    click.echo(f"of {row['test_images']} test images; {row['model']} with {row['weights']:,} weights and "
               f"{row['macs'] / 1e6:.1f} M multiply-adds, {row['epochs']} epochs, {row['seconds']:.0f} s in all")
    click.echo(f"in {run_dir}:")
    for name in files_of(run_dir):
        click.echo(f"  {name:<17} {FILES.get(name, 'the executed notebook: curves, mistakes, ghost feature maps')}")
    click.echo("next:\n  make lab           open the notebooks; start with notebooks/tutorials/1_ghost_module.ipynb\n"
               "  .venv/bin/python -m ghostlib train notebooks/params/train_smoke.yaml -p ratio 4 -p run_dir "
               "data/runs/mine")


if __name__ == "__main__":
    main(prog_name="ghostlib")
