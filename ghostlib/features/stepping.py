"""An ONNX graph run operator by operator, each once, so that what a convolution puts out can be changed as it goes.

Whoever changes one layer after another, each by what those before it show now, would otherwise run the graph from its
beginning for each: time that grows with the square of the layers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ghostlib import onnx_files
from ghostlib.errors import InputError, last_line
from ghostlib.features.graphs import OnnxNetwork

if TYPE_CHECKING:
    import onnx

Values = list[np.ndarray]  # one value in the graph, for each batch
Convolve = Callable[[np.ndarray, np.ndarray], Values]  # what the present convolution makes with other weights and bias


def step_through(net: OnnxNetwork, images: np.ndarray, change: Callable[[str, Convolve], Values]) -> None:
    """Runs a graph on images (N, 3, H, W), from the input to the last convolution.

    Args:
        net: Any graph whose weights are stored.
        images: Normalised.
        change: Given each convolution's name and what runs it; gives what it is to have put out.

    Raises:
        InputError: For weights that the graph computes, an operator that ONNX Runtime does not know, and one that takes a
            sequence of tensors.
    """
    names = {node.output[0]: name for name, node in net.convolutions.items()}
    nodes, left = list(net.model.graph.node), len(names)
    uses = Counter(name for node in nodes for name in _read(node))
    values: dict[str, Values] = {net.input: list(net.batches(images))}
    batches = len(values[net.input])
    for node in nodes:
        if layer := names.get(node.output[0], ""):
            outputs, left = [change(layer, partial(_convolve, net, node, values, batches))], left - 1
        else:
            outputs = _run(net, node, values, batches)
        if not left:
            return
        values |= {name: made for name, made in zip(filter(None, node.output), outputs)}
        for name in _read(node):
            uses[name] -= 1
            if not uses[name]:
                values.pop(name, None)  # nobody reads it any more


def _read(node: "onnx.NodeProto") -> Iterator[str]:
    """What an operator reads, and what the graphs within it, of a branch or a loop, read."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            made = {one.name for one in (*inner.input, *inner.initializer)}
            made |= {name for one in inner.node for name in one.output}
            read = [*(name for one in inner.node for name in _read(one)), *(one.name for one in inner.output)]
            yield from (name for name in read if name not in made)


def _convolve(net: OnnxNetwork, node: "onnx.NodeProto", values: dict[str, Values], batches: int, weights: np.ndarray,
              bias: np.ndarray) -> Values:
    return _run(net, node, values, batches, {"weights": weights, "bias": bias})[0]


def _run(net: OnnxNetwork, node: "onnx.NodeProto", values: dict[str, Values],
         batches: int, weights: dict[str, np.ndarray] | None = None) -> list[Values]:
    """What one operator puts out, by output and batch; with `weights` a convolution with these."""
    import onnx
    from onnx import helper, numpy_helper
    own, constants = onnx.NodeProto(), []
    own.CopyFrom(node)
    if weights:
        del own.input[1:]
        own.input.extend(weights)
        constants = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()]
    fed = [name for name in dict.fromkeys(_read(own)) if name in values]
    for name in dict.fromkeys(_read(own)):
        if name in net.constants and name not in values:
            constants.append(onnx.TensorProto())
            constants[-1].CopyFrom(net.constants[name])
            constants[-1].name = name
    if any(isinstance(values[name][0], list) for name in fed):
        raise InputError(f"network: in {net.name} {node.op_type} takes a sequence of tensors; allowed are graphs that "
                         f"hand on tensors alone")
    inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values[name][0].dtype),
                                            [None] * values[name][0].ndim) for name in fed]
    outputs = [name for name in node.output if name]
    graph = helper.make_graph([own], "one", inputs, list(map(helper.make_empty_tensor_value_info, outputs)), constants)
    model = helper.make_model(graph, opset_imports=net.model.opset_import, ir_version=net.model.ir_version,
                              functions=net.model.functions)
    try:
        session = onnx_files.session(model.SerializeToString())
    except Exception as error:  # ONNX Runtime has a class for each kind of trouble
        raise InputError(f"network: {net.name} cannot be run by ONNX Runtime: {last_line(str(error))}") from None
    try:
        made = [session.run(outputs, {name: values[name][batch] for name in fed}) for batch in range(batches)]
    except Exception as error:  # such as images of another size than a later operator wants
        raise InputError(f"images: those given do not fit {net.name}: {last_line(str(error))}") from None
    return [list(of) for of in zip(*made)]
