"""One network to look at, with what it is compared with and its photographs: a run of ours, or anybody's ONNX file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ghostlib.data.batches import spread_images
from ghostlib.data.decoding import decode
from ghostlib.errors import InputError
from ghostlib.features import Network, OnnxNetwork, layer_names
from ghostlib.redundancy.figure1 import LAYERS
from ghostlib.redundancy.foreign import SIZE, photographs
from ghostlib.redundancy.shuffled import shuffled
from ghostlib.redundancy.sources import SHUFFLED_WEIGHTS, UNTRAINED

if TYPE_CHECKING:  # else imported where it is used: an ONNX file needs no MindSpore
    from ghostlib.training import Run


@dataclass(frozen=True)
class LookedAt:
    """A network and its surroundings.

    Attributes:
        title: What it is, in one line.
        net: In evaluation state.
        others: What it is compared with, by name: before training, or with shuffled weights.
        images: (N, 3, H, W), normalised, that it was not trained on.
        picture: One of them as it is looked at, (H, W, 3) uint8.
        layer: The one to look at if none is named.
    """

    title: str
    net: Network
    others: dict[str, Network]
    images: NDArray[Any]
    picture: Callable[[int], NDArray[Any]]
    layer: str


def of_run(run: "Run", images: int) -> LookedAt:
    """A run's network, beside itself before training, and some of its test images, or all where there are fewer."""
    from ghostlib.features import stages
    from ghostlib.training import build
    config, test = run.config, run.data.test
    state = f"top-1 {100 * run.test.top1:.1f} % of {run.test.count} test images" if config.trained else "random weights"
    title = f"{config.model} at width {config.width:g}, s = {config.ratio}, {state}"
    shown, places = spread_images(test, min(images, test.images))
    layer = LAYERS.get(config.model) or _early(list(stages(run.net)))
    return LookedAt(title, run.net, {UNTRAINED: build(config).set_train(False)}, shown,
                    lambda place: test.picture(int(places[place])), layer)


def of_file(path: str | Path, folder: str | Path | None, normalise: str, images: int, seed: int = 0) -> LookedAt:
    """An ONNX file's network, beside itself with shuffled weights, and photographs drawn from a folder.

    Raises:
        InputError: For a file or photographs that cannot be used.
    """
    if not folder:
        raise InputError("images: none given; wanted is a folder of photographs to show the network")
    net = OnnxNetwork(path)
    shown, files = photographs(folder, images, net.size or SIZE, normalise, seed)
    names = layer_names(net)
    return LookedAt(f"{Path(path).name}, {len(names)} convolutions, {len(files)} photographs", net,
                    {SHUFFLED_WEIGHTS: shuffled(net, shown, seed)}, shown, lambda place: decode(files[place]),
                    _early(names))


def _early(layers: list[str]) -> str:
    """The second, which sees more than the picture; the first where it is alone."""
    return layers[min(1, len(layers) - 1)]
