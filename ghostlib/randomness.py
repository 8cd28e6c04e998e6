"""Where a run's random numbers come from: one stream for each purpose, a function of the seed and of where the run is.

Keys are kept apart by purpose and length; NumPy's plain lists of seeds are not, since it fills short ones with zeros.
"""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.random.bit_generator import ISeedSequence

ORDER, AUGMENT, PICTURE, DROPOUT, FLIP, MIXING = range(6)  # purposes
# NumPy's SeedSequence (O'Neill's seed_seq): its hashes' constants are these, multiplied from hash to hash by those.
INIT_A, MULT_A, INIT_B, MULT_B = 0x43b0d7e5, 0x931e8875, 0x8b51f9dd, 0x58f38ded
MIX_L, MIX_R = np.uint32(0xca01f9dd), np.uint32(0x4973f715)
POOL, WORDS = 4, 8  # 32-bit words that it keeps, and that PCG64 takes


def stream(seed: int, purpose: int, *where: int) -> np.random.Generator:
    """The generator for a purpose at a place in a run, such as epoch and rank; the same whenever it is asked for."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *where)))


def streams(seed: int, purpose: int, *where: int, places: Sequence[int]) -> list[np.random.Generator]:
    """`stream(seed, purpose, *where, place)` for each of some places below 2^32, in a fifth of the time.

    All share what SeedSequence makes of the numbers before the last, its pool; hashing that one in is done for all at once.
    """
    key = (purpose, *where)
    pool = np.random.SeedSequence(seed, spawn_key=key).pool
    hashed = _constants(INIT_A, MULT_A, POOL + POOL * (POOL - 1) + POOL * len(key), POOL + 1)
    mixed = MIX_L * pool - MIX_R * _hash(np.array(places, np.uint32)[:, None], hashed)
    mixed ^= mixed >> 16
    words = _hash(np.tile(mixed, WORDS // POOL), _constants(INIT_B, MULT_B, 0, WORDS + 1))
    states = words.astype("<u4").view("<u8").astype(np.uint64)
    return [np.random.Generator(np.random.PCG64(_Words(own))) for own in states]  # type: ignore[arg-type]  # stubs know one


class _Words(ISeedSequence):
    """A seed sequence whose state is known."""

    def __init__(self, words: np.ndarray):
        self._words = words

    def generate_state(self, n_words: int, dtype=np.uint32) -> np.ndarray:
        return self._words


@functools.cache
def _constants(first: int, factor: int, start: int, count: int) -> np.ndarray:
    return np.array([first * pow(factor, start + number, 2**32) % 2**32 for number in range(count)], np.uint32)


def _hash(values: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Values (n, k) or (n, 1), hashed by k + 1 successive constants."""
    values = (values ^ constants[:-1]) * constants[1:]
    return values ^ (values >> 16)
