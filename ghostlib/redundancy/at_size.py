"""Redundancy of full-size networks: both controls side by side, others' measures, every kind of layer, on named photographs.

An ONNX graph stands for each network, ours too: then all are shown by one engine, their layers are called and classified
alike, and weights can be shuffled in all. tools/measure_redundancy.py records what this makes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.data import imagenette
from ghostlib.data.examples import imagenet_synsets
from ghostlib.data.files import find
from ghostlib.errors import InputError
from ghostlib.features import OnnxNetwork
from ghostlib.redundancy.controls import THRESHOLDS, network_study
from ghostlib.redundancy.crosschecks import cka_of_halves, effective_rank, mean_rank
from ghostlib.redundancy.layers import LayerStudy, Place, Rows, places
from ghostlib.redundancy.measured import Sample, Splits
from ghostlib.redundancy.products import Step
from ghostlib.redundancy.sources import TARGETS, TRAINED

KERNELS = 1, 3  # copies, and the paper's d
# Fixed before anything was measured, for the time it takes: of each kind of layer of a network at most MOST, evenly over
# depth; of each layer at most TARGETS maps are predicted, from all others; photographs to fit on, to choose on and to report
# on; where maps are large, fewer of the first two, so that a map has at most PIXELS in them all.
MOST = 5
FIT, CHOOSE, REPORT, PIXELS = 32, 32, 64, 32 * 28 * 28
CHECKED, RANKED = 32, 8  # photographs, of those reported on, for others' measures, and for the rank, which takes long
AT_ONCE = 256  # photographs that are judged at a time
IMAGENETS_OWN = "ILSVRC2012_val_"  # how files begin that are ImageNet's validation photographs, in whichever folder
HALVES, OURS, SHARED = SETS = "halves", "train-val", "shared"


@dataclass(frozen=True)
class Photographs:
    """Which photographs a measurement saw.

    Attributes:
        name: One of SETS.
        fitted: Files on which filters are fitted (the first half) and sources chosen (the second).
        reported: Others, on which figures are reported.
        judged: Those on which accuracy is counted; no network that is shown this set was trained on one of them.
    """

    name: str
    fitted: Sequence[str]
    reported: Sequence[str]
    judged: Sequence[str]

    @property
    def sample(self) -> Sample:
        """Of the fitted and the reported ones, one after the other."""
        half, fitted = len(self.fitted) // 2, len(self.fitted)
        return Sample(Splits(np.arange(half), np.arange(half, fitted), np.arange(fitted, fitted + len(self.reported))),
                      TARGETS, PIXELS)


def photographs_of(folder: str | Path, name: str, seed: int = 0) -> Photographs:
    """One of SETS, of a folder with Imagenette's train/ and val/, some of whose files are ImageNet's validation photographs.

    *halves*: these alone, half of them to fit and half to report; for networks that were trained on ImageNet.
    *train-val*: fitted on train/, reported on val/; for networks that were trained on train/, or elsewhere than on
    ImageNet.
    *shared*: those of ImageNet's in train/ to fit, those in val/ to report; no network of either sort was trained
    on the latter, so that both can be compared.

    Raises:
        InputError: For a folder with too few of them, or another name.
    """
    if name not in SETS:
        raise InputError(f"photographs: {name} given; allowed are {', '.join(SETS)}")
    rng = np.random.default_rng(seed)
    train, val = (find([str(Path(folder) / part)]) for part in ("train", "val"))
    own_train, own_val = ([file for file in files if Path(file).name.startswith(IMAGENETS_OWN)] for files in (train, val))
    if name == HALVES:
        own = _drawn(own_train + own_val, len(own_train + own_val), rng)
        fitted, reported, judged = own[:len(own) // 2], own[len(own) // 2:], own
    elif name == OURS:
        fitted, reported, judged = train, val, val
    else:
        fitted, reported, judged = own_train, own_val, own_val
    if len(fitted) < FIT + CHOOSE or len(reported) < REPORT:
        raise InputError(f"photographs: {folder} holds {len(fitted)} to fit and {len(reported)} to report of {name}; wanted "
                         f"are {FIT + CHOOSE} and {REPORT}")
    return Photographs(name, _drawn(fitted, FIT + CHOOSE, rng), _drawn(reported, REPORT, rng), judged)


def _drawn(files: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [files[place] for place in rng.permutation(len(files))[:count]]


def some_layers(net: OnnxNetwork, images: NDArray[Any], most: int = MOST) -> list[str]:
    """Of each kind of layer at most so many, evenly over depth, of those whose maps are large enough for a filter of 1 x 1
    and several: squeeze-and-excitation's are not."""
    found = places(net, images)
    large = {place.layer for place in found if place.fitting(KERNELS)}
    kinds: dict[str, list[str]] = {}
    for layer, kind in net.kinds().items():
        if layer in large:
            kinds.setdefault(kind, []).append(layer)
    chosen = {own[place] for own in kinds.values() for place in _evenly(len(own), most)}
    return [layer for layer in net.convolutions if layer in chosen]


def _evenly(count: int, most: int) -> NDArray[Any]:
    chosen: NDArray[Any] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return chosen


def study(net: OnnxNetwork, others: Mapping[str, OnnxNetwork], images: NDArray[Any], sample: Sample,
          layers: Sequence[str], seed: int = 0) -> LayerStudy:
    """What makes the tables "redundancy", "allowed_ratio" and "checks" of some layers.

    Args:
        net: The trained network.
        others: The same graph with other weights, by UNTRAINED or SHUFFLED_WEIGHTS.
        images: (N, 3, H, W), normalised.
        sample: What they are for, and what of each layer is measured.
        layers: Names of convolutions.
        seed: Of controls and resamples.
    """
    whole = network_study(net, others, images, KERNELS, THRESHOLDS, seed, layers, sample)
    kinds, last, seen = net.kinds(), max(1, len(net.convolutions) - 1), sample.splits.report[:CHECKED]

    def rows(place: Place, maps: Mapping[str, NDArray[Any]], step: Step) -> Rows:
        own = {"kind": kinds[place.layer], "deep": (place.depth - 1) / last}
        tables = whole.rows(place, maps, step)
        tables["checks"] = [{"layer": place.layer, "depth": place.depth, "channels": place.shape[0], "size": place.shape[1],
                             "stage": place.stage, "source": TRAINED, **_checks(maps[TRAINED][seen], seed)}]
        return {name: [{**row, **own} for row in table] for name, table in tables.items()}
    return replace(whole, rows=rows)


def _checks(maps: NDArray[Any], seed: int) -> dict[str, Any]:
    """Others' measures of one layer's maps, each as a share of the most that there can be."""
    count, *size = maps.shape[1:]
    return {"effective_rank": effective_rank(maps) / count, "mean_rank": float(mean_rank(maps[:RANKED]).mean()) / min(size),
            "cka": cka_of_halves(maps, seed=seed)}


def accuracy(net: OnnxNetwork, prepare: Callable[[Sequence[str]], NDArray[Any]], files: Sequence[str]) -> dict[str, Any]:
    """Top-1 on photographs in folders named by their class, as columns top1, judged (how many) and classes; missing where
    outputs are no logits of ImageNet's or Imagenette's classes.

    Args:
        net: Whose first output is looked at.
        prepare: Makes of files what it takes.
        files: The photographs.
    """
    output, right, names = net.model.graph.output[0].name, 0, None
    for start in range(0, len(files), AT_ONCE):
        own = files[start:start + AT_ONCE]
        logits = net.activations(prepare(own), [output])[output]
        names = {len(one): one for one in (imagenet_synsets(), list(imagenette.CLASSES))}.get(logits.shape[-1])
        if names is None or logits.ndim != 2:
            return {"top1": "", "judged": "", "classes": ""}
        right += sum(names[best] == Path(file).parent.name for best, file in zip(logits.argmax(axis=1), own))
    return {"top1": right / len(files), "judged": len(files), "classes": len(names or ())}
