"""The like of the paper's Figure 1, of an ONNX network: all maps of a layer for one photograph, and pairs of them.

    python tools/draw_figure1.py efficientnet_lite0.onnx --normalise half --layer /_blocks.2/Add_output_0

writes data/results/at_size_figure1_maps.csv, a row for each map, and at_size_figure1_pairs.csv, how well filters make the
second map of each pair from its first. Filters are fitted, and typical pairs chosen, on ImageNet's validation photographs
among Imagenette's; the photograph that is shown comes with scikit-image.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ghostlib import results
from ghostlib.data.examples import photograph
from ghostlib.features import OnnxNetwork
from ghostlib.redundancy import at_size, figure1
from ghostlib.redundancy.foreign import NORMALISATIONS, SIZE, as_input, prepared

RESULTS, KERNELS = Path("data/results"), (1, 3, 5, 7)
PICTURE = "chelsea"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("network", help="an ONNX file")
    parser.add_argument("--layer", required=True, help="a convolution, or the output of any operator")
    parser.add_argument("--normalise", default="imagenet", choices=list(NORMALISATIONS))
    parser.add_argument("--images", default="data/imagenette", help="the folder with Imagenette's train/ and val/")
    given = parser.parse_args()
    net, found = OnnxNetwork(given.network), at_size.photographs_of(given.images, at_size.HALVES)
    size = net.size or SIZE
    images = prepared([*found.fitted, *found.reported], size, given.normalise)
    shown = net.activations(as_input(photograph(PICTURE), size, given.normalise)[None], [given.layer])[given.layer][0]
    maps, splits = net.activations(images, [given.layer])[given.layer], found.sample.splits
    pairs = {figure1.PAPERS: figure1.pairs_of_picture(shown), figure1.OURS: figure1.typical_pairs(maps, splits)}
    about = {"network": Path(given.network).stem, "s": "", "layer": given.layer, "picture": PICTURE,
             "photographs": found.name}
    judged = at_size.accuracy(net, lambda files: prepared(files, size, given.normalise), found.judged)
    rows = [{"chosen": how, "source": pair[0], "target": pair[1], "d": kernel,
             "r2": float(figure1.filter_between(maps, splits, pair, kernel).r2[0, 0])}
            for how, own in pairs.items() for pair in own for kernel in KERNELS]
    low, high = (bound(shown, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    grey = np.round(255 * (shown - low) / np.maximum(high - low, 1e-9)).astype(np.uint8)
    drawn = [{"map": place, "height": one.shape[0], "width": one.shape[1], "pixels": one.tobytes().hex()}
             for place, one in enumerate(grey)]
    tables = {"maps": pd.DataFrame(drawn), "pairs": pd.DataFrame(rows).assign(**judged, **results.provenance()).round(4)}
    for name, table in tables.items():
        path = RESULTS / f"at_size_figure1_{name}.csv"
        print(f"{path}: {results.record(path, table.assign(**about), list(about))}")
