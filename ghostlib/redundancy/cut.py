"""A GhostNet cut in two at the maps of one of its modules: what lies before them is run once, what lies behind again and
again, with some maps replaced.

Both halves are ONNX graphs run by ONNX Runtime. Which maps are replaced, and by what, are inputs of the second half, so that
nothing is compiled anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from mindspore import nn
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ghostlib import onnx_files
from ghostlib.deploy.fold import fold_batchnorm
from ghostlib.deploy.onnx_graph import INPUT, OUTPUT, as_onnx
from ghostlib.errors import InputError, nearest, some
from ghostlib.features import GhostLayer, OnnxNetwork
from ghostlib.ghost import GhostModule
from ghostlib.redundancy.likeness import source_of_ghosts

REPLACED, MASK, OTHER = "maps with some replaced", "mask", "other maps"


@dataclass(frozen=True)
class Module:
    """A Ghost module, or the plain convolution in its place (s = 1), as it stands in a graph.

    Attributes:
        layer, depth: Its name in the network, and its place among the modules, from 1.
        kernel: d.
        families: (C,) for each map the number of the intrinsic map that it is or was made from.
        ghosts: How many maps, the last, are ghosts.
        relu: Whether a ReLU ends it.
        maps: The graph's name of its maps (N, C, H, W); GhostNetV2 multiplies these by its attention later.
        before: Names of what together, along the channels, is as many maps before that ReLU.
    """

    layer: str
    depth: int
    kernel: int
    families: NDArray[Any]
    ghosts: int
    relu: bool
    maps: str
    before: tuple[str, ...]

    @property
    def channels(self) -> int:
        return len(self.families)


class CutNetwork:
    """A network whose modules are at hand.

    Args:
        net: A GhostNet, with ghosts or plain, in evaluation state; left as it was.
        size: Height and width of its images.
        layers: Names of modules to look at; none are all.

    Attributes:
        modules: Those, from the first to the last.

    Raises:
        InputError: For a network without such modules, and for layers that it does not have, that are asked for twice, or
            that it runs twice.
    """

    def __init__(self, net: nn.Cell, size: int, layers: Sequence[str] = ()):
        shape = (3, size, size)
        self.model = as_onnx(fold_batchnorm(net, shape), shape)
        self.network = OnnxNetwork(self.model, "the network")
        self._shapes = {one.name: one.type for one in onnx.shape_inference.infer_shapes(self.model).graph.value_info}
        self._weights = {one.name for one in self.model.graph.initializer}
        cells = {name: cell for name, cell in net.cells_and_names() if isinstance(cell, GhostModule)}
        if not cells:
            raise InputError(f"network: {type(net).__name__} has no Ghost modules, with ghosts or plain; allowed are "
                             f"GhostNets")
        for name in layers:
            if name not in cells:
                raise InputError(f"layer: {name!r} given; {nearest(name, cells)}")
        if len(set(layers)) < len(layers):
            raise InputError(f"layers: {some(layers)} given; allowed is each once")
        self.modules = [self._module(name, depth, cell) for depth, (name, cell) in enumerate(cells.items(), 1)
                        if not layers or name in layers]

    def _module(self, layer: str, depth: int, cell: GhostModule) -> Module:
        m = cell.intrinsic
        before, last = [self._made_by(layer, ".primary_conv.0/Conv_")], ".primary_conv.2/Relu_"
        relu = any(node.name.startswith(layer + last) for node in self.model.graph.node)
        if cell.has_ghosts:
            before, last = [*before, self._made_by(layer, ".cheap_operation.0/Conv_")], "/Concat_"
        maps = self._made_by(layer, last) if relu or cell.has_ghosts else before[0]
        made_of = source_of_ghosts(cell.out_channels, GhostLayer(m, cell.ratio))
        return Module(layer, depth, cell.kernel, np.concatenate([np.arange(m), made_of]), cell.ghosts, relu, maps,
                      tuple(before))

    def _made_by(self, layer: str, inside: str) -> str:
        """The output of the one operator of a layer whose name goes on so."""
        found: list[str] = [node.output[0] for node in self.model.graph.node if node.name.startswith(layer + inside)]
        if len(found) != 1:
            raise InputError(f"layer: {layer!r} runs {len(found)} times for an image; allowed is once")
        return found[0]

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """Of the whole network, for images (N, 3, H, W)."""
        return self.network.activations(images, [OUTPUT])[OUTPUT]

    def maps(self, module: Module, images: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """A module's maps (N, C, H, W), and the same before its ReLU; without a ReLU these are the same."""
        shown = self.network.activations(images, list(dict.fromkeys([module.maps, *module.before])))
        if not module.relu:
            return shown[module.maps], shown[module.maps]
        before = np.concatenate([shown[name] for name in module.before], axis=1)
        return shown[module.maps], before[:, :module.channels]  # what s makes too many is cut off behind the ReLU

    def half(self, module: Module) -> "Half":
        """What lies behind a module's maps."""
        behind, reached = [], {module.maps}
        for node in self.model.graph.node:
            if reached & set(node.input):
                behind.append(node)
                reached |= set(node.output)
        beside = [name for name in dict.fromkeys(name for node in behind for name in node.input)
                  if name and name not in reached and name not in self._weights]
        nodes = [helper.make_node("Where", [MASK, OTHER, module.maps], [REPLACED], REPLACED)]
        for node in behind:
            changed = onnx.NodeProto()
            changed.CopyFrom(node)
            changed.input[:] = [REPLACED if name == module.maps else name for name in node.input]
            nodes.append(changed)
        used = {name for node in nodes for name in node.input}
        inputs = [helper.make_value_info(name, self._shapes[name]) for name in (module.maps, *beside)]
        inputs += [helper.make_tensor_value_info(MASK, TensorProto.BOOL, [1, module.channels, 1, 1]),
                   helper.make_tensor_value_info(OTHER, TensorProto.FLOAT, [None, module.channels, None, None])]
        graph = helper.make_graph(nodes, "behind", inputs, list(self.model.graph.output),
                                  [one for one in self.model.graph.initializer if one.name in used])
        made = helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)
        return Half([module.maps, *beside], onnx_files.session(made.SerializeToString()))

    def batches(self, images: NDArray[Any], halves: Sequence["Half"], size: int
                ) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
        """Which images, and what these halves take of them by name: the network is run once for each image."""
        names = list(dict.fromkeys(name for half in halves for name in half.names))
        first = self.network.session(names)
        for start in range(0, len(images), size):
            part = slice(start, min(start + size, len(images)))
            yield part, dict(zip(names, first.run(names, {INPUT: images[part]})))


class Half:
    """What lies behind a module's maps, ready to run.

    Args:
        names: What it takes, the module's maps first.
        session: ONNX Runtime's.
    """

    def __init__(self, names: Sequence[str], session: Any):
        self.names, self._session = list(names), session

    def logits(self, shown: Mapping[str, NDArray[Any]], mask: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        """What comes of a batch, (N, classes), when the maps that `mask` (C,) chooses are those of `other`.

        Args:
            shown: As `CutNetwork.batches` gives it.
            other: (N or 1, C, H, W).
        """
        given = {name: shown[name] for name in self.names}
        logits: NDArray[Any] = self._session.run([OUTPUT], {**given, MASK: mask.reshape(1, -1, 1, 1), OTHER: other})[0]
        return logits
