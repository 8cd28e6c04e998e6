"""The filters between all pairs of maps, of several sizes: fitted, chosen among and reported on images of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.redundancy.linear import LinearMaps, Scores, check_size, filters, score_pairs
from ghostlib.redundancy.products import Centre, Step, deviations, flat, products, work
from ghostlib.redundancy.splits import split

LEAST = 8  # images that a part of a Sample has
AT_ONCE = 2**23  # products of sources and targets, 64 MiB: what is solved at a time, where layers are wide


@dataclass(frozen=True)
class Splits:
    """Three parts of some images: filters are fitted on one, sources chosen on another, figures reported on the third."""

    fit: NDArray[Any]
    choose: NDArray[Any]
    report: NDArray[Any]

    @classmethod
    def draw(cls, count: int, seed: int = 0) -> "Splits":
        return cls(*split(count, seed))


@dataclass(frozen=True)
class Sample:
    """What of wide layers and large maps is measured, where all of it would take hours.

    Attributes:
        splits: Which images are for what.
        targets: At most so many maps of a layer, drawn at random, are predicted; each from all others.
        pixels: Of the images to fit on, and of those to choose on, only so many that a map of them has at most so many
            pixels, but at least LEAST.
    """

    splits: Splits
    targets: int
    pixels: int

    def splits_of(self, height: int, width: int) -> Splits:
        """Those for maps of one size: fewer images where each tells more."""
        count = max(LEAST, self.pixels // (height * width))
        return Splits(self.splits.fit[:count], self.splits.choose[:count], self.splits.report)

    def targets_of(self, channels: int, seed: int) -> NDArray[Any]:
        """Indices of the maps that are predicted, in order."""
        return np.sort(np.random.default_rng(seed).permutation(channels)[:self.targets])


@dataclass(frozen=True)
class Measured:
    """Filters of one size from every source to every target.

    Attributes:
        choose: (S, C), the R2 of each on the images for choosing.
        maps: The filters.
        sources, targets: (N, S, H, W) and (N, C, H, W), on the images for reporting.
    """

    choose: NDArray[Any]
    maps: LinearMaps
    sources: NDArray[Any]
    targets: NDArray[Any]

    def report(self, chosen: NDArray[Any], of: NDArray[Any] | None = None, step: Step | None = None) -> Scores:
        """How well the chosen source (P,) makes each target, of all or of some (P,), on the images for reporting.

        Only what is asked for is predicted: scores of all pairs, image by image, are most of the work and never looked at.
        """
        of = np.arange(self.targets.shape[1]) if of is None else of
        return score_pairs(self.maps, self.sources, self.targets, chosen, of, step)


def measure(sources: NDArray[Any], targets: NDArray[Any], splits: Splits, kernel: int) -> Measured:
    """Fits the d x d filters from sources (N, S, H, W) to targets (N, C, H, W) and scores them on images of their own."""
    return measure_all(sources, targets, splits, (kernel,))[kernel]


def measure_all(sources: NDArray[Any], targets: NDArray[Any], splits: Splits, kernels: Sequence[int],
                step: Step | None = None) -> dict[int, Measured]:
    """As `measure`, for filters of several sizes from the same sums: those of the largest hold all others.

    Args:
        step: Told, as the work goes on, how many multiply-adds of `work_of` have been done.
    """
    fit, choose, largest = splits.fit, splits.choose, max(kernels)
    for kernel in kernels:
        check_size(sources[fit], targets[fit], kernel)
    centre = Centre.of(sources[fit], targets[fit], largest)
    for_fit, for_choice = deviations(targets[fit], centre), deviations(targets[choose], centre)
    values = flat(targets[choose])
    whole = values.sum(axis=1), np.einsum("cp,cp->c", values, values), values.shape[1]
    parts: dict[int, list[tuple[NDArray[Any], LinearMaps]]] = {kernel: [] for kernel in kernels}
    several = max(1, AT_ONCE // (largest**2 * targets.shape[1]))
    for first in range(0, sources.shape[1], several):
        own = slice(first, first + several)
        fitting = products(sources[fit, own], for_fit, largest, centre.some(own), step)
        choosing = products(sources[choose, own], for_choice, largest, centre.some(own), step)
        for kernel in kernels:
            inner = fitting.of_size(kernel)
            solution = inner.solve()
            parts[kernel].append((_r2(choosing.of_size(kernel).errors(solution), *whole),
                                  filters(solution, inner.middle, centre.targets)))
    return {kernel: Measured(np.concatenate([r2 for r2, _ in own]),
                             LinearMaps(np.concatenate([maps.kernels for _, maps in own]),
                                        np.concatenate([maps.bias for _, maps in own])),
                             sources[splits.report], targets[splits.report]) for kernel, own in parts.items()}


def work_of(sources: int, targets: tuple[int, ...], splits: Splits, kernels: Sequence[int], reports: int = 1) -> float:
    """Multiply-adds that `measure_all` tells of, and at most as many reports of all targets (C, H, W) for each kernel."""
    if not kernels:
        return 0.0
    channels, pixels, largest = targets[0], targets[1] * targets[2], max(kernels)
    measured = work(sources * pixels * largest**2 * (len(splits.fit) + len(splits.choose)), largest**2 + channels)
    return measured + reports * sum(work(channels * pixels * kernel**2 * len(splits.report), 1) for kernel in kernels)


def _r2(errors: NDArray[Any], sums: NDArray[Any], squares: NDArray[Any], count: int) -> NDArray[Any]:
    """R2 (S, C) of all images as if they were one: none is drawn again."""
    return Scores(errors[None], sums[None], squares[None], count).r2
