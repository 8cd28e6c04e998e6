"""ONNX files as all of ghostlib reads and runs them: whole ones, by ONNX Runtime on the CPU, quietly."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostlib import processor
from ghostlib.errors import InputError, in_a_line

if TYPE_CHECKING:  # else imported where it is used: whoever has no such file need not wait for it
    import onnx

SPLIT = "ghostlib_joins"
"""In the metadata of a model of ours whose convolutions take joined maps apart (`deploy.joins`): how many do. What such a
convolution gives is a part of a sum, and no layer's maps."""
SILENT = 4  # ONNX Runtime's level: what is wrong is raised, and need not be printed, too


def read(path: str | Path, strict: bool = False) -> "onnx.ModelProto":
    """The model in a file; `InputError` for one that is missing, cut off or no ONNX.

    Args:
        path: The file; weights that lie beside it are read, too.
        strict: Whether all must be said that the standard wants, such as the shapes of outputs, which some converters omit.
    """
    import onnx

    try:
        model = onnx.load(str(path))
        if strict:
            onnx.checker.check_model(model)
        if not model.graph.node:
            raise ValueError("it has no graph")
    except Exception as error:  # protobuf's, the checker's and the system's have nothing in common
        raise InputError(f"{path}: cannot be read as ONNX ({in_a_line(error, 120)})") from None
    return model


def inputs_of(model: "onnx.ModelProto") -> list[Any]:
    """What it is to be given: its inputs without those that older files list beside them, the weights."""
    given = {value.name for value in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in given]


def session(model: bytes, profile: str | None = None):
    """ONNX Runtime's InferenceSession, with as many threads as `processor.threads` says.

    Args:
        model: The file's content.
        profile: What the name of a file of its operators' times begins with; None writes none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = processor.threads(), SILENT
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
