"""Image files to pixels: whole, or only the part that is wanted; and for a file that is no image, why it is none."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError

from ghostlib.errors import in_a_line

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")  # by content, whatever a file is called; as Pillow names them
LARGEST = 300_000_000  # pixels of a picture; three bytes each are 0.9 GB in every thread that reads one
HELD = 89_478_485  # pixels up to which a thread keeps its memory, and a part is cut out before it is converted
PHOTOMETRIC, BITS, SAMPLE_FORMAT = 262, 258, 339  # tags of TIFF
UNSIGNED, WHITE_IS_ZERO = 1, 0  # values of the last and of the first
# How files begin that are often found where an image should be, and what to say of them.
OTHERS = {
    b"version https://git-lfs": "a git-lfs pointer and not the image; 'git lfs pull' fetches it",
    b"<!doctype html": "an HTML page, as a server sends in place of a file", b"<html": "an HTML page, as a server sends in "
    "place of a file", b"<svg": "an SVG drawing", b"%PDF": "a PDF file", b"8BPS": "a Photoshop file", b"PK": "a zip archive",
    b"\x1f\x8b": "a gzip archive", b"\0\0\0\x0cjP": "a JPEG 2000 file", b"\x93NUMPY": "a NumPy array",
}
# What Pillow raises for damaged files; the last for sizes that damage made enormous, also after the header was read.
FAULTS = UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError
_held = threading.local()
_limit = threading.Lock()
Box = Callable[[int, int], tuple[int, int, int, int]]


class Unreadable(ValueError):
    """A file that gives no picture; the message says why, in a few words."""


def decode(path: Path | str, box: Box | None = None) -> np.ndarray:
    """A picture's pixels (H, W, 3) uint8: JPEG, PNG, BMP, WebP, TIFF and GIF, told by their content and not by their name.

    libjpeg-turbo decodes the JPEGs in which it finds no fault; all else, greyscale and CMYK too, Pillow, whose word counts.
    Where both can, they agree to the bit. What is decided beyond that:

    - Of an animation or of several pages the first is read.
    - Greyscale, palettes and CMYK become the colours they mean. Transparency is dropped, and the colour beneath it shown, as
      timm and torchvision do.
    - Up to 16 unsigned bits are scaled to 8 by what the file declares, so that white stays white. What declares no range,
      signed and 32-bit integers and floating point in TIFF, is scaled from its own least to its own greatest value.
    - EXIF's orientation is ignored, as timm and torchvision do: a photograph that was taken upright may lie on its side.
    - More than LARGEST pixels are not read.

    Args:
        path: The file.
        box: Of a picture's width and height makes left, top, width and height of the part that is wanted.

    Raises:
        Unreadable: For everything else, with the reason.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from None
    return decode_bytes(content, box)


def decode_bytes(content: bytes, box: Box | None = None) -> np.ndarray:
    """`decode` of a file's content."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours == "YCbCr" and height * width <= HELD:
            whole = simplejpeg.decode_jpeg(content, buffer=_memory(3 * height * width))
            left, top, wide, high = box(width, height) if box else (0, 0, width, height)
            return whole[top:top + high, left:left + wide].copy()
    except ValueError:  # no JPEG, or one with a fault
        pass
    try:
        return _by_pillow(content, box)
    except (*FAULTS, MemoryError) as error:
        raise error if isinstance(error, Unreadable) else Unreadable(_reason(content, error)) from None


def orientation(path: Path | str) -> int:
    """How a picture says it should be turned, EXIF's number from 1 to 8; 1, as it lies, where it says nothing."""
    try:
        with _unlimited(), Image.open(path, formats=FORMATS) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except FAULTS:
        return 1


def size(path: Path | str) -> tuple[int, int]:
    """A picture's width and height as its header says, without decoding it; 0 and 0 where there is none to read."""
    try:
        with _unlimited(), Image.open(path, formats=FORMATS) as image:
            return image.size
    except FAULTS:
        return 0, 0


def _by_pillow(content: bytes, box: Box | None) -> np.ndarray:
    with _unlimited():
        image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    with image:
        if image.width * image.height > LARGEST:
            raise Unreadable(f"{image.width * image.height / 1e6:,.0f} megapixels; at most {LARGEST / 1e6:,.0f} are read")
        left, top, width, height = box(*image.size) if box else (0, 0, *image.size)
        if image.mode == "F" or image.mode.startswith("I"):
            pixels = np.repeat(_eight_bits(image)[:, :, None], 3, axis=2)
        elif image.width * image.height <= HELD:
            part = image.crop((left, top, left + width, top + height)) if box else image  # before the copies that follow
            return np.asarray(part if part.mode == "RGB" else part.convert("RGB"))
        else:
            pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        return np.ascontiguousarray(pixels[top:top + height, left:left + width])


def _eight_bits(image: Image.Image) -> np.ndarray:
    """The (H, W) uint8 of a picture with one channel of more than eight bits."""
    values = np.asarray(image).astype(np.float64)
    tags = getattr(image, "tag_v2", {})
    bits = int(tags.get(BITS, (16,))[0])
    unsigned = int(tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]) == UNSIGNED
    if image.mode != "F" and unsigned and bits <= 16:
        low, high = 0.0, 2.0**bits - 1
    else:
        finite = values[np.isfinite(values)]
        low, high = map(float, (finite.min(), finite.max())) if len(finite) else (0.0, 0.0)
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    scaled = (values - low) / ((high - low) or 1.0)
    scaled = 1 - scaled if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else scaled
    return np.clip(np.round(255 * scaled), 0, 255).astype(np.uint8)


@contextmanager
def _unlimited() -> Iterator[None]:
    """Lifts Pillow's limit, which is one for the whole process, while a header is read: `decode` has its own."""
    with _limit:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _reason(content: bytes, error: Exception) -> str:
    """In a few words what a file is that was not read."""
    start = content[:64].lstrip()
    if not content:
        return "an empty file"
    for beginning, what in OTHERS.items():
        if start.lower().startswith(beginning.lower()):
            return what
    if content[4:8] == b"ftyp":
        return f"a {content[8:12].decode('ascii', 'replace').upper()} file; convert it to JPEG or PNG"
    if not any(content):
        return "nothing but zeros"
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    return f"damaged: {in_a_line(error, 80)}"


def _memory(size: int) -> np.ndarray:
    """Each thread's own `size` bytes to decode into: new memory for each photograph would cost a tenth of its decoding."""
    held = getattr(_held, "bytes", None)
    if held is None or len(held) < size:
        held = _held.bytes = np.empty(size, np.uint8)
    return held[:size]
