"""Tiles as HTML: the browser wraps their rows to the room there is and enlarges their pixels by whole numbers."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

from PIL import Image

from ghostlib.figures import Tile
from ghostlib.figures.mosaic import FRAME, GAP

SMALL = "font-size:11px;line-height:13px"


def as_html(tiles: Iterable[Tile], least: int) -> str:
    """Tiles below their headings, each side of a picture at least `least` pixels of the screen."""
    figures = "".join(_figure(one, least) for one in tiles)
    return f'<div style="display:flex;flex-wrap:wrap;gap:{GAP}px;align-items:flex-end">{figures}</div>'


def _figure(one: Tile, least: int) -> str:
    (high, wide), times = one.pixels.shape[:2], one.times(least)
    size = f"width:{wide * times}px;height:{high * times}px;max-width:none;image-rendering:pixelated;display:block;margin:0"
    title = html.escape(one.title)
    lines = "".join(f"<div>{line}</div>" for line in title.splitlines())
    return (f'<figure style="margin:0;width:{wide * times + 2 * FRAME}px"><figcaption style="{SMALL}">{lines}</figcaption>'
            f'<img alt="{title}" src="data:image/png;base64,{_png(one)}" style="{size};'
            f'border:{FRAME}px solid {one.colour or "transparent"};box-sizing:content-box"></figure>')


def _png(one: Tile) -> str:
    held = io.BytesIO()
    picture = Image.fromarray(one.pixels)
    (picture.convert("L") if (one.pixels == one.pixels[..., :1]).all() else picture).save(held, "PNG", compress_level=1)
    return base64.b64encode(held.getvalue()).decode()


def heading(text: str) -> str:
    """A line in bold above tiles; a widget's own lines are twice as high."""
    return f'<div style="line-height:17px"><b>{html.escape(text)}</b></div>'


def answers(names: Sequence[str], columns: Sequence[tuple[str, Sequence[float]]]) -> str:
    """What a network says, as a table: a row for each name, and for each column (its heading, shares of 1) a bar."""
    head = "".join(f'<th style="text-align:left;padding:0 12px 2px 0">{html.escape(title)}</th>' for title, _ in columns)
    rows = "".join(f'<tr><td style="padding:0 12px 0 0;text-align:left;white-space:nowrap">{html.escape(name)}</td>'
                   + "".join(_bar(shares[place]) for _, shares in columns) + "</tr>" for place, name in enumerate(names))
    return (f'<table style="border:none;border-collapse:collapse;font-size:12px;line-height:17px" aria-live="polite"><tr>'
            f'<th style="text-align:left">It says</th>{head}</tr>{rows}</table>')


def _bar(share: float) -> str:
    bar = (f'<span style="display:inline-block;height:9px;width:{round(90 * share)}px;margin-right:4px;'
           f'background:var(--jp-brand-color1,#1976d2)"></span>')
    return f'<td style="padding:0 12px 0 0;text-align:left;white-space:nowrap">{bar}{100 * share:.1f} %</td>'
