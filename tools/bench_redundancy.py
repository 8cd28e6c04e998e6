"""All ordered pairs of 64 maps of 56 x 56 over 32 images: our filters beside the obvious loop over pairs with lstsq.

    .venv/bin/python tools/bench_redundancy.py
    .venv/bin/python tools/bench_redundancy.py --growth

The second measures what the study of a network takes with more maps in a layer, larger ones, more images and more layers.

The loop would take an hour: it runs over some pairs drawn at random, each with its patches made anew as a loop does, and
its time is scaled up to all of them. Where both ran, they must agree to 1e-5.
"""

import argparse
import time

import numpy as np

from ghostlib.redundancy import best_sources, linear_maps, patches_of
from ghostlib.redundancy.measured import Splits, measure_all, work_of
from ghostlib.redundancy.workers import Workers

MAPS, SIZE, IMAGES = 64, 56, 32


def by_lstsq(train: np.ndarray, test: np.ndarray, kernel: int, i: int, j: int) -> tuple[np.ndarray, float]:
    """The filter from map i to map j, and its mean squared error on the test images."""
    def system(maps):
        patches = patches_of(maps[:, i:i + 1], kernel).reshape(-1, kernel * kernel)
        return np.hstack([patches, np.ones((len(patches), 1))])
    solution = np.linalg.lstsq(system(train), train[:, j].ravel().astype(np.float64), rcond=None)[0]
    return solution[:-1].reshape(kernel, kernel), ((test[:, j].ravel() - system(test) @ solution) ** 2).mean()


def layer(rng: np.random.Generator, maps: int = MAPS, size: int = SIZE, images: int = 2 * IMAGES) -> np.ndarray:
    """Maps as alike as a trained layer's: mixtures of a few smooth fields, and noise."""
    fields = rng.normal(size=(images, 16, size, size))
    for axis in (2, 3):
        fields = sum(np.roll(fields, shift, axis) for shift in (-1, 0, 1))
    mixed = np.einsum("nfhw,cf->nchw", fields, rng.normal(size=(maps, 16)))
    return (mixed + rng.normal(size=mixed.shape)).astype(np.float32)


def growth() -> None:
    """Wall and processor time of one source of maps (a study has five) in so many layers, all filters, with its report."""
    rng = np.random.default_rng(0)
    for maps, size, images, layers in ((32, 16, 96, 1), (64, 16, 96, 1), (128, 16, 96, 1), (256, 16, 96, 1),
                                       (512, 16, 96, 1), (64, 32, 96, 1), (64, 64, 96, 1), (64, 16, 192, 1),
                                       (64, 16, 384, 1), (64, 16, 96, 2), (64, 16, 96, 4), (64, 16, 96, 8)):
        given, splits = layer(rng, maps, size, images), Splits.draw(images)

        def study(_, of, step, splits=splits):
            for measured in measure_all(of, of, splits, (1, 3, 5, 7), step).values():
                measured.report(best_sources(measured.choose), step=step)
        start, used = time.perf_counter(), time.process_time()
        with Workers(lambda _: None) as workers:
            for _ in workers.each(study, [(number, given) for number in range(layers)], lambda _: 0.0):
                pass
        used, taken = time.process_time() - used, time.perf_counter() - start
        work = layers * work_of(maps, given.shape[1:], splits, (1, 3, 5, 7))
        print(f"{layers:2} layers of {maps:3} maps of {size} x {size}, {images} images: {taken:6.2f} s, of processors "
              f"{used:6.2f} s, {work / used / 1e9:4.1f}e9 multiply-adds each second of one", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8, help="pairs that the loop runs over")
    parser.add_argument("--growth", action="store_true", help="measure what a study takes with more of everything instead")
    options = parser.parse_args()
    if options.growth:
        return growth()
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
