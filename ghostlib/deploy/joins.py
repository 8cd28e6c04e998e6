"""Splits a convolution over a join into one convolution for each part and a sum: the join's copy is saved.

A Ghost module joins its intrinsic maps and ghosts, which copies all of them, and the convolution behind it reads the copy. A
convolution is linear in its input channels, so two convolutions of a part each and a sum give the same; engines add the sum
while they convolve. What lies between, activations and depthwise convolutions, is split, too.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

ACTIVATIONS = "Relu", "Clip", "HardSwish"
WHOLE, DEPTHWISE, ACTIVATION = "whole", "depthwise", "activation"  # all maps for each that is made, one for one, no weights


def split_joins(nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto], channels: Mapping[str, int]
                ) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], int]:
    """Operators without the joins that convolutions can take apart.

    A join of channels is taken apart where one operator takes it, a convolution with weights that are known, or a chain of
    activations and depthwise convolutions that ends in one. It moves behind a depthwise convolution that makes smaller maps.
    All others stay as they are.

    Args:
        nodes: In the order in which they run; the graph's output is that of the last one, which is no join.
        weights: Theirs.
        channels: How many a value has, by its name.

    Returns:
        Nodes and weights, and how many convolutions were split. What computes something else than before is new; the rest
        is handed on.
    """
    takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in nodes:
        for name in node.input:
            takers[name].append(node)
    known, channels = {weight.name: weight for weight in weights}, dict(channels)
    apart: dict[str, list[str]] = {}  # the parts of values that are not joined
    written: list[onnx.NodeProto] = []
    count = 0
    for node in nodes:
        kind = _kind(node, channels, known)
        if _is_join(node, channels) and _pays(node, takers, channels, known):
            apart[node.output[0]] = [part for name in node.input for part in apart.get(name, [name])]
        elif kind and node.input[0] in apart:
            parts = list(_parts(node, apart[node.input[0]], channels, known, kind))
            written += parts
            names = [part.output[0] for part in parts]
            if kind == WHOLE:
                written += _sum(node, names)
            elif _pays(node, takers, channels, known):
                apart[node.output[0]] = names
            else:
                written.append(helper.make_node("Concat", names, node.output, f"{node.name}.joined", axis=1))
            count += kind != ACTIVATION
        else:
            written.append(node)
    used = {name for node in written for name in node.input}
    return written, [weight for name, weight in known.items() if name in used], count


def _number(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


def _is_join(node: onnx.NodeProto, channels: Mapping[str, int]) -> bool:
    return (node.op_type == "Concat" and len(node.input) > 1 and _number(node, "axis", 1) == 1
            and all(name in channels for name in node.input))


def _kind(node: onnx.NodeProto, channels: Mapping[str, int], known: Mapping[str, onnx.TensorProto]) -> str:
    """How an operator can be split by its input's channels; "" if it cannot."""
    if node.op_type in ACTIVATIONS:
        return ACTIVATION
    if node.op_type != "Conv" or not all(name in known for name in node.input[1:]):
        return ""
    group = _number(node, "group", 1)
    return WHOLE if group == 1 else DEPTHWISE if group == channels[node.input[0]] else ""


def _pays(node: onnx.NodeProto, takers: Mapping[str, list[onnx.NodeProto]], channels: Mapping[str, int],
          known: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether what a node gives is better left apart: it is taken once, and so on, up to a convolution that adds the parts
    up or makes smaller maps of them."""
    while len(taken_by := takers[given := node.output[0]]) == 1:
        [node] = taken_by
        if _is_join(node, channels):
            continue
        kind = _kind(node, channels, known) if node.input[0] == given else ""  # and not as weights
        strides = max((max(one.ints) for one in node.attribute if one.name == "strides"), default=1)
        if kind in (WHOLE, "") or strides > 1:
            return kind != ""
    return False


def _parts(node: onnx.NodeProto, inputs: Sequence[str], channels: dict[str, int], known: dict[str, onnx.TensorProto],
           kind: str) -> Iterator[onnx.NodeProto]:
    """The operator of each part of its input, whose weights and channels are added to those known. Of a whole convolution
    the first part brings the bias."""
    weights = [numpy_helper.to_array(known[name]) for name in node.input[1:]] if kind != ACTIVATION else []
    each = len(weights[0]) // sum(channels[name] for name in inputs) if weights else 1  # maps made of one map
    first = 0
    for number, name in enumerate(inputs):
        own, last = f"{node.name}.part{number}", first + channels[name]
        taken = [values[first * each:last * each] for values in weights] if kind == DEPTHWISE else [
            values[:, first:last] if values.ndim > 1 else values for values in weights[:1 if number else None]]
        names = [f"{own}.{place}" for place in range(1, 1 + len(taken))]
        known |= {one: numpy_helper.from_array(np.ascontiguousarray(values), one) for one, values in zip(names, taken)}
        part = helper.make_node(node.op_type, [name, *(names or node.input[1:])], [own], own)
        part.attribute.extend(attribute for attribute in node.attribute if attribute.name != "group")
        if kind == DEPTHWISE:
            part.attribute.append(helper.make_attribute("group", channels[name]))
        channels[own] = len(taken[0]) if taken else channels[name]
        first = last
        yield part


def _sum(node: onnx.NodeProto, parts: Sequence[str]) -> list[onnx.NodeProto]:
    """What adds the parts up, two at a time, to what the convolution gave."""
    total, added = parts[0], []
    for number, part in enumerate(parts[1:], 1):
        name = node.output[0] if number == len(parts) - 1 else f"{node.name}.sum{number}"
        added.append(helper.make_node("Add", [part, total], [name], f"{node.name}.add{number}"))
        total = name
    return added
