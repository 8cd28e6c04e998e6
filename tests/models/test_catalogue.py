"""The table of what can be built: counted as built, every published name in it, and the command that prints it."""

import pytest
from click.testing import CliRunner

from ghostlib.__main__ import main
from ghostlib.complexity import count
from ghostlib.config import Config
from ghostlib.models import MODELS
from ghostlib.studies import catalogue
from ghostlib.weights import sources
from ghostlib.weights.description import PUBLISHED

TABLE = catalogue.models()


def test_every_network_and_every_published_name_has_its_line():
    assert set(TABLE.model) == set(MODELS)
    sizes = set(zip(TABLE.model, TABLE.width))
    assert all((of["model"], of["width"]) in sizes for of in PUBLISHED.values())
    assert set(sources.MINDCV) <= set(PUBLISHED)
    for fields in PUBLISHED.values():
        Config(**fields)


@pytest.mark.parametrize("row", [*TABLE.itertuples()], ids=TABLE.model + TABLE.width.astype(str))
def test_the_table_holds_what_is_counted(row):
    cost = count(MODELS[row.model](row.width, num_classes=row.num_classes), (3, row.image_size, row.image_size))
    assert (cost.weights, cost.macs) == (row.weights, row.macs)


def test_the_command_lists_and_counts():
    listed = CliRunner().invoke(main, ["models"])
    head, *lines = listed.output.splitlines()
    assert listed.exit_code == 0 and head.startswith("model ") and len(lines) == len(TABLE) + len(sources.own_names())
    assert all(any(f"trained here: {name} " in line for line in lines) for name in sources.own_names())
    line = next(line for line in lines if line.startswith("ghostnetv2 "))
    assert line.split() == ["ghostnetv2", "1", "6.16", "167", "224", "75.3", "(its", "paper)", "timm/ghostnetv2_100.in1k"]
    counted = CliRunner().invoke(main, ["models", "ghostnet", "--width", "0.5", "--ratio", "2"])
    assert "2,587,292 weights, 42,328,152 multiply-adds" in counted.output  # Table 7's, recounted
    ghosts = CliRunner().invoke(main, ["models", "resnet20", "--ratio", "{layer1.0.conv1: 2}"])
    assert "s = {'layer1.0.conv1': 2}" in ghosts.output and "10 classes, 32 x 32" in ghosts.output


@pytest.mark.parametrize(("words", "message"), [
    (["ghostnt"], "model: 'ghostnt' given; allowed is 'ghostnet'"),
    (["mobilenet_v2", "--ratio", "{conv_head: 2}"], "ratio: 'conv_head' given, which widens or narrows no block"),
    (["vgg16", "--size", "16"], "image_size: 16 given; vgg16 halves the map five times; allowed are 32 and more"),
    (["ghostnet", "--width", "0.05"], "width: 0.05 given, which leaves 0.8 of a layer's 16 channels")])
def test_bad_input_ends_in_one_line(words, message):
    done = CliRunner().invoke(main, ["models", *words])
    assert done.exit_code == 2 and message in done.output and len(done.output.splitlines()) == 1
