"""Many small maps in one picture, drawn at once: for pages that answer while somebody waits."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = 15  # pixels


def tile(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """A map (H, W) in greys (H, W, 3) uint8, between its own extremes or those given."""
    low, high = values.min() if low is None else low, values.max() if high is None else high
    grey = np.clip((values - low) / ((high - low) or 1), 0, 1)
    return np.repeat(np.array(255 * grey, np.uint8)[..., None], 3, axis=2)


def signed(values: np.ndarray) -> np.ndarray:
    """A map (H, W) around 0 in colours (H, W, 3) uint8: positive purple, negative orange, 0 white."""
    reach = np.abs(values).max() or 1
    share = (values / reach)[..., None]
    purple, orange, white = (np.array(colour, float) for colour in ((84, 39, 136), (179, 88, 6), (247, 247, 247)))
    return np.array(np.where(share > 0, white + share * (purple - white), white - share * (orange - white)), np.uint8)


def mosaic(tiles: Sequence[np.ndarray], colours: Sequence[str | None], columns: int, edge: int = 56) -> Image.Image:
    """Tiles (H, W, 3) uint8 in rows, each enlarged to `edge` pixels, framed where it has a colour ("#rrggbb").

    One picture: a grid of axes would take a second to draw, and this is drawn while somebody waits.
    """
    frame, rows = 3, -(-len(tiles) // columns)
    step = edge + 2 * frame + 2
    page = Image.new("RGB", (columns * step, rows * step), "white")
    for number, (pixels, colour) in enumerate(zip(tiles, colours)):
        left, top = number % columns * step, number // columns * step
        if colour:
            page.paste(colour, (left, top, left + edge + 2 * frame, top + edge + 2 * frame))
        page.paste(Image.fromarray(pixels).resize((edge, edge), Image.Resampling.NEAREST), (left + frame, top + frame))
    return page


def titled(picture: Image.Image, title: str) -> Image.Image:
    """A picture with a line of text above it, widened where the line is longer."""
    font = ImageFont.load_default(LETTERS)
    width, head = max(picture.width, int(font.getlength(title)) + 4), 2 * LETTERS
    page = Image.new("RGB", (width, picture.height + head), "white")
    ImageDraw.Draw(page).text((3, head // 4), title, "black", font)
    page.paste(picture, (0, head))
    return page
