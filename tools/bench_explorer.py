"""How soon the explorer answers: seconds from a choice to the new page, for docs/performance.md; a CSV file.

    .venv/bin/python tools/bench_explorer.py data/results/explorer_speed.csv --turns 3

Wants a quiet machine. Each turn opens each page anew and makes every choice.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from ghostlib import processor, results
from ghostlib.config import Config
from ghostlib.explorer.column import HERE
from ghostlib.explorer.panel import Panel
from ghostlib.progress import progress_bar
from ghostlib.weights.sources import own_names

IMAGENET = {"model": "resnet50", "ratio": 1, "image_size": 224, "dataset": "imagefolder", "num_classes": 1000}
NETWORKS: dict[str, tuple[dict[str, Any], str]] = {
    "24 maps of 64 x 64, GhostNet 0.5 at 128": (
        {"model": "ghostnet", "width": 0.5, "image_size": 128, "dataset": "imagenette"}, "blocks.1.0.ghost1"),
    "16 maps of 32 x 32, VGG-16 at a quarter": ({"model": "vgg16", "width": 0.25, "ratio": 1}, "features.3"),
    "64 maps of 56 x 56, ResNet-50 at 224": (IMAGENET, "layer1.0.conv1"),
    "64 of 256 maps of 56 x 56, the same": (IMAGENET, "layer1.0.conv3")}
TWO = ", beside the lab's trained one"  # ends the name of the page with two networks, which the first of NETWORKS has, too


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def choices(page: Panel) -> dict[str, list[tuple[Any, Any]]]:
    """By what is chosen, the choosers and the values that they get, one after the other."""
    column = page.columns[0]
    following = column.explorer.layers
    return {"another map silenced": [(column.silent, column.silent.options[number][1]) for number in (1, 2, 3)],
            "another s": [(page.ratio, value) for value in (3, 4, 5)],
            "another d": [(page.kernel, value) for value in (1, 5, 7)],
            "a d that was chosen before": [(page.kernel, value) for value in (1, 5, 7)],
            "the next pair": [(page.pair, value) for value in (2, 3, 4)],
            "another picture": [(page.image, value) for value in ("coffee", "astronaut")],
            "another square of it": [(page.number, value) for value in (2, 3, 4)],
            "another tile size": [(page.size, value) for value in (96, 128)],
            "another layer": [(column.layer, following[following.index(column.layer.value) + 1])],
            "another network": [(column.network, value) for value in (own_names()[0], HERE)]}


def measured(name: str, page: Panel) -> Iterator[dict[str, Any]]:
    for what, settings in choices(page).items():
        for chooser, value in settings:
            yield {"page": name, "choice": what, "value": str(value),
                   "seconds": seconds(lambda one=chooser, new=value: setattr(one, "value", new))}  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    rows = []
    with progress_bar(options.turns * (len(NETWORKS) + 1), "pages") as bar:
        for turn in range(options.turns):
            for number, (name, (fields, layer)) in enumerate(NETWORKS.items()):
                page = Panel(Config.of(fields), "astronaut", layer, 2, 3)
                rows += [{"turn": turn, **row} for row in measured(name, page)]
                bar.update(1)
                if not number:
                    page = Panel(Config.of(fields), "astronaut", layer, 2, 3)
                    page.beside.value = next(key for _, key in page.beside.options if key in own_names())
                    rows += [{"turn": turn, **row} for row in measured(name + TWO, page)]
                    bar.update(1)
    table = pd.DataFrame(rows).round(4).assign(instruction_sets=processor.instruction_sets(), **results.provenance())
    results.write_table(options.csv, table)
    by = table.groupby(["page", "choice"], sort=False).seconds
    print(by.agg(["median", "max"]).round(2).to_string())


if __name__ == "__main__":
    main()
