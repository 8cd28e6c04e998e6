"""Where a run's random numbers come from: one stream for each purpose, a function of the seed and of where the run is.

Keys are kept apart by purpose and length; NumPy's plain lists of seeds are not, since it fills short ones with zeros.
"""

import numpy as np

ORDER, AUGMENT, PICTURE, DROPOUT, FLIP, MIXING = range(6)  # purposes


def stream(seed: int, purpose: int, *where: int) -> np.random.Generator:
    """The generator for a purpose at a place in a run, such as epoch and rank; the same whenever it is asked for."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *where)))
