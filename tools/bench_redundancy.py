"""All ordered pairs of 64 maps of 56 x 56 over 32 images: our filters beside the obvious loop over pairs with lstsq.

    .venv/bin/python tools/bench_redundancy.py

The loop would take an hour: it runs over some pairs drawn at random, each with its patches made anew as a loop does, and
its time is scaled up to all of them. Where both ran, they must agree to 1e-5.
"""

import argparse
import time

import numpy as np

from ghostlib.redundancy import linear_maps, patches_of

MAPS, SIZE, IMAGES = 64, 56, 32


def by_lstsq(train: np.ndarray, test: np.ndarray, kernel: int, i: int, j: int) -> tuple[np.ndarray, float]:
    """The filter from map i to map j, and its mean squared error on the test images."""
    def system(maps):
        patches = patches_of(maps[:, i:i + 1], kernel).reshape(-1, kernel * kernel)
        return np.hstack([patches, np.ones((len(patches), 1))])
    solution = np.linalg.lstsq(system(train), train[:, j].ravel().astype(np.float64), rcond=None)[0]
    return solution[:-1].reshape(kernel, kernel), ((test[:, j].ravel() - system(test) @ solution) ** 2).mean()


def layer(rng: np.random.Generator) -> np.ndarray:
    """Maps as alike as a trained layer's: mixtures of a few smooth fields, and noise."""
    fields = rng.normal(size=(2 * IMAGES, 16, SIZE, SIZE))
    for axis in (2, 3):
        fields = sum(np.roll(fields, shift, axis) for shift in (-1, 0, 1))
    mixed = np.einsum("nfhw,cf->nchw", fields, rng.normal(size=(MAPS, 16)))
    return (mixed + rng.normal(size=mixed.shape)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8, help="pairs that the loop runs over")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    maps = layer(rng)
    train, test = maps[:IMAGES], maps[IMAGES:]
    for kernel in (1, 3, 5, 7):
        start = time.perf_counter()
        found = linear_maps(train, test, kernel)
        ours = time.perf_counter() - start
        pairs = [tuple(rng.choice(MAPS, 2, replace=False)) for _ in range(options.pairs)]
        start = time.perf_counter()
        loop = [by_lstsq(train, test, kernel, i, j) for i, j in pairs]
        each = (time.perf_counter() - start) / len(pairs)
        differ = max(max(np.abs(found.kernels[i, j] - filters).max(), abs(found.mse[i, j] - mse))
                     for (i, j), (filters, mse) in zip(pairs, loop))
        whole = MAPS * (MAPS - 1) * each
        print(f"d = {kernel}: {ours:5.2f} s, the loop {whole:6.0f} s ({len(pairs)} of {MAPS * (MAPS - 1):,} pairs run), "
              f"{whole / ours:4.0f} times; largest difference {differ:.0e}", flush=True)
        assert differ < 1e-5


if __name__ == "__main__":
    main()
