"""Maps that are joined for the next convolution alone need not be: it takes them apart, and adds what each part gives.

A Ghost module joins its intrinsic maps and ghosts, which copies all of them, and the convolution behind it reads the copy. A
convolution is linear in its input channels, so two convolutions of a part each and a sum give the same; engines add the sum
while they convolve. Activations and depthwise convolutions take their parts apart, too, and what is behind them is joined.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

ACTIVATIONS = "Relu", "Clip", "HardSwish"
WHOLE, DEPTHWISE, ACTIVATION = "whole", "depthwise", "activation"  # all maps for each that is made, one for one, no weights


def split_joins(nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto], channels: Mapping[str, int]
                ) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], int]:
    """Operators without the joins that one operator alone takes and can take apart.

    Args:
        nodes: In the order in which they run.
        weights: Theirs.
        channels: How many a value has, by its name.

    Returns:
        Nodes and weights, and how many convolutions were split. What computes something else than before is new; the rest
        is handed on.
    """
    taken = Counter(name for node in nodes for name in node.input)
    known, channels = {weight.name: weight for weight in weights}, dict(channels)
    apart: dict[str, onnx.NodeProto] = {}  # joins that are not written yet, by what they give
    written: list[onnx.NodeProto] = []
    count = 0
    for node in nodes:
        joins = _flat(node, apart) if node.op_type == "Concat" else None
        if node.input and node.input[0] in apart and (kind := _kind(node, apart[node.input[0]], channels)):
            parts = list(_parts(node, apart.pop(node.input[0]).input, channels, known, kind))
            written += parts
            names = [part.output[0] for part in parts]
            if kind == WHOLE:
                written += _sum(node, names)
            else:
                joins = helper.make_node("Concat", names, node.output, f"{node.name}.joined", axis=1)
            count += kind != ACTIVATION
        elif joins is None:
            written += [apart.pop(name) for name in node.input if name in apart] + [node]
        if joins is not None and taken[joins.output[0]] == 1:
            apart[joins.output[0]] = joins
        elif joins is not None:
            written.append(joins)
    used = {name for node in written for name in node.input}
    return written, [weight for name, weight in known.items() if name in used], count


def _flat(join: onnx.NodeProto, apart: dict[str, onnx.NodeProto]) -> onnx.NodeProto:
    """A join of joins that are not written yet as one of all their parts."""
    inputs = [name for one in join.input for name in (apart.pop(one).input if one in apart else [one])]
    return helper.make_node("Concat", inputs, join.output, join.name, axis=1)


def _kind(node: onnx.NodeProto, joined: onnx.NodeProto, channels: Mapping[str, int]) -> str:
    """How an operator can take its input apart; "" if it cannot."""
    if node.op_type in ACTIVATIONS:
        return ACTIVATION
    if node.op_type != "Conv":
        return ""
    group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return WHOLE if group == 1 else DEPTHWISE if group == sum(channels[name] for name in joined.input) else ""


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
