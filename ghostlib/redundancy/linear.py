"""How well a d x d filter makes one map from another: all pairs of a layer at once, by least squares (Table 2)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.errors import InputError, check_kernel
from ghostlib.redundancy.likeness import checked
from ghostlib.redundancy.products import Centre, Step, deviations, flat, patches, products, windows, work


@dataclass(frozen=True)
class Scores:
    """How well sources predict targets, image by image, so that images can be drawn again.

    Attributes:
        errors: (N, S, C) summed squared error of each image; (N, C) where each target has one source.
        sums, squares: (N, C) sums of each target map's values and of their squares.
        pixels: H W.
    """

    errors: NDArray[Any]
    sums: NDArray[Any]
    squares: NDArray[Any]
    pixels: int

    @property
    def mse(self) -> NDArray[Any]:
        """(S, C) or (C,): mean squared error over images and pixels."""
        mse: NDArray[Any] = self.errors.sum(axis=0) / (len(self.errors) * self.pixels)
        return mse

    @property
    def r2(self) -> NDArray[Any]:
        """(S, C) or (C,): 1 - error / variance of the target, on these images; nan for constant targets."""
        r2: NDArray[Any] = self.drawn(np.ones((1, len(self.errors))))[0]
        return r2

    def drawn(self, weights: NDArray[Any]) -> NDArray[Any]:
        """R2 with images counted as often as `weights` (B, N) says, as `resamples` draws them: (B, C) or (B, S, C)."""
        return self._r2(weights, self.errors)

    def some(self, targets: NDArray[Any]) -> "Scores":
        """The same of some targets."""
        return Scores(self.errors[..., targets], self.sums[:, targets], self.squares[:, targets], self.pixels)

    def r2_of(self, sources: NDArray[Any], weights: NDArray[Any] | None = None) -> NDArray[Any]:
        """R2 of each target from one source (C,): (C,), or (B, C) with weights as `drawn` takes them."""
        chosen = Scores(self.errors[:, sources, np.arange(len(sources))], self.sums, self.squares, self.pixels)
        return chosen.r2 if weights is None else chosen.drawn(weights)

    def _r2(self, weights: NDArray[Any], errors: NDArray[Any]) -> NDArray[Any]:
        count = weights.sum(axis=1, keepdims=True) * self.pixels
        squares = weights @ self.squares
        spread = squares - (weights @ self.sums) ** 2 / count
        # Rounding leaves a constant map a spread of this size.
        spread = np.where(spread > 1e-12 * squares, spread, np.nan)
        if errors.ndim == 3:
            spread = spread[:, None]
        r2: NDArray[Any] = 1 - np.tensordot(weights, errors, axes=1) / spread
        return r2


@dataclass(frozen=True)
class LinearMaps:
    """Filters that make map j from map i, at index [i, j], and how well they do on other images.

    Attributes:
        kernels: (S, C, d, d), used by cross-correlation with zero padding, as a convolution layer does.
        bias: (S, C).
        scores: Errors on the test images; None before `score`.
    """

    kernels: NDArray[Any]
    bias: NDArray[Any]
    scores: Scores | None = field(default=None, repr=False)

    @property
    def mse(self) -> NDArray[Any]:
        """(S, C) on the test images."""
        assert self.scores is not None
        return self.scores.mse

    @property
    def r2(self) -> NDArray[Any]:
        """(S, C) on the test images; nan for constant targets."""
        assert self.scores is not None
        return self.scores.r2

    def predict(self, maps: NDArray[Any], i: int, j: int) -> NDArray[Any]:
        """Map j as made from map i: `maps` (N, C, H, W) to (N, H, W)."""
        patches = patches_of(maps[:, i:i + 1], self.kernels.shape[-1])
        made: NDArray[Any] = patches @ self.kernels[i, j].ravel() + self.bias[i, j]
        return made.reshape(len(maps), *maps.shape[2:])


def linear_maps(train: NDArray[Any], test: NDArray[Any], kernel: int) -> LinearMaps:
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


def fit(sources: NDArray[Any], targets: NDArray[Any], kernel: int) -> LinearMaps:
    """The filters that make each target from each source: (N, S, H, W) and (N, C, H, W) of the same images.

    For each source the normal equations of all targets at once: their matrix is the same.
    """
    check_size(sources, targets, kernel)
    centre = Centre.of(sources, targets, kernel)
    sums = products(sources, deviations(targets, centre), kernel, centre)
    return filters(sums.solve(), sums.middle, centre.targets)


def filters(solution: NDArray[Any], middle: NDArray[Any], means: NDArray[Any]) -> LinearMaps:
    """Solutions (S, d d, C) for deviations from means, (S, d d) of what is seen and (C,) of targets, with their bias."""
    size = round(solution.shape[1] ** 0.5)
    return LinearMaps(solution.transpose(0, 2, 1).reshape(len(solution), -1, size, size),
                      means - np.einsum("sp,spc->sc", middle, solution))


def score(maps: LinearMaps, sources: NDArray[Any], targets: NDArray[Any]) -> Scores:
    """How well fitted filters do on other images: (M, S, H, W) and (M, C, H, W)."""
    kernel = maps.kernels.shape[-1]
    check_size(sources, targets, kernel)
    wanted = flat(targets).reshape(targets.shape[1], len(targets), -1).transpose(1, 2, 0)
    pixels, sums, squares = wanted.shape[1], wanted.sum(axis=1), (wanted**2).sum(axis=1)
    errors = np.empty((len(targets), sources.shape[1], targets.shape[1]))
    for first, part, seen in patches(sources, kernel):
        own = slice(first, first + len(seen))
        each = seen.reshape(*seen.shape[:2], -1, pixels).transpose(2, 0, 1, 3)  # image, source, d d, pixel
        weights, bias = maps.kernels[own].reshape(len(seen), -1, kernel**2), maps.bias[own]
        # |y - P k - b|^2 from products with P, which are small, instead of one prediction for each pair, which is not.
        crossed = (each @ wanted[part, None]).transpose(0, 1, 3, 2)
        explained = (weights * (weights @ (each @ each.transpose(0, 1, 3, 2)) - 2 * crossed)).sum(axis=3)
        total = (weights @ each.sum(axis=3)[..., None])[..., 0]
        shifted = bias * (pixels * bias - 2 * sums[part, None] + 2 * total)
        errors[part, own] = np.maximum(squares[part, None] + explained + shifted, 0)
    return Scores(errors, sums, squares, pixels)


def score_pairs(maps: LinearMaps, sources: NDArray[Any], targets: NDArray[Any], chosen: NDArray[Any], of: NDArray[Any],
                step: Step | None = None) -> Scores:
    """How well fitted filters make the targets `of` (P,) of (M, C, H, W) from the sources `chosen` (P,) of (M, S, H, W).

    Each pair is predicted, which for a few of all is less work than `score`; errors are (M, P). A step is told of the work
    as in `products`.
    """
    kernel, (different, place) = maps.kernels.shape[-1], np.unique(of, return_inverse=True)
    wanted = flat(targets[:, different]).reshape(len(different), len(targets), targets[0, 0].size)
    errors = np.empty((len(targets), len(of)))
    for source in np.unique(chosen):
        own = np.flatnonzero(chosen == source)
        weights, bias = maps.kernels[source, of[own]].reshape(len(own), -1), maps.bias[source, of[own], None]
        for _, part, seen in patches(sources[:, source:source + 1], kernel):
            left = wanted[place[own], part]
            left -= (weights @ seen[0] + bias).reshape(left.shape)
            errors[part, own] = np.einsum("pnx,pnx->np", left, left)
            if step is not None:
                step(work(seen.size, len(own)))
    sums, squares = wanted.sum(axis=2), np.einsum("cnx,cnx->cn", wanted, wanted)
    return Scores(errors, sums[place].T, squares[place].T, wanted.shape[2])


def patches_of(maps: NDArray[Any], kernel: int) -> NDArray[Any]:
    """What each output pixel sees of maps (N, S, H, W): (N, H W, S d d) float64, a copy; zeros outside."""
    return windows(maps, kernel).transpose(3, 4, 5, 0, 1, 2).reshape(len(maps), maps[0, 0].size, -1)


def check_size(sources: NDArray[Any], targets: NDArray[Any], kernel: int) -> None:
    """Refuses maps (N, S, H, W) and (N, C, H, W) of different images or sizes, and filters larger than they are."""
    check_kernel(kernel)
    checked(sources, least=1), checked(targets, least=1)
    if (len(sources), *sources.shape[2:]) != (len(targets), *targets.shape[2:]):
        raise InputError(f"sources: (N, H, W) = {(len(sources), *sources.shape[2:])} given; allowed are those of the "
                         f"targets, {(len(targets), *targets.shape[2:])}")
    if kernel > min(sources.shape[2:]):
        raise InputError(f"kernel: {kernel} given; the maps are {sources.shape[2]} x {sources.shape[3]}, allowed are odd "
                         f"integers up to {min(sources.shape[2:])}")
