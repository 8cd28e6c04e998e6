"""What only some uses need: the extras of pyproject.toml, and how one that is not installed is told."""

from importlib.util import find_spec

from ghostlib.errors import InputError

EXTRA_OF = {
    **dict.fromkeys(("IPython", "ipywidgets", "jupyterlab", "matplotlib", "nbformat", "papermill", "seaborn"), "lab"),
    "ray": "sweep", "onnx": "onnx", "onnxruntime": "onnx", "openvino": "openvino", "nbval": "dev"}
"""By module, which extra brings it."""


def hint(module: str) -> str:
    """How a module comes here: named is the extra, since a package alone may be of a version that does not fit."""
    extra = EXTRA_OF[module]
    return f"ghostlib's extra [{extra}] brings it: pip install '.[{extra}]' where its pyproject.toml is"


def need(module: str) -> None:
    """Looks for a module of an extra, without importing it.

    Raises:
        InputError: Where it is not installed, naming the extra.
    """
    if find_spec(module) is None:
        raise InputError(f"{module}: not installed; {hint(module)}")


def missing(error: ModuleNotFoundError) -> str | None:
    """The same in words for an import that failed; None if the module is of no extra."""
    module = (error.name or "").partition(".")[0]
    return f"{module}: not installed; {hint(module)}" if module in EXTRA_OF else None
