"""The filters between all pairs of maps, of several sizes: fitted, chosen among and reported on images of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ghostlib.redundancy.linear import LinearMaps, Scores, check_size, filters, score_pairs
from ghostlib.redundancy.products import Centre, Step, products
from ghostlib.redundancy.splits import split


@dataclass(frozen=True)
class Splits:
    """Three parts of some images: filters are fitted on one, sources chosen on another, figures reported on the third."""

    fit: np.ndarray
    choose: np.ndarray
    report: np.ndarray

    @classmethod
    def draw(cls, count: int, seed: int = 0) -> "Splits":
        return cls(*split(count, seed))


@dataclass(frozen=True)
class Measured:
    """Filters of one size from every source to every target.

    Attributes:
        choose: (S, C), the R2 of each on the images for choosing.
        maps: The filters.
        sources, targets: (N, S, H, W) and (N, C, H, W), on the images for reporting.
    """

    choose: np.ndarray
    maps: LinearMaps
    sources: np.ndarray
    targets: np.ndarray

    def report(self, chosen: np.ndarray, of: np.ndarray | None = None) -> Scores:
        """How well the chosen source (P,) makes each target, of all or of some (P,), on the images for reporting.

        Only what is asked for is predicted: scores of all pairs, image by image, are most of the work and never looked at.
        """
        of = np.arange(self.targets.shape[1]) if of is None else of
        return score_pairs(self.maps, self.sources, self.targets, chosen, of)


def measure(sources: np.ndarray, targets: np.ndarray, splits: Splits, kernel: int) -> Measured:
    """Fits the d x d filters from sources (N, S, H, W) to targets (N, C, H, W) and scores them on images of their own."""
    return measure_all(sources, targets, splits, (kernel,))[kernel]


def measure_all(sources: np.ndarray, targets: np.ndarray, splits: Splits, kernels: Sequence[int],
                step: Step | None = None) -> dict[int, Measured]:
    """As `measure`, for filters of several sizes from the same sums: those of the largest hold all others.

    Args:
        step: Told, as the work goes on, how many multiply-adds of it have been done; in all twice `products.work` for the
            images of one split.
    """
    fit, choose = splits.fit, splits.choose
    for kernel in kernels:
        check_size(sources[fit], targets[fit], kernel)
    centre = Centre.of(sources[fit], targets[fit], max(kernels))
    fitting = products(sources[fit], targets[fit], max(kernels), centre, step)
    choosing = products(sources[choose], targets[choose], max(kernels), centre, step)
    values = targets[choose].astype(np.float64)
    sums, squares, found = values.sum(axis=(0, 2, 3)), (values**2).sum(axis=(0, 2, 3)), {}
    for kernel in kernels:
        own = fitting.of_size(kernel)
        solution = own.solve()
        errors = choosing.of_size(kernel).errors(solution)
        r2 = Scores(errors[None], sums[None], squares[None], choosing.count).r2  # all images as one: none is drawn again
        found[kernel] = Measured(r2, filters(solution, own.middle, centre.targets), sources[splits.report],
                                 targets[splits.report])
    return found
