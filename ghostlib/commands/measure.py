"""What networks cost, how fast they run here, and how alike their maps are."""

import json
import sys
from pathlib import Path

import click

from ghostlib.commands.group import PATH, TEXT, changes, main, with_params
from ghostlib.errors import InputError

FEWEST = 6  # images of which a third each can fit, choose and report


@main.command_of("measure", "ghostlib models ghostnet --width 0.5 --ratio 4")
@click.argument("model", required=False)
@click.option("--width", default=1.0, show_default=True, help="Channel multiplier.")
@click.option("--ratio", default=None, type=TEXT, help="s, or a mapping of layers; by default the network's own.")
@click.option("--kernel", default=3, show_default=True, help="d.")
@click.option("--classes", default=None, type=click.IntRange(1),
              help="Number of classes; by default as many as at its published size.")
@click.option("--size", default=None, type=click.IntRange(1), help="Height and width of the images, pixels.")
def models(model: str | None, width: float, ratio: str | None, kernel: int, classes: int | None, size: int | None) -> None:
    """List the networks that can be built, or count MODEL."""
    from ghostlib.config import Config, parse
    from ghostlib.studies import catalogue
    table = catalogue.models()
    if model is None:
        from ghostlib.weights.description import PUBLISHED, described
        from ghostlib.weights.sources import own_names
        click.echo(catalogue.as_text(table, PUBLISHED))
        for name in own_names():
            if not {"model", "width", "num_classes", "dataset", "image_size"} <= set(own := described(name)):
                continue  # somebody else's file, put there by hand
            click.echo(f"trained here: {name} ({own['model']} {own['width']:g}, {own['num_classes']} classes of "
                       f"{own['dataset']}, {own['image_size']} x {own['image_size']})")
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


@main.command_of("measure", "ghostlib bench notebooks/params/train_smoke.yaml --json speed.json")
@with_params(required=False)
@click.option("--engines", is_flag=True, help="Also how fast every engine answers, one image and 32 at a time.")
@click.option("--json", "target", type=PATH, help="A file to write the rows to as well.")
def bench(params: Path | None, pairs, engines: bool, target: Path | None) -> None:
    """Measure how fast a run is here: training, evaluation and the input pipeline, each alone.

    Without PARAMS.yaml the default run is measured, GhostNet on digits.
    """
    from ghostlib import atomic, results
    from ghostlib.config import Config
    config = Config.load(params, changes(pairs)) if params else Config.of(changes(pairs))
    if target:
        atomic.check_target(target, "--json")
    from ghostlib.bench import by_engines, describe, measure, with_reference
    from ghostlib.processor import instruction_sets
    rows = measure(config)
    click.echo(describe(rows))
    if table := with_reference(rows, config):
        click.echo(f"\nWhat mindcv reports for this network, and what was measured here:\n{table}")
    try:
        if engines:
            answered = by_engines(config, rows[0]["params"])
            click.echo(f"\n{describe(answered)}")
            rows += answered
    finally:  # where engines fail, what was measured before is kept
        if target:
            told = {"rows": rows, "instruction_sets": instruction_sets(), **results.provenance()}
            atomic.write_text(target, results.to_json(told))


@main.command_of("measure", "ghostlib redundancy data/runs/mine --target tables")
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--target", required=True, type=PATH,
              help="The folder that gets redundancy.csv, allowed_ratio.csv and intrinsic.csv.")
@click.option("--images", default=None, type=TEXT,
              help="For NET.onnx, a folder of photographs; for runs, how many test images, as --count.")
@click.option("--count", default=192, show_default=True, type=click.IntRange(FEWEST),
              help="Test images, a third each to fit, choose and report.")
@click.option("--normalise", default="imagenet", show_default=True, type=TEXT,
              help="For NET.onnx: imagenet (its mean and deviation), half (-1 to 1) or none (0 to 1).")
@click.option("--prune", is_flag=True, help="Remove the rows of other runs from the tables.")
def redundancy(run_dirs, target: Path, images: str | None, count: int, normalise: str, prune: bool) -> None:
    """Measure how alike the feature maps of finished runs' networks are, and what they would be anyway.

    Instead of runs, one NET.onnx with --images PHOTOGRAPHS. A run is compared with its network before training; a file,
    which has none, with itself with shuffled weights.

    Rows of other runs stay in the tables. If it is interrupted, the same command goes on with the layers that were left.
    """
    from ghostlib import results
    from ghostlib.lock import hold
    from ghostlib.redundancy.sources import OF_ONE_RUN, TABLES
    from ghostlib.redundancy.unfinished import Unfinished
    foreign = [path for path in run_dirs if path.suffix == ".onnx"]  # by name: a missing or damaged one is told as such
    if foreign and len(run_dirs) > 1:
        raise InputError(f"runs: {foreign[0]} given among {len(run_dirs)}; allowed are runs, or one ONNX file")
    if foreign and images is None:
        raise InputError("images: not given; allowed for an ONNX file is a folder of photographs")
    if not foreign and images is not None:
        if not images.isdecimal() or int(images) < FEWEST:
            raise InputError(f"images: {images} given; allowed for runs, which have test images, is a number of them, at "
                             f"least {FEWEST}")
        count = int(images)
    with hold(target, "target"):  # two at once would each write tables without the other's rows
        for name in TABLES:
            results.check_recorded(target / f"{name}.csv", OF_ONE_RUN)
        unfinished = Unfinished(target)
        if foreign:
            from ghostlib.redundancy.foreign import of_file
            tables = of_file(foreign[0], str(images), normalise, count, unfinished=unfinished)
        else:
            from ghostlib.redundancy.runs import of_runs
            tables = of_runs(run_dirs, count, unfinished=unfinished)
        for name, table in tables.items():
            click.echo(f"{target / name}.csv: {results.record(target / f'{name}.csv', table, OF_ONE_RUN, prune)}")
        for name in TABLES:  # such as intrinsic, which takes a Ghost network and a plain one
            if prune and name not in tables and (said := results.clear(target / f"{name}.csv")):
                click.echo(f"{target / name}.csv: {said}")
        unfinished.done()


@main.command_of("measure", "ghostlib allocate data/runs/plain --target ratios.csv")
@click.argument("run_dirs", nargs=-1, required=True, type=PATH)
@click.option("--target", required=True, type=PATH, help="The CSV file that gets the table.")
@click.option("--like", default=2, show_default=True, help="The uniform ratio whose multiply-adds may be spent.")
@click.option("--kernel", default=3, show_default=True, help="d of the ghosts.")
@click.option("--images", default=192, show_default=True, type=click.IntRange(FEWEST),
              help="Training images, a third each to fit, choose, report.")
def allocate(run_dirs, target: Path, like: int, kernel: int, images: int) -> None:
    """Choose a ratio for each layer from the redundancy of finished runs of a plain network."""
    from ghostlib import atomic, results
    atomic.check_target(target, "--target")
    results.check_recorded(target, ("layer", "ratio", "chosen"))
    from ghostlib.redundancy import runs
    table = runs.ratios_of_runs(run_dirs, like, kernel, images)
    results.write_table(target, table)
    chosen = table[table.chosen]
    uniform = table[table.ratio == like]
    click.echo(f"ratio: {json.dumps(dict(zip(chosen.layer, map(int, chosen.ratio))))}")
    click.echo(f"{chosen.macs.sum():,} multiply-adds in these layers, with {like} everywhere {uniform.macs.sum():,}; "
               f"summed loss {chosen.loss.sum():.3f}, with {like} everywhere {uniform.loss.sum():.3f}")


@main.command_of("measure", "ghostlib doctor")
def doctor() -> None:
    """Say what this machine has and which parts of the lab can run on it."""
    from ghostlib.doctor import examine
    lines, healthy = examine()
    click.echo("\n".join(lines))
    sys.exit(0 if healthy else 1)


@main.command_of("measure", "ghostlib accept -p device CPU")
@with_params(required=False)
@click.option("--json", "target", default="accept.json", show_default=True, type=PATH, help="The file that gets it all.")
@click.option("--minutes", default=15.0, show_default=True, type=click.FloatRange(0, min_open=True),
              help="For all checks together; what they leave no time for is not tried.")
def accept(params: Path | None, pairs, target: Path, minutes: float) -> None:
    """Try on a new machine all that training needs, on one NPU and on two, in at most 15 minutes or as many as you give.

    Goes on after each failure and says what to try. Without PARAMS.yaml GhostNet 0.5 is trained on digits.
    """
    from ghostlib import __version__, acceptance, atomic, results
    from ghostlib import doctor as doctors
    from ghostlib.config import Config
    fields, chosen = {"device": "Ascend", **(Config.read(params) if params else {})}, changes(pairs)
    if {**fields, **chosen}["device"] == "CPU":
        fields |= {"sink": False, "amp_dtype": "float16"}  # a recipe for NPUs is tried without what a CPU has not
    config = Config.of({**fields, **chosen})
    atomic.check_target(target, "--json")
    server = {"versions": doctors.ascend_versions(), "npu-smi": doctors.npu_smi()}  # whatever the checks come to
    outcomes = []
    for outcome in acceptance.run(config, minutes):
        click.echo(str(outcome))
        outcomes.append(outcome)
        atomic.write_text(target, results.to_json({"device": config.device, "model": config.model, "server": server,
                                                   "ghostlib": __version__,
                                                   "checks": [one.as_json() for one in outcomes], **results.provenance()}))
    failed, passed, skipped, late = ([one.name for one in outcomes if one.status == status] for status in (
        acceptance.FAILED, acceptance.PASSED, acceptance.SKIPPED, acceptance.LATE))
    click.echo(f"{target}: {len(passed)} of {len(outcomes)} hold"
               + (f"; not here: {', '.join(skipped)}" if skipped else "")
               + (f"; no time for: {', '.join(late)} (--minutes gives more)" if late else "")
               + (f"; not: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed or late else 0)
