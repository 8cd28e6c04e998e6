"""One layer of one network on one image, to be looked at: choices in, maps and small pictures out. No widgets."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from mindspore.nn.utils import no_init_parameters
from PIL import Image

from ghostlib import redundancy, results
from ghostlib.complexity import Complexity, count, recount
from ghostlib.config import Config
from ghostlib.data import DATASETS, load
from ghostlib.data.decoding import Unreadable, decode
from ghostlib.data.photographs import NAMES as PHOTOGRAPHS
from ghostlib.device import use_device
from ghostlib.errors import InputError, some
from ghostlib.features import activations, ghost_layers, stages
from ghostlib.ghost import split_channels
from ghostlib.paths import expand
from ghostlib.redundancy import LinearMaps
from ghostlib.training.run_folder import LAST
from ghostlib.training.setup import build, config_of
from ghostlib.weights.load import load_weights

DIGITS = "digits"
IMAGES = DIGITS, *PHOTOGRAPHS  # by name; a file of one's own by its path
MOST = 64  # maps of a layer that are looked at: what a page has room for, and an answer at once
SQUARES = 24  # pictures of a kind: the first is looked at, filters are found on the others
PIXELS = 6272  # of maps that filters are found on, two of 56 x 56: enough for 49 weights, and an answer at once


@dataclass(frozen=True)
class View:
    """A layer's maps of the picture looked at, at most MOST of them, and what ghosts would make of them.

    Attributes:
        maps: (C, H, W).
        numbers: (C,) which of the layer's maps they are.
        intrinsic: Which of them are intrinsic: a Ghost layer's own, else those from which the others are made best.
        source: (C,) the map that each is made from; an intrinsic one's is itself.
        made: (C, H, W) the intrinsic maps, and each other one as a d x d filter makes it from its source; of a Ghost layer
            all are as they are.
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
        image: One of IMAGES, or the path of a photograph.

    Raises:
        InputError: For weights or a photograph that cannot be used.
    """

    def __init__(self, config: Config, image: str = DIGITS):
        use_device("CPU")
        self.config = config
        self.net = build(config).set_train(False)
        if config.weights:
            load_weights(self.net, config.weights, config.new_head)
        self._names = {layer: next(iter(found.values())) for layer, found in stages(self.net).items()}
        self._ghosts = ghost_layers(self.net)
        self._channels: dict[str, int] = {}
        self.look_at(image)

    @classmethod
    def of_run(cls, run_dir: str | Path, image: str = DIGITS) -> "Explorer":
        """The network that a finished run ended with."""
        return cls(config_of(run_dir), image)

    @property
    def layers(self) -> list[str]:
        """Convolutions and Ghost layers, in the order in which they run."""
        return list(self._names)

    def look_at(self, image: str | Image.Image) -> None:
        """Takes another picture: one of IMAGES, a path, or a picture that is in memory."""
        self.pictures = squares(image, self.config.image_size)
        dataset = DATASETS[self.config.dataset]
        scaled = (self.pictures / np.float32(255) - np.array(dataset.mean, np.float32)) / np.array(dataset.std, np.float32)
        self._images = scaled.transpose(0, 3, 1, 2).astype(np.float32)
        self._maps: dict[str, np.ndarray] = {}
        self._fitted: dict[tuple[str, int], tuple[LinearMaps, np.ndarray]] = {}

    def is_ghost(self, layer: str) -> bool:
        """Whether a layer has ghosts of its own, so that s and d are not to be chosen."""
        return layer in self._ghosts

    def channels(self, layer: str) -> int:
        """How many maps a layer has in all."""
        self.maps(layer)
        return self._channels[layer]

    def maps(self, layer: str) -> np.ndarray:
        """A layer's maps (N, C, H, W) of the picture looked at and others, after its convolution where that can be told
        apart: the first MOST, or as many of a Ghost layer's intrinsic maps with their ghosts."""
        if layer not in self._names:
            raise InputError(f"layer: {layer!r} given; allowed are {some(self._names)}")
        if layer not in self._maps:
            name = self._names[layer]
            # Only as many pictures as filters are found on: the first layers of a large network are slow.
            first = activations(self.net, self._images[:1], [name], first=True)[name]
            fit = min(2 * SQUARES // 3 - 1, max(2, PIXELS // first[0, 0].size))
            wanted = 1 + fit + fit // 2
            rest = activations(self.net, self._images[1:wanted], [name], batch_size=wanted, first=True)[name]
            self._channels[layer] = first.shape[1]
            self._maps[layer] = np.concatenate([first, rest])[:, self._numbers(layer)]
        return self._maps[layer]

    def view(self, layer: str, ratio: int, kernel: int) -> View:
        """What a ratio and a kernel would leave of a layer's maps."""
        maps, numbers = self.maps(layer), self._numbers(layer)
        if self.is_ghost(layer):
            source = np.searchsorted(numbers, self._sources(layer)[numbers])
            return View(maps[0], numbers, np.unique(source), source, maps[0], np.ones(len(numbers)))
        found, choose = self._filters(layer, kernel)
        intrinsic = redundancy.most_telling(choose)[:split_channels(maps.shape[1], ratio)[0]]
        source = redundancy.sources_among(choose, intrinsic)
        made = maps[0].astype(np.float64)
        for target in np.setdiff1d(np.arange(len(source)), intrinsic):
            made[target] = found.predict(maps[:1], source[target], target)[0]
        return View(maps[0], numbers, intrinsic, source, made, _r2(maps[0], made))

    def pairs(self, layer: str) -> list[tuple[int, int]]:
        """The most correlated pairs of maps of the picture looked at, no map in two."""
        return redundancy.matched_pairs(np.abs(redundancy.similarity(self.maps(layer)[:1])), self.maps(layer).shape[1] // 2)

    def pair(self, layer: str, first: int, second: int, kernel: int) -> Pair:
        """One map made from another by the filter that was found on other pictures."""
        maps, (found, _) = self.maps(layer), self._filters(layer, kernel)
        prediction = found.predict(maps[:1], first, second)[0]
        return Pair(first, second, maps[0, first], found.kernels[first, second], prediction, maps[0, second],
                    float(_r2(maps[:1, second], prediction[None])[0]))

    def cost(self, ratio: int, kernel: int) -> Complexity:
        """Weights and multiply-adds of the network with one ratio and kernel everywhere."""
        return _cost(self.config.having(weights=None).model_dump_json(), ratio, kernel)

    def _sources(self, layer: str) -> np.ndarray:
        """For each of a Ghost layer's maps the intrinsic one that it is made of; an intrinsic one's is itself."""
        intrinsic = self._ghosts[layer]
        return np.concatenate([np.arange(intrinsic), redundancy.source_of_ghosts(self._channels[layer], intrinsic)])

    def _numbers(self, layer: str) -> np.ndarray:
        """Which of a layer's maps are looked at."""
        if self.is_ghost(layer):  # a ghost without its source would tell nothing
            return np.sort(np.argsort(self._sources(layer), kind="stable")[:MOST])
        return np.arange(min(self._channels[layer], MOST))

    def _filters(self, layer: str, kernel: int) -> tuple[LinearMaps, np.ndarray]:
        """Filters between all maps, found on two thirds of the other pictures, and their R2 on the last third."""
        if (layer, kernel) not in self._fitted:
            maps = self.maps(layer)[1:]
            fit = -(-2 * len(maps) // 3)
            found = redundancy.fit(maps[:fit], maps[:fit], kernel)
            self._fitted[layer, kernel] = found, redundancy.score(found, maps[fit:], maps[fit:]).r2
        return self._fitted[layer, kernel]


def runs(folder: str | Path = "data/runs") -> list[Path]:
    """Finished runs that have their weights, below a folder."""
    return sorted(row.parent for row in Path(folder).glob(f"*/{results.ROW}") if (row.parent / LAST).exists())


def squares(image: str | Image.Image, size: int) -> np.ndarray:
    """Pictures of one kind (SQUARES, size, size, 3) uint8: test digits, or a photograph and random squares cut from it.

    Args:
        image: One of IMAGES, a path, or a picture.
        size: Pixels.

    Raises:
        InputError: For a name or a file that is no picture.
    """
    if image == DIGITS:
        test = load(Config.of({"image_size": size})).test
        return np.stack([test.picture(number) for number in range(SQUARES)])
    whole = (image if isinstance(image, Image.Image) else Image.fromarray(_photograph(image))).convert("RGB")
    side, rng, cut = min(whole.size), np.random.default_rng(0), []
    for number in range(SQUARES):
        edge = side if number == 0 else int(rng.integers(side // 2, side + 1))
        room = np.array(whole.size) - edge
        left, top = room // 2 if number == 0 else rng.integers(0, room + 1)
        cut.append(whole.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + edge, top + edge)))
    return np.stack([np.asarray(one) for one in cut])


def _photograph(name: str) -> np.ndarray:
    if name in PHOTOGRAPHS:
        import skimage.data
        return getattr(skimage.data, name)()
    try:
        return decode(expand(name, "image"))
    except Unreadable as error:
        raise InputError(f"image: {name!r} given; allowed are {some(IMAGES)}, or a picture's file (this "
                         f"{error})") from None


@lru_cache
def _plain_cost(config_json: str) -> Complexity:
    config = Config.model_validate_json(config_json)
    return count(build(config.having(ratio=1)), (3, config.image_size, config.image_size))


@lru_cache(maxsize=256)
def _cost(config_json: str, ratio: int, kernel: int) -> Complexity:
    if ratio == 1:
        return _plain_cost(config_json)
    with no_init_parameters():  # numbers that nobody computes with, and half the time of building
        net = build(Config.model_validate_json(config_json).having(ratio=ratio, kernel=kernel))
    return recount(net, _plain_cost(config_json))


def _r2(maps: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(C,): 1 - error / variance; nan for constant maps."""
    error, spread = ((maps - made) ** 2).mean(axis=(1, 2)), maps.var(axis=(1, 2))
    return 1 - error / np.where(spread > 0, spread, np.nan)
