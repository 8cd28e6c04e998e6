"""Images brought here."""

from pathlib import Path

import click

from ghostlib.commands.group import PATH, TEXT, main


@main.command_of("data", "ghostlib fetch photographs")
@click.argument("dataset", type=click.Choice(["cifar10", "imagenette", "photographs"]))
@click.option("--data-dir", default="data", show_default=True, type=PATH, help="Where the folder of images goes.")
@click.option("--url", default=None, type=TEXT, help="Another copy of the archive.")
@click.option("--md5", default=None, type=TEXT, help="The hash of that copy.")
@click.option("--size", default="160", show_default=True, type=click.Choice(["160", "320", "full"]),
              help="The shortest side of Imagenette's photographs, in pixels.")
def fetch(dataset: str, data_dir: str, url: str | None, md5: str | None, size: str) -> None:
    """Download CIFAR-10 or Imagenette, hashes checked, or make a small dataset of photographs that come with
    scikit-image."""
    from ghostlib.data import cifar10, imagenette, photographs
    if dataset == "photographs":
        folder = photographs.write(data_dir)
    elif dataset == "imagenette":
        folder = imagenette.fetch(data_dir, size, url, md5)
    else:
        folder = cifar10.fetch(data_dir, url or cifar10.URL, md5 or cifar10.MD5)
    click.echo(f"{dataset} is in {folder}")


@main.command_of("data", "ghostlib prepare-imagenet archives data/imagenet")
@click.argument("archives", type=PATH)
@click.argument("target", type=PATH)
@click.option("--md5", default=None, type=PATH, help="A file of sums, as md5sum writes it.")
def prepare_imagenet(archives: Path, target: Path, md5: Path | None) -> None:
    """Unpack ImageNet's original archives into class folders; goes on where an earlier try ended."""
    from ghostlib.data.imagenet_archives import prepare
    done = prepare(archives, target, md5, report=click.echo)
    click.echo(f"{target}: {done.classes:,} classes, {done.train_images:,} training and {done.val_images:,} "
               f"validation images; 'ghostlib train PARAMS.yaml -p data_dir {target}' trains on them")
