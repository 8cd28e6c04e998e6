"""A network's graph with a switch behind every layer: what each puts out, and what the network says without some of it.

It is written and made ready once; any layer and any of its maps is then a matter of milliseconds.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ghostlib import onnx_files

if TYPE_CHECKING:
    import onnx

KEPT, LEVEL, SILENCED = ":kept", ":level", ":silenced"  # end the names of a switch's inputs, and of what it puts out


class Switches:
    """A graph in which each map of its layers can be replaced by a constant, behind the point where it is made.

    The maps of a Ghost module are silenced at its output: ghosts are made of intrinsic maps as they were.

    Args:
        model: A network's graph, one input of images (N, 3, H, W) and one output of logits (N, classes); it is changed.
        layers: The names of the layers' maps (N, C, H', W') in it.
    """

    def __init__(self, model: "onnx.ModelProto", layers: Iterable[str]):
        graph, names = model.graph, set(layers)
        self._images, self._logits = graph.input[0].name, graph.output[0].name
        self._put_in(graph, names)
        self._session = onnx_files.session(model.SerializeToString())

    @staticmethod
    def _put_in(graph: "onnx.GraphProto", names: set[str]) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        nodes = []
        for node in graph.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.input[:] = [name + SILENCED if name in names else name for name in node.input]
            nodes.append(copied)
            for name in names.intersection(node.output):
                kept = f"{name}{SILENCED}/Mul"
                nodes += [helper.make_node("Mul", [name, name + KEPT], [kept]),
                          helper.make_node("Add", [kept, name + LEVEL], [name + SILENCED])]
        del graph.node[:]
        graph.node.extend(nodes)
        for name in names:
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
            for end, value in ((KEPT, 1.0), (LEVEL, 0.0)):  # unless told otherwise a switch lets everything through
                graph.initializer.append(numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name + end))
                graph.input.append(helper.make_tensor_value_info(name + end, TensorProto.FLOAT, [1, "maps" + name, 1, 1]))

    def maps(self, images: np.ndarray, layer: str) -> np.ndarray:
        """A layer's maps (N, C, H', W') of images (N, 3, H, W) float32."""
        return self._session.run([layer], {self._images: images})[0]

    def logits(self, images: np.ndarray, layer: str, silent: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Logits (N, classes) with some maps of a layer silenced.

        Args:
            images: (N, 3, H, W) float32.
            layer: Which.
            silent: Numbers of its maps, none or more.
            levels: (C,) what each would be replaced by, the same at every pixel.
        """
        keep = np.ones((1, len(levels), 1, 1), np.float32)
        keep[:, silent] = 0
        level = np.asarray(levels, np.float32)[None, :, None, None] * (1 - keep)
        return self._session.run([self._logits], {self._images: images, layer + KEPT: keep, layer + LEVEL: level})[0]
