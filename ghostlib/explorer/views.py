"""One layer of one network on one picture, to be looked at: choices in, maps and probabilities out. No widgets.

The network is written as an ONNX graph once; ONNX Runtime answers in milliseconds where MindSpore, one operator after the
other, takes tenths of a second.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mindspore.nn.utils import no_init_parameters
from PIL import Image
from threadpoolctl import ThreadpoolController

from ghostlib import redundancy, results
from ghostlib.complexity import Complexity, count, recount
from ghostlib.config import Config
from ghostlib.data import DATASETS
from ghostlib.deploy.card import card_of, class_names
from ghostlib.deploy.onnx_graph import as_onnx
from ghostlib.deploy.predict import probabilities
from ghostlib.device import use_device
from ghostlib.errors import InputError, some
from ghostlib.explorer.pictures import DIGITS, SQUARES, squares
from ghostlib.explorer.switches import Switches
from ghostlib.features import ghost_layers, stages
from ghostlib.ghost import split_channels
from ghostlib.redundancy import LinearMaps
from ghostlib.training.run_folder import LAST
from ghostlib.training.setup import build, config_of
from ghostlib.weights.description import described
from ghostlib.weights.load import load_weights

if TYPE_CHECKING:
    import onnx

MOST = 64  # maps of a layer that are looked at: what a page has room for, and an answer at once
PIXELS = 6272  # of maps that filters are found on, two of 56 x 56: enough for 49 weights, and an answer at once


@dataclass(frozen=True)
class View:
    """A layer's maps of the picture looked at, at most MOST of them, and what ghosts would make of them.

    Attributes:
        maps: (C, H, W).
        numbers: (C,) which of the layer's maps they are.
        intrinsic: Which of them are intrinsic: a Ghost layer's own, else those from which the others are made best.
        source: (C,) the map that each is made from; an intrinsic one's is itself.
        made: (C, H, W) the intrinsic maps, and each other one as a d x d filter makes it from its source.
        r2: (C,) how well that is, on the picture looked at, for which no filter was fitted; 1 for intrinsic maps.
    """

    maps: np.ndarray
    numbers: np.ndarray
    intrinsic: np.ndarray
    source: np.ndarray
    made: np.ndarray
    r2: np.ndarray


@dataclass(frozen=True)
class Pair:
    """Two maps that are alike, and the filter that makes the second from the first."""

    first: int
    second: int
    source: np.ndarray
    kernel: np.ndarray
    prediction: np.ndarray
    target: np.ndarray
    r2: float


class Explorer:
    """A network and pictures of one kind; keeps what it has computed, so that the next look is quick.

    Args:
        config: The network; its `weights`, or random ones.
        image: One of `pictures.IMAGES`, the path of a photograph, or a picture.
        number: Which of SQUARES of its kind is looked at.
        untrained: Leave the weights out: the same network as it was before it was trained.

    Attributes:
        classes: The names of its answers, in the order of its logits.

    Raises:
        InputError: For weights or a photograph that cannot be used.
    """

    def __init__(self, config: Config, image: str | Image.Image = DIGITS, number: int = 0, untrained: bool = False):
        use_device("CPU")
        self.config, self.untrained = config, untrained or not config.weights
        self.net = build(config).set_train(False)
        if config.weights and not untrained:
            load_weights(self.net, config.weights, config.new_head)
        self.classes = class_names(config.weights, config)
        self._ghosts, self._cells = ghost_layers(self.net), dict(self.net.cells_and_names())
        model = as_onnx(self.net, (3, config.image_size, config.image_size))
        self._outputs = _outputs(model, {layer: next(iter(found.values())) for layer, found in stages(self.net).items()})
        self._graph = Switches(model, self._outputs.values())
        # Products this small, made by two threads, wait longer for threads of ONNX Runtime that still spin than they take.
        self._products = ThreadpoolController().select(user_api="blas")
        self._means: dict[str, np.ndarray] = {}  # of each map over the other pictures and all pixels
        self._kind: str | Image.Image = ""  # which pictures are cut already
        self.look_at(image, number)

    @property
    def layers(self) -> list[str]:
        """Convolutions and Ghost layers, in the order in which they run."""
        return list(self._outputs)

    def look_at(self, image: str | Image.Image, number: int = 0) -> None:
        """Takes another picture: one of IMAGES, a path, or a picture that is in memory; and which of SQUARES of its kind."""
        if image != self._kind:
            self._kind, self._squares = image, squares(image, self.config.image_size)
        self.pictures = np.roll(self._squares, -number, axis=0)
        dataset = DATASETS[self.config.dataset]
        scaled = (self.pictures / np.float32(255) - np.array(dataset.mean, np.float32)) / np.array(dataset.std, np.float32)
        self._images = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)
        self._maps: dict[str, np.ndarray] = {}
        self._fitted: dict[tuple[str, int], tuple[LinearMaps, np.ndarray]] = {}
        self._made: dict[tuple[str, int], np.ndarray] = {}

    def is_ghost(self, layer: str) -> bool:
        """Whether a layer has ghosts of its own, so that s is not to be chosen."""
        return layer in self._ghosts

    def ghosts_of(self, layer: str) -> tuple[int, int]:
        """s and d of a layer that has ghosts of its own."""
        return self._cells[layer].ratio, self._cells[layer].kernel

    def channels(self, layer: str) -> int:
        """How many maps a layer has in all."""
        self.maps(layer)
        return len(self._means[layer])

    def intrinsic(self, layer: str) -> int:
        """How many of a layer's maps, the first, are intrinsic; all where it has no ghosts of its own."""
        return self._ghosts[layer].intrinsic if layer in self._ghosts else self.channels(layer)

    def maps(self, layer: str) -> np.ndarray:
        """A layer's maps (N, C, H, W) of the picture looked at and others, after its convolution where that can be told
        apart: the first MOST, or as many of a Ghost layer's intrinsic maps with their ghosts."""
        if layer not in self._outputs:
            raise InputError(f"layer: {layer!r} given; allowed are {some(self._outputs)}")
        if layer not in self._maps:
            name = self._outputs[layer]
            # Only as many pictures as filters are found on: the first layers of a large network are slow.
            first = self._graph.maps(self._images[:1], name)
            fit = min(2 * SQUARES // 3 - 1, max(2, PIXELS // first[0, 0].size))
            wanted = 1 + fit + fit // 2
            rest = self._graph.maps(self._images[1:wanted], name)
            self._means[layer] = rest.mean(axis=(0, 2, 3))
            self._maps[layer] = np.concatenate([first, rest])[:, self._numbers(layer)]
        return self._maps[layer]

    def view(self, layer: str, ratio: int, kernel: int) -> View:
        """A Ghost layer's own ghosts, or what a ratio would leave of another's maps; each beside what a d x d filter, found
        on other pictures, makes of its source."""
        maps, numbers = self.maps(layer), self._numbers(layer)
        if self.is_ghost(layer):
            source = np.searchsorted(numbers, self._sources(layer)[numbers])
            intrinsic, made = np.unique(source), self._ghosts_made(layer, source, kernel)
        else:
            found, choose = self._filters(layer, kernel)
            intrinsic = redundancy.most_telling(choose)[:split_channels(maps.shape[1], ratio)[0]]
            source = redundancy.sources_among(choose, intrinsic)
            made = maps[0].astype(np.float64)
            for target in np.setdiff1d(np.arange(len(source)), intrinsic):
                made[target] = found.predict(maps[:1], source[target], target)[0]
        return View(maps[0], numbers, intrinsic, source, made, _r2(maps[0], made))

    def answers(self, layer: str, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the network says of the picture, probabilities (classes,): as it is, and with some of a layer's maps
        replaced by their mean over other pictures and all pixels.

        Args:
            silent: Numbers of maps; ghosts are made of intrinsic maps as they were.
        """
        self.maps(layer)  # and with them their means
        before = self._answer(layer, np.array([], int))
        return before, self._answer(layer, silent) if len(silent) else before

    def _answer(self, layer: str, silent: np.ndarray) -> np.ndarray:
        logits = self._graph.logits(self._images[:1], self._outputs[layer], silent, self._means[layer])
        return probabilities(logits)[0]

    def pairs(self, layer: str) -> list[tuple[int, int]]:
        """The most correlated pairs of maps of the picture looked at, no map in two."""
        return redundancy.matched_pairs(np.abs(redundancy.similarity(self.maps(layer)[:1])), self.maps(layer).shape[1] // 2)

    def pair(self, layer: str, first: int, second: int, kernel: int) -> Pair:
        """One map made from another by the filter that was found on other pictures."""
        maps, (fit, _) = self.maps(layer), self._others(layer)
        found = self._fit(fit[:, [first]], fit[:, [second]], kernel)
        prediction = found.predict(maps[:1, [first]], 0, 0)[0]
        return Pair(first, second, maps[0, first], found.kernels[0, 0], prediction, maps[0, second],
                    float(_r2(maps[:1, second], prediction[None])[0]))

    def cost(self, ratio: int | None = None, kernel: int = 3) -> Complexity:
        """Weights and multiply-adds of the network as it is, or with one ratio and kernel everywhere."""
        return _cost(self.config.having(weights=None).model_dump_json(), ratio, kernel)

    def _sources(self, layer: str) -> np.ndarray:
        """For each of a Ghost layer's maps the intrinsic one that it is made of; an intrinsic one's is itself."""
        made_of = redundancy.source_of_ghosts(len(self._means[layer]), self._ghosts[layer])
        return np.concatenate([np.arange(self._ghosts[layer].intrinsic), made_of])

    def _numbers(self, layer: str) -> np.ndarray:
        """Which of a layer's maps are looked at."""
        if self.is_ghost(layer):  # a ghost without its source would tell nothing
            return np.sort(np.argsort(self._sources(layer), kind="stable")[:MOST])
        return np.arange(min(len(self._means[layer]), MOST))

    def _others(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """A layer's maps of pictures that are not looked at: two thirds to find filters on, a third to choose among them."""
        maps = self.maps(layer)[1:]
        fit = -(-2 * len(maps) // 3)
        return maps[:fit], maps[fit:]

    def _fit(self, sources: np.ndarray, targets: np.ndarray, kernel: int) -> LinearMaps:
        with self._products.limit(limits=1):
            return redundancy.fit(sources, targets, kernel)

    def _filters(self, layer: str, kernel: int) -> tuple[LinearMaps, np.ndarray]:
        """Filters between all maps, and their R2 on pictures on which they were not found."""
        if (layer, kernel) not in self._fitted:
            fit, choose = self._others(layer)
            found = self._fit(fit, fit, kernel)
            with self._products.limit(limits=1):
                self._fitted[layer, kernel] = found, redundancy.score(found, choose, choose).r2
        return self._fitted[layer, kernel]

    def _ghosts_made(self, layer: str, source: np.ndarray, kernel: int) -> np.ndarray:
        """A Ghost layer's maps (C, H, W), its ghosts as filters make them of their own sources; filters between all maps,
        of which there are many times as many, would not be looked at."""
        if (layer, kernel) not in self._made:
            maps, (fit, _) = self.maps(layer), self._others(layer)
            made = maps[0].astype(np.float64)
            for one in np.unique(source):
                ghosts = np.setdiff1d(np.flatnonzero(source == one), one)
                found = self._fit(fit[:, [one]], fit[:, ghosts], kernel)
                for place, ghost in enumerate(ghosts):
                    made[ghost] = found.predict(maps[:1, [one]], 0, place)[0]
            self._made[layer, kernel] = made
        return self._made[layer, kernel]


def runs(folder: str | Path = "data/runs") -> list[Path]:
    """Finished runs that have their weights, below a folder."""
    return sorted(row.parent for row in Path(folder).glob(f"*/{results.ROW}") if (row.parent / LAST).exists())


def unset(weights: str | None) -> dict[str, Any]:
    """Fields of Config where the notebook says nothing: what the weights say, or else GhostNet 0.5 as it is trained on
    Imagenette's photographs, at their size."""
    return described(weights) or {"model": "ghostnet", "width": 0.5, "ratio": 2, "num_classes": 10, "image_size": 128,
                                  "dataset": "imagenette"}


def of_source(source: str, image: str | Image.Image = DIGITS, number: int = 0) -> Explorer:
    """The network that a finished run ended with, by its folder, or that has a short name."""
    return Explorer(config_of(source) if Path(source).is_dir() else card_of(source).config, image, number)


def _outputs(model: "onnx.ModelProto", cells: dict[str, str]) -> dict[str, str]:
    """For each layer, by its cell, what its maps are called in a graph: the last that the cell puts out."""
    last = {name.rpartition("/")[0]: name for node in model.graph.node for name in node.output}
    return {layer: last[cell] for layer, cell in cells.items() if cell in last}


@lru_cache
def _plain_cost(config_json: str) -> Complexity:
    config = Config.model_validate_json(config_json)
    return count(build(config.having(ratio=1)), (3, config.image_size, config.image_size))


@lru_cache(maxsize=256)
def _cost(config_json: str, ratio: int | None, kernel: int) -> Complexity:
    if ratio == 1:
        return _plain_cost(config_json)
    config = Config.model_validate_json(config_json)
    with no_init_parameters():  # numbers that nobody computes with, and half the time of building
        net = build(config if ratio is None else config.having(ratio=ratio, kernel=kernel))
    return recount(net, _plain_cost(config_json))


def _r2(maps: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(C,): 1 - error / variance; nan for constant maps."""
    error, spread = ((maps - made) ** 2).mean(axis=(1, 2)), maps.var(axis=(1, 2))
    return 1 - error / np.where(spread > 0, spread, np.nan)
