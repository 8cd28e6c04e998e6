"""A trained network made ready for use: folded, run by other engines, asked, and written for other programs.

What is handed on here is looked up when it is first asked for: an ONNX file can be run without MindSpore.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghostlib.deploy.fold import FoldedGhost, fold_batchnorm

__all__ = ["FoldedGhost", "fold_batchnorm"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ghostlib.deploy import fold
    return getattr(fold, name)
