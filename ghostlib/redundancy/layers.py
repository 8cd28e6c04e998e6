"""A study of a network layer by layer: what each layer shows, a few layers at a time, and what was made of it so far."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ghostlib.errors import InputError, nearest
from ghostlib.features import STAGES, Network, activations, layer_names, stages
from ghostlib.features.bounds import OUTPUT
from ghostlib.redundancy.products import Step
from ghostlib.redundancy.workers import Workers

MOST_BYTES = 2**30  # of maps that are held at a time; a layer that takes more is held alone
A_VALUE = 100.0  # multiply-adds as which a bar counts a map's value that the network makes; about what it takes


class Place(NamedTuple):
    """Where maps are looked at: a layer's depth from 1, its name, a stage of it, the cell that puts them out, (C, H, W)."""

    depth: int
    layer: str
    stage: str
    name: str
    shape: tuple[int, ...]

    def fitting(self, kernels: Sequence[int]) -> list[int]:
        """Kernels of at most half the maps' size, beyond which a filter sees more border than map; none for a single map,
        which there is no other one to make from."""
        if len(self.shape) != 3 or self.shape[0] < 2:
            return []
        return [kernel for kernel in kernels if 2 * kernel <= min(self.shape[1:])]


Rows = dict[str, list[dict[str, Any]]]  # by the name of the table that they are of


class Kept(Protocol):
    """Where finished places' rows are kept, so that they need not be made again."""

    def get(self, place: Place) -> Rows | None: ...

    def put(self, place: Place, rows: Rows) -> None: ...


@dataclass(frozen=True)
class LayerStudy:
    """What is to be made of each of a network's layers.

    Attributes:
        nets: Networks with these places, and the images (N, 3, H, W) that each is shown, by what its maps are called.
        places: Where.
        rows: Makes a place's rows of its maps, by the names in `nets`; told what to tell of its progress to.
        work: How many multiply-adds a place takes, for a progress bar.
    """

    nets: Mapping[str, tuple[Network, NDArray[Any]]]
    places: Sequence[Place]
    rows: Callable[[Place, Mapping[str, NDArray[Any]], Step], Rows]
    work: Callable[[Place], float]

    def left(self, kept: Kept | None = None) -> list[Place]:
        """The places that are not kept."""
        return [place for place in self.places if kept is None or kept.get(place) is None]

    def total(self, kept: Kept | None = None) -> float:
        """Multiply-adds that `run` will tell of, about."""
        return sum(self.work(place) + A_VALUE * self._values(place) for place in self.left(kept))

    def run(self, step: Step = lambda _: None, kept: Kept | None = None) -> dict[str, pd.DataFrame]:
        """All places' rows as tables, in the order of the places; those that are kept are not made again."""
        made: dict[Place, Rows] = {}
        with Workers(step) as workers:
            for maps in self._maps(self.left(kept), workers.step):
                for place, rows in workers.each(self.rows, maps, self.work):
                    made[place] = rows
                    if kept is not None:
                        kept.put(place, rows)
        tables: dict[str, list[dict[str, Any]]] = {}
        for place in self.places:
            own = made[place] if place in made or kept is None else kept.get(place)
            for name, of_place in (own or {}).items():
                tables.setdefault(name, []).extend(of_place)
        return {name: pd.DataFrame(of_all) for name, of_all in tables.items()}

    def _values(self, place: Place) -> int:
        return sum(len(images) for _, images in self.nets.values()) * int(np.prod(place.shape))

    def _maps(self, places: Sequence[Place], step: Step) -> Iterator[list[tuple[Place, dict[str, NDArray[Any]]]]]:
        """Places with their maps; as many places at a time share a forward pass as have room."""
        for group in self._groups(places):
            def images_done(count: int, group: Sequence[Place] = group) -> None:
                step(A_VALUE * count * sum(int(np.prod(place.shape)) for place in group))
            maps = {source: activations(net, images, [place.name for place in group], most_bytes=4 * MOST_BYTES,
                                        step=images_done) for source, (net, images) in self.nets.items()}
            yield [(place, {source: of.pop(place.name) for source, of in maps.items()}) for place in group]

    def _groups(self, places: Sequence[Place]) -> Iterator[list[Place]]:
        group: list[Place] = []
        held = 0
        for place in places:
            size = 4 * self._values(place)  # float32
            if group and held + size > MOST_BYTES:
                yield group
                group, held = [], 0
            group.append(place)
            held += size
        if group:
            yield group


def places(net: Network, images: NDArray[Any], layers: Sequence[str] = ()) -> list[Place]:
    """The stages of some layers or all, with what one image shows to know their maps' sizes by.

    Raises:
        InputError: For a layer that does not exist, or images that the network cannot take.
    """
    found = stages(net)
    found |= {layer: stages_of(net, layer) for layer in layers}
    named = [(depth, layer, stage, names[stage]) for depth, (layer, names) in enumerate(found.items(), 1)
             if not layers or layer in layers for stage in STAGES if stage in names]
    shown = activations(net, images[:1], [name for *_, name in named])
    return [Place(*one, shown[one[3]].shape[1:]) for one in named]


def stages_of(net: Network, layer: str) -> dict[str, str]:
    """The stages of one layer as `features.stages` has them; of a group of layers its output alone.

    Raises:
        InputError: For a layer that does not exist.
    """
    found = stages(net)
    if layer not in found and not any(name.startswith(f"{layer}.") for name in found if layer in layer_names(net)):
        raise InputError(f"layer: {layer!r} given; {nearest(layer, found)}")
    return found.get(layer, {OUTPUT: layer})
