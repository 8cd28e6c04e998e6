"""How alike a layer's feature maps are: correlation, and how well a d x d filter makes one map from another.

The paper's opening claim (Figure 1, Table 2) in numbers. Arrays in, arrays out; knows nothing of networks. What is
fitted, what is chosen and what is reported come from images of their own, or the report flatters itself: the best of
many sources is the luckiest, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ghostlib.errors import InputError, check_kernel

COLUMNS = 64  # of patches that are worked on at a time
CUTOFF = 1e-12  # of the largest eigenvalue: what is smaller is rounding, as in lstsq a singular value below 1e-6
NOISE = 1e-24  # of a source's power: what taking the mean from a constant map leaves, and more


def similarity(maps: np.ndarray) -> np.ndarray:
    """Correlation of all pairs of maps over pixels and images.

    Args:
        maps: (N, C, H, W).

    Returns:
        (C, C) between -1 and 1; nan for constant maps.
    """
    flat = _checked(maps, least=1).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = flat / np.where(norm > 0, norm, np.nan)
    return np.clip(unit @ unit.T, -1, 1)


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
    _checked(train), _checked(test)
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


def best_sources(r2: np.ndarray) -> np.ndarray:
    """For each target j the source i that is not j and predicts it best: `r2` (S, C) to (C,).

    Choose on images of their own, or the best of many is also the luckiest. A target that none predicts, a constant
    one, gets the first other one.
    """
    return np.where(np.isnan(r2), -np.inf, without_diagonal(r2)).argmax(axis=0)


def without_diagonal(r2: np.ndarray) -> np.ndarray:
    """R2 (C, C) with -inf where a map would predict itself; other shapes as they are: there sources are no targets."""
    return np.where(np.eye(len(r2), dtype=bool), -np.inf, r2) if r2.shape[0] == r2.shape[1] else r2


def fewest_sources(r2: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsic maps, as few as a greedy choice finds, such that each other one is predicted by one of them.

    In each round the map that predicts most of those left (R2 at least `threshold`) becomes intrinsic. The fewest may be
    fewer yet, so that C / len(chosen) bounds the ratio s that the layer allows from below.

    Args:
        r2: (C, C), map i predicting map j.
        threshold: tau.

    Returns:
        The intrinsic maps, in the order chosen, and for each map its source (C,): an intrinsic map's is itself.
    """
    covers = np.nan_to_num(r2, nan=-np.inf) >= threshold
    np.fill_diagonal(covers, True)
    chosen, left = [], np.ones(len(r2), bool)
    while left.any():
        chosen.append(int((covers & left).sum(axis=1).argmax()))
        left &= ~covers[chosen[-1]]
    intrinsic = np.array(chosen)
    return intrinsic, sources_among(r2, intrinsic)


def sources_among(r2: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """For each map the one of `chosen` that predicts it best, and for those themselves: `r2` (C, C) to (C,)."""
    source = chosen[np.nan_to_num(r2[chosen], nan=-np.inf).argmax(axis=0)]
    source[chosen] = chosen
    return source


def most_telling(r2: np.ndarray) -> np.ndarray:
    """All maps in an order in which each is the one that, with those before it, predicts the maps best.

    Greedy: in each round the map that most raises the sum over maps of the best R2, a map taken counting as predicted.

    Args:
        r2: (C, C), map i predicting map j.
    """
    gains = np.clip(np.nan_to_num(r2, nan=0.0), 0, 1)
    np.fill_diagonal(gains, 1)
    order, reached, left = [], np.zeros(len(r2)), np.ones(len(r2), bool)
    while left.any():
        sums = np.maximum(gains, reached).sum(axis=1)
        order.append(int(np.where(left, sums, -np.inf).argmax()))
        left[order[-1]] = False
        reached = np.maximum(reached, gains[order[-1]])
    return np.array(order)


def matched_pairs(alike: np.ndarray, count: int) -> list[tuple[int, int]]:
    """The most alike pairs of maps by a symmetric measure (C, C), no map in two of them; fewer where maps run out."""
    left = np.triu(np.nan_to_num(alike, nan=-np.inf), 1) + np.tril(np.full(alike.shape, -np.inf))
    pairs = []
    for _ in range(min(count, len(alike) // 2)):
        i, j = (int(index) for index in np.unravel_index(left.argmax(), left.shape))
        if left[i, j] == -np.inf:
            break
        pairs.append((i, j))
        left[[i, j]] = left[:, [i, j]] = -np.inf
    return pairs


def pca_rank(maps: np.ndarray, threshold: float) -> int:
    """How many principal components of the maps (N, C, H, W) hold the share `threshold` of their variance.

    Each map is first scaled to variance 1, so that each counts the same; constant maps do not count.
    """
    values = np.linalg.eigvalsh(_of_varying(similarity(maps)))[::-1]
    return int(np.searchsorted(np.cumsum(values) / values.sum(), threshold - 1e-12) + 1) if len(values) else 0


def resamples(images: int, times: int, seed: int = 0) -> np.ndarray:
    """How often each image is drawn in each bootstrap resample: (times, images)."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), times).astype(np.float64)


def split(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of three equal parts of `count` images, drawn at random: to fit on, to choose on, to report.

    Raises:
        InputError: For fewer than six images, two for each part.
    """
    if count < 6:
        raise InputError(f"images: {count} given; three splits, to fit, to choose and to report, want at least 2 each, 6 "
                         f"in all")
    order = np.random.default_rng(seed).permutation(count)[:count // 3 * 3]
    first, second, third = (np.sort(part) for part in np.split(order, 3))
    return first, second, third


def source_of_ghosts(channels: int, intrinsic: int) -> np.ndarray:
    """The intrinsic map that each ghost of a Ghost layer comes from: (channels - intrinsic,)."""
    ghosts = channels - intrinsic
    return np.arange(ghosts) // -(-ghosts // intrinsic)


def ghost_likeness(maps: np.ndarray, intrinsic: int) -> dict[str, float]:
    """How alike ghosts are to the maps they came from, and intrinsic maps to one another.

    Args:
        maps: A Ghost layer's output (N, C, H, W).
        intrinsic: How many of its channels, the first ones, are intrinsic.

    Returns:
        Medians of the absolute correlation over pixels and images, for "ghost and its source" and for "two intrinsic
        maps". Maps that are constant do not count; nan where no pair is left.
    """
    correlation = np.abs(similarity(maps))
    source = source_of_ghosts(len(correlation), intrinsic)
    pairs = {"ghost and its source": correlation[np.arange(intrinsic, len(correlation)), source],
             "two intrinsic maps": correlation[:intrinsic, :intrinsic][np.triu_indices(intrinsic, 1)]}
    return {name: float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
            for name, values in pairs.items()}


def _flat(maps: np.ndarray) -> np.ndarray:
    """(N, C, H, W) to (N, H W, C) float64."""
    return np.ascontiguousarray(maps.reshape(*maps.shape[:2], -1).transpose(0, 2, 1), np.float64)


def patches_of(maps: np.ndarray, kernel: int) -> np.ndarray:
    """What each output pixel sees of maps (N, S, H, W): (N, H W, S d d) float64, a copy; zeros outside."""
    return _joined(_windows(maps, kernel).copy())


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


def _of_varying(correlation: np.ndarray) -> np.ndarray:
    varying = np.isfinite(np.diag(correlation))
    return correlation[np.ix_(varying, varying)]


def _checked(maps: np.ndarray, least: int = 2) -> np.ndarray:
    if maps.ndim != 4:
        raise InputError(f"maps: an array of shape {maps.shape} given; allowed are feature maps (N, C, H, W)")
    if maps.shape[1] < least:
        raise InputError(f"maps: {maps.shape[1]} given; allowed are at least {least}, since one is predicted from another")
    return maps


def _check_size(sources: np.ndarray, targets: np.ndarray, kernel: int) -> None:
    check_kernel(kernel)
    _checked(sources, least=1), _checked(targets, least=1)
    if (len(sources), *sources.shape[2:]) != (len(targets), *targets.shape[2:]):
        raise InputError(f"sources: (N, H, W) = {(len(sources), *sources.shape[2:])} given; allowed are those of the "
                         f"targets, {(len(targets), *targets.shape[2:])}")
    if kernel > min(sources.shape[2:]):
        raise InputError(f"kernel: {kernel} given; the maps are {sources.shape[2]} x {sources.shape[3]}, allowed are odd "
                         f"integers up to {min(sources.shape[2:])}")
