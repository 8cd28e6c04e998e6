"""A trained network: tested, asked, and made ready for other programs."""

import sys
from pathlib import Path

import click

from ghostlib.commands.group import PATH, TEXT, changes, main, with_params
from ghostlib.errors import InputError, some

ENGINE_HELP = "What runs it: auto, mindspore, kernel, onnxruntime or openvino."


@main.command_of("judge", "ghostlib validate data/runs/mine/config.yaml --weights data/runs/mine/last.safetensors")
@with_params
@click.option("--weights", required=True, type=TEXT,
              help="A safetensors file or mindcv's .ckpt, a URL, mindcv/ghostnet_100 or timm/ghostnet_100.in1k.")
@click.option("--answers", "target", type=PATH, help="A CSV file that gets each image's label, answer and probability, and "
              "the engine.")
@click.option("--engine", default=None, type=TEXT, help=f"{ENGINE_HELP} By default MindSpore, with the kernel where "
              "there is a compiler, as trainings are tested.")
def validate(params: Path, pairs, weights: str, target: Path | None, engine: str | None) -> None:
    """Test a network's weights on the test split, on one device; writes nothing but what --answers asks for."""
    from ghostlib.config import Config
    config = Config.load(params, changes(pairs)).to_judge(weights)
    from ghostlib import atomic, results
    if target:
        atomic.check_target(target, "--answers")
    from ghostlib.deploy import engines, fold_batchnorm
    from ghostlib.kernels import accelerated
    from ghostlib.training import answers, compile_cache, evaluate, prepare
    engines.check(engine or engines.AUTO)
    net, data, _ = prepare(config)
    for remark in data.remarks:
        click.echo(f"note: {remark}", err=True)
    if engine:
        ready = engines.of_network(net, (3, config.image_size, config.image_size), engine)
        name = ready.name
    else:
        folded = fold_batchnorm(net)
        ready = accelerated(folded)
        name = "mindspore" if ready is folded else "kernel"
        if compile_cache.wanted(True):
            compile_cache.compile_known(config, {"test": compile_cache.graph_of_test(ready, config)})
    outcome = evaluate(ready, data.test, progress=True)
    if target:
        results.write_table(target, answers(outcome, data.test, data.classes).assign(engine=name))
    click.echo(f"{outcome}, by {name}" if engine else str(outcome))
    if data.test.broken.any():
        click.echo(f"{data.test.broken.sum()} cannot be read and do not count: {data.test.names(data.test.broken)}")


@main.command_of("judge", "ghostlib predict mine.png --weights data/runs/mine/last.safetensors")
@click.argument("images", metavar="IMAGE... [PARAMS.yaml]", nargs=-1, required=True, type=TEXT)
@click.option("--weights", required=True, type=TEXT,
              help="A run's last.safetensors, which says all by itself; a published name; or an ONNX file of ours.")
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
              help="A field of the network or its images in place of what the weights or PARAMS.yaml say; the value is read "
              "as YAML.")
@click.option("--engine", default="auto", show_default=True, type=TEXT, help=ENGINE_HELP)
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Answers of each picture.")
@click.option("--csv", "target", type=PATH, help="A file that gets image, rank, answer, probability and engine.")
def predict(images: tuple[str, ...], weights: str, pairs, engine: str, top: int, target: Path | None) -> None:
    """Say what pictures show: files, folders or patterns, the likeliest answers of each with their probabilities.

    Pictures that cannot be read are named, and the status is then 1.
    """
    from ghostlib.paths import expand
    params = [name for name in images if name.endswith((".yaml", ".yml"))]
    if len(params) > 1:
        raise InputError(f"PARAMS.yaml: {some(params)} given; allowed is one")
    if len(params) == len(images):
        raise InputError(f"IMAGE: none given beside {params[0]}; allowed are pictures, folders of them and patterns")
    given = {**_fields_of(params), **changes(pairs)}
    from ghostlib import atomic, results
    if target:
        atomic.check_target(target, "--csv")
    from ghostlib.data.files import find
    from ghostlib.deploy import predict
    from ghostlib.progress import progress_bar
    files = find([expand(name, "IMAGE") for name in images if name not in params])
    trained = predict.load(weights, engine, given)
    with progress_bar(len(files), "pictures", len(files) > predict.BATCH) as bar:
        table, unreadable = predict.predict(trained, files, top, bar.update)
    for name in unreadable:
        click.echo(f"ghostlib: {name}", err=True)
    if len(unreadable) == len(files):
        raise InputError(f"IMAGE: none of {len(files)} can be read")
    if target:
        results.write_table(target, table.assign(engine=trained.engine.name))
    for name, rows in table.groupby("image", sort=False):
        answers = ", ".join(f"{answer} {100 * probability:.1f} %" for answer, probability in
                            zip(rows.answer, rows.probability))
        click.echo(f"{name}: {answers}")
    sys.exit(1 if unreadable else 0)  # for scripts: not all that was asked is answered


def _fields_of(params: list[str]) -> dict:
    """Those fields that a parameter file sets, of a network and its images: what it leaves out, the weights may say."""
    if not params:
        return {}
    from ghostlib.config import Config
    from ghostlib.paths import expand
    from ghostlib.weights.description import FIELDS
    return {name: value for name, value in Config.read(expand(params[0], "PARAMS.yaml")).items() if name in FIELDS}


@main.command_of("judge", "ghostlib export mine.onnx --weights data/runs/mine/last.safetensors")
@click.argument("target", type=PATH)
@click.option("--weights", required=True, type=TEXT, help="A run's last.safetensors, or a published name.")
@click.option("--format", "kind", default=None, type=TEXT, help="onnx or mindir; by default what TARGET ends in.")
@click.option("--batch", default=None, type=click.IntRange(1), help="A fixed batch size; by default free, in MINDIR 1.")
@click.option("--joined", is_flag=True, help="Join maps as the network does, to look into its layers (ONNX).")
@click.option("--half", is_flag=True, help="Weights and arithmetic in float16 (ONNX); says what that costs.")
@click.option("--int8", "calibration", type=PATH, metavar="DIR",
              help="Weights and arithmetic in 8 bits (ONNX), calibrated with the pictures in DIR; says what that costs.")
@click.option("--test", "test", type=PATH, metavar="DIR",
              help="A folder with a folder of pictures for each class, on which accuracy is told before and after.")
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
              help="A field of the network or its images that the weights do not say.")
def export(target: Path, weights: str, kind: str | None, batch: int | None, joined: bool, half: bool,
           calibration: Path | None, test: Path | None, pairs) -> None:
    """Write a trained network for other programs, as ONNX or MINDIR, checked before it is there."""
    if half and calibration:
        raise InputError("--half: given with --int8; allowed is one of them")
    from ghostlib.deploy import export as exports
    from ghostlib.training import evaluate
    told = exports.export(weights, target, kind, batch, "half" if half else "int8" if calibration else "", calibration, test,
                          changes(pairs), judge=evaluate, joined=joined)
    for line in told:
        click.echo(line)
