"""Sums of products of maps with what filters see of them: enough to fit filters of several sizes, and to judge them.

What a d x d filter sees of a map contains, in its middle, what every smaller one sees, and one sum over images and pixels
serves all targets of a source. So these sums are made once for a pair of images' parts and the largest filter; fitting and
choosing among filters of every size are arithmetic with small matrices.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BLOCK = 2**18  # values of patches worked on at a time: 2 MiB, which stay near the processor between their uses
COLUMNS = 64  # of patches at least, where maps are large: products of few columns wait for memory
LAID_OUT = 15.0  # multiply-adds that laying out one value of patches takes as long as
CUTOFF = 1e-12  # of the largest eigenvalue: what is smaller is rounding, as in lstsq a singular value below 1e-6
NOISE = 1e-24  # of a source's power: what taking the mean from a constant map leaves, and more

Step = Callable[[float], object]  # told how many multiply-adds of `work` have been done


@dataclass(frozen=True)
class Centre:
    """What is taken from maps before they are multiplied: their means on the images for fitting.

    Attributes:
        seen: (S, d, d), the mean of each value that a filter sees of each source.
        targets: (C,).
    """

    seen: NDArray[Any]
    targets: NDArray[Any]

    def some(self, sources: slice) -> "Centre":
        """The same of some sources."""
        return Centre(self.seen[sources], self.targets)

    @classmethod
    def of(cls, sources: NDArray[Any], targets: NDArray[Any], kernel: int) -> "Centre":
        typical = sources.mean(axis=0, dtype=np.float64)[None]  # over images first: windows of one map are few
        return cls(windows(typical, kernel).mean(axis=(3, 4, 5)), targets.mean(axis=(0, 2, 3), dtype=np.float64))


@dataclass(frozen=True)
class Products:
    """Sums over images and pixels of products of deviations from a Centre.

    Attributes:
        square: (S, d d, d d), of what a filter sees of each source with itself.
        crossed: (S, d d, C), of that with each target.
        power: (C,), of each target with itself.
        middle: (S, d d), the Centre's part that was taken from the sources.
        count: How many pixels were summed.
    """

    square: NDArray[Any]
    crossed: NDArray[Any]
    power: NDArray[Any]
    middle: NDArray[Any]
    count: int

    def of_size(self, kernel: int) -> "Products":
        """The same for a smaller filter, which sees the middle of what this one sees."""
        size = round(self.square.shape[1] ** 0.5)
        inner = slice((size - kernel) // 2, (size + kernel) // 2)
        places = np.arange(size * size).reshape(size, size)[inner, inner].ravel()
        return Products(self.square[:, places[:, None], places], self.crossed[:, places], self.power,
                        self.middle[:, places], self.count)

    def solve(self) -> NDArray[Any]:
        """The smallest least-squares solution (S, d d, C); directions in which a source does not vary get nothing."""
        values, vectors = np.linalg.eigh(self.square)
        noise = NOISE * self.count * (self.middle**2).sum(axis=1)
        kept = values > np.maximum(CUTOFF * values[:, -1], noise)[:, None]
        weights = np.divide(1, values, out=np.zeros_like(values), where=kept)
        filters: NDArray[Any] = vectors @ (weights[:, :, None] * (vectors.transpose(0, 2, 1) @ self.crossed))
        return filters

    def errors(self, solution: NDArray[Any]) -> NDArray[Any]:
        """(S, C): summed squared errors of filters (S, d d, C) on these images, from products instead of predictions."""
        explained: NDArray[Any] = np.einsum("spc,spc->sc", solution, self.square @ solution - 2 * self.crossed)
        errors: NDArray[Any] = np.maximum(self.power + explained, 0)
        return errors


def products(sources: NDArray[Any], targets: NDArray[Any], kernel: int, centre: Centre,
             step: Step | None = None) -> Products:
    """Products of maps (N, S, H, W) with targets as `deviations` gives them, of the same images.

    Args:
        sources: Of any floating type; summed in float64.
        targets: (C, N H W).
        kernel: d.
        centre: Of the images for fitting, whichever images these are, so that errors need no bias.
        step: Told after each block how many multiply-adds of `work` it took.
    """
    pixels, square, crossed = sources.shape[2] * sources.shape[3], [], []
    for _, part, seen in patches(sources, kernel, centre.seen):
        if part.start == 0:
            square.append(np.zeros((len(seen), kernel**2, kernel**2)))
            crossed.append(np.zeros((len(seen) * kernel**2, len(targets))))
        square[-1] += seen @ seen.transpose(0, 2, 1)
        crossed[-1] += seen.reshape(-1, seen.shape[2]) @ targets[:, part.start * pixels:part.stop * pixels].T
        if step is not None:
            step(work(seen.size, kernel**2 + len(targets)))
    return Products(np.concatenate(square), np.concatenate(crossed).reshape(-1, kernel**2, len(targets)),
                    np.einsum("cp,cp->c", targets, targets), centre.seen.reshape(len(centre.seen), -1),
                    len(sources) * pixels)


def deviations(targets: NDArray[Any], centre: Centre) -> NDArray[Any]:
    """Targets (N, C, H, W) less their means, as `products` takes them: (C, N H W)."""
    apart: NDArray[Any] = flat(targets) - centre.targets[:, None]
    return apart


def work(values: float, columns: float) -> float:
    """Multiply-adds of products of so many values of patches with so many columns; laying one out counts as some, too."""
    return values * (columns + LAID_OUT)


def patches(sources: NDArray[Any], kernel: int,
            centre: NDArray[Any] | None = None) -> Iterator[tuple[int, slice, NDArray[Any]]]:
    """What filters see, less a centre (S, d, d): for some sources (N, S, H, W) and some images at a time.

    Yields:
        The first source, the images, and (some sources, d d, some images x H W) in memory that is used again for the next.
    """
    images, count, pixels = len(sources), sources.shape[1], sources.shape[2] * sources.shape[3]
    several = min(count, max(BLOCK // (kernel**2 * pixels * images), COLUMNS // kernel**2, 1))
    some = min(images, max(1, BLOCK // (several * kernel**2 * pixels)))
    held = np.empty(several * kernel**2 * some * pixels)
    for first in range(0, count, several):
        whole = windows(sources[:, first:first + several], kernel)
        for start in range(0, images, some):
            seen = whole[:, :, :, start:start + some]
            filled = held[:seen.size].reshape(seen.shape)
            if centre is None:
                np.copyto(filled, seen)
            else:
                np.subtract(seen, centre[first:first + several, :, :, None, None, None], out=filled)
            yield first, slice(start, start + seen.shape[3]), filled.reshape(seen.shape[0], kernel**2, -1)


def windows(maps: NDArray[Any], kernel: int) -> NDArray[Any]:
    """A view (S, d, d, N, H, W) of maps (N, S, H, W) padded with zeros; pixels are last, where copying is fastest."""
    around = kernel // 2
    padded = np.pad(maps.astype(np.float64), ((0, 0), (0, 0), (around, around), (around, around)))
    windows: NDArray[Any] = sliding_window_view(padded, maps.shape[2:], axis=(2, 3))  # type: ignore[call-overload]
    return windows.transpose(1, 2, 3, 0, 4, 5)


def flat(maps: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) to (C, N H W) float64."""
    return maps.transpose(1, 0, 2, 3).reshape(maps.shape[1], -1 if maps.size else 0).astype(np.float64)
