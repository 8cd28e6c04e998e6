"""What a file shows: the right pixels for each format and depth, and for what is no image the reason."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from ghostlib.data import decoding
from ghostlib.data.decoding import Unreadable, decode

NOISE = np.random.default_rng(0).integers(0, 256, (43, 59, 3), np.uint8)
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every grey there is


def saved(path, image, fmt, **options):
    image.save(path, fmt, **options)
    return path


@pytest.mark.parametrize(("fmt", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}),
                                              ("TIFF", {"compression": "tiff_lzw"})])
@pytest.mark.parametrize("name", ["x.jpg", "x", "x.dat"])
def test_each_format_without_loss_is_read_to_the_pixel_whatever_it_is_called(fmt, options, name, tmp_path):
    path = saved(tmp_path / name, Image.fromarray(NOISE), fmt, **options)
    np.testing.assert_array_equal(decode(path), NOISE)
    np.testing.assert_array_equal(decode(path, lambda *_: (7, 3, 20, 31)), NOISE[3:34, 7:27])


@pytest.mark.parametrize(("fmt", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {"quality": 90})])
def test_each_format_with_loss_is_what_pillow_reads(fmt, options, tmp_path):
    path = saved(tmp_path / "x.jfif", Image.fromarray(NOISE), fmt, **options)
    np.testing.assert_array_equal(decode(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_read(fmt, tmp_path):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "x.gif", frames[0], fmt, save_all=True, append_images=frames[1:],
                 **({"lossless": True} if fmt == "WEBP" else {}))
    np.testing.assert_array_equal(decode(path), np.full((10, 20, 3), (255, 0, 0)))


def grey(path, depth, dtype=np.uint16, fmt="PNG", **options):
    """The ramp of all greys in another depth: from black to white."""
    values = (RAMP.astype(np.float64) / 255 * (2**depth - 1)).round().astype(dtype)
    return saved(path, Image.fromarray(values), fmt, **options)


@pytest.mark.parametrize(("fmt", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})])
def test_sixteen_bits_are_scaled_and_not_cut(fmt, options, tmp_path):
    """A microscope's picture is no white square."""
    path = grey(tmp_path / "x.png", 16, fmt=fmt, **options)
    assert Image.open(path).mode.startswith("I")
    np.testing.assert_array_equal(decode(path), np.repeat(RAMP[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(decode(path, lambda *_: (2, 5, 7, 9)), np.repeat(RAMP[5:14, 2:9, None], 3, axis=2))


def test_sixteen_bits_of_other_byte_order_and_of_inverse_meaning(tmp_path):
    big = Image.frombytes("I;16B", (16, 16), (RAMP.astype(np.uint16) * 257).astype(">u2").tobytes())
    np.testing.assert_array_equal(decode(saved(tmp_path / "big.tif", big, "TIFF"))[:, :, 0], RAMP)
    inverse = grey(tmp_path / "inverse.tif", 16, fmt="TIFF", tiffinfo={262: 0})
    np.testing.assert_array_equal(decode(inverse)[:, :, 0], 255 - RAMP)


def test_sixteen_bits_of_each_colour_and_with_transparency(tmp_path):
    """Pillow writes none; this is what a PNG of 16 bits in each channel looks like."""
    import struct
    import zlib

    def png(colour, channels):
        values = np.repeat(RAMP.astype(np.uint16)[:, :, None] * 257, channels, axis=2).astype(">u2")
        rows = b"".join(b"\0" + row.tobytes() for row in values)

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, colour, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        (tmp_path / "x.png").write_bytes(png(colour, channels))
        np.testing.assert_array_equal(decode(tmp_path / "x.png"), np.repeat(RAMP[:, :, None], 3, axis=2), f"{colour}")


@pytest.mark.parametrize(("values", "wanted"), [
    (np.linspace(0, 1, 256, dtype=np.float32), RAMP), (np.linspace(-1000, 3095, 256, dtype=np.float32), RAMP),
    (np.arange(256, dtype=np.int32) * 65537 - 7, RAMP), (np.arange(256, dtype=np.int16) * 100 - 12_800, RAMP),
    (np.full(256, 7.5, np.float32), np.zeros_like(RAMP))])
def test_what_declares_no_range_is_scaled_by_its_own(values, wanted, tmp_path):
    if values.dtype == np.int16:
        image = Image.fromarray(values.reshape(16, 16).astype(np.int32))
    else:
        image = Image.fromarray(values.reshape(16, 16))
    np.testing.assert_array_equal(decode(saved(tmp_path / "x.tif", image, "TIFF"))[:, :, 0], wanted)


def test_holes_in_a_measured_picture_are_black(tmp_path):
    values = np.linspace(5, 6, 256, dtype=np.float32).reshape(16, 16)
    values[3, 4], values[5, 6], values[7, 8] = np.nan, np.inf, -np.inf
    pixels = decode(saved(tmp_path / "x.tif", Image.fromarray(values), "TIFF"))[:, :, 0]
    assert (pixels[3, 4], pixels[5, 6], pixels[7, 8]) == (0, 255, 0) and pixels[0, 0] == 0 and pixels[-1, -1] == 255


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_reach_from_black_to_white(bits, tmp_path):
    colours = 2**bits
    values = np.arange(colours, dtype=np.uint8).repeat(8).reshape(-1, 8)
    image = Image.fromarray(values, "P")
    image.putpalette([round(255 * level / (colours - 1)) for level in range(colours) for _ in range(3)])
    wanted = (values * (255 / (colours - 1))).round().astype(np.uint8)
    for fmt, options in (("PNG", {"bits": bits}), ("GIF", {}), ("TIFF", {}), *([("BMP", {})] if bits > 1 else [])):
        np.testing.assert_array_equal(decode(saved(tmp_path / "x", image, fmt, **options))[:, :, 1], wanted, err_msg=fmt)
    black_and_white = Image.fromarray((values % 2 * 255).astype(np.uint8)).convert("1")
    for fmt in ("PNG", "BMP", "TIFF", "GIF"):
        np.testing.assert_array_equal(decode(saved(tmp_path / "y", black_and_white, fmt))[:, :, 2], values % 2 * 255)


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF"])
def test_beneath_transparency_is_a_colour(fmt, tmp_path):
    """It is dropped, as timm and torchvision drop it."""
    alpha = np.full((43, 59, 1), 128, np.uint8)
    image = Image.fromarray(np.concatenate([NOISE, alpha], axis=2))
    options = {"lossless": True, "exact": True} if fmt == "WEBP" else {}
    np.testing.assert_array_equal(decode(saved(tmp_path / "x", image, fmt, **options)), NOISE)
    both = Image.merge("LA", [Image.fromarray(RAMP), Image.new("L", (16, 16), 0)])
    if fmt == "PNG":
        np.testing.assert_array_equal(decode(saved(tmp_path / "y", both, fmt))[:, :, 0], RAMP)


def test_a_photograph_that_wants_to_be_turned_stays_as_it_lies(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "x.jpg", Image.fromarray(NOISE), "JPEG", exif=exif)
    assert decode(path).shape == NOISE.shape and decoding.orientation(path) == 6
    assert decoding.orientation(saved(tmp_path / "y.jpg", Image.fromarray(NOISE), "JPEG")) == 1
    assert decoding.orientation(tmp_path / "none.jpg") == 1


def test_a_picture_of_190_megapixels_is_read_and_nothing_larger_than_the_limit(tmp_path, monkeypatch):
    wide = saved(tmp_path / "x.png", Image.new("L", (19_000, 10_000), 77), "PNG", compress_level=1)
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = decode(wide, lambda width, height: (width - 3, height - 2, 3, 2))
    np.testing.assert_array_equal(part, np.full((2, 3, 3), 77))
    assert Image.MAX_IMAGE_PIXELS == before  # Pillow's own stays for everybody else
    monkeypatch.setattr(decoding, "LARGEST", 189_999_999)
    with pytest.raises(Unreadable, match="^190 megapixels; at most 190 are read"):
        decode(wide)


def encoded(fmt):
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, fmt)
    return stream.getvalue()


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "an empty file"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a git-lfs pointer and not"),
    (b"\n<!DOCTYPE html><html>", "an HTML page"), (b"<html lang='en'>", "an HTML page"), (b"not a picture", "no image of"),
    (b"\0" * 500, "nothing but zeros"), (b"%PDF-1.7", "a PDF file"), (b"\0\0\0\x18ftypheic\0\0", "a HEIC file; convert"),
    (encoded("JPEG")[:500], "damaged: Truncated File Read"), (encoded("PNG")[:500], "damaged: "),
    (encoded("TIFF")[:200], "damaged: |no image of"), (encoded("WEBP")[:200], "damaged: |no image of")])
def test_what_is_no_image_says_why(content, reason, tmp_path):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(Unreadable, match=f"^({reason})") as error:
        decode(tmp_path / "x.jpg")
    assert "\n" not in str(error.value) and len(str(error.value)) < 100


def test_what_cannot_be_opened_says_why(tmp_path):
    for path in (tmp_path, tmp_path / "none.jpg"):
        with pytest.raises(Unreadable, match="^cannot be opened: (Is a directory|No such file or directory)"):
            decode(path)


@pytest.mark.parametrize("reads", [decode, decoding.orientation])
def test_a_size_that_damage_made_enormous_is_a_fault_of_the_file(reads, tmp_path, monkeypatch):
    """Pillow raises an error that is no ValueError for it, and not only while it reads the header."""
    path = saved(tmp_path / "x.tif", Image.fromarray(NOISE), "TIFF")
    monkeypatch.setattr(Image, "open", lambda *_, **__: (_ for _ in ()).throw(Image.DecompressionBombError("too large")))
    if reads is decode:
        with pytest.raises(Unreadable, match="damaged: too large"):
            decode(path)
    else:
        assert reads(path) == 1
