"""Weights that others or earlier runs made: found (`sources.py`) and read strictly (`load.py`). Nothing is unpickled."""

from ghostlib.weights.load import head_name, load_weights, save_weights
from ghostlib.weights.sources import locate

__all__ = ["head_name", "load_weights", "locate", "save_weights"]
