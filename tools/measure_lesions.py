"""What trained GhostNets lose with some of their maps, as rows.

    python tools/measure_lesions.py notebooks/params/photographs.yaml

writes, after each kept network of a sweep that is a GhostNet, with ghosts or plain, what each of its modules loses to
data/results/lesions.csv, what single maps cost to lesions_single.csv and what is so on average to lesions_overall.csv.
Networks that are there already are not measured again unless told.
"""

import argparse
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from ghostlib import results, sweep
from ghostlib.config import Config
from ghostlib.data import load, unaugmented
from ghostlib.data.batches import balanced_images
from ghostlib.models.build import build
from ghostlib.progress import progress_bar
from ghostlib.redundancy.cut import CutNetwork
from ghostlib.redundancy.lesions import measure, steps
from ghostlib.redundancy.recorded import is_recorded, origin_of
from ghostlib.redundancy.sources import LESIONS
from ghostlib.sweep.rows import kept_file
from ghostlib.weights import load_weights

FOLDER = Path("data/results")
PHOTOGRAPHS, TRAINING = 1000, 250  # to judge by, of the test split, and to take means and filters from, of the other


def networks(grid: sweep.Sweep) -> Iterator[tuple[dict, Config, Path]]:
    """What is said of each kept GhostNet, its Config and its file."""
    for point in grid.points:
        config, path = grid.config(point), kept_file(grid, point, "last.safetensors")
        # With val_share the run did not see what `unaugmented` gives.
        if path.exists() and config.model.startswith("ghostnet") and not config.val_share:
            yield {"network": f"{config.model} {config.width:g}", "s": config.ratio, "d": config.kernel,
                   "seed": config.seed, "point": point.key, "epochs": config.epochs, **origin_of(path)}, config, path


@cache
def photographs(dataset: str, data_dir: str, size: int, classes: int, count: int) -> tuple[tuple[np.ndarray, ...], str]:
    """Photographs to judge by with their labels, and training photographs, as they are; the same for all networks. And the
    dataset's fingerprint."""
    config = Config(dataset=dataset, data_dir=data_dir, image_size=size, num_classes=classes)
    data = load(config)
    return (*balanced_images(data.test, count), unaugmented(config, min(TRAINING, count))), data.contents.fingerprint


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("grid", help="a sweep that keeps last.safetensors")
    parser.add_argument("--again", action="store_true", help="measure networks that are there, too")
    parser.add_argument("--count", type=int, default=PHOTOGRAPHS, help="photographs to judge by")
    parser.add_argument("--target", type=Path, default=FOLDER, help="the folder of the tables")
    given = parser.parse_args()
    if given.count != PHOTOGRAPHS and given.target == FOLDER:
        parser.error(f"--count: {given.count} given; recorded tables hold networks judged by {PHOTOGRAPHS} photographs; "
                     f"allowed is another folder for a trial (--target)")
    found = list(networks(sweep.read(given.grid)))
    last = given.target / "lesions_overall.csv"  # that is written
    left = [one for one in found if given.again or not is_recorded(last, {**one[0], "photographs": given.count}, LESIONS,
                                                                   ["photographs"])]
    print(f"{len(found)} kept GhostNets, {len(found) - len(left)} measured already")
    for number, (about, config, path) in enumerate(left, 1):
        shown, fingerprint = photographs(config.dataset, config.data_dir, config.image_size, config.num_classes, given.count)
        start = time.monotonic()
        net = build(config).set_train(False)
        load_weights(net, str(path))
        network = CutNetwork(net, config.image_size)
        with progress_bar(steps(network, shown[0]), f"steps of network {number} of {len(left)}") as bar:
            tables = measure(network, *shown, config.seed, bar.update)
        more = {"photographs": len(shown[1]), "fitted": len(shown[2]), "seconds": round(time.monotonic() - start)}
        for name, table in tables.items():
            target = given.target / ("lesions.csv" if name == "lesions" else f"lesions_{name}.csv")
            told = {**about, **(more if name == "overall" else {}), "data_fingerprint": fingerprint, **results.provenance()}
            fresh = table.round({column: 5 if column.startswith("nats") else 3 for column in table}).assign(**told)
            print(f"{target}: {results.record(target, fresh, LESIONS)}")
