"""A trained network made ready for use."""

from ghostlib.deploy.fold import FoldedGhost, fold_batchnorm

__all__ = ["FoldedGhost", "fold_batchnorm"]
