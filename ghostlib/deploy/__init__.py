"""A trained network made ready for use; one file for each change or format of export, a new exporter among them."""

from ghostlib.deploy.fold import FoldedGhost, fold_batchnorm

__all__ = ["FoldedGhost", "fold_batchnorm"]
