"""Names written beside points, so that none lies on another, on a point or on its bars."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Where a name may stand: sideways and upwards from the point, the best places first.
SIDES = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
ACROSS, UP = {-1: "right", 0: "center", 1: "left"}, {-1: "top", 0: "center", 1: "bottom"}
REACHES = (7, 10, 14, 19, 25, 32, 40)  # points of print between a point and its name
FAR = 14  # from here on a thin line leads to the point


class Point(NamedTuple):
    """What is drawn and named: place, name, look, and where its bars end to the left, to the right, below and above."""

    x: float
    y: float
    name: str
    colour: Any
    marker: str
    left: float
    right: float
    low: float
    high: float


def draw_points(ax: Axes, points: Sequence[Point]) -> None:
    """Points with their bars."""
    for point in points:
        ax.errorbar(point.x, point.y, [[point.y - point.low], [point.high - point.y]],
                    [[point.x - point.left], [point.right - point.x]], fmt="none", ecolor=point.colour, capsize=3,
                    elinewidth=1.2)
        ax.plot(point.x, point.y, point.marker, color=point.colour, markersize=6)


def write_names(ax: Axes, points: Sequence[Point], taken: Sequence[Bbox] = (), fontsize: float = 8) -> list[Annotation]:
    """Writes each point's name beside it, in its colour made darker, in the nearest place that is free.

    Args:
        ax: Axes whose limits and whose figure's layout no longer change.
        points: What to name.
        taken: What else names must keep clear of, in pixels.
        fontsize: In points.
    """
    pixels = ax.figure.dpi / 72
    inside = ax.get_window_extent()
    full, written = [*taken, *(box for point in points for box in covered(ax, point))], []
    for point in sorted(points, key=lambda one: _space(ax, one, points)):  # who has the most space goes last
        place = ax.transData.transform((point.x, point.y))
        size = _size(ax, point.name, fontsize) / pixels
        costs = {}
        for reach in REACHES:
            for across, up in SIDES:
                offset: np.ndarray = np.array([across, up]) * reach * (0.75 if across and up else 1)
                corner = offset + size * [(across - 1) / 2, (up - 1) / 2]
                box = Bbox([place + pixels * (corner - 1), place + pixels * (corner + size + 1)])
                outside = box.width * box.height - _shared(box, inside)
                shared = sum(_shared(box, other) for other in full)
                costs[reach, across, up] = shared + 3 * outside, (offset[0], offset[1]), box
        reach, across, up = best = min(costs, key=lambda key: round(costs[key][0]))  # the first of those that are best
        _, shift, box = costs[best]
        line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3} if reach >= FAR else None
        colour = 0.6 * np.array(to_rgb(point.colour))
        written.append(ax.annotate(point.name, (point.x, point.y), shift, textcoords="offset points", fontsize=fontsize,
                                   ha=ACROSS[across], va=UP[up], color=colour, arrowprops=line, zorder=5))
        full.append(box)
    return written


def heap(ax: Axes, points: Sequence[Point], least: int = 3, near: float = 9) -> list[Point]:
    """The largest group of at least `least` points that lie on one another, each at most `near` points of print from
    another; empty where there is none."""
    places = ax.transData.transform([(point.x, point.y) for point in points]) * 72 / ax.figure.dpi
    left, largest = set(range(len(points))), set[int]()
    while left:
        group, new = set[int](), {left.pop()}
        while new:
            group |= new
            new = {other for other in left if any(np.hypot(*(places[other] - places[one])) < near for one in new)}
            left -= new
        largest = max(largest, group, key=len)
    return [points[number] for number in sorted(largest)] if len(largest) >= least else []


def emptiest(ax: Axes, points: Sequence[Point], sizes: Sequence[tuple[float, float]], clear: float = 0.04,
             margin: float = 0.02) -> tuple[float, float, float, float]:
    """Left, bottom, width and height, in shares of the axes, of a box that is as far from all points and their bars as can
    be, of the first of these sizes that keeps clear of them, or of the last."""
    ends = [end for point in points for end in ((point.x, point.y), (point.left, point.y), (point.right, point.y),
                                                (point.x, point.low), (point.x, point.high))]
    places = ax.transAxes.inverted().transform(ax.transData.transform(ends))
    found = []
    for width, height in sizes:
        corners = [(left, bottom) for left in np.linspace(margin, 1 - margin - width, 25)
                   for bottom in np.linspace(margin, 1 - margin - height, 25)]
        away = [np.maximum(np.maximum(corner - places, places - corner - (width, height)), 0) for corner in corners]
        nearest = [np.hypot(*one.T).min() for one in away]
        best = int(np.argmax(nearest))
        found = [*corners[best], width, height]
        if nearest[best] >= clear:
            break
    left, bottom, width, height = found
    return left, bottom, width, height


def lead(ax: Axes, start: Bbox, end: Bbox, points: Sequence[Point]) -> list[Bbox]:
    """Draws a line from a corner of one box to a corner of another, in pixels, that crosses as few points as can be.

    Returns:
        Boxes along the line, for names to keep clear of.
    """
    pixels = ax.figure.dpi / 72
    full = [box for point in points for box in covered(ax, point)]

    def along(one: np.ndarray, other: np.ndarray) -> list[Bbox]:
        steps = np.linspace(one, other, 2 + int(np.hypot(*(other - one)) / (3 * pixels)))
        return [Bbox([step - 1.5 * pixels, step + 1.5 * pixels]) for step in steps]

    def cost(pair: tuple[np.ndarray, np.ndarray]) -> float:
        inside = [*full, start.padded(-pixels), end.padded(-pixels)]
        crossed = sum(_shared(step, box) for step in along(*pair) for box in inside)
        return crossed + 0.01 * float(np.hypot(*(pair[1] - pair[0])))
    best = min(((one, other) for one in start.corners() for other in end.corners()), key=cost)
    ax.plot(*ax.transData.inverted().transform(best).T, color="0.5", linewidth=0.8, zorder=4)
    return along(*best)


def _size(ax: Axes, text: str, fontsize: float) -> np.ndarray:
    """Width and height of a text, in pixels."""
    drawn = ax.text(0, 0, text, fontsize=fontsize, transform=None)
    box = drawn.get_window_extent()
    drawn.remove()
    return np.array([box.width, box.height])


def covered(ax: Axes, point: Point) -> list[Bbox]:
    """What a point covers, in pixels: its marker and its bars."""
    pixels = ax.figure.dpi / 72
    (x, y), (left, low), (right, high) = ax.transData.transform(
        [(point.x, point.y), (point.left, point.low), (point.right, point.high)])
    half, bar = 4 * pixels, 2 * pixels
    return [Bbox([[x - half, y - half], [x + half, y + half]]), Bbox([[left - bar, y - bar], [right + bar, y + bar]]),
            Bbox([[x - bar, low - bar], [x + bar, high + bar]])]


def _space(ax: Axes, point: Point, points: Sequence[Point]) -> float:
    """How far a point's nearest neighbour is, in pixels."""
    places = ax.transData.transform([(other.x, other.y) for other in points if other is not point] or [(np.inf, np.inf)])
    return float(np.hypot(*(places - ax.transData.transform((point.x, point.y))).T).min())


def _shared(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)
