"""How well a d x d filter makes one map from another: all pairs of a layer at once, by least squares (Table 2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ghostlib.errors import InputError, check_kernel
from ghostlib.redundancy.likeness import checked

COLUMNS = 64  # of patches that are worked on at a time
CUTOFF = 1e-12  # of the largest eigenvalue: what is smaller is rounding, as in lstsq a singular value below 1e-6
NOISE = 1e-24  # of a source's power: what taking the mean from a constant map leaves, and more


@dataclass(frozen=True)
class Scores:
    """How well every source predicts every target, image by image, so that images can be drawn again.

    Attributes:
        errors: (N, S, C) summed squared error of each image.
        sums, squares: (N, C) sums of each target map's values and of their squares.
        pixels: H W.
    """

    errors: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    pixels: int

    @property
    def mse(self) -> np.ndarray:
        """(S, C): mean squared error over images and pixels."""
        return self.errors.sum(axis=0) / (len(self.errors) * self.pixels)

    @property
    def r2(self) -> np.ndarray:
        """(S, C): 1 - error / variance of the target, on these images; nan for constant targets."""
        return self._r2(np.ones((1, len(self.errors))), self.errors)[0]

    def r2_of(self, sources: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """R2 of each target from one source, with images counted as often as `weights` says.

        Args:
            sources: (C,) the source of each target.
            weights: (B, N), as `resamples` draws them; None counts each image once.

        Returns:
            (B, C), or (C,) without weights.
        """
        chosen = self.errors[:, sources, np.arange(len(sources))]
        r2 = self._r2(np.ones((1, len(chosen))) if weights is None else weights, chosen)
        return r2[0] if weights is None else r2

    def _r2(self, weights: np.ndarray, errors: np.ndarray) -> np.ndarray:
        count = weights.sum(axis=1, keepdims=True) * self.pixels
        squares = weights @ self.squares
        spread = squares - (weights @ self.sums) ** 2 / count
        # Rounding leaves a constant map a spread of this size.
        spread = np.where(spread > 1e-12 * squares, spread, np.nan)
        if errors.ndim == 3:
            spread = spread[:, None]
        return 1 - np.tensordot(weights, errors, axes=1) / spread


@dataclass(frozen=True)
class LinearMaps:
    """Filters that make map j from map i, at index [i, j], and how well they do on other images.

    Attributes:
        kernels: (S, C, d, d), used by cross-correlation with zero padding, as a convolution layer does.
        bias: (S, C).
        scores: Errors on the test images; None before `score`.
    """

    kernels: np.ndarray
    bias: np.ndarray
    scores: Scores | None = field(default=None, repr=False)

    @property
    def mse(self) -> np.ndarray:
        """(S, C) on the test images."""
        assert self.scores is not None
        return self.scores.mse

    @property
    def r2(self) -> np.ndarray:
        """(S, C) on the test images; nan for constant targets."""
        assert self.scores is not None
        return self.scores.r2

    def predict(self, maps: np.ndarray, i: int, j: int) -> np.ndarray:
        """Map j as made from map i: `maps` (N, C, H, W) to (N, H, W)."""
        patches = patches_of(maps[:, i:i + 1], self.kernels.shape[-1])
        return (patches @ self.kernels[i, j].ravel() + self.bias[i, j]).reshape(len(maps), *maps.shape[2:])


def linear_maps(train: np.ndarray, test: np.ndarray, kernel: int) -> LinearMaps:
    """Fits, for all ordered pairs of maps, the d x d filter with bias that makes one from the other (Table 2).

    Least squares over all pixels of the images in `train`; the diagonal, a map from itself, is there, too.

    Args:
        train: (N, C, H, W), the images to fit on.
        test: (M, C, H, W), other images to measure on.
        kernel: d, odd, at most H and W.

    Raises:
        InputError: For fewer than two maps, sizes that differ, or a kernel larger than the map.
    """
    checked(train), checked(test)
    if train.shape[1:] != test.shape[1:]:
        raise InputError(f"test: maps of shape {test.shape[1:]} given; allowed is that of train, {train.shape[1:]}")
    fitted = fit(train, train, kernel)
    return LinearMaps(fitted.kernels, fitted.bias, score(fitted, test, test))


def fit(sources: np.ndarray, targets: np.ndarray, kernel: int) -> LinearMaps:
    """The filters that make each target from each source: (N, S, H, W) and (N, C, H, W) of the same images.

    For each source the normal equations of all targets at once: their matrix is the same.
    """
    _check_size(sources, targets, kernel)
    wanted = _flat(targets)
    mean = wanted.mean(axis=(0, 1))
    centred = (wanted - mean).reshape(-1, targets.shape[1])
    solutions, middles = [], []
    for patches in _blocks(sources, kernel):
        patches = patches.reshape(len(centred), -1)
        middle = patches.mean(axis=0)
        patches -= middle
        square, crossed = patches.T @ patches, patches.T @ centred
        for own in _each(kernel, len(middle)):
            noise = NOISE * len(patches) * (middle[own] @ middle[own])
            solutions.append(_solve(square[own, own], crossed[own], noise))
            middles.append(middle[own])
    bias = [mean - middle @ solution for middle, solution in zip(middles, solutions)]
    kernels = np.stack(solutions).transpose(0, 2, 1).reshape(sources.shape[1], -1, kernel, kernel)
    return LinearMaps(kernels, np.stack(bias))


def score(maps: LinearMaps, sources: np.ndarray, targets: np.ndarray) -> Scores:
    """How well fitted filters do on other images: (M, S, H, W) and (M, C, H, W)."""
    kernel = maps.kernels.shape[-1]
    _check_size(sources, targets, kernel)
    wanted = _flat(targets)
    sums, squares = wanted.sum(axis=1), (wanted**2).sum(axis=1)
    errors: list[np.ndarray] = []
    for patches in _blocks(sources, kernel):
        # |y - P k - b|^2 from products with P, which are small, instead of one prediction for each pair, which is not.
        crossed, square, total = patches.transpose(0, 2, 1) @ wanted, patches.transpose(0, 2, 1) @ patches, patches.sum(1)
        for own in _each(kernel, total.shape[1]):
            weights, bias = maps.kernels[len(errors)].reshape(targets.shape[1], -1).T, maps.bias[len(errors)]
            explained = (weights * (square[:, own, own] @ weights - 2 * crossed[:, own])).sum(axis=1)
            shifted = bias * (wanted.shape[1] * bias - 2 * sums + 2 * total[:, own] @ weights)
            errors.append(np.maximum(squares + explained + shifted, 0))
    return Scores(np.stack(errors, axis=1), sums, squares, wanted.shape[1])


def patches_of(maps: np.ndarray, kernel: int) -> np.ndarray:
    """What each output pixel sees of maps (N, S, H, W): (N, H W, S d d) float64, a copy; zeros outside."""
    return _joined(_windows(maps, kernel).copy())


def _flat(maps: np.ndarray) -> np.ndarray:
    """(N, C, H, W) to (N, H W, C) float64."""
    return np.ascontiguousarray(maps.reshape(*maps.shape[:2], -1).transpose(0, 2, 1), np.float64)


def _windows(maps: np.ndarray, kernel: int) -> np.ndarray:
    """A view (N, H, W, S, d, d) of padded maps."""
    around = kernel // 2
    padded = np.pad(maps.astype(np.float64), ((0, 0), (0, 0), (around, around), (around, around)))
    axes: Any = (2, 3)  # the stubs of NumPy 1.26 know a single axis only
    return sliding_window_view(padded, (kernel, kernel), axes).transpose(0, 2, 3, 1, 4, 5)


def _joined(windows: np.ndarray) -> np.ndarray:
    return windows.reshape(len(windows), windows.shape[1] * windows.shape[2], -1)


def _blocks(sources: np.ndarray, kernel: int) -> Iterator[np.ndarray]:
    """Patches of several sources at a time: products of few columns would wait for memory.

    All in the same memory, since new memory for each block costs as much as the work on it.
    """
    several, held = max(1, COLUMNS // kernel**2), None
    for first in range(0, sources.shape[1], several):
        windows = _windows(sources[:, first:first + several], kernel)
        if held is None or held.shape != windows.shape:
            held = np.empty(windows.shape)
        np.copyto(held, windows)
        yield _joined(held)


def _each(kernel: int, columns: int) -> Iterator[slice]:
    """Each source's columns in a block of patches."""
    return (slice(first, first + kernel**2) for first in range(0, columns, kernel**2))


def _solve(square: np.ndarray, crossed: np.ndarray, noise: float) -> np.ndarray:
    """The smallest least-squares solution; directions in which the source does not vary get nothing."""
    values, vectors = np.linalg.eigh(square)
    kept = values > max(CUTOFF * values[-1], noise)
    vectors = vectors[:, kept]
    return vectors @ ((vectors.T @ crossed) / values[kept, None])


def _check_size(sources: np.ndarray, targets: np.ndarray, kernel: int) -> None:
    check_kernel(kernel)
    checked(sources, least=1), checked(targets, least=1)
    if (len(sources), *sources.shape[2:]) != (len(targets), *targets.shape[2:]):
        raise InputError(f"sources: (N, H, W) = {(len(sources), *sources.shape[2:])} given; allowed are those of the "
                         f"targets, {(len(targets), *targets.shape[2:])}")
    if kernel > min(sources.shape[2:]):
        raise InputError(f"kernel: {kernel} given; the maps are {sources.shape[2]} x {sources.shape[3]}, allowed are odd "
                         f"integers up to {min(sources.shape[2:])}")
