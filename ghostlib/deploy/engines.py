"""What runs a trained network on a CPU: MindSpore's operators, our kernel, ONNX Runtime or OpenVINO, behind one call.

An engine is made of a folded network or of an ONNX file and takes images (N, 3, H, W) float32 to logits (N, classes)
float32. Recorded trainings, and the accuracies and redundancy of what was trained, are computed by MindSpore, with our
kernel where it serves; recorded lesions (`redundancy.cut`) and redundancy at full size (`redundancy.at_size`) by ONNX
Runtime, which runs an ONNX graph of the network.
"""

from collections.abc import Callable, Collection
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ghostlib import extras, onnx_files, processor
from ghostlib.errors import InputError, in_a_line, some

AUTO = "auto"
TOLERANCE = 1e-4  # of the largest logit: what two engines, or a network before and after it is rewritten, may differ by
IMAGES = 2  # random ones, on which they are compared
CHANNELS = 3  # of pictures
FREE = CHANNELS, 224, 224  # the shape of those images where a file leaves it free
Logits = Callable[[np.ndarray], np.ndarray]
Shape = tuple[str | int, ...]  # of what a graph takes or gives; a name or 0 is a size that is free


class Engine(NamedTuple):
    """A trained network ready to answer.

    Attributes:
        name: What runs it, a key of ENGINES.
        logits: Takes images (N, 3, H, W) float32 to logits (N, classes) float32.
    """

    name: str
    logits: Logits

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.logits(images)


def _mindspore(net) -> Logits:
    from mindspore import Tensor
    return lambda images: net(Tensor(images)).asnumpy()


def reference(net, images: np.ndarray) -> np.ndarray:
    """Logits by MindSpore's operators one by one: what every engine is compared with, and nothing is compiled for."""
    import mindspore

    mode = mindspore.get_context("mode")
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        return _mindspore(net)(images)
    finally:
        mindspore.set_context(mode=mode)


def _kernel(net) -> Logits:
    from ghostlib.kernels import accelerated
    return _mindspore(accelerated(net).set_train(False))


def _onnxruntime(model: bytes) -> Logits:
    session = onnx_files.session(model)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _openvino(model: bytes) -> Logits:
    import openvino

    core = openvino.Core()
    whole, compiled = core.read_model(model), {}
    settings = {"INFERENCE_NUM_THREADS": processor.threads(), "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32"}

    def logits(images: np.ndarray) -> np.ndarray:
        if images.shape not in compiled:  # one for each batch size: a free one is slower
            fixed = whole.clone()
            if fixed.input().partial_shape.is_dynamic:
                fixed.reshape(list(images.shape))
            compiled[images.shape] = core.compile_model(fixed, "CPU", settings).create_infer_request()
        request = compiled[images.shape]
        return np.array(request.infer({0: images})[request.model_outputs[0]])
    return logits


OF_CELLS = {"mindspore": _mindspore, "kernel": _kernel}
"""By name, what makes an engine of a folded network."""
OF_ONNX = {"onnxruntime": _onnxruntime, "openvino": _openvino}
"""By name, which is that of the module it needs, what makes an engine of an ONNX model's bytes."""
ENGINES = (*OF_CELLS, *OF_ONNX)
"""Every engine's name."""
TRUSTED = "onnxruntime"  # of those: what `ghostlib export` checks its files by
ORDER = "openvino", "onnxruntime", "kernel", "mindspore"  # that `auto` tries, by speed (docs/performance.md)


def _is_here(name: str) -> bool:
    if name in OF_ONNX:  # a network becomes ONNX on its way there
        return all(find_spec(one) is not None for one in (name, "onnx"))
    if name != "kernel" or find_spec("mindspore") is None:
        return find_spec(name) is not None
    from ghostlib.kernels import native  # imports MindSpore, and may compile
    return native.available()


def installed(among: Collection[str] = ENGINES) -> list[str]:
    """The engines that this machine has, in the order in which `auto` tries them; of some only those are looked for."""
    return [name for name in ORDER if name in among and _is_here(name)]


def check(name: str, among: Collection[str] = ENGINES) -> str:
    """An engine's name or `auto`; `InputError` for one that is not known, or not here. No other is looked for."""
    if name != AUTO and name not in among:
        raise InputError(f"engine: {name!r} given; allowed are {some((AUTO, *among))}")
    if name != AUTO and not _is_here(name):
        how = "wants a C++ compiler, see docs/performance.md" if name == "kernel" else extras.hint(name)
        raise InputError(f"engine: {name!r} given, which is not here ({how}); here are "
                         f"{', '.join(installed(among)) or 'none'}")
    return name


def of_network(net, shape: tuple[int, int, int], name: str = AUTO) -> Engine:
    """A network in evaluation state, made ready: folded, and run by an engine.

    Args:
        net: Left as it was.
        shape: Channels, height and width of its images.
        name: A key of ENGINES; `auto` takes the first of ORDER that is installed, can run it and gives the logits that
            MindSpore's operators give for random images, to TOLERANCE of the largest.

    Raises:
        InputError: For an engine that is not known, not here or cannot run it, or logits that differ.
    """
    from ghostlib.deploy.fold import fold_batchnorm

    check(name)
    folded = fold_batchnorm(net, shape)
    images = np.random.default_rng(0).normal(size=(IMAGES, *shape)).astype(np.float32)
    expected = reference(folded, images)
    differ, failed = [], []
    for one in [name] if name != AUTO else installed():
        try:
            engine = Engine(one, _of_folded(folded, shape, one))
            error = difference(engine(images), expected)
        except Exception as problem:  # those of four engines have nothing in common
            failed.append(_failure(one, problem))
            continue
        if error <= TOLERANCE:
            return engine
        differ.append(f"{one} {error:.1g}")
    told = [f"on random images logits differ from those of MindSpore's operators by {some(differ)} of the largest; allowed "
            f"is {TOLERANCE:g}"] if differ else []
    raise InputError(f"engine: {name!r} given; {'; '.join(told + failed)}")


def _failure(name: str, problem: Exception) -> str:
    return f"{name} cannot run it ({in_a_line(problem)})"


def _of_folded(folded, shape: tuple[int, int, int], name: str) -> Logits:
    if name in OF_CELLS:
        return OF_CELLS[name](folded)
    from ghostlib.deploy.onnx_graph import as_onnx
    return OF_ONNX[name](as_onnx(folded, shape, apart=True).SerializeToString())


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of answers, such as logits (N, classes), as a share of the largest of those expected."""
    if found.shape != expected.shape:
        raise InputError(f"logits: {found.shape} given; wanted are {expected.shape}")
    gap, largest = np.abs(found - expected).max(), np.abs(expected).max()
    if not np.isfinite(gap) or (gap and not largest):
        return np.inf
    return float(gap / largest) if gap else 0.0


def in_batches(run: Logits, images: np.ndarray, size: int) -> np.ndarray:
    """Logits (N, classes) of images (N, ...) that are run `size` at a time, the last ones filled up with zeros."""
    missing = np.zeros((-len(images) % size, *images.shape[1:]), images.dtype)
    padded = np.concatenate([images, missing])
    return np.concatenate([run(padded[start:start + size]) for start in range(0, len(padded), size)])[:len(images)]


def of_file(path: str | Path, name: str = AUTO) -> Engine:
    """An ONNX file made ready; it needs neither ghostlib's networks nor MindSpore.

    Args:
        path: One input (N, 3, H, W) float32, N free or fixed, and one output (N, classes). The engine takes any number of
            images: where N is fixed, it runs so many at a time.
        name: An engine for ONNX. `auto` takes OpenVINO where it is here, can run the file and gives ONNX Runtime's logits
            for random images, to TOLERANCE of the largest, else ONNX Runtime. Where there is one of them alone, or one is
            named, nothing is compared: the network that the file was made of is not here.

    Raises:
        InputError: For a file that is missing or no ONNX, one with other inputs, an engine that takes none, or one that
            cannot run it.
    """
    if name in OF_CELLS:
        raise InputError(f"engine: {name!r} given; {path} is ONNX, which {' and '.join(OF_ONNX)} take")
    check(name, OF_ONNX)
    able = installed(OF_ONNX)
    if not able:
        raise InputError(f"engine: {path} is ONNX, and none of {' and '.join(OF_ONNX)} is here; "
                         f"{extras.hint('onnxruntime')}")
    shape, _ = shapes_of(path)
    size = shape[0] if isinstance(shape[0], int) else 0
    content = Path(path).read_bytes()

    def made(one: str) -> Engine:
        logits = OF_ONNX[one](content)
        return Engine(one, partial(in_batches, logits, size=size) if size else logits)
    if len(tried := able if name == AUTO else [name]) == 1:
        try:
            return made(tried[0])
        except Exception as problem:  # those of the engines have nothing in common
            raise InputError(f"engine: {path}: {_failure(tried[0], problem)}") from None
    sides = [side if isinstance(side, int) and side else free for side, free in zip(shape[1:], FREE)]
    images = np.random.default_rng(0).normal(size=(IMAGES, *sides)).astype(np.float32)
    answers, failed = {}, []
    for one in tried:
        try:
            engine = made(one)
            answers[one] = engine, engine(images)
        except Exception as problem:
            failed.append(_failure(one, problem))
    if not answers:
        raise InputError(f"engine: {path}: {'; '.join(failed)}")
    best, found = next(iter(answers.values()))
    trusted, expected = answers.get(TRUSTED, (best, found))
    return best if difference(found, expected) <= TOLERANCE else trusted


def shapes_of(path: str | Path) -> tuple[Shape, Shape]:
    """The shapes of the images (N, 3, H, W) that an ONNX file takes and of its logits (N, classes). `InputError` for a file
    that does not take such images, in float32, to such logits."""
    from onnx import TensorProto

    model = onnx_files.read(path, strict=True)
    sides = [onnx_files.inputs_of(model), model.graph.output]
    told = [", ".join(f"{value.name} {_shape(value)} {_element(value)}" for value in side) for side in sides]
    shapes = [_shape(value) for side in sides for value in side]
    if not ([len(shape) for shape in shapes] == [4, 2] and [len(side) for side in sides] == [1, 1]
            and (isinstance(shapes[0][1], str) or shapes[0][1] in (0, CHANNELS))
            and {value.type.tensor_type.elem_type for side in sides for value in side} == {TensorProto.FLOAT}):
        raise InputError(f"{path}: takes {told[0]} to {told[1]}; allowed is one input of images (N, {CHANNELS}, H, W) and "
                         f"one output of logits (N, classes), both in float32")
    return shapes[0], shapes[1]


def _shape(value) -> Shape:
    return tuple(side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim)


def _element(value) -> str:
    """The name of a tensor's numbers, as NumPy has it."""
    from onnx import helper
    kind = value.type.tensor_type.elem_type
    return str(helper.tensor_dtype_to_np_dtype(kind)) if kind else "of no kind"
