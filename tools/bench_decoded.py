"""How fast photographs are read with and without kept pixels: the loader alone, one thread on one core, nobody waiting.

    GHOSTLIB_CACHE=/tmp/pixels python tools/bench_decoded.py data/imagenette data/results/decoded.csv

For each recipe the three take turns, an epoch each, so that a slow moment of the machine is not one's alone. Processor time
is measured beside the clock: other work on the machine changes it less. Four minutes, and 2 GB of memory and of disk.
"""

import argparse
import os
import time
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ghostlib import results
from ghostlib.config import Config
from ghostlib.data import load
from ghostlib.data.batches import Batches

RECIPES = {"crop+flip": {"augment": "crop+flip"}, "RandAugment": {"augment": "randaugment"},
           "RandAugment+erasing": {"augment": "randaugment", "erasing": 0.25}, "test": {"epochs": 0}}
HOW = ("none", "memory", "disk")
EPOCHS = 3  # the first reads the files, or makes what is kept; the others are two rounds of what comes after


def timed(batches: Batches, epoch: int) -> dict[str, float]:
    """One epoch: the first look at the kept pixels by itself, then what reading takes."""
    start = time.perf_counter()
    batches.pictures.open()
    made, start, used = time.perf_counter() - start, time.perf_counter(), time.process_time()
    images = sum(len(batch.places) for batch in batches.epoch(epoch))
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return {"made_s": round(made, 2), "images": images, "images_per_second": round(images / seconds, 1),
            "cpu_us_per_image": round(1e6 * used / images, 1)}


def measure(config: Config) -> Iterator[dict[str, Any]]:
    for recipe, changes in RECIPES.items():
        splits = {}
        for how in HOW:
            data = load(config.having(decoded=how, **changes))
            splits[how] = data.test if recipe == "test" else data.train
        for epoch in range(EPOCHS):
            for how in HOW:
                row = {"recipe": recipe, "decoded": how, "epoch": epoch + 1, **timed(splits[how], epoch)}
                print(*(f"{name} {value}" for name, value in row.items()), sep=", ", flush=True)
                yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir")
    parser.add_argument("table", help="a CSV file, written anew")
    parser.add_argument("--size", type=int, default=128, help="of the images, in pixels")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    classes = len(next(os.walk(os.path.join(options.data_dir, "train")))[1])
    config = Config(dataset="imagefolder", data_dir=options.data_dir, num_classes=classes, image_size=options.size, epochs=2)
    rows = pd.DataFrame(measure(config)).assign(image_size=options.size, **results.provenance())
    results.write_table(options.table, rows)
    later = rows[rows.epoch > 1].groupby(["recipe", "decoded"], sort=False)[["images_per_second", "cpu_us_per_image"]].mean()
    later = later.unstack()
    print((later.images_per_second.div(later.images_per_second["none"], axis=0)).round(2))
    print((1 / later.cpu_us_per_image.div(later.cpu_us_per_image["none"], axis=0)).round(2))


if __name__ == "__main__":
    main()
