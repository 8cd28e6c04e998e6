"""Small maps side by side, each pixel of theirs a whole number of the screen's: drawn at once, while somebody waits."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS, FRAME, GAP = 11, 3, 6  # pixels: of text, of the frame around a tile, and between tiles
LINE = 110  # letters of a line above a picture


@dataclass(frozen=True)
class Tile:
    """A small picture with a heading.

    Attributes:
        pixels: (H, W, 3) uint8, as they are, not enlarged.
        title: The heading; each line of it is one on the page.
        colour: Of its frame, "#rrggbb"; None for none.
    """

    pixels: np.ndarray
    title: str
    colour: str | None = None

    def times(self, least: int) -> int:
        """By which whole number its sides are enlarged, so that both have at least so many pixels."""
        return max(1, -(-least // min(self.pixels.shape[:2])))


def grey(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """A map (H, W) in greys (H, W, 3) uint8, between its own extremes or those given."""
    low, high = values.min() if low is None else low, values.max() if high is None else high
    share = np.clip((values - low) / ((high - low) or 1), 0, 1)
    return np.repeat(np.array(255 * share, np.uint8)[..., None], 3, axis=2)


def signed(values: np.ndarray) -> np.ndarray:
    """A map (H, W) around 0 in colours (H, W, 3) uint8: positive purple, negative orange, 0 white."""
    reach = np.abs(values).max() or 1
    share = (values / reach)[..., None]
    purple, orange, white = (np.array(colour, float) for colour in ((84, 39, 136), (179, 88, 6), (247, 247, 247)))
    return np.array(np.where(share > 0, white + share * (purple - white), white - share * (orange - white)), np.uint8)


def mosaic(tiles: Sequence[Tile], columns: int, least: int = 64) -> Image.Image:
    """Tiles in rows on white, below their headings, each enlarged by a whole number to at least `least` pixels.

    One picture: a grid of axes would take a second to draw, and this is drawn while somebody waits.
    """
    font = _font(LETTERS)
    sizes = [one.times(least) * np.array(one.pixels.shape[1::-1]) + 2 * FRAME for one in tiles]
    words = max(font.getlength(line) for one in tiles for line in one.title.splitlines() or [""])
    head = (LETTERS + 3) * max(one.title.count("\n") + 1 for one in tiles)
    wide, high = max(int(words) + 1, *(size[0] for size in sizes)) + GAP, head + max(size[1] for size in sizes) + GAP
    page = Image.new("RGB", (min(columns, len(tiles)) * int(wide), -(-len(tiles) // columns) * int(high)), "white")
    pen = ImageDraw.Draw(page)
    for number, (one, (width, height)) in enumerate(zip(tiles, sizes)):
        left, top = number % columns * int(wide), number // columns * int(high)
        pen.multiline_text((left, top), one.title, "black", font, spacing=1)
        if one.colour:
            page.paste(one.colour, (left, top + head, left + int(width), top + head + int(height)))
        picture = Image.fromarray(one.pixels)
        inner = picture.resize((int(width) - 2 * FRAME, int(height) - 2 * FRAME), Image.Resampling.NEAREST)
        page.paste(inner, (left + FRAME, top + head + FRAME))
    return page


def stacked(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures below one another on white, each with a text above it."""
    font, line = _font(LETTERS + 2), LETTERS + 6
    texts = ["\n".join(textwrap.wrap(title, LINE)) for title, _ in parts]
    heads = [line * (text.count("\n") + 1) + GAP for text in texts]
    width = max([picture.width for _, picture in parts] + [int(font.getlength(one)) + 4 for text in texts
                                                           for one in text.splitlines()])
    height = sum(head + picture.height + 2 * GAP for head, (_, picture) in zip(heads, parts))
    page = Image.new("RGB", (width, height), "white")
    pen, top = ImageDraw.Draw(page), 0
    for text, head, (_, picture) in zip(texts, heads, parts):
        pen.multiline_text((0, top), text, "black", font, spacing=3)
        page.paste(picture, (0, top + head))
        top += head + picture.height + 2 * GAP
    return page


def _font(size: int) -> ImageFont.FreeTypeFont:
    """matplotlib's, which has signs such as those of R² and 3 × 3; Pillow's own lacks them."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
