"""How redundant a network's maps are, and how redundant they would be anyway: the measurement with its controls.

Any smooth image makes any two of its filtered versions alike, and the best of many candidates looks good by luck. So
each figure stands beside what the same choice of the best source finds where there is nothing to find, or less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mindspore import nn
from PIL import Image

from ghostlib import redundancy
from ghostlib.errors import InputError, nearest
from ghostlib.features import STAGES, activations, ghost_layers, stages
from ghostlib.redundancy import Scores
from ghostlib.redundancy.sources import GREY, SCRAMBLED, SHUFFLED, SOURCES, TRAINED, UNTRAINED

GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue
RESAMPLES = 1000
FEWEST = 8  # images that an interval over images is taken from: drawing two again and again says nothing


@dataclass(frozen=True)
class Splits:
    """Three parts of some images: filters are fitted on one, sources chosen on another, figures reported on the third."""

    fit: np.ndarray
    choose: np.ndarray
    report: np.ndarray

    @classmethod
    def draw(cls, count: int, seed: int = 0) -> "Splits":
        return cls(*redundancy.split(count, seed))


@dataclass(frozen=True)
class Measured:
    """Every source's R2 for every target on the images for choosing, and their scores on those for reporting."""

    choose: np.ndarray
    report: Scores


def measure(sources: np.ndarray, targets: np.ndarray, splits: Splits, kernel: int) -> Measured:
    """Fits the d x d filters from sources (N, S, H, W) to targets (N, C, H, W) and scores them on images of their own."""
    fitted = redundancy.fit(sources[splits.fit], targets[splits.fit], kernel)
    return Measured(redundancy.score(fitted, sources[splits.choose], targets[splits.choose]).r2,
                    redundancy.score(fitted, sources[splits.report], targets[splits.report]))


def phase_scrambled(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Images with the same spectrum and random phases: as smooth as before, without edges or things.

    Each image (3, H, W) gets phases of its own, the same for its colours, which thus stay as correlated as they were.
    """
    noise = np.random.default_rng(seed).normal(size=(len(images), 1, *images.shape[2:]))
    phases = np.angle(np.fft.fft2(noise))  # of real noise, so that what comes out is real
    phases[..., 0, 0] = 0  # the mean stays
    return np.fft.ifft2(np.fft.fft2(images) * np.exp(1j * phases)).real.astype(np.float32)


def grey_filtered(images: np.ndarray, count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """The greyscale images, scaled to a layer's size, through `count` random 3 x 3 filters: (N, count, H, W).

    As many candidates as a map has in the layer, so that the best of them is chosen from as many.
    """
    grey = np.tensordot(images, np.array(GREY_WEIGHTS, np.float32), axes=(1, 0))
    small = np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BOX)) for one in grey])
    filters = np.random.default_rng(seed).normal(size=(count, 9))
    seen = redundancy.patches_of(small[:, None], 3)
    return (seen @ filters.T).transpose(0, 2, 1).reshape(len(images), count, *size).astype(np.float32)


def of_another_image(maps: np.ndarray, splits: Splits, seed: int = 0) -> np.ndarray:
    """Maps (N, C, H, W) with each image's exchanged for those of another image of the same split."""
    exchanged, rng = maps.copy(), np.random.default_rng(seed)
    for part in (splits.fit, splits.choose, splits.report):
        order = rng.permutation(part)
        exchanged[order] = maps[np.roll(order, 1)]  # in a circle, so that none keeps its own
    return exchanged


def similarity_study(net: nn.Cell, untrained: nn.Cell, images: np.ndarray, kernels: Sequence[int], seed: int = 0,
                     layers: Sequence[str] = ()) -> pd.DataFrame:
    """How well the best source predicts a map, in a network and in each control.

    Args:
        net: A trained network, in which `features.stages` finds convolutions.
        untrained: The same network with random weights.
        images: (N, 3, H, W), normalised, that `net` was not trained on.
        kernels: d of the filters.
        seed: Of the splits, controls and resamples.
        layers: Only these; none are all. Layers whose maps are smaller than 2 d are left out.

    Returns:
        One row for each layer, stage, filter and source, with columns layer, depth (from 1), channels, size, stage,
        filter (its d), source; r2, low, high: the median over maps of the best source's R2 with its 95 % interval over
        images; mse (in the maps' own units); gap, gap_low, gap_high: how much less than `net` itself, on the same images.
    """
    splits = Splits.draw(len(images), seed)
    weights = redundancy.resamples(len(splits.report), RESAMPLES, seed)
    variants = {TRAINED: (net, images), UNTRAINED: (untrained, images), SCRAMBLED: (net, phase_scrambled(images, seed))}
    places, rows = _places(net, layers), []
    maps = {source: activations(cell, pictures, _names(places)) for source, (cell, pictures) in variants.items()}
    for depth, layer, stage, name in places:
        own = maps[TRAINED][name]
        pairs = {source: (by_name[name], by_name[name]) for source, by_name in maps.items()}
        pairs[GREY] = grey_filtered(images, own.shape[1] - 1, (own.shape[2], own.shape[3]), seed), own
        pairs[SHUFFLED] = of_another_image(own, splits, seed), own
        for kernel in _fitting(kernels, own):
            for source in SOURCES:
                measured = measure(*pairs[source], splits, kernel)
                best = redundancy.best_sources(measured.choose)
                r2, drawn = _typical(measured.report.r2_of(best)), _typical(measured.report.r2_of(best, weights))
                if source == TRAINED:
                    own_r2, own_drawn = r2, drawn
                rows.append({"layer": layer, "depth": depth, "channels": own.shape[1], "size": own.shape[2],
                             "stage": stage, "filter": kernel, "source": source,
                             **_interval("r2", r2, drawn, len(splits.report)),
                             "mse": float(np.median(measured.report.mse[best, np.arange(len(best))])),
                             **_interval("gap", own_r2 - r2, own_drawn - drawn, len(splits.report))})
    return pd.DataFrame(rows)


def ratio_study(net: nn.Cell, images: np.ndarray, kernels: Sequence[int], thresholds: Sequence[float], seed: int = 0,
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
    splits = Splits.draw(len(images), seed)
    weights = redundancy.resamples(len(splits.report), RESAMPLES, seed)
    places, rows = _places(net, layers), []
    by_name = activations(net, images, _names(places))
    for depth, layer, stage, name in places:
        maps = by_name[name]
        for kernel in _fitting(kernels, maps):
            measured = measure(maps, maps, splits, kernel)
            for tau in thresholds:
                chosen, source = redundancy.fewest_sources(measured.choose, tau)
                ghosts = np.setdiff1d(np.arange(len(source)), chosen)
                own, drawn = (len(source) / (len(chosen) + (~(r2[..., ghosts] >= tau)).sum(axis=-1))
                              for r2 in (measured.report.r2_of(source), measured.report.r2_of(source, weights)))
                rows.append({"layer": layer, "depth": depth, "channels": len(source), "size": maps.shape[2],
                             "stage": stage, "filter": kernel, "threshold": tau,
                             **_interval("ratio", float(own), drawn, len(splits.report)),
                             "promised": len(source) / len(chosen)})
    return pd.DataFrame(rows)


def intrinsic_study(ghost: nn.Cell, plain: nn.Cell, images: np.ndarray, kernels: Sequence[int], seed: int = 0,
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
    splits = Splits.draw(len(images), seed)
    weights, rng = redundancy.resamples(len(splits.report), RESAMPLES, seed), np.random.default_rng(seed)
    counts, rows = ghost_layers(ghost), []
    places = _places(ghost, list(counts))
    of_ghost, of_plain = (activations(net, images, _names(places)) for net in (ghost, plain))
    for depth, layer, stage, name in places:
        count = counts[layer]
        own, others = of_ghost[name][:, :count], of_plain[name]
        for kernel in _fitting(kernels, own):
            ghosts, plains = measure(own, own, splits, kernel), measure(others, others, splits, kernel)
            best = redundancy.best_sources(ghosts.choose)
            ghost_r2, ghost_drawn = _typical(ghosts.report.r2_of(best)), _typical(ghosts.report.r2_of(best, weights))
            drawn, plain_r2 = [], []
            for part in np.array_split(np.arange(RESAMPLES), draws):
                subset = rng.permutation(others.shape[1])[:count]
                best = subset[redundancy.best_sources(plains.choose[np.ix_(subset, subset)])]
                scores = _of_targets(plains.report, subset)
                plain_r2.append(_typical(scores.r2_of(best)))
                drawn.append(ghost_drawn[part] - _typical(scores.r2_of(best, weights[part])))
            rows.append({"layer": layer, "depth": depth, "intrinsic": count, "size": own.shape[2], "stage": stage,
                         "filter": kernel, "ghost": ghost_r2, "plain": float(np.mean(plain_r2)),
                         **_interval("gap", ghost_r2 - float(np.mean(plain_r2)), np.concatenate(drawn), len(splits.report))})
    return pd.DataFrame(rows)


def _places(net: nn.Cell, layers: Sequence[str]) -> list[tuple[int, str, str, str]]:
    """Depth, layer, stage and the name under which its maps are found; of some layers or all."""
    found = stages(net)
    for layer in layers:
        if layer not in found:
            raise InputError(f"layer: {layer!r} given; {nearest(layer, found)}")
    return [(depth, layer, stage, names[stage]) for depth, (layer, names) in enumerate(found.items(), 1)
            if not layers or layer in layers for stage in STAGES if stage in names]


def _names(places: Sequence[tuple[int, str, str, str]]) -> list[str]:
    return [name for *_, name in places]


def _fitting(kernels: Sequence[int], maps: np.ndarray) -> list[int]:
    """Kernels of at most half the maps' size, beyond which a filter sees more border than map."""
    return [kernel for kernel in kernels if 2 * kernel <= min(maps.shape[2:])] if maps.ndim == 4 else []


def _of_targets(scores: Scores, targets: np.ndarray) -> Scores:
    return Scores(scores.errors[:, :, targets], scores.sums[:, targets], scores.squares[:, targets], scores.pixels)


def _typical(r2: np.ndarray) -> Any:  # as NumPy's own reductions: the shape decides, which no type can say
    """The median over maps, (C,) to a number or (B, C) to (B,); constant maps do not count."""
    if np.isnan(r2).all():
        return np.nan if r2.ndim == 1 else np.full(len(r2), np.nan)
    return float(np.nanmedian(r2)) if r2.ndim == 1 else np.nanmedian(r2, axis=1)


def _interval(name: str, value: float, drawn: np.ndarray, images: int) -> dict[str, float]:
    """A figure with its 95 % bootstrap interval over images, as columns: name, then low and high, with the prefix of a gap;
    these are missing where there are fewer than FEWEST."""
    prefix = "gap_" if name == "gap" else ""
    known = images >= FEWEST and np.isfinite(drawn).any()
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if known else (np.nan, np.nan)
    return {name: value, f"{prefix}low": float(low), f"{prefix}high": float(high)}
