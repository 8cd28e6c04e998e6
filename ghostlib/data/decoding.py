"""Image files to pixels: whole, or only the part that is wanted; None for a file that is no image."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP")  # by content, whatever a file is called; as Pillow names them
Box = Callable[[int, int], tuple[int, int, int, int]]
_held = threading.local()


def decode(path: Path, box: Box | None = None) -> np.ndarray | None:
    """A photograph's pixels (H, W, 3) uint8; None if the file is no whole JPEG, PNG or BMP, whatever it is called.

    libjpeg-turbo decodes what it finds no fault in; all else, greyscale and CMYK too, Pillow, whose word counts. Where
    both can, they agree to the bit.

    Args:
        path: The file.
        box: Of a photograph's width and height makes left, top, width and height of the part that is wanted.
    """
    try:
        content = path.read_bytes()
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
            if colours == "YCbCr" and height * width <= Image.MAX_IMAGE_PIXELS:
                whole = simplejpeg.decode_jpeg(content, buffer=_memory(3 * height * width))
                left, top, wide, high = box(width, height) if box else (0, 0, width, height)
                return whole[top:top + high, left:left + wide].copy()
        except ValueError:  # no JPEG, or one with a fault
            pass
        image: Image.Image  # no file's any more once it is cropped
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if box is not None:
                left, top, width, height = box(*image.size)
                image = image.crop((left, top, left + width, top + height))  # before the copies that follow
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _memory(size: int) -> np.ndarray:
    """Each thread's own `size` bytes to decode into: new memory for each photograph would cost a tenth of its decoding."""
    held = getattr(_held, "bytes", None)
    if held is None or len(held) < size:
        held = _held.bytes = np.empty(size, np.uint8)
    return held[:size]
