"""How redundant a network's maps are, and how redundant they would be anyway: the measurement with its controls.

Any smooth image makes any two of its filtered versions alike, and the best of many candidates looks good by luck. So
each figure stands beside what the same choice of the best source finds where there is nothing to find, or less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from ghostlib import redundancy
from ghostlib.features import Network, OnnxNetwork, ghost_layers
from ghostlib.redundancy.layers import LayerStudy, Place, Rows, places
from ghostlib.redundancy.measured import Measured, Sample, Splits, measure_all, work_of
from ghostlib.redundancy.products import Step
from ghostlib.redundancy.sources import GREY, OTHER_IMAGE, SCRAMBLED, SHUFFLED_WEIGHTS, SOURCES, TRAINED, UNTRAINED

GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue
KERNELS, THRESHOLDS = (1, 3, 5, 7), (0.5, 0.7, 0.9)  # Table 2's d; ours
RESAMPLES = 1000
FEWEST = 8  # images that an interval over images is taken from: drawing two again and again says nothing


def phase_scrambled(images: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Images with the same spectrum and random phases: as smooth as before, without edges or things.

    Each image (3, H, W) gets phases of its own, the same for its colours, which thus stay as correlated as they were.
    """
    noise = np.random.default_rng(seed).normal(size=(len(images), 1, *images.shape[2:]))
    phases = np.angle(np.fft.fft2(noise))  # of real noise, so that what comes out is real
    phases[..., 0, 0] = 0  # the mean stays
    return np.fft.ifft2(np.fft.fft2(images) * np.exp(1j * phases)).real.astype(np.float32)


def grey_filtered(images: NDArray[Any], count: int, size: tuple[int, int], seed: int = 0) -> NDArray[Any]:
    """The greyscale images, scaled to a layer's size, through `count` random 3 x 3 filters: (N, count, H, W).

    As many candidates as a map has in the layer, so that the best of them is chosen from as many.
    """
    grey = np.tensordot(images, np.array(GREY_WEIGHTS, np.float32), axes=(1, 0))
    small = np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BOX)) for one in grey])
    filters = np.random.default_rng(seed).normal(size=(count, 9))
    seen = redundancy.patches_of(small[:, None], 3)
    made: NDArray[Any] = seen @ filters.T
    return made.transpose(0, 2, 1).reshape(len(images), count, *size).astype(np.float32)


def of_another_image(maps: NDArray[Any], splits: Splits, seed: int = 0) -> NDArray[Any]:
    """Maps (N, C, H, W) with each image's exchanged for those of another image of the same split."""
    exchanged, rng = maps.copy(), np.random.default_rng(seed)
    for part in (splits.fit, splits.choose, splits.report):
        order = rng.permutation(part)
        exchanged[order] = maps[np.roll(order, 1)]  # in a circle, so that none keeps its own
    return exchanged


def similarity_study(net: Network, untrained: Network | Mapping[str, Network], images: NDArray[Any], kernels: Sequence[int],
                     seed: int = 0, layers: Sequence[str] = ()) -> pd.DataFrame:
    """How well the best source predicts a map, in a network and in each control.

    Args:
        net: A trained network, in which `features.stages` finds convolutions.
        untrained: The same network with random weights, or an ONNX graph with shuffled ones (`shuffled.py`); or several
            such networks by what they are called, one of SOURCES or SHUFFLED_WEIGHTS.
        images: (N, 3, H, W), normalised, that `net` was not trained on.
        kernels: d of the filters.
        seed: Of the splits, controls and resamples.
        layers: Only these; none are all. Layers of one map, and those whose maps are smaller than 2 d,
            are left out.

    Returns:
        One row for each layer, stage, filter and source, with columns layer, depth (from 1), channels, size, stage,
        filter (its d), source; r2, low, high: the median over maps of the best source's R2 with its 95 % interval over
        images; mse (in the maps' own units); gap, gap_low, gap_high: how much less than `net` itself, on the same images.
    """
    return network_study(net, untrained, images, kernels, (), seed, layers).run()["redundancy"]


def ratio_study(net: Network, images: NDArray[Any], kernels: Sequence[int], thresholds: Sequence[float], seed: int = 0,
                layers: Sequence[str] = ()) -> pd.DataFrame:
    """What ratio s each layer allows: the fewest intrinsic maps from which a d x d filter makes each other one.

    Args:
        net, images, kernels, seed, layers: As for `similarity_study`.
        thresholds: tau, the R2 that a ghost must reach.

    Returns:
        One row for each layer, stage, filter and tau, with columns layer, depth, channels, size, stage, filter (its d),
        threshold; ratio, low, high: C over intrinsic maps, where a ghost that misses tau on the images for reporting
        counts as intrinsic; promised: the same as it looked on the images for choosing.
    """
    return network_study(net, None, images, kernels, thresholds, seed, layers).run()["allowed_ratio"]


def network_study(net: Network, untrained: Network | Mapping[str, Network] | None, images: NDArray[Any],
                  kernels: Sequence[int], thresholds: Sequence[float], seed: int = 0, layers: Sequence[str] = (),
                  sample: Sample | None = None) -> LayerStudy:
    """Both of the above of the same filters, tables "redundancy" and "allowed_ratio"; without a network to compare with or
    without thresholds only the other one. `sample` says which images are for what, where they are not drawn, and what of
    wide layers is measured; the ratio of a layer that is not measured whole is missing. Table "redundancy" also has, for
    each threshold, "reach" and it: the share of maps whose R2 is at least that."""
    drawn, others = _Drawn.of(len(images), seed, sample), _named(untrained)
    nets = {TRAINED: (net, images)}
    if others:
        nets |= {**{name: (other, images) for name, other in others.items()},
                 SCRAMBLED: (net, phase_scrambled(images, seed))}
    sources = [TRAINED, *others, *SOURCES[2:]] if others else [TRAINED]

    def rows(place: Place, maps: Mapping[str, NDArray[Any]], step: Step) -> Rows:
        fitting = place.fitting(kernels)
        about = {"layer": place.layer, "depth": place.depth, "channels": place.shape[0], "size": place.shape[1],
                 "stage": place.stage}
        alike: dict[tuple[int, str], dict[str, Any]] = {}
        allowed: list[dict[str, Any]] = []
        typical: dict[int, tuple[Any, Any]] = {}
        splits, of = drawn.splits_of(place), drawn.targets_of(place)
        for source in sources if fitting else ():
            made_from, made = _pair(source, maps, images, drawn)
            found = measure_all(made_from, made[:, of], splits, fitting, step)
            for kernel in fitting:
                if source == TRAINED:
                    allowed += [{**about, "filter": kernel, "threshold": tau, **_allowed(found[kernel], tau, drawn, step)}
                                for tau in thresholds if len(of) == place.shape[0]]
                if others:
                    own = np.arange(0) if source == GREY else of  # each map's own place among the sources
                    scores = found[kernel].report(redundancy.best_sources(found[kernel].choose, own), step=step)
                    r2, again = _typical(scores.r2), _typical(scores.drawn(drawn.weights))
                    own_r2, own_again = typical.setdefault(kernel, (r2, again))
                    alike[kernel, source] = {**about, "filter": kernel, "source": source,
                                             **_interval("r2", r2, again, drawn), "mse": float(np.median(scores.mse)),
                                             **{f"reach{tau:g}": float((scores.r2 >= tau).mean()) for tau in thresholds},
                                             **_interval("gap", own_r2 - r2, own_again - again, drawn)}
        return {"redundancy": [alike[kernel, source] for kernel in fitting for source in sources if alike],
                "allowed_ratio": allowed}

    def work(place: Place) -> float:
        targets = len(drawn.targets_of(place)), *place.shape[1:]
        return sum(work_of(place.shape[0] - (source == GREY), targets, drawn.splits_of(place), place.fitting(kernels),
                           bool(others) + (source == TRAINED) * len(thresholds)) for source in sources)
    return LayerStudy(nets, places(net, images, layers), rows, work)


def intrinsic_study(ghost: Network, plain: Network, images: NDArray[Any], kernels: Sequence[int], seed: int = 0,
                    draws: int = 20) -> pd.DataFrame:
    """Whether a Ghost network's intrinsic maps are less redundant among themselves than equally many of a plain one's.

    Args:
        ghost, plain: Two trained networks with layers of the same names, the first with Ghost layers.
        images, kernels, seed: As for `similarity_study`.
        draws: How often as many maps are drawn at random from the plain network's.

    Returns:
        One row for each layer, stage and filter, with columns layer, depth, intrinsic (how many), size, stage, filter;
        ghost, plain: medians of the best source's R2, the second a mean over draws; gap, gap_low, gap_high: ghost less
        plain, its 95 % interval over images and draws.
    """
    return pair_study(ghost, plain, images, kernels, seed, draws).run()["intrinsic"]


def pair_study(ghost: Network, plain: Network, images: NDArray[Any], kernels: Sequence[int], seed: int = 0,
               draws: int = 20) -> LayerStudy:
    """What makes `intrinsic_study`, as its table "intrinsic"."""
    drawn, counts, rng = _Drawn.of(len(images), seed), _intrinsic(ghost), np.random.default_rng(seed)
    found = places(ghost, images, list(counts))
    # All in advance, so that a layer gets the same whether those before it are made again or not.
    subsets = {(place.name, kernel): [rng.permutation(place.shape[0])[:counts[place.layer]] for _ in range(draws)]
               for place in found for kernel in place.fitting(kernels)}

    def rows(place: Place, maps: Mapping[str, NDArray[Any]], step: Step) -> Rows:
        count, table = counts[place.layer], []
        fitting = place.fitting(kernels) if count > 1 else []
        own, others = maps["ghost"][:, :count], maps["plain"]
        ghosts, plains = (measure_all(of, of, drawn.splits, fitting, step) if fitting else {} for of in (own, others))
        for kernel in fitting:
            scores = ghosts[kernel].report(redundancy.best_sources(ghosts[kernel].choose), step=step)
            ghost_r2, ghost_again = _typical(scores.r2), _typical(scores.drawn(drawn.weights))
            drawn_maps = subsets[place.name, kernel]
            best = [subset[redundancy.best_sources(plains[kernel].choose[np.ix_(subset, subset)])] for subset in drawn_maps]
            all_draws = plains[kernel].report(np.concatenate(best), np.concatenate(drawn_maps), step)
            each = [all_draws.some(part) for part in np.split(np.arange(draws * count), draws)]
            plain_r2 = float(np.mean([_typical(scores.r2) for scores in each]))
            plain_again = np.concatenate([_typical(scores.drawn(part)) for scores, part in
                                          zip(each, np.array_split(drawn.weights, draws))])
            table.append({"layer": place.layer, "depth": place.depth, "intrinsic": count, "size": place.shape[1],
                          "stage": place.stage, "filter": kernel, "ghost": ghost_r2, "plain": plain_r2,
                          **_interval("gap", ghost_r2 - plain_r2, ghost_again - plain_again, drawn)})
        return {"intrinsic": table}

    def work(place: Place) -> float:
        return sum(work_of(channels, (channels, *place.shape[1:]), drawn.splits, place.fitting(kernels))
                   for channels in (counts[place.layer], place.shape[0]))
    return LayerStudy({"ghost": (ghost, images), "plain": (plain, images)}, found, rows, work)


def _intrinsic(net: Network) -> dict[str, int]:
    """How many maps of each Ghost layer are intrinsic."""
    return {name: layer.intrinsic for name, layer in ghost_layers(net).items()}


@dataclass(frozen=True)
class _Drawn:
    """What is drawn at random for a study: its splits, how often each image to report counts (RESAMPLES, N), its seed; and
    the Sample that it is of, or None for all of each layer."""

    splits: Splits
    weights: NDArray[Any]
    seed: int
    sample: Sample | None = None

    @classmethod
    def of(cls, images: int, seed: int, sample: Sample | None = None) -> "_Drawn":
        splits = sample.splits if sample else Splits.draw(images, seed)
        return cls(splits, redundancy.resamples(len(splits.report), RESAMPLES, seed), seed, sample)

    def splits_of(self, place: Place) -> Splits:
        return self.sample.splits_of(*place.shape[1:]) if self.sample and len(place.shape) == 3 else self.splits

    def targets_of(self, place: Place) -> NDArray[Any]:
        """Indices of the maps that are predicted."""
        return self.sample.targets_of(place.shape[0], self.seed) if self.sample else np.arange(place.shape[0])


def _named(untrained: Network | Mapping[str, Network] | None) -> dict[str, Network]:
    """What a network is compared with, by what it is called."""
    if untrained is None or isinstance(untrained, Mapping):
        return dict(untrained or {})
    return {SHUFFLED_WEIGHTS if isinstance(untrained, OnnxNetwork) else UNTRAINED: untrained}


def _pair(source: str, maps: Mapping[str, NDArray[Any]], images: NDArray[Any],
          drawn: _Drawn) -> tuple[NDArray[Any], NDArray[Any]]:
    """A control's sources and targets."""
    own = maps[TRAINED]
    if source == GREY:
        return grey_filtered(images, own.shape[1] - 1, (own.shape[2], own.shape[3]), drawn.seed), own
    if source == OTHER_IMAGE:
        return of_another_image(own, drawn.splits, drawn.seed), own
    return maps[source], maps[source]


def _allowed(measured: Measured, tau: float, drawn: _Drawn, step: Step) -> dict[str, float]:
    """The ratio that filters of one size allow, with its interval, and what they promised."""
    chosen, source = redundancy.fewest_sources(measured.choose, tau)
    ghosts = np.setdiff1d(np.arange(len(source)), chosen)
    scores = measured.report(source[ghosts], ghosts, step)
    own, again = (len(source) / (len(chosen) + (~(r2 >= tau)).sum(axis=-1))
                  for r2 in (scores.r2, scores.drawn(drawn.weights)))
    return {**_interval("ratio", float(own), again, drawn), "promised": len(source) / len(chosen)}


def _typical(r2: NDArray[Any]) -> Any:  # as NumPy's own reductions: the shape decides, which no type can say
    """The median over maps, (C,) to a number or (B, C) to (B,); constant maps do not count."""
    if np.isnan(r2).all():
        return np.nan if r2.ndim == 1 else np.full(len(r2), np.nan)
    return float(np.nanmedian(r2)) if r2.ndim == 1 else np.nanmedian(r2, axis=1)


def _interval(name: str, value: float, again: NDArray[Any], drawn: _Drawn) -> dict[str, float]:
    """A figure with its 95 % bootstrap interval over images, as columns: name, then low and high, with the prefix of a gap;
    these are missing where there are fewer than FEWEST."""
    prefix = "gap_" if name == "gap" else ""
    known = len(drawn.splits.report) >= FEWEST and np.isfinite(again).any()
    low, high = np.nanquantile(again, [0.025, 0.975]) if known else (np.nan, np.nan)
    return {name: value, f"{prefix}low": float(low), f"{prefix}high": float(high)}
