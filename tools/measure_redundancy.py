"""How alike the maps of full-size networks are, as rows: redundancy, allowed ratios, and others' measures beside them.

    python tools/measure_redundancy.py notebooks/params/photographs_again.yaml
    python tools/measure_redundancy.py data/weights/ghostnet_050_imagenette.safetensors
    python tools/measure_redundancy.py efficientnet_lite0.onnx --normalise half --photographs shared halves
    python tools/measure_redundancy.py pfld_ghostnet.onnx --normalise half --photographs train-val

writes data/results/at_size_*.csv after each network. A network that is in the tables is left as it is (--again measures it
anew); one that was interrupted goes on with the layers that are left. Networks whose files are gone stay in the tables.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ghostlib import results, sweep
from ghostlib.config import Config
from ghostlib.data.batches import first_images
from ghostlib.data.files import batches_of
from ghostlib.features import OnnxNetwork
from ghostlib.progress import progress_bar
from ghostlib.redundancy import at_size
from ghostlib.redundancy.foreign import NORMALISATIONS, SIZE, prepared
from ghostlib.redundancy.recorded import is_recorded, origin_of
from ghostlib.redundancy.shuffled import shuffled
from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, UNTRAINED
from ghostlib.redundancy.unfinished import Unfinished
from ghostlib.studies.catalogue import network_of
from ghostlib.sweep.rows import kept_file
from ghostlib.weights.description import run_of

RESULTS, SCRATCH = Path("data/results"), Path("data/runs/redundancy_at_size")
KEY = ["network", "s", "d", "seed", "photographs"]
SHOWN = 8  # photographs that the spread of shuffled layers' channels is taken from


@dataclass(frozen=True)
class Subject:
    """A network, the same one before training where it is known, how it wants its photographs, and which weights it has."""

    about: dict[str, Any]
    net: OnnxNetwork
    untrained: OnnxNetwork | None
    prepare: Callable[[Sequence[str]], np.ndarray]
    origin: dict[str, str]

    def others(self, images: np.ndarray) -> dict[str, OnnxNetwork]:
        """What it is compared with on these photographs. Which weights are shuffled how depends on them alone, so that one
        who was interrupted goes on with the same network."""
        with progress_bar(len(self.net.convolutions), "layers shuffled") as bar:
            mixed = shuffled(self.net, images[:SHOWN], step=bar.update)
        return ({UNTRAINED: self.untrained} if self.untrained is not None else {}) | {SHUFFLED_WEIGHTS: mixed}


def subjects(sources: list[str], normalise: str) -> Iterator[tuple[dict[str, Any], dict[str, str], Callable[[], Subject]]]:
    """What is said of each network and of its weights, and what reads it."""
    for source in sources:
        if source.endswith(".onnx"):
            about = {"network": Path(source).stem, "s": "", "d": "", "seed": ""}
            yield about, {}, partial(of_file, about, source, normalise)
            continue
        for config, path in runs(source):
            about = {"network": network_of(config), "s": config.ratio, "d": config.kernel, "seed": config.seed}
            origin = origin_of(path)
            yield about, origin, partial(of_run, about, origin, config, path)


def runs(source: str) -> Iterator[tuple[Config, Path]]:
    """Runs and the weights that they left: of a sweep those that are kept, or the one that wrote a file of weights."""
    if source.endswith(".safetensors"):
        yield Config.of(run_of(source)), Path(source)
        return
    grid = sweep.read(source)
    for point in grid.points:
        if (path := kept_file(grid, point, "last.safetensors")).exists():
            yield grid.config(point), path


def of_file(about: dict[str, Any], source: str, normalise: str) -> Subject:
    net = OnnxNetwork(source)
    return Subject(about, net, None, lambda files: prepared(files, net.size or SIZE, normalise), {})


def of_run(about: dict[str, Any], origin: dict[str, str], config: Config, path: Path) -> Subject:
    from ghostlib.deploy.onnx_graph import as_onnx
    from ghostlib.models.build import build
    from ghostlib.weights import load_weights
    net, shape = build(config).set_train(False), (3, config.image_size, config.image_size)
    untrained = OnnxNetwork(as_onnx(net, shape))
    load_weights(net, str(path))
    return Subject(about, OnnxNetwork(as_onnx(net, shape)), untrained,
                   lambda files: first_images(batches_of(files, config), len(files)), origin)


def measure(subject: Subject, photographs: at_size.Photographs) -> dict[str, pd.DataFrame]:
    """All tables of one network on one set of photographs."""
    about, net = {**subject.about, "photographs": photographs.name}, subject.net
    images = subject.prepare([*photographs.fitted, *photographs.reported])
    layers = at_size.some_layers(net, images)
    study, unfinished = at_size.study(net, subject.others(images), images, photographs.sample, layers), Unfinished(SCRATCH)
    kept = unfinished.of(about, study, {"layers": layers})
    with progress_bar(study.total(kept), "multiply-adds") as bar:
        tables = study.run(bar.update, kept)
    row = {**at_size.accuracy(net, subject.prepare, photographs.judged), "fitted": len(photographs.fitted),
           "reported": len(photographs.reported), "layers": len(layers), "convolutions": len(net.convolutions),
           "height": images.shape[2], **subject.origin, **results.provenance()}
    tables = {name: table.assign(**about).round(4) for name, table in {**tables, "networks": pd.DataFrame([row])}.items()}
    record(tables)
    unfinished.done()
    return tables


def record(tables: dict[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        path = RESULTS / f"at_size_{name}.csv"
        print(f"{path}: {results.record(path, table, KEY)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("sources", nargs="+", help="sweeps that keep last.safetensors, such files alone, and ONNX files")
    parser.add_argument("--normalise", default="imagenet", choices=list(NORMALISATIONS), help="for ONNX files")
    parser.add_argument("--images", default="data/imagenette", help="the folder with Imagenette's train/ and val/")
    parser.add_argument("--photographs", nargs="+", choices=at_size.SETS,
                        help=f"{at_size.OURS} and {at_size.SHARED}; wanted for ONNX files, which do not say what they were "
                             f"trained on")
    parser.add_argument("--seeds", nargs="+", type=int, help="only these of a sweep")
    parser.add_argument("--again", action="store_true", help="also what is in the tables")
    given = parser.parse_args()
    if not given.photographs and any(source.endswith(".onnx") for source in given.sources):
        parser.error("--photographs is wanted for ONNX files, which do not say what they were trained on")
    found = list(subjects(given.sources, given.normalise))
    if not found:
        parser.exit(1, f"{', '.join(given.sources)}: no network is kept in data/runs; run the sweep first\n")
    for about, origin, read in found:
        if given.seeds and about["seed"] not in ("", *given.seeds):
            continue
        subject = None
        for name in given.photographs or (at_size.OURS, at_size.SHARED):
            own = {**about, "photographs": name, **origin}
            if given.again or not is_recorded(RESULTS / "at_size_networks.csv", own, KEY):  # the last that is written
                print(*about.values(), name, flush=True)
                subject = subject or read()
                measure(subject, at_size.photographs_of(given.images, name))
