"""An ONNX graph under the microscope: its convolutions by name, and what they put out, through ONNX Runtime.

Any framework may have written the file (opset 7 and later). Knows nothing of MindSpore.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ghostlib import onnx_files
from ghostlib.errors import InputError, last_line, nearest, some
from ghostlib.features.bounds import MOST_BYTES, check_memory

if TYPE_CHECKING:  # else imported where it is used: whoever has no such file need not wait for it
    import onnx

OLDEST = 7  # opset; what ONNX Runtime runs
ACTIVATIONS = {"Relu": "ReLU", **dict.fromkeys(("Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid",
                                                "Tanh", "HardSwish", "Mish", "Softplus", "Gelu"), "activation")}
GATES = "Sigmoid", "HardSigmoid"  # whose product with their own input is one activation: swish and hard swish
KINDS = FULL, EXPANSION, DEPTHWISE, PROJECTION, PRIMARY, CHEAP = (
    "full", "expansion", "depthwise", "projection", "primary", "cheap operation")
WEIGHTS, BIAS = 1, 2  # places among a convolution's inputs


class OnnxNetwork:
    """A graph of convolutions, read from a file or given.

    Args:
        source: The file, or the model itself.
        name: What it is called where something is wrong with it; the file by default.

    Attributes:
        size: (H, W) of its images, or None where it takes any.
        input: What they are called.

    Raises:
        InputError: For a file that is not whole or no ONNX, an opset before 7, a graph without convolutions, with two of
            one name or with split ones, or whose input is not images.
    """

    def __init__(self, source: "str | Path | onnx.ModelProto", name: str = ""):
        self.name = name or (str(source) if isinstance(source, (str, Path)) else "the graph")
        self.model = onnx_files.read(source) if isinstance(source, (str, Path)) else source
        if any(one.key == onnx_files.SPLIT for one in self.model.metadata_props):
            raise InputError(f"network: {self.name} takes joined maps apart, so that its convolutions give parts of sums; "
                             f"allowed is what `ghostlib export --joined` writes, or the run itself")
        opsets = {one.domain: one.version for one in self.model.opset_import}
        if (opset := opsets.get("", opsets.get("ai.onnx", 0))) < OLDEST:
            raise InputError(f"network: {self.name} has opset {opset}; allowed is {OLDEST} or later")
        graph = self.model.graph
        self.constants = {one.name: one for one in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                for one in (one for one in node.attribute if one.name == "value"):
                    self.constants[node.output[0]] = one.t
        self.convolutions: dict[str, onnx.NodeProto] = {}
        for node in (one for one in graph.node if one.op_type == "Conv"):
            own = node.name or node.output[0]
            if own in self.convolutions:
                raise InputError(f"network: {self.name} has two convolutions called {own!r}; allowed is each name once")
            self.convolutions[own] = node
        if not self.convolutions:
            others = some(sorted({one.op_type for one in graph.node}))
            raise InputError(f"network: {self.name} has no convolutions, but {others}; allowed are networks with maps")
        self.input, self._batch, self._last, self._type = self._images()

    def _images(self) -> tuple[str, int | None, bool, Any]:
        """The input's name, its number of images if it is fixed, whether channels come last, and its type."""
        from onnx import helper
        inputs = onnx_files.inputs_of(self.model)
        shapes = [[axis.dim_value or None for axis in one.type.tensor_type.shape.dim] for one in inputs]
        if len(inputs) != 1 or len(shapes[0]) != 4 or not ({shapes[0][1], shapes[0][3]} & {3, None}):
            told = ", ".join(f"{one.name} {shape}" for one, shape in zip(inputs, shapes))
            raise InputError(f"network: {self.name} takes {told or 'no input'}; allowed is one input of images "
                             f"(N, 3, H, W) or (N, H, W, 3)")
        [one], [shape] = inputs, shapes
        last = shape[3] == 3 and shape[1] != 3  # as TensorFlow has them
        height, width = shape[1:3] if last else shape[2:]
        self.size = (height, width) if height and width else None
        return one.name, shape[0], last, helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type)

    def stages(self) -> dict[str, dict[str, str]]:
        """See `features.stages`: a convolution's output, and what BatchNormalization and an activation make of it where
        nothing else takes it. A BatchNorm that was folded into its convolution is no stage of its own."""
        takers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.model.graph.node:
            for name in node.input:
                takers.setdefault(name, []).append(node)
        found = {}
        for name, node in self.convolutions.items():
            found[name], last = {"convolution": node.output[0]}, node.output[0]
            follow = takers.get(last, [])
            if len(follow) == 1 and follow[0].op_type == "BatchNormalization":
                found[name]["BatchNorm"] = last = follow[0].output[0]
                follow = takers.get(last, [])
            if kind := _activation(follow, takers):
                found[name][kind[0]] = kind[1]
        return found

    def cheap_operations(self) -> list[str]:
        """The convolutions that make ghosts, by name: depthwise ones whose maps are put beside those they are made of."""
        joined = [set(node.input) for node in self.model.graph.node if node.op_type == "Concat"]
        found = []
        for name, outputs in self.stages().items():
            node = self.convolutions[name]
            beside = any(node.input[0] in both and both & set(outputs.values()) for both in joined)
            if beside and self._is_depthwise(name):
                found.append(name)
        return found

    def _groups(self, layer: str) -> int:
        return next((one.i for one in self.convolutions[layer].attribute if one.name == "group"), 1)

    def _is_depthwise(self, layer: str) -> bool:
        return self._groups(layer) > 1 and self.weights(layer)[0].shape[1] == 1

    def kinds(self) -> dict[str, str]:
        """For each convolution, by name, which of KINDS it is: the one that makes ghosts, and the one that makes what they
        are made of; else by its weights. A 1 x 1 convolution to more channels is an expansion, to as many or fewer a
        projection."""
        cheap = set(self.cheap_operations())
        seen_by_cheap = {self.convolutions[name].input[0] for name in cheap}
        found = {}
        for name, outputs in self.stages().items():
            channels, _, *size = (weights := self.weights(name)[0]).shape
            found[name] = (CHEAP if name in cheap else PRIMARY if seen_by_cheap & set(outputs.values()) else
                           DEPTHWISE if self._is_depthwise(name) else FULL if max(size) > 1 else
                           EXPANSION if channels > weights.shape[1] * self._groups(name) else PROJECTION)
        return found

    def activations(self, images: np.ndarray, layers: Sequence[str], batch_size: int = 32, most_bytes: int = MOST_BYTES,
                    step: Callable[[int], object] | None = None) -> dict[str, np.ndarray]:
        """See `features.activations`; `layers` are outputs of nodes, or names of convolutions."""
        outputs = {name: self.convolutions[name].output[0] if name in self.convolutions else name for name in layers}
        made = {name for node in self.model.graph.node for name in node.output}
        for name, output in outputs.items():
            if output not in made:
                raise InputError(f"layer: {name!r} given; {nearest(name, self.convolutions)}")
        session = self.session(list(outputs.values()))
        parts: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
        size, left = self._batch or batch_size, len(images)
        for fed in self.batches(images, batch_size):
            count, left = min(size, left), left - min(size, left)
            try:
                shown = session.run(list(outputs.values()), {self.input: fed})
            except Exception as error:  # ONNX Runtime has a class for each kind of trouble
                raise InputError(f"images: {images.shape} given, which do not fit {self.name}: "
                                 f"{last_line(str(error))}") from None
            for name, maps in zip(outputs, shown):
                parts[name].append(np.asarray(maps[:count], np.float32))
            if count + left == len(images):
                check_memory(parts, len(images), most_bytes)
            if step is not None:
                step(count)
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _check(self, images: np.ndarray) -> None:
        if not len(images):
            raise InputError(f"images: {images.shape} given; allowed is at least one")
        if self.size is not None and images.shape[2:] != self.size:
            raise InputError(f"images: {images.shape[2]} x {images.shape[3]} given; {self.name} takes {self.size[0]} x "
                             f"{self.size[1]}")

    def batches(self, images: np.ndarray, batch_size: int = 32) -> Iterator[np.ndarray]:
        """Images (N, 3, H, W) as the graph takes them, some at a time; a fixed number of them is filled up. `InputError` for
        images of another size, or none."""
        self._check(images)
        size = self._batch or batch_size
        for start in range(0, len(images), size):
            batch = np.asarray(images[start:start + size], self._type)
            if self._batch and len(batch) < size:
                batch = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), 0)])
            yield batch.transpose(0, 2, 3, 1) if self._last else batch

    def session(self, outputs: Sequence[str]):
        """ONNX Runtime's, which puts out these alone, so that nothing behind them is computed."""
        import onnx
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(outputs))
        try:
            return onnx_files.session(model.SerializeToString())
        except Exception as error:
            raise InputError(f"network: {self.name} cannot be run by ONNX Runtime: {last_line(str(error))}") from None

    def weights(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """A convolution's weights (C_out, C_in / groups, kh, kw) and bias (C_out,), zeros where it has none.

        Raises:
            InputError: Where something computes them.
        """
        from onnx import numpy_helper
        node = self.convolutions[layer]
        if any(name and name not in self.constants for name in node.input[WEIGHTS:]):
            raise InputError(f"layer: {layer!r} of {self.name} has weights that the graph computes; allowed are stored ones")
        weights = numpy_helper.to_array(self.constants[node.input[WEIGHTS]])
        bias = node.input[BIAS] if len(node.input) > BIAS else ""
        return weights, numpy_helper.to_array(self.constants[bias]) if bias else np.zeros(len(weights), weights.dtype)

    def having(self, changed: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> "OnnxNetwork":
        """The same graph with other weights and biases, by convolution, in tensors of their own."""
        import onnx
        from onnx import numpy_helper
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for node in model.graph.node:
            own = node.name or node.output[0]
            if node.op_type == "Conv" and own in changed:
                names = [f"{own}:{kind}" for kind in ("weights", "bias")]
                del node.input[WEIGHTS:]
                node.input.extend(names)
                model.graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(array), name)
                                               for array, name in zip(changed[own], names))
        return OnnxNetwork(model, self.name)

    def fingerprint(self) -> str:
        """A hash of the whole graph."""
        return hashlib.sha256(self.model.SerializeToString(deterministic=True)).hexdigest()


def _activation(follow: "Sequence[onnx.NodeProto]", takers: "Mapping[str, Sequence[onnx.NodeProto]]"
                ) -> tuple[str, str] | None:
    """The stage and the output of the activation that takes a tensor, if one does and nothing else."""
    kinds = sorted(node.op_type for node in follow)
    if len(follow) == 1 and kinds[0] in ACTIVATIONS:
        return ACTIVATIONS[kinds[0]], follow[0].output[0]
    gates = [node for node in follow if node.op_type in GATES]
    if len(follow) == 2 and len(gates) == 1 and "Mul" in kinds:
        [product] = [node for node in follow if node.op_type == "Mul"]
        if gates[0].output[0] in product.input:
            return "activation", product.output[0]
    return None
