"""What a module's maps may be replaced by: each made from another one, as ghosts are, by the filter that does it best."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ghostlib import onnx_files
from ghostlib.deploy.onnx_graph import IR_VERSION, OPSET
from ghostlib.errors import InputError
from ghostlib.redundancy.cut import Module
from ghostlib.redundancy.measured import Measured, Splits, measure_all

PIXELS = 2**18  # of each map, to fit and to choose on: enough for filters of ten weights
LEAST = 64  # photographs, however large maps are


@dataclass(frozen=True)
class Filters:
    """Makes each of a module's maps from one of them, by a filter with bias and, where the module has one, a ReLU.

    Attributes:
        sources: (C,) which.
        kernels, bias: (C, d, d) and (C,).
        relu: Whether a ReLU follows.
    """

    sources: NDArray[Any]
    kernels: NDArray[Any]
    bias: NDArray[Any]
    relu: bool

    def __call__(self, maps: NDArray[Any]) -> NDArray[Any]:
        """(N, C, H, W) to the same shape."""
        made: NDArray[Any] = self._session.run(["made"], {"maps": maps})[0]
        return made

    @cached_property
    def _session(self) -> Any:
        count, size = len(self.sources), self.kernels.shape[-1]
        weights: dict[str, NDArray[Any]] = {
            "sources": self.sources.astype(np.int64), "kernels": self.kernels[:, None].astype(np.float32),
            "bias": self.bias.astype(np.float32)}
        nodes = [helper.make_node("Gather", ["maps", "sources"], ["chosen"], axis=1),
                 helper.make_node("Conv", ["chosen", "kernels", "bias"], ["filtered"], group=count, pads=[size // 2] * 4),
                 helper.make_node("Relu" if self.relu else "Identity", ["filtered"], ["made"])]
        given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, count, None, None])
                       for name in ("maps", "made"))
        graph = helper.make_graph(nodes, "filters", [given], [made],
                                  [numpy_helper.from_array(array, name) for name, array in weights.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return onnx_files.session(model.SerializeToString())

    def some(self, better: NDArray[Any], other: "Filters") -> "Filters":
        """Those of these maps (C,) that are `better`, the others' from `other`."""
        return Filters(np.where(better, self.sources, other.sources),
                       np.where(better[:, None, None], self.kernels, other.kernels),
                       np.where(better, self.bias, other.bias), self.relu)


def fit_filters(module: Module, maps: NDArray[Any], before: NDArray[Any]) -> tuple[Filters, Filters, NDArray[Any]]:
    """The best filters for each of a module's maps, from maps of other families alone, and from any other map.

    A family is an intrinsic map with its ghosts. The filter is fitted to the map and, where a ReLU ends the module, to what
    stands before it, too, as a ghost's own filter acts; whichever is nearer to the map behind the ReLU is taken. Filters are
    fitted on half of the photographs, sources and the better of the two chosen on the other half; of large maps some
    photographs do.

    Args:
        module: Whose.
        maps, before: (N, C, H, W), its maps, and the same before its ReLU.

    Returns:
        Both, and the R2 (C,) of the first on the photographs for choosing.

    Raises:
        InputError: For a module all of whose maps are one family, and maps smaller than its filters.
    """
    families, channels = module.families, module.channels
    if len(set(families)) < 2:
        raise InputError(f"layer: {module.layer} makes all its {channels} maps from one; allowed are at least two "
                         f"intrinsic maps, of which one can replace the other")
    several = max(LEAST, PIXELS // maps[0, 0].size)
    maps, before = maps[:several], before[:several]
    fit, choose = (np.arange(len(maps))[half::2] for half in (0, 1))
    targets = np.concatenate([maps, before], axis=1) if module.relu else maps
    measured = measure_all(maps, targets, Splits(fit, choose, fit[:0]), (module.kernel,))[module.kernel]
    shown = maps[choose]
    apart, missed = _best(measured, families[:, None] == families, shown, module.relu)
    any_other, _ = _best(measured, np.eye(channels, dtype=bool), shown, module.relu)
    spread = errors(shown.mean(axis=0, keepdims=True), shown).sum(axis=0)
    return apart, any_other, 1 - missed / np.where(spread > 0, spread, np.nan)


def _best(measured: Measured, forbidden: NDArray[Any], shown: NDArray[Any], relu: bool) -> tuple[Filters, NDArray[Any]]:
    """For each map the best filter from a source that is not `forbidden` (C, C), and its squared errors (C,).

    Args:
        measured: Of filters to the maps, or to these and the same before their ReLU.
        shown: (N, C, H, W), the maps on the photographs for choosing.
        relu: Whether there is one.
    """
    made = []
    for first in range(0, measured.choose.shape[1], len(forbidden)):
        own = np.arange(first, first + len(forbidden))
        # Of a constant map no source is better than another; its filter is none, and its bias says it all.
        sources = np.where(forbidden, -np.inf, np.nan_to_num(measured.choose[:, own], nan=-np.inf)).argmax(axis=0)
        made.append(Filters(sources, measured.maps.kernels[sources, own], measured.maps.bias[sources, own], relu))
    missed = [errors(one(shown), shown).sum(axis=0) for one in made]
    return made[0].some(missed[0] <= missed[-1], made[-1]), np.minimum(missed[0], missed[-1])


def errors(made: NDArray[Any], maps: NDArray[Any]) -> NDArray[Any]:
    """Squared errors (N, C), summed over pixels, of maps (N or 1, C, H, W)."""
    gap = (made - maps).astype(np.float64)
    squared: NDArray[Any] = np.einsum("nchw,nchw->nc", gap, gap)
    return squared
