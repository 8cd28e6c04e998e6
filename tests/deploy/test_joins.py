"""Joined maps that are left apart: the same numbers, and fewer joins."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from mindspore import Tensor, nn, ops
from onnx import helper, numpy_helper

from ghostlib.deploy import fold_batchnorm
from ghostlib.deploy.joins import split_joins
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.errors import InputError
from ghostlib.features import OnnxNetwork
from ghostlib.models import MODELS
from ghostlib.onnx_files import SPLIT

SIDE, RNG = 9, np.random.default_rng(0)
INPUTS = {"a": 3, "b": 4, "c": 2}


class Graph:
    """A graph written by hand, on maps `a` of 3 channels, `b` of 4 and `c` of 2."""

    def __init__(self):
        self.nodes, self.weights, self.channels = [], [], dict(INPUTS)

    def conv(self, name, taken, made, kernel=1, group=1, bias=True, **attributes):
        shapes = [(made, self.channels[taken] // group, kernel, kernel), (made,)][:1 + bias]
        names = [f"{name}.{place}" for place in range(1, 1 + len(shapes))]
        self.weights += [numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), one)
                         for one, shape in zip(names, shapes)]
        return self.add(name, "Conv", [taken, *names], made, group=group, pads=[kernel // 2] * 4, **attributes)

    def join(self, name, *taken):
        return self.add(name, "Concat", taken, sum(self.channels[one] for one in taken), axis=1)

    def add(self, name, operator, taken, channels, **attributes):
        self.nodes.append(helper.make_node(operator, taken, [name], name, **attributes))
        self.channels[name] = channels
        return self

    def run(self, apart):
        nodes, weights, count = split_joins(self.nodes, self.weights, self.channels) if apart else (
            self.nodes, self.weights, 0)
        inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, number, SIDE, SIDE])
                  for name, number in INPUTS.items()]
        last = [helper.make_tensor_value_info(self.nodes[-1].output[0], onnx.TensorProto.FLOAT,
                                             [2, self.channels[self.nodes[-1].output[0]], None, None])]
        model = helper.make_model(helper.make_graph(nodes, "hand", inputs, last, weights), ir_version=8,
                                  opset_imports=[helper.make_opsetid("", 18)])
        onnx.checker.check_model(model, full_check=True)
        rng = np.random.default_rng(1)
        given = {name: rng.normal(size=(2, number, SIDE, SIDE)).astype(np.float32) for name, number in INPUTS.items()}
        found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)[0]
        return found, [node.SerializeToString() for node in nodes], Counter(node.op_type for node in nodes), count


def whole(graph):
    graph.join("j", "a", "b").conv("out", "j", 5)


def without_bias(graph):
    graph.join("j", "a", "b").conv("out", "j", 5, 3, bias=False, strides=[2, 2])


def three_parts(graph):
    graph.join("j", "a", "b", "c").conv("out", "j", 5, 3)


def activation_between(graph):
    graph.join("j", "a", "b").add("r", "Relu", ["j"], 7).conv("out", "r", 5)


def depthwise_between(graph):
    graph.join("j", "a", "b").conv("d", "j", 7, 3, group=7, strides=[2, 2]).conv("out", "d", 5)


def depthwise_with_two_maps_of_each(graph):
    graph.join("j", "a", "b").conv("d", "j", 14, 3, group=7).conv("out", "d", 5)


def join_of_joins(graph):
    graph.join("j", "a", "b").join("k", "j", "c").conv("out", "k", 5)


def taken_twice(graph):
    graph.join("j", "a", "b").conv("x", "j", 7).add("out", "Add", ["x", "j"], 7)


def the_end(graph):
    graph.join("out", "a", "b")


def activation_at_the_end(graph):
    graph.join("j", "a", "b").add("out", "Relu", ["j"], 7)


def activation_taken_twice(graph):
    graph.join("j", "a", "b").add("r", "Relu", ["j"], 7).conv("x", "r", 7).add("out", "Add", ["x", "r"], 7)


def depthwise_at_the_end(graph):
    graph.join("j", "a", "b").conv("out", "j", 7, 3, group=7)


def smaller_at_the_end(graph):
    graph.join("j", "a", "b").conv("out", "j", 7, 3, group=7, strides=[2, 2])


def one_twice(graph):
    graph.join("j", "a", "a").conv("out", "j", 5)


def one_alone(graph):
    graph.join("j", "a").conv("out", "j", 5)


def of_rows(graph):
    graph.add("j", "Concat", ["a", "a"], 3, axis=2).conv("out", "j", 5)


def grouped(graph):
    graph.join("j", "b", "c").conv("out", "j", 4, group=2)


def pooled(graph):
    graph.join("j", "a", "b").add("out", "GlobalAveragePool", ["j"], 7)


@pytest.mark.parametrize(("write", "joins", "convolutions"), [
    (whole, 0, 2), (without_bias, 0, 2), (three_parts, 0, 3), (activation_between, 0, 2), (depthwise_between, 0, 4),
    (depthwise_with_two_maps_of_each, 0, 4), (join_of_joins, 0, 3), (taken_twice, 1, 1), (the_end, 1, 0),
    (activation_at_the_end, 1, 0), (activation_taken_twice, 1, 1), (depthwise_at_the_end, 1, 1),
    (smaller_at_the_end, 1, 2), (one_twice, 0, 2),
    (one_alone, 1, 1), (of_rows, 1, 1), (grouped, 1, 1), (pooled, 1, 0)])
def test_the_same_numbers_by_fewer_joins(write, joins, convolutions):
    graph = Graph()
    write(graph)
    before = graph.run(False)[0]
    after, written, kinds, count = graph.run(True)
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()
    assert (kinds["Concat"], kinds["Conv"]) == (joins, convolutions)
    assert bool(count) == (convolutions > 1)
    assert count or [node.SerializeToString() for node in graph.nodes] == written


class Dense(nn.Cell):
    """As DenseNet: each block's maps are joined to all before them, which the next block and the next join take."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.CellList([nn.Conv2d(channels, 2, 3) for channels in (3, 5, 7)])
        self.join = ops.Concat(axis=1)
        self.mean, self.flatten, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dense(9, 3)

    def construct(self, x):
        for block in self.blocks:
            x = self.join((x, block(x)))
        return self.head(self.flatten(self.mean(x)))


def test_maps_that_are_joined_again_and_again_are_not_taken_apart_again_and_again():
    net = Dense().set_train(False)
    model, batch = as_onnx(net, (3, 16, 16), apart=True), RNG.normal(size=(2, 3, 16, 16)).astype(np.float32)
    assert Counter(node.op_type for node in model.graph.node)["Conv"] == 3 and not model.metadata_props
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": batch})[0]
    assert np.abs(found - net(Tensor(batch)).asnumpy()).max() < 1e-5


def test_ghostnet_joins_23_times_instead_of_32_and_says_that_its_layers_are_no_layers():
    folded = fold_batchnorm(MODELS["ghostnet"](0.25).set_train(False))
    joined, apart = (as_onnx(folded, (3, 64, 64), apart=one) for one in (False, True))
    assert [sum(node.op_type == "Concat" for node in model.graph.node) for model in (joined, apart)] == [32, 23]
    assert [entry.value for entry in apart.metadata_props if entry.key == SPLIT] == ["13"]
    OnnxNetwork(joined)
    with pytest.raises(InputError, match=r"the graph takes joined maps apart, .* `ghostlib export --joined` writes"):
        OnnxNetwork(apart)
