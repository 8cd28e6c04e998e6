"""The explorer's page: one network or two beside each other, and the choices that they share; redrawn when one changes."""

import ipywidgets as widgets
from PIL import Image

from ghostlib.config import Config
from ghostlib.data import decoding
from ghostlib.errors import InputError, some
from ghostlib.explorer.column import HERE, KERNELS, LABEL, WIDE, Choices, Column, networks
from ghostlib.explorer.pictures import SQUARES, choices
from ghostlib.explorer.views import Explorer

RATIOS, SIZES = range(1, 9), (64, 96, 128, 192, 256)
ALONE = "none"


class Panel:
    """Widgets around one `Column` or two; display `page`, or for a picture that stands still `still()`.

    Args:
        config: The network to begin with; finished runs below data/runs can be chosen instead.
        image: One of `pictures.IMAGES`, or the path of a photograph.
        layer: A layer of the network, as `Explorer.layers` names them; None is the second, as the first is often a stem.
        s, d: Ratio and kernel to begin with.

    Raises:
        InputError: For an image, a layer, s or d that cannot be chosen.
    """

    def __init__(self, config: Config, image: str, layer: str | None, s: int, d: int):
        for name, value, allowed in (("s", s, RATIOS), ("d", d, KERNELS)):
            if value not in allowed:
                raise InputError(f"{name}: {value!r} given; allowed here are {some(allowed)}")
        self._config, pictures = config, choices()
        if image not in pictures.values():
            pictures[image] = image
        self.image = widgets.Dropdown(options=list(pictures.items()), value=image, description="picture", layout=WIDE,
                                      style=LABEL)
        self.number = widgets.IntSlider(min=1, max=SQUARES, description="which of it", layout=WIDE, style=LABEL)
        self.file = widgets.FileUpload(accept="image/*", description="your own picture", layout=WIDE)
        self.beside = widgets.Dropdown(options=[(ALONE, ALONE), *networks(config)], description="beside it", layout=WIDE,
                                       style=LABEL)
        self.ratio, self.kernel, self.size = (
            widgets.SelectionSlider(options=options, value=value, description=name, layout=WIDE, style=LABEL)
            for name, options, value in (("ratio s", RATIOS, s), ("kernel d", KERNELS, d), ("tile size", SIZES, SIZES[0])))
        self.pair = widgets.IntSlider(min=1, max=1, value=1, description="pair", layout=WIDE, style=LABEL)
        self._own: Image.Image | None = None  # a picture that was given by hand
        self.columns = [Column(config, HERE, layer, self._choices)]
        for chooser, change in ((self.image, self._other_image), (self.number, self._look), (self.file, self._own_image),
                                (self.beside, self._other_beside), *((one, self._draw) for one in
                                                                     (self.ratio, self.kernel, self.size, self.pair))):
            chooser.observe(change, "value")
        shared = [self.image, self.number, self.beside, self.file, self.ratio, self.kernel, self.pair, self.size]
        self._row = widgets.HBox(layout=widgets.Layout(align_items="flex-start", overflow="visible"))
        self.page = widgets.VBox([widgets.HBox(shared, layout=widgets.Layout(flex_flow="row wrap", overflow="visible")),
                                  self._row])
        self._show()

    @property
    def explorer(self) -> Explorer:
        """That of the first network."""
        return self.columns[0].explorer

    def still(self) -> Image.Image:
        """What the first network shows now, as one picture; `InputError` where a layer's maps are too small."""
        return self.columns[0].still()

    def _choices(self) -> Choices:
        return Choices(self._own or self.image.value, self.number.value - 1, self.ratio.value, self.kernel.value,
                       self.size.value, self.pair.value)

    def _show(self) -> None:
        """All columns, each with what can be chosen for it."""
        for column in self.columns:
            column.network.observe(self._bound, "value")
            column.layer.observe(self._bound, "value")
        self._row.children = [column.page for column in self.columns]
        self._draw()

    def _bound(self, _change=None) -> None:
        """Which choices say something: s where a layer has no ghosts of its own, pairs as many as there are."""
        layers = [(column.explorer, column.layer.value) for column in self.columns]
        self.ratio.disabled = all(explorer.is_ghost(layer) for explorer, layer in layers)
        self.ratio.description = "s (its own)" if self.ratio.disabled else "ratio s"
        self.pair.max = max(1, *(explorer.maps(layer).shape[1] // 2 for explorer, layer in layers))

    def _draw(self, _change=None) -> None:
        self._bound()
        for column in self.columns:
            column.draw()

    def _look(self, _change=None) -> None:
        for column in self.columns:
            column.look()

    def _other_image(self, _change) -> None:
        self._own = None
        self._look()

    def _own_image(self, change) -> None:
        if not change["new"]:
            return
        given = change["new"][0]
        try:
            self._own = Image.fromarray(decoding.decode_bytes(bytes(given["content"])))
        except decoding.Unreadable as error:
            self.columns[0].refuse(f"{given['name']}: {error}; allowed are {', '.join(decoding.FORMATS)}")
            return
        self._look()

    def _other_beside(self, change) -> None:
        del self.columns[1:]
        if change["new"] != ALONE:
            try:
                self.columns.append(Column(self._config, change["new"], None, self._choices, self.columns[0]))
            except InputError as error:
                self.beside.value = ALONE
                self._show()
                self.columns[0].refuse(str(error))
                return
        self._show()
