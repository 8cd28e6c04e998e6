"""Weights that others or earlier runs made: found (`sources.py`) and read strictly (`load.py`). Nothing is unpickled.

What they say of their network and of its images is in `description.py`. What is no weights file is told for what it is
(`kinds.py`), as are names that do not fit (`fit.py`) and values that no network can have (`finite.py`).
"""

from ghostlib.weights.description import classes_of, described
from ghostlib.weights.finite import check_finite
from ghostlib.weights.load import head_name, load_weights, save_weights
from ghostlib.weights.sources import locate

__all__ = ["check_finite", "classes_of", "described", "head_name", "load_weights", "locate", "save_weights"]
