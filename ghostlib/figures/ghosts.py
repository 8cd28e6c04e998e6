"""What Ghost layers make of one picture: intrinsic maps, the filters on them, and their ghosts."""

import re
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ghostlib.features import GhostLayer
from ghostlib.figures.style import GHOST, INTRINSIC
from ghostlib.redundancy import source_of_ghosts

Layer = tuple[np.ndarray, GhostLayer] | tuple[np.ndarray, GhostLayer, np.ndarray]
INCHES = 0.66  # a map's edge
GAP, SIDE, HEAD = 0.1, 0.3, 0.62  # of an edge: between maps, for the rows' names, for a layer's name
TILE = 0.42  # of an edge: a filter
PICTURE = ""  # the name of what is no layer
ORDINALS = ("first", "second")
VGG16 = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)  # the convolutions' places in `features`


def in_words(layer: str) -> str:
    """A layer's name as one would say it; a name of another kind stays.

    >>> in_words("blocks.0.0.ghost1"), in_words("features.3"), in_words("layer2.0.conv1")
    ('stage 1, block 1, first Ghost module', 'convolution 2', 'stage 2, block 1, layer 1')
    """
    if found := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.ghost([12])", layer):
        stage, block, module = map(int, found.groups())
        return f"stage {stage + 1}, block {block + 1}, {ORDINALS[module - 1]} Ghost module"
    if found := re.fullmatch(r"layer(\d+)\.(\d+)\.(?:conv|bn|relu)(\d)", layer):
        stage, block, place = map(int, found.groups())
        return f"stage {stage}, block {block + 1}, layer {place}"
    if (found := re.fullmatch(r"features\.(\d+)", layer)) and int(found[1]) in VGG16:
        return f"convolution {VGG16.index(int(found[1])) + 1}"
    return layer


def fig_ghost_maps(picture: np.ndarray, layers: Mapping[str, Layer], columns: int = 12, title: str = "image") -> Figure:
    """What Ghost layers make of one picture: intrinsic maps framed red, below each its ghosts, framed blue.

    Args:
        picture: (H, W, 3) uint8.
        layers: For each layer's name its maps (C, H', W'), what `features.ghost_layers` has of it, and, to be drawn between
            intrinsic maps and ghosts, the filters (ghosts, d, d) that make the ghosts, in the ghosts' order.
        columns: Maps in a row at most. Each map has its own grey scale, each filter its own scale of colours.
        title: What is written above the picture; a second line is set smaller.
    """
    whole = {name: _paired(*layer[:2]) for name, layer in layers.items()}
    shown = {name: pairs[:, :columns] for name, pairs in whole.items()}
    drawn = {name: layer[2] if len(layer) > 2 else None for name, layer in layers.items()}
    heights = {name: _height(len(pairs), drawn[name] is not None) for name, pairs in shown.items()}
    edge = min(columns / 3, next(iter(heights.values()), 2.0))  # of the picture, which is as high as its neighbour
    widths = {PICTURE: edge + GAP, **{name: SIDE + pairs.shape[1] * (1 + GAP) for name, pairs in shown.items()}}
    heights[PICTURE] = edge
    bands = _bands(widths, SIDE + columns * (1 + GAP))
    width = max(sum(widths[name] for name in band) + SIDE * (len(band) - 1) for band in bands)
    note = 0.4 if any(kernels is not None for kernels in drawn.values()) else 0
    height = sum(HEAD + max(heights[name] for name in band) + 2 * GAP for band in bands) + note
    figure = plt.figure(figsize=(INCHES * width, INCHES * height), layout="none")
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, width), ylim=(height, 0))
    canvas.axis("off")
    top = 0.0
    for band in bands:
        left = 0.0
        for name in band:
            if name == PICTURE:
                ax = _box(figure, (width, height), left, top + HEAD, edge, edge)
                ax.imshow(picture)
                ax.axis("off")
                _head(canvas, left, top, *title.split("\n", 1))
            else:
                pairs, maps, intrinsic = shown[name], layers[name][0], layers[name][1].intrinsic
                _head(canvas, left + SIDE, top, in_words(name), f"{pairs.shape[1]} of {intrinsic} shown")
                _layer(figure, canvas, (left, top + HEAD), pairs, maps, intrinsic, drawn[name])
            left += widths[name] + SIDE
        top += HEAD + max(heights[name] for name in band) + 2 * GAP
    if note:
        canvas.text(0, height - 0.12, "Filters: purple above 0, orange below, white 0. Each filter and each map has its own "
                    "scale.", fontsize=8, color="0.35")
    return figure


def _head(canvas: Axes, left: float, top: float, title: str, below: str = "") -> None:
    """What stands above a part: its name, and smaller what else there is to say."""
    canvas.text(left, top + HEAD - (0.34 if below else 0.09), title, fontsize=9, weight="bold")
    canvas.text(left, top + HEAD - 0.09, below, fontsize=8, color="0.35")


def _layer(figure: Figure, canvas: Axes, corner: tuple[float, float], pairs: np.ndarray, maps: np.ndarray, intrinsic: int,
           kernels: np.ndarray | None) -> None:
    """One layer's maps and filters, its upper left corner at a place of the canvas."""
    left, top = corner
    size = canvas.get_xlim()[1], canvas.get_ylim()[0]
    for row, indices in enumerate(pairs):
        if row and kernels is not None:
            for column, index in enumerate(indices):
                if index >= 0:
                    kernel = kernels[index - intrinsic]
                    middle = left + SIDE + column * (1 + GAP) + (1 - TILE) / 2
                    ax = _box(figure, size, middle, top, TILE, TILE)
                    ax.imshow(kernel, cmap="PuOr", vmin=-(np.abs(kernel).max() or 1), vmax=np.abs(kernel).max() or 1)
                    _framed(ax, "0.6", 0.6)
            canvas.text(left + SIDE / 2, top + TILE / 2, "filter", fontsize=7,
                        rotation=90, ha="center", va="center", color="0.35")
            top += TILE + GAP
        for column, index in enumerate(indices):
            if index >= 0:
                ax = _box(figure, size, left + SIDE + column * (1 + GAP), top, 1, 1)
                ax.imshow(maps[index])
                _framed(ax, GHOST if row else INTRINSIC, 2)
        canvas.text(left + SIDE / 2, top + 0.5, "ghost" if row else "intrinsic", fontsize=8, rotation=90, ha="center",
                    va="center")
        top += 1 + GAP


def _height(rows: int, filters: bool) -> float:
    """How high the rows of a layer are, its first of intrinsic maps, in edges of a map."""
    return rows + (rows - 1) * (GAP + (TILE + GAP) * filters)


def _bands(widths: Mapping[str, float], most: float) -> list[list[str]]:
    """Puts what has these widths side by side, in order, as long as it fits."""
    bands: list[list[str]] = []
    for name, width in widths.items():
        if not bands or sum(widths[other] + SIDE for other in bands[-1]) + width > most + 1e-6:
            bands.append([])
        bands[-1].append(name)
    return bands


def _box(figure: Figure, size: tuple[float, float], left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place that is given in edges of a map, from the upper left."""
    return figure.add_axes((left / size[0], 1 - (top + height) / size[1], width / size[0], height / size[1]))


def _framed(ax: Axes, colour: str, width: float) -> None:
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)


def _paired(maps: np.ndarray, layer: GhostLayer) -> np.ndarray:
    """Indices of maps (rows, intrinsic): the intrinsic ones, then their ghosts; -1 where there are no more."""
    source = source_of_ghosts(len(maps), layer)
    rank = np.arange(len(source)) - np.searchsorted(source, source)  # of a ghost among those of its source
    index = np.full((rank.max(initial=-1) + 1, layer.intrinsic), -1)
    index[rank, source] = layer.intrinsic + np.arange(len(source))
    return np.vstack([np.arange(layer.intrinsic), index])
