"""One network on the explorer's page: its choices, what it says of the picture, and its maps under plain headings."""

import html
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
from PIL import Image

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.explorer import tiles
from ghostlib.explorer.views import Explorer, View, of_source, runs
from ghostlib.figures import Tile, grey, mosaic, signed, stacked
from ghostlib.figures.style import GHOST, INTRINSIC
from ghostlib.weights.sources import own_names

HERE, UNTRAINED = "here", "untrained"  # keys of the notebook's own network, and of the same before it was trained
TOP = 5  # answers shown
KERNELS = (1, 3, 5, 7)
WIDE, LABEL = widgets.Layout(width="390px"), {"description_width": "86px"}
NOTHING = ("nothing", ())


@dataclass(frozen=True)
class Choices:
    """What all columns share: the picture and which of its kind, ratio s, kernel d, how many pixels of the screen a tile has
    at least, and which pair is shown."""

    picture: str | Image.Image
    number: int
    ratio: int
    kernel: int
    size: int
    pair: int


class Column:
    """A network's part of the page; display `page`.

    Args:
        config: The notebook's network; others can be chosen instead.
        network: A key of `networks`.
        layer: Which to begin with; None is the second, as the first is often a stem.
        choices: Gives what all columns share, at the moment.
        beside: Another column, in whose layer this one begins where its network has one of that name.
    """

    def __init__(self, config: Config, network: str, layer: str | None, choices: Callable[[], Choices],
                 beside: "Column | None" = None):
        # Said before its first use, in another column: mypy infers no type from an assignment that comes later.
        self.layer: widgets.Dropdown
        self._config, self._choices = config, choices
        self.explorer = self._of(network)
        if beside is not None and beside.layer.value in self.explorer.layers:
            layer = beside.layer.value
        layer = self.explorer.layers[1] if layer is None else layer
        self.explorer.maps(layer)  # refuses a layer that is not there
        self.network = widgets.Dropdown(options=networks(config), value=network, description="network", layout=WIDE,
                                        style=LABEL)
        self.layer = widgets.Dropdown(options=self.explorer.layers, value=layer, description="layer", layout=WIDE,
                                      style=LABEL)
        self.silent = widgets.SelectionSlider(options=[NOTHING], description="silence", layout=WIDE, style=LABEL)
        self.about, self.says, self.caption, self.maps, self.pair = (widgets.HTML() for _ in range(5))
        self.tiles: list[Tile] = []
        self.pair_tiles: list[Tile] = []
        self._view: View | None = None
        self._shown: tuple[str, int, int] | None = None  # layer, s and d of the view
        self.told = ""  # of the maps, in a sentence
        self._quiet = False  # while choices change together
        self.network.observe(self._other_network, "value")
        self.layer.observe(self.draw, "value")
        self.silent.observe(self.draw, "value")
        wrap = widgets.Layout(flex_flow="row wrap", overflow="visible")
        self.page = widgets.VBox([widgets.HBox([self.network, self.layer, self.silent], layout=wrap), self.about, self.says,
                                  self.caption, self.maps, self.pair],
                                 layout=widgets.Layout(flex="1 1 0", min_width="0", overflow="visible"))

    @property
    def kernels(self) -> list[int]:
        """Which d fit the layer's maps; none for maps of a pixel."""
        return [d for d in KERNELS if 2 * d <= self.explorer.maps(self.layer.value).shape[-1]]

    def look(self) -> None:
        """Takes the picture that is chosen now."""
        chosen = self._choices()
        self.explorer.look_at(chosen.picture, chosen.number)
        self._shown = None
        self.draw()

    def refuse(self, error: str) -> None:
        """Says what could not be done in the place of the caption."""
        self.caption.value = tiles.heading(error)

    def draw(self, _change=None) -> None:
        """Everything anew, as the choices say."""
        if self._quiet:
            return
        chosen, layer = self._choices(), self.layer.value
        d = max((one for one in self.kernels if one <= chosen.kernel), default=0)
        if not d:
            self._view, self._shown, self.tiles, self.pair_tiles = None, None, [], []
            self.maps.value = self.pair.value = ""
            self.refuse(f"{layer}: maps of one pixel have nothing to look at. Choose an earlier layer.")
        elif self._shown != (layer, chosen.ratio, d):
            self._view, self._shown = self.explorer.view(layer, chosen.ratio, d), (layer, chosen.ratio, d)
        self._offer_silence(layer)
        self._draw_about(chosen)
        self._draw_answers(layer, chosen.size)
        if self._view is not None:
            self._draw_maps(layer, self._view, d, chosen)
            self._draw_pair(layer, self._view, d, chosen)

    def still(self) -> Image.Image:
        """What is shown now, as one picture with titles; `InputError` where a layer's maps are too small."""
        if not self.tiles:
            raise InputError(f"layer: {self.layer.value} given, with maps of one pixel; allowed are layers with larger ones")
        picture = [Tile(self.explorer.pictures[0], "the picture")]
        before, _ = self.explorer.answers(self.layer.value, np.array([], int))
        told = ", ".join(f"{self.explorer.classes[one]} {100 * before[one]:.0f} %" for one in np.argsort(-before)[:3])
        parts = [(f"{self.name} says: {told}", mosaic(picture, 1)), (self.told, mosaic(self.tiles, 8))]
        if self.pair_tiles:
            parts.append(("Two maps that are alike", mosaic(self.pair_tiles, 5)))
        return stacked(parts)

    @property
    def name(self) -> str:
        """What the network is called."""
        config = self.explorer.config
        return f"{config.model} {config.width:g}" + (", random weights" if self.explorer.untrained else "")

    def _other_network(self, change) -> None:
        if self._quiet:
            return
        try:
            self.explorer = self._of(change["new"])
        except InputError as error:
            self._quiet, self.network.value = True, change["old"]  # whose maps are shown still
            self._quiet = False
            self.refuse(str(error))
            return
        before, self._quiet, self._shown = self.layer.value, True, None
        self.layer.options = self.explorer.layers
        self.layer.value = before if before in self.explorer.layers else self.explorer.layers[1]
        self._quiet = False
        self.draw()

    def _of(self, network: str) -> Explorer:
        chosen = self._choices()
        if network in (HERE, UNTRAINED):
            return Explorer(self._config, chosen.picture, chosen.number, untrained=network == UNTRAINED)
        return of_source(network, chosen.picture, chosen.number)

    def _offer_silence(self, layer: str) -> None:
        """The maps that can be silenced, by name; the choice stays where the layer is as it was."""
        numbers = np.arange(0) if self._view is None else self._view.numbers
        options = [NOTHING, *((self._map(place), (int(number),)) for place, number in enumerate(numbers))]
        if self.explorer.is_ghost(layer):
            total, first = self.explorer.channels(layer), self.explorer.intrinsic(layer)
            options += [("all ghosts", tuple(range(first, total))), ("all intrinsic maps", tuple(range(first)))]
        if [tuple(one) for one in self.silent.options] != options:
            self._quiet = True
            self.silent.options, self.silent.index = options, 0
            self._quiet = False

    def _map(self, place: int) -> str:
        assert self._view is not None
        numbers, source = self._view.numbers, self._view.source[place]
        if not self.explorer.is_ghost(self.layer.value):
            return f"map {numbers[place]}"
        return f"map {numbers[place]}, " + ("intrinsic" if source == place else f"ghost of {numbers[source]}")

    def _draw_about(self, chosen: Choices) -> None:
        own = self.explorer.config.ratio != 1
        cost = self.explorer.cost(*(() if own else (chosen.ratio, chosen.kernel)))
        plain = self.explorer.cost(1)
        built = " has" if own else f"; with s = {chosen.ratio}, d = {chosen.kernel} everywhere it would have"
        fewer = f", {plain.macs / cost.macs:.2f} times fewer than plain" if cost.macs < plain.macs else ""
        self.about.value = (f'<div style="line-height:17px"><b>{html.escape(self.name)}</b>{built} {cost.weights:,} '
                            f"weights and {cost.macs:,} multiply-adds{fewer}</div>")

    def _draw_answers(self, layer: str, size: int) -> None:
        silent = np.array(self.silent.value, int)
        before, after = self.explorer.answers(layer, silent)
        best = np.argsort(-before, kind="stable")[:TOP]
        columns = [("as it is", before[best])]
        if len(silent):
            columns.append((f"silenced: {self.silent.label}", after[best]))
            first = int(after.argmax())
            told = (f"Now it says {self.explorer.classes[first]}." if first != best[0] else
                    f"Still {self.explorer.classes[first]}: {100 * (after - before)[first]:+.1f} points.")
        else:
            told = "Random weights: its answers mean nothing." if self.explorer.untrained else (
                f"It knows {len(before):,} names and always gives one.")
        table = tiles.answers([self.explorer.classes[one] for one in best], columns)
        picture = tiles.as_html([Tile(self.explorer.pictures[0], "the picture")], max(size, 96))
        # What is told takes the width that the table has, and no more: it must not push the table below the picture.
        self.says.value = (f'<div style="display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start;line-height:17px">'
                           f'{picture}<div>{table}<div style="width:0;min-width:100%">{html.escape(told)}</div></div></div>')

    def _draw_maps(self, layer: str, view: View, d: int, chosen: Choices) -> None:
        own, silent = self.explorer.is_ghost(layer), set(self.silent.value)
        # A ghost beside its source.
        order = np.argsort(view.source, kind="stable") if own else np.arange(len(view.maps))
        self.tiles = []
        for place in order:
            number, values, kept = int(view.numbers[place]), view.maps[place], view.source[place] == place
            title = f"map {number}\n" + ("intrinsic" if own else "kept") if kept else f"map {number}\n"
            source, told = int(view.numbers[view.source[place]]), _r2_told(view.r2[place])
            if not kept and own:
                title = f"ghost {number}\nof {source}, {told}"
            flat = number in silent
            shown = np.full((*values.shape, 3), 127, np.uint8) if flat else grey(values)
            title = f"{title.partition(chr(10))[0]}\nsilenced" if flat else title
            self.tiles.append(Tile(shown, title, self._frame(layer, view, place)))
            if not kept and not own:
                made = grey(view.made[place], values.min(), values.max())
                self.tiles.append(Tile(made, f"made of {source}\n{told}", GHOST))
        self.maps.value = tiles.as_html(self.tiles, chosen.size)
        self.told = self._told(layer, view, d)
        self.caption.value = tiles.heading(self.told)

    def _told(self, layer: str, view: View, d: int) -> str:
        total, kept, size = self.explorer.channels(layer), len(view.intrinsic), " × ".join(map(str, view.maps.shape[1:]))
        shown = f"{total}" if len(view.maps) == total else f"{len(view.maps)} of its {total}"
        ghosts = np.setdiff1d(np.arange(len(view.maps)), view.intrinsic)
        known = view.r2[ghosts][np.isfinite(view.r2[ghosts])]
        r2 = (f". R²: how much of a ghost a {d} × {d} filter, fitted here, makes of its source: {np.median(known):.2f} in "
              f"the median" if len(known) else "")
        if r2 and self.explorer.is_ghost(layer) and view.maps[ghosts].min() >= 0:
            r2 += ". It cannot cut off what is below 0, as the network's ReLU does"
        if self.explorer.is_ghost(layer):
            ratio, kernel = self.explorer.ghosts_of(layer)
            return (f"{layer}, {shown} maps of {size}: {kept} intrinsic (red), beside each the network's own ghosts (blue), "
                    f"made with its own s = {ratio}, d = {kernel}{r2}")
        return (f"{layer}, {shown} maps of {size}: {kept} kept (red); beside each of the others what a filter makes of a "
                f"kept one (blue){r2}")

    def _frame(self, layer: str, view: View, place: int) -> str | None:
        """The colour by which a map is told as intrinsic, or kept, or as a ghost."""
        return INTRINSIC if view.source[place] == place else GHOST if self.explorer.is_ghost(layer) else None

    def _draw_pair(self, layer: str, view: View, d: int, chosen: Choices) -> None:
        pairs = self.explorer.pairs(layer)
        if not pairs:
            self.pair_tiles, self.pair.value = [], "One map has no pair."
            return
        place = min(chosen.pair, len(pairs))
        one = self.explorer.pair(layer, *pairs[place - 1], d)
        source, target = (int(view.numbers[number]) for number in (one.first, one.second))
        low, high = one.target.min(), one.target.max()
        first, second = (self._frame(layer, view, number) for number in (one.first, one.second))
        self.pair_tiles = [Tile(grey(one.source), f"map {source}", first),
                           Tile(signed(one.kernel), f"{d} × {d} filter"),
                           Tile(grey(one.prediction, low, high), f"makes of it\n{_r2_told(one.r2)}"),
                           Tile(grey(one.target), f"map {target}", second),
                           Tile(signed(one.target - one.prediction), "difference")]
        told = (f"Pair {place} of {len(pairs)}: two maps that are alike, and the filter, found on other pictures, that "
                f"makes one from the other (in filter and difference purple is above 0, orange below)")
        self.pair.value = tiles.heading(told) + tiles.as_html(self.pair_tiles, chosen.size)


def networks(config: Config) -> list[tuple[str, str]]:
    """What can be chosen, each with its key: the notebook's, the same untrained, our own by their names, finished runs."""
    here = config.weights or f"{config.model} {config.width:g}, random weights"
    own = [name for name in own_names() if name != config.weights]
    return [(str(here), HERE), *([("the same, untrained", UNTRAINED)] if config.weights else []),
            *((name, name) for name in [*own, *map(str, runs())])]


def _r2_told(value: float) -> str:
    return f"R² {value:.2f}" if np.isfinite(value) else "constant"
