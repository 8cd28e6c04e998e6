"""A network written as an ONNX graph: it runs once on symbols in the place of images, and each cell leaves its operator.

MindSpore's own exporter was tried first (docs/deploying.md): it lacks operators that our networks need, fixes the batch
size where shapes are computed, and compiles for seconds. Here the batch size is free, and what a network's `construct` does
between its cells, such as adding, multiplying and joining maps, is written down as it is met.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from mindspore import nn, ops
from onnx import TensorProto, helper, numpy_helper

from ghostlib.deploy.joins import split_joins
from ghostlib.errors import InputError, some
from ghostlib.models.layers import Dropout, Enlarge
from ghostlib.models.resnet import PaddedShortcut
from ghostlib.onnx_files import SPLIT

OPSET, IR_VERSION = 18, 8  # what ONNX Runtime 1.14 (2023) and everything younger reads
INPUT, OUTPUT, BATCH = "images", "logits", "N"


class Symbol:
    """A value in a graph: (N, ...) with a shape and no numbers; what is done with it becomes an operator.

    Attributes:
        shape: Sizes; the first, of the batch, stands for any.
    """

    def __init__(self, graph: "Graph", name: str, shape: tuple[int, ...]):
        self.graph, self.name, self.shape = graph, name, shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __add__(self, other: Any) -> "Symbol":
        return self.graph.elementwise("Add", self, other)

    def __sub__(self, other: Any) -> "Symbol":
        return self.graph.elementwise("Sub", self, other)

    def __mul__(self, other: Any) -> "Symbol":
        return self.graph.elementwise("Mul", self, other)

    def __truediv__(self, other: Any) -> "Symbol":
        return self.graph.elementwise("Div", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __getitem__(self, key: Any) -> "Symbol":
        """A run of channels, ``x[:, first:last]``."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != 2 or keys[0] != slice(None) or not isinstance(keys[1], slice) or keys[1].step not in (None, 1):
            raise InputError(f"[{key}] is taken of maps; allowed is a run of channels, [:, first:last]")
        first, last, _ = keys[1].indices(self.shape[1])
        ends = [np.array([number], np.int64) for number in (first, last, 1)]
        return self.graph.add("Slice", [self, *ends], (self.shape[0], last - first, *self.shape[2:]))


class Graph:
    """Operators and weights in the order in which they come.

    Args:
        numbers: The type of its weights, float32 or float16.
    """

    def __init__(self, numbers: type[np.floating] = np.float32):
        self.numbers = numbers
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {}  # of each value, by its name
        self.where: list[str] = []  # names of the cells that run, the innermost last

    def add(self, operator: str, inputs: Sequence[Symbol | np.ndarray | None], shape: tuple[int, ...],
            **attributes: Any) -> Symbol:
        """One operator more, named by the cell that runs, None for inputs that it does without; its output."""
        name = f"{self.where[-1] if self.where else 'net'}/{operator}_{len(self.nodes)}"
        names = ["" if one is None else one.name if isinstance(one, Symbol) else
                 self._weight(f"{name}.{number}", one) for number, one in enumerate(inputs)]
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        self.channels[name] = shape[1]
        return Symbol(self, name, shape)

    def _weight(self, name: str, values: np.ndarray) -> str:
        values = values.astype(self.numbers) if np.issubdtype(values.dtype, np.floating) else values
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def elementwise(self, operator: str, one: Symbol, other: Any) -> Symbol:
        """An operator of two, the second a symbol or a number."""
        if not isinstance(other, Symbol):
            return self.add(operator, [one, np.array(float(other), np.float32)], one.shape)
        if one.ndim != other.ndim:
            raise InputError(f"{operator} of shapes {one.shape} and {other.shape}; allowed are as many sizes in both")
        return self.add(operator, [one, other], tuple(map(max, one.shape, other.shape)))


def as_onnx(net: nn.Cell, shape: tuple[int, int, int], batch: int | None = None, half: bool = False,
            apart: bool = False) -> onnx.ModelProto:
    """A network in evaluation state as an ONNX model, `images` (N, C, H, W) float32 to `logits` (N, classes) float32.

    Args:
        net: Folded or not. Its cells may be MindSpore's of KINDS and any that are built of them, adding, subtracting,
            multiplying and dividing values and joining or cutting their channels between them.
        shape: Channels, height and width of the images.
        batch: N; None leaves it free.
        half: Whether weights and what is computed are float16; images and logits stay float32.
        apart: Whether maps that are joined for one convolution are left apart (`joins.split_joins`): quicker to run, and
            no more to be looked into layer by layer.

    Raises:
        InputError: For a cell or an operation that has no operator here, naming the cell.
    """
    graph = Graph(np.float16 if half else np.float32)
    first: Symbol = Symbol(graph, INPUT, (batch or 1, *shape))
    graph.channels[INPUT] = shape[0]
    if half:
        first = graph.add("Cast", [first], first.shape, to=TensorProto.FLOAT16)
    with _symbols_for_tensors(net, graph):
        try:
            last = _run(graph, net, first)
        except InputError as error:
            raise InputError(f"net: {graph.where[-1] or 'its construct'}: {error}") from None
        except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError) as error:
            raise InputError(f"net: {graph.where[-1] or 'its construct'} does what has no ONNX operator here "
                             f"({' '.join(str(error).split())[:120]}); allowed are {some(_names(), 30)}, and adding, "
                             f"multiplying, joining and cutting maps") from None
    if not isinstance(last, Symbol):
        raise InputError(f"net: gives {type(last).__name__}; allowed is one tensor of logits")
    graph.where = []
    last = graph.add("Cast" if half else "Identity", [last], last.shape, **({"to": TensorProto.FLOAT} if half else {}))
    graph.nodes[-1].output[0] = OUTPUT
    images, logits = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch or BATCH, *sizes])
                      for name, sizes in ((INPUT, shape), (OUTPUT, last.shape[1:])))
    nodes, weights, count = split_joins(graph.nodes, graph.weights, graph.channels) if apart else (
        graph.nodes, graph.weights, 0)
    made = helper.make_graph(nodes, "ghostlib", [images], [logits], weights)
    model = helper.make_model(made, producer_name="ghostlib", opset_imports=[helper.make_opsetid("", OPSET)],
                              ir_version=IR_VERSION)
    if count:
        model.metadata_props.add(key=SPLIT, value=str(count))
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _symbols_for_tensors(net: nn.Cell, graph: Graph) -> Iterator[None]:
    """Lets cells and MindSpore's Concat be called with symbols while a network is gone through; nothing else is changed."""
    names = {id(cell): name for name, cell in net.cells_and_names()}
    concat = type(ops.Concat(axis=1))
    before = nn.Cell.__call__, concat.__call__

    def call(cell: nn.Cell, *inputs: Any) -> Any:
        graph.where.append(names.get(id(cell), type(cell).__name__))
        found = _run(graph, cell, *inputs)
        graph.where.pop()  # left as it is by an error, which so knows where it was
        return found

    def join(primitive: Any, parts: Sequence[Symbol]) -> Symbol:
        if primitive.axis != 1:
            raise InputError(f"values are joined along axis {primitive.axis}; allowed is 1, the channels'")
        first = parts[0].shape
        return graph.add("Concat", parts, (first[0], sum(part.shape[1] for part in parts), *first[2:]), axis=1)

    graph.where.append("")
    try:
        nn.Cell.__call__, concat.__call__ = call, join
        yield
    finally:
        nn.Cell.__call__, concat.__call__ = before


def _run(graph: Graph, cell: nn.Cell, *inputs: Any) -> Any:
    if type(cell) in KINDS:
        return KINDS[type(cell)](graph, cell, *inputs)
    if type(cell).__module__.startswith("mindspore.") and not isinstance(cell, nn.SequentialCell):
        raise InputError(f"{type(cell).__name__} has no ONNX operator here; allowed are {some(_names(), 30)}")
    return cell.construct(*inputs)


def _names() -> list[str]:
    return sorted(kind.__name__ for kind in KINDS)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)[-2:]


def _window(cell: nn.Cell, x: Symbol, dilation: tuple[int, int] = (1, 1)) -> tuple[tuple[int, int], dict[str, Any]]:
    """Height and width of what a window that moves over maps gives, and its attributes, of a convolution or a pool."""
    kernel, stride, mode = _pair(cell.kernel_size), _pair(cell.stride), cell.pad_mode.lower()
    told: dict[str, Any] = {"kernel_shape": kernel, "strides": stride}
    if mode == "same":
        height, width = (-(-side // step) for side, step in zip(x.shape[2:], stride))
        return (height, width), {**told, "auto_pad": "SAME_UPPER"}
    padding = cell.padding if mode == "pad" else 0
    if isinstance(padding, tuple):
        sides = padding if len(padding) == 4 else [side for side in padding[-2:] for _ in range(2)]
    else:
        sides = [padding] * 4
    top, bottom, left, right = sides
    sizes = [(side + before + after - step * (size - 1) - 1) // move + 1 for side, before, after, step, size, move in
             zip(x.shape[2:], (top, left), (bottom, right), dilation, kernel, stride)]
    if min(sizes) < 1:
        raise InputError(f"maps of {x.shape[2:]} are smaller than a window of {kernel}; allowed are larger images")
    return (sizes[0], sizes[1]), {**told, "pads": [top, left, bottom, right]}


def _convolution(graph: Graph, cell: nn.Conv2d, x: Symbol) -> Symbol:
    sizes, told = _window(cell, x, _pair(cell.dilation))
    inputs = [x, cell.weight.asnumpy(), *([cell.bias.asnumpy()] if cell.has_bias else [])]
    return graph.add("Conv", inputs, (x.shape[0], cell.out_channels, *sizes), dilations=_pair(cell.dilation),
                     group=cell.group, **told)


def _norm(graph: Graph, cell: nn.BatchNorm2d, x: Symbol) -> Symbol:
    values = [part.asnumpy() for part in (cell.gamma, cell.beta, cell.moving_mean, cell.moving_variance)]
    return graph.add("BatchNormalization", [x, *values], x.shape, epsilon=float(cell.eps))


def _dense(graph: Graph, cell: nn.Dense, x: Symbol) -> Symbol:
    if cell.activation_flag:
        raise InputError("a Dense with an activation inside has no ONNX operator here; allowed is the activation behind it")
    inputs = [x, cell.weight.asnumpy(), *([cell.bias.asnumpy()] if cell.has_bias else [])]
    return graph.add("Gemm", inputs, (x.shape[0], cell.out_channels), transB=1)


def _pool(operator: str) -> Callable[..., Symbol]:
    def emit(graph: Graph, cell: nn.Cell, x: Symbol) -> Symbol:
        _check_pool(cell)
        sizes, told = _window(cell, x)
        return graph.add(operator, [x], (*x.shape[:2], *sizes), **told)
    return emit


def _check_pool(cell: nn.Cell) -> None:
    """Refuses a pool that ONNX's would not be: MindSpore's means count what pads a map, or do not, by other rules."""
    kind = type(cell).__name__
    if isinstance(cell, nn.AvgPool2d) and (cell.is_expand or cell.pad_mode.lower() != "valid"):
        raise InputError(f"{kind} that pads, rounds up or divides by another number has no ONNX operator here; allowed is "
                         f"pad_mode valid, with nothing else")
    if isinstance(cell, nn.MaxPool2d) and cell.use_pad and (
            cell.return_indices or cell.max_pool.ceil_mode or set(np.ravel(cell.max_pool.dilation)) != {1}):
        raise InputError(f"{kind} that rounds up, leaves pixels out or gives places has no ONNX operator here; allowed are "
                         f"ceil_mode false, dilation 1 and return_indices false")


def _mean(graph: Graph, cell: nn.AdaptiveAvgPool2d, x: Symbol) -> Symbol:
    if (size := cell.adaptive_avgpool2d.output_size) != (1, 1):
        raise InputError(f"AdaptiveAvgPool2d to {size} has no ONNX operator here; allowed is 1")
    return graph.add("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))


def _flatten(graph: Graph, cell: nn.Flatten, x: Symbol) -> Symbol:
    return graph.add("Flatten", [x], (x.shape[0], int(np.prod(x.shape[1:]))), axis=1)


def _one(operator: str, **attributes: Any) -> Callable[..., Symbol]:
    def emit(graph: Graph, cell: nn.Cell, x: Symbol, *_: Any) -> Symbol:
        return graph.add(operator, [x], x.shape, **attributes)
    return emit


def _relu6(graph: Graph, cell: nn.ReLU6, x: Symbol) -> Symbol:
    return graph.add("Clip", [x, np.array(0, np.float32), np.array(6, np.float32)], x.shape)


def _same(graph: Graph, cell: nn.Cell, x: Symbol, *_: Any) -> Symbol:
    return x


def _enlarge(graph: Graph, cell: Enlarge, x: Symbol, height: int, width: int) -> Symbol:
    """By Resize, told its axes: the batch's size is free. Pixels by their indices (Gather) took GhostNetV2 twice as long."""
    return graph.add("Resize", [x, None, None, np.array([height, width], np.int64)], (*x.shape[:2], height, width),
                     axes=(2, 3), mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")


def _shortcut(graph: Graph, cell: PaddedShortcut, x: Symbol) -> Symbol:
    x = _pool("MaxPool")(graph, cell.subsample, x)
    pads = np.array([0, 0, 0, 0, 0, cell.extra, 0, 0], np.int64)  # channels behind those that there are
    return graph.add("Pad", [x, pads], (x.shape[0], x.shape[1] + cell.extra, *x.shape[2:]))


KINDS: dict[type[nn.Cell], Callable[..., Symbol]] = {
    nn.Conv2d: _convolution, nn.BatchNorm2d: _norm, nn.Dense: _dense, nn.MaxPool2d: _pool("MaxPool"),
    nn.AvgPool2d: _pool("AveragePool"), nn.AdaptiveAvgPool2d: _mean, nn.Flatten: _flatten, nn.ReLU: _one("Relu"),
    nn.ReLU6: _relu6, nn.HSwish: _one("HardSwish"), nn.HSigmoid: _one("HardSigmoid", alpha=1 / 6, beta=0.5),
    nn.Sigmoid: _one("Sigmoid"), nn.Tanh: _one("Tanh"), nn.Identity: _same, nn.Dropout: _same, Dropout: _same,
    Enlarge: _enlarge, PaddedShortcut: _shortcut}
"""What each kind of cell becomes: a function of the graph, the cell and its inputs."""
