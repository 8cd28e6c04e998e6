"""What the cheap kernels of trained networks have become, as rows.

    python tools/measure_kernels.py notebooks/params/photographs.yaml landmarks.onnx

writes data/results/cheap_kernels.csv, for each Ghost layer of every kept network of a sweep, trained and as it was at the
start, and of ONNX files; of a kept plain GhostNet (s = 1) the kernels that would make half of its maps from the others best;
and data/results/cheap_kernels_drawn.csv, a few kernels of a few layers to look at. Networks that the tables have stay as
they are, unless told; the same parameters with other weights are measured in the place of what is there.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from mindspore import nn

from ghostlib import results, sweep
from ghostlib.config import Config
from ghostlib.data import unaugmented
from ghostlib.features import OnnxNetwork
from ghostlib.models.build import build
from ghostlib.progress import progress_bar
from ghostlib.redundancy.cut import CutNetwork
from ghostlib.redundancy.fitted_kernels import Fitted, fitted_kernels
from ghostlib.redundancy.kernels import cheap_kernels, shares, summary, turned
from ghostlib.redundancy.recorded import is_recorded, origin_of
from ghostlib.studies.catalogue import network_of
from ghostlib.studies.cheap_kernels import FITTED, START, TRAINED
from ghostlib.sweep.rows import kept_file
from ghostlib.weights import load_weights

TABLE, DRAWN = Path("data/results/cheap_kernels.csv"), Path("data/results/cheap_kernels_drawn.csv")
KEY = ["network", "s", "d", "seed", "when"]
LAYERS, EACH = 8, 12  # how many layers are drawn, evenly over depth, and how many kernels of each
EXPLAINED = "r2", "r2_copied"  # of `Fitted`: by kernels, and by one weight of each
PHOTOGRAPHS = 240  # training photographs that kernels are fitted to, chosen by and judged by, a third each

Kernels = Mapping[str, tuple[np.ndarray, np.ndarray]]  # of each layer, with their strength


def networks(sources: list[str], again: bool) -> Iterator[tuple[dict, dict[str, Kernels], dict[str, dict[str, float]]]]:
    """What is said of each network, its kernels by when they are what they are, and how well those of layers do that were
    fitted; `again` also of those that the table has."""
    for source in sources:
        if source.endswith(".onnx"):
            found = cheap_kernels(OnnxNetwork(source))
            if found:
                size = next(iter(found.values()))[0].shape[1]
                yield {"network": Path(source).stem, "s": "", "d": size, "seed": ""}, {TRAINED: found}, {}
            continue
        grid = sweep.read(source)
        for point in grid.points:
            config, path = grid.config(point), kept_file(grid, point, "last.safetensors")
            is_plain = config.ratio == 1
            # With val_share the run did not see what `unaugmented` gives.
            if (not path.exists() or config.kernel == 1
                    or (is_plain and (config.val_share or not config.model.startswith("ghostnet")))):
                continue
            about = {"network": network_of(config), "s": config.ratio, "d": config.kernel, "seed": config.seed}
            about |= origin_of(path)
            if not again and is_recorded(TABLE, about, KEY[:-1]):
                print(f"{TABLE}: has {about['network']}, s = {config.ratio}, seed {config.seed} (--again replaces it)")
                continue
            net = build(config)
            if is_plain:
                load_weights(net, str(path))
                fitted = _fitted(net.set_train(False), config)
                yield (about, {FITTED: {name: (one.kernels, one.strength) for name, one in fitted.items()}},
                       {told: {name: float(np.nanmean(getattr(one, told))) for name, one in fitted.items()}
                        for told in EXPLAINED})
                continue
            start = cheap_kernels(net)
            load_weights(net, str(path))
            yield about, {TRAINED: cheap_kernels(net), START: start}, {}


def _fitted(net: nn.Cell, config: Config) -> dict[str, Fitted]:
    network = CutNetwork(net, config.image_size)
    with progress_bar(len(network.modules), f"layers of {network_of(config)}, seed {config.seed}") as bar:
        return fitted_kernels(network, unaugmented(config, PHOTOGRAPHS), seed=config.seed, step=bar.update)


def drawn(found: Kernels) -> Iterator[dict]:
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
    parser.add_argument("--again", action="store_true", help="also what is in the tables")
    rows, pictures, given = [], [], parser.parse_args()
    for about, found, explained in networks(given.sources, given.again):
        for when, own in found.items():
            start = found.get(START)
            moved = {layer: turned(start[layer][0], own[layer][0]) for layer in own} if start else {}
            table = summary(own).assign(**about, when=when)
            rows.append(table.assign(turned=table.layer.map(moved), **{
                told: table.layer.map(explained.get(told, {})) for told in EXPLAINED}))
            pictures += [{name: about[name] for name in KEY[:-1]} | {"when": when, **one} for one in drawn(own)]
    if not rows:
        parser.exit(0, f"{', '.join(given.sources)}: no network with cheap operations is kept in data/runs that is to be "
                       f"measured\n")
    where = results.provenance()
    for path, fresh in ((TABLE, pd.concat(rows).round(4).assign(**where)), (DRAWN, pd.DataFrame(pictures))):
        print(f"{path}: {results.record(path, fresh, KEY)}")
