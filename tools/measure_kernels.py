"""What the cheap kernels of trained networks have become, as rows.

    python tools/measure_kernels.py notebooks/params/photographs.yaml landmarks.onnx

writes data/results/cheap_kernels.csv, for each Ghost layer of every kept network of a sweep, trained and as it was at the
start, and of ONNX files; and data/results/cheap_kernels_drawn.csv, a few kernels of a few layers to look at. Networks that
the tables have and whose files are gone stay.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ghostlib import results, sweep
from ghostlib.features import OnnxNetwork
from ghostlib.models.build import build
from ghostlib.redundancy.kernels import cheap_kernels, shares, summary, turned
from ghostlib.studies.catalogue import network_of
from ghostlib.sweep.rows import kept_file
from ghostlib.weights import load_weights

TABLE, DRAWN = Path("data/results/cheap_kernels.csv"), Path("data/results/cheap_kernels_drawn.csv")
KEY = ["network", "s", "d", "seed", "when"]
LAYERS, EACH = 8, 12  # how many layers are drawn, evenly over depth, and how many kernels of each


def networks(sources: list[str]) -> Iterator[tuple[dict, dict, dict | None]]:
    """What is said of each network, its kernels, and those that it started from where they are known."""
    for source in sources:
        if source.endswith(".onnx"):
            net = OnnxNetwork(source)
            found = cheap_kernels(net)
            if found:
                size = next(iter(found.values()))[0].shape[1]
                yield {"network": Path(source).stem, "s": "", "d": size, "seed": ""}, found, None
            continue
        grid = sweep.read(source)
        for point in grid.points:
            config, path = grid.config(point), kept_file(grid, point, "last.safetensors")
            if path.exists() and config.ratio != 1 and config.kernel > 1:
                net = build(config)
                start = cheap_kernels(net)
                load_weights(net, str(path))
                yield ({"network": network_of(config), "s": config.ratio, "d": config.kernel, "seed": config.seed},
                       cheap_kernels(net), start)


def drawn(found: dict) -> Iterator[dict]:
    """Kernels that a network's layers have, evenly over depth and over how much of an edge they are."""
    for place in np.unique(np.linspace(0, len(found) - 1, LAYERS).round().astype(int)):
        layer = list(found)[place]
        kernels, _ = found[layer]
        order = shares(kernels).edge.to_numpy().argsort(kind="stable")
        for number in order[np.unique(np.linspace(0, len(order) - 1, EACH).round().astype(int))]:
            yield {"layer": layer, "depth": place + 1, "kernel": int(number),
                   **{f"w{index}": round(float(weight), 5) for index, weight in enumerate(kernels[number].ravel())}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("sources", nargs="+", help="sweeps that keep last.safetensors, and ONNX files")
    rows, pictures, given = [], [], parser.parse_args()
    for about, kernels, start in networks(given.sources):
        for when, own in (("trained", kernels), ("at the start", start)):
            if own is not None:
                moved = {layer: turned(start[layer][0], own[layer][0]) for layer in own} if start else {}
                table = summary(own).assign(**about, when=when)
                rows.append(table.assign(turned=table.layer.map(moved)))
                pictures += [{**about, "when": when, **one} for one in drawn(own)]
    if not rows:
        parser.exit(1, f"{', '.join(given.sources)}: no network with cheap operations is kept in data/runs; run the sweep "
                       f"first\n")
    where = results.provenance()
    for path, fresh in ((TABLE, pd.concat(rows).round(4).assign(**where)), (DRAWN, pd.DataFrame(pictures))):
        print(f"{path}: {results.record(path, fresh, KEY)}")
