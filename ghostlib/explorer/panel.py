"""The explorer's page: choices on the left, maps on the right, redrawn whenever a choice changes."""

import io
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image

from ghostlib.config import Config
from ghostlib.errors import InputError, some
from ghostlib.explorer.views import IMAGES, Explorer, runs
from ghostlib.figures import mosaic, signed, tile, titled
from ghostlib.figures.style import GHOST, INTRINSIC

RATIOS, KERNELS = range(1, 9), (1, 3, 5, 7)
COLUMNS = 8
GAP = 32  # pixels between pictures
HERE = "this notebook's"


class Panel:
    """Widgets around an `Explorer`; display `page`, or for a picture that stands still `still()`.

    Args:
        config: The network to begin with; finished runs below data/runs can be chosen instead.
        image: One of `views.IMAGES`, or the path of a photograph.
        layer: A layer of the network, as `Explorer.layers` names them; None is the second, as the first is often a stem.
        s, d: Ratio and kernel to begin with.

    Raises:
        InputError: For an image, a layer, s or d that cannot be chosen.
    """

    def __init__(self, config: Config, image: str, layer: str | None, s: int, d: int):
        for name, value, allowed in (("s", s, RATIOS), ("d", d, KERNELS)):
            if value not in allowed:
                raise InputError(f"{name}: {value!r} given; allowed here are {some(allowed)}")
        self._config = config
        self.explorer = Explorer(config, image)
        self._pair: tuple[int, int] | None = None  # the numbers of the maps shown
        layer = self.explorer.layers[1] if layer is None else layer
        self.explorer.maps(layer)  # refuses a layer that is not there
        wide = widgets.Layout(width="300px")
        self.network = widgets.Dropdown(options=[HERE, *map(str, runs())], description="network", layout=wide)
        pictures = [*IMAGES, *([image] if image not in IMAGES else [])]
        self.image = widgets.Dropdown(options=pictures, value=image, description="image", layout=wide)
        self.file = widgets.FileUpload(accept="image/*", description="your own picture", layout=wide)
        self.layer = widgets.Dropdown(options=self.explorer.layers, value=layer, description="layer", layout=wide)
        self.ratio = widgets.SelectionSlider(options=RATIOS, value=s, description="ratio s", layout=wide)
        self.kernel = widgets.SelectionSlider(options=KERNELS, value=d, description="kernel d", layout=wide)
        self.pair = widgets.IntSlider(min=1, max=1, value=1, description="pair", layout=wide)
        self.cost, self.caption, self.pair_caption = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.picture, self.maps, self.filter = (widgets.Image(format="png") for _ in range(3))
        for chooser, change in ((self.network, self._other_network), (self.image, self._other_image),
                                (self.file, self._own_image), (self.layer, self._draw), (self.ratio, self._draw),
                                (self.kernel, self._draw), (self.pair, self._draw_pair)):
            chooser.observe(change, "value")
        # Neither is squeezed nor stretched to make room for the other.
        choices = widgets.VBox([self.network, self.image, self.file, self.layer, self.ratio, self.kernel, self.pair,
                                self.cost, self.picture], layout=widgets.Layout(flex="0 0 320px", align_items="flex-start"))
        shown = widgets.VBox([self.caption, self.maps, self.pair_caption, self.filter],
                             layout=widgets.Layout(min_width="0", align_items="flex-start"))
        self.page = widgets.HBox([choices, shown], layout=widgets.Layout(align_items="flex-start"))
        self._draw()

    def still(self) -> Image.Image:
        """What is shown now, as one picture with titles; `InputError` where a layer's maps are too small."""
        layer, s, d = self.layer.value, self.ratio.value, self.kernel.value
        if not self.maps.value:
            raise InputError(f"layer: {layer} given, with maps of one pixel; allowed are layers with larger ones")
        what = "red frames are intrinsic maps, blue ones the network's ghosts" if self.explorer.is_ghost(layer) else (
            f"red frames are kept (s = {s}); right, blue frames are made from those (d = {d})")
        picture, maps = (titled(Image.open(io.BytesIO(shown.value)), title) for shown, title in (
            (self.picture, Path(str(self.image.value)).name), (self.maps, f"maps of {layer}; {what}")))
        shown = [(picture, 0, 0), (maps, picture.width + GAP, 0)]
        if self._pair:
            title = f"source (map {self._pair[0]}), filter, prediction, target (map {self._pair[1]}), difference"
            shown.append((titled(Image.open(io.BytesIO(self.filter.value)), title), picture.width + GAP, maps.height + GAP))
        page = Image.new("RGB", (max(left + part.width for part, left, _ in shown),
                                 max(top + part.height for part, _, top in shown)), "white")
        for part, left, top in shown:
            page.paste(part, (left, top))
        return page

    def _other_network(self, change) -> None:
        image = self.image.value
        try:
            self.explorer = (Explorer(self._config, image) if change["new"] == HERE else
                             Explorer.of_run(change["new"], image))
        except InputError as error:
            self.caption.value = f"<b>{error}</b>"
            return
        before = self.layer.value
        with self.layer.hold_trait_notifications():
            self.layer.options = self.explorer.layers
            self.layer.value = before if before in self.explorer.layers else self.explorer.layers[0]
        self._draw()

    def _other_image(self, change) -> None:
        self.explorer.look_at(change["new"])
        self._draw()

    def _own_image(self, change) -> None:
        try:
            self.explorer.look_at(Image.open(io.BytesIO(change["new"][0]["content"])))
        except OSError:
            self.caption.value = (f"<b>{change['new'][0]['name']}: no picture that can be read; allowed are JPEG, PNG and "
                                  f"BMP</b>")
            return
        self._draw()

    def _draw(self, _change=None) -> None:
        layer, ratio, kernel = self.layer.value, self.ratio.value, self.kernel.value
        own = self.explorer.is_ghost(layer)
        self.ratio.disabled = own
        fits = [d for d in KERNELS if 2 * d <= self.explorer.maps(layer).shape[-1]]
        if fits and kernel not in fits:
            self.kernel.value = fits[-1]  # which draws
            return
        if not fits:
            for shown in (self.cost, self.pair_caption):
                shown.value = ""
            for shown in (self.maps, self.filter):
                shown.value = b""
            self.caption.value, self._pair = f"<b>{layer}: maps of one pixel have nothing to look at</b>", None
            return
        self._view = self.explorer.view(layer, ratio, kernel)
        self.pair.max = max(1, len(self.explorer.pairs(layer)))
        self._draw_cost(ratio, kernel)
        self._draw_maps(layer, own)
        self._draw_pair()

    def _draw_cost(self, ratio: int, kernel: int) -> None:
        cost, plain = self.explorer.cost(ratio, kernel), self.explorer.cost(1, kernel)
        self.cost.value = (f"<p>With s = {ratio}, d = {kernel} everywhere:<br><b>{cost.weights:,}</b> weights, "
                           f"{plain.weights / cost.weights:.2f} times fewer than plain<br><b>{cost.macs:,}</b> "
                           f"multiply-adds, {plain.macs / cost.macs:.2f} times fewer</p>")

    def _draw_maps(self, layer: str, own: bool) -> None:
        view, intrinsic = self._view, set(map(int, self._view.intrinsic))
        order = np.argsort(view.source, kind="stable") if own else np.arange(len(view.maps))  # a ghost beside its source
        colours: list[str | None] = [INTRINSIC if number in intrinsic else GHOST for number in order]
        before = [tile(view.maps[number]) for number in order]
        if own:
            page = mosaic(before, colours, COLUMNS)
        else:
            left = mosaic(before, [colour if colour == INTRINSIC else None for colour in colours], COLUMNS)
            right = mosaic([tile(view.made[number], view.maps[number].min(), view.maps[number].max()) for number in order],
                           colours, COLUMNS)
            page = Image.new("RGB", (left.width + GAP + right.width, left.height), "white")
            page.paste(left, (0, 0))
            page.paste(right, (left.width + GAP, 0))
        self.picture.value = _png(mosaic([self.explorer.pictures[0]], [None], 1, edge=112))
        self.maps.value = _png(page)
        ghosts = np.setdiff1d(np.arange(len(view.maps)), view.intrinsic)
        size, kept = f"{view.maps.shape[-1]} × {view.maps.shape[-1]}", len(view.intrinsic)
        total = self.explorer.channels(layer)
        shown = f"{total}" if len(order) == total else f"{len(order)} of its {total}"
        if own:
            what = f"{layer}, {shown} maps of {size}: {kept} intrinsic (red), beside each the network's own ghosts (blue)"
        else:
            what = f"{layer}, {shown} maps of {size}: {kept} kept (red); right, the others as ghosts (blue)"
            if len(ghosts):
                what += f", R² {np.nanmedian(view.r2[ghosts]):.2f}, median"
        self.caption.value = f"<b>{what}</b>"

    def _draw_pair(self, _change=None) -> None:
        if not self.maps.value:
            return
        pairs = self.explorer.pairs(self.layer.value)
        if not pairs:
            self._pair, self.pair_caption.value = None, "one map has no pair"
            return
        first, second = pairs[min(self.pair.value, len(pairs)) - 1]
        one = self.explorer.pair(self.layer.value, first, second, self.kernel.value)
        low, high = one.target.min(), one.target.max()
        tiles = [tile(one.source), signed(one.kernel), tile(one.prediction, low, high), tile(one.target),
                 signed(one.target - one.prediction)]
        self.filter.value = _png(mosaic(tiles, [INTRINSIC, None, GHOST, None, None], len(tiles), edge=112))
        d = one.kernel.shape[0]
        self._pair = source, target = int(self._view.numbers[one.first]), int(self._view.numbers[one.second])
        self.pair_caption.value = (f"Pair {self.pair.value} of {len(pairs)}: source (map {source}), the {d} × {d} filter "
                                   f"found on other pictures, prediction, target (map {target}), difference: R² "
                                   f"{one.r2:.2f}")


def _png(page: Image.Image) -> bytes:
    held = io.BytesIO()
    page.save(held, "PNG", compress_level=1)
    return held.getvalue()
