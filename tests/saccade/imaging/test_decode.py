"""Files at the edge of their formats: odd tags, damaged chunks, random bytes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saccade.errors import ImageError
from saccade.imaging.decode import decode, header_size, sniff
from saccade.imaging.read import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)


def make_tiff(entries=(), order="<", big=False):
    """Write a grey TIFF by hand, with further (tag, kind, count, value) entries."""
    head, entry, count = ("Q", "HHQQ", "Q") if big else ("L", "HHLL", "H")
    start = 16 if big else 8
    data = PIXELS.tobytes() + b"\0" * (-PIXELS.size % 8)
    tags = [
        (256, 3, 1, 7),
        (257, 3, 1, 9),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, start),
        (277, 3, 1, 1),
        (278, 3, 1, 9),
        (279, 4, 1, PIXELS.size),
        *entries,
    ]
    signature = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    signature += struct.pack(order + "HH", 8, 0) if big else b""
    directory = struct.pack(order + count, len(tags))
    width = 8 if big else 4
    for tag, kind, number, value in sorted(tags):
        packed = struct.pack(order + entry, tag, kind, number, value)
        if kind == 3 and number == 1:
            packed = packed[:-width] + struct.pack(order + "H", value) + b"\0" * (width - 2)
        directory += packed
    directory += struct.pack(order + head, 0)
    return signature + struct.pack(order + head, start + len(data)) + data + directory


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_tiff_of_both_byte_orders_and_sizes(order, big):
    found = read_image(make_tiff(order=order, big=big))
    np.testing.assert_array_equal(found, PIXELS[:, :, None].repeat(3, 2))
    turned = read_image(make_tiff([(274, 3, 1, 3)], order, big))
    np.testing.assert_array_equal(turned, found[::-1, ::-1])


@pytest.mark.parametrize(
    "entry",
    [
        (270, 2, 1000, 10_000_000),  # a description beyond the end
        (296, 3, 2, 131074),  # a unit given twice
        (34665, 4, 1, 10_000_000),  # EXIF beyond the end
        (65000, 7, 4_000_000_000, 8),  # a private tag longer than the file
        (305, 99, 1, 8),  # a type that does not exist
    ],
)
def test_odd_tags_of_a_tiff_do_not_matter(entry):
    found = read_image(make_tiff([entry]))
    np.testing.assert_array_equal(found, PIXELS[:, :, None].repeat(3, 2))


def test_such_tags_make_pillow_warn():
    """The reason for leaving them out."""
    with pytest.warns(UserWarning):
        Image.open(io.BytesIO(make_tiff([(65000, 7, 4_000_000_000, 8)]))).load()


def test_a_tiff_whose_pixels_lie_beyond_its_end():
    data = make_tiff()
    with pytest.raises(ImageError, match="truncated or damaged TIFF"):
        read_image(data[: len(data) // 2])


def test_a_broken_animation_still_shows_its_picture():
    data = io.BytesIO()
    Image.fromarray(PIXELS).save(data, "PNG")
    png = data.getvalue()
    body = b"acTL" + b"\0" * 8  # no frame at all
    control = b"\0\0\0\x08" + body + zlib.crc32(body).to_bytes(4, "big")
    broken = png[:33] + control + png[33:]
    with pytest.warns(UserWarning, match="APNG"):
        Image.open(io.BytesIO(broken))
    np.testing.assert_array_equal(read_image(broken), PIXELS[:, :, None].repeat(3, 2))


def test_a_jpeg_with_several_pictures_gives_the_first():
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "MPO", save_all=True, append_images=frames[1:])
    assert read_image(data.getvalue())[8, 8, 0] > 250


def test_bytes_after_the_end_do_not_matter():
    data = io.BytesIO()
    Image.fromarray(PIXELS).save(data, "JPEG")
    plain = read_image(data.getvalue())
    np.testing.assert_array_equal(read_image(data.getvalue() + b"trailer" * 9), plain)


FORMATS = {
    "JPEG": {},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {},
    "PPM": {},
    "JPEG2000": {},
}


def whole_files():
    for kind, options in FORMATS.items():
        buffer = io.BytesIO()
        Image.fromarray(PIXELS).convert("RGB").save(buffer, kind, **options)
        yield buffer.getvalue()


FILES = list(whole_files())


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0.1, 1),
)
def test_damage_is_an_image_error_or_a_picture(data, changes, part):
    damaged = bytearray(data[: int(len(data) * part)])
    for where, value in changes:
        damaged[int(where * len(damaged))] = value
    try:
        found = decode(bytes(damaged), "x", 10_000)
    except ImageError as error:
        assert str(error).startswith("x ") and "\n" not in str(error)
    else:
        assert found.dtype == np.uint8 and found.shape[2] == 3


@given(st.binary(max_size=64))
def test_random_bytes_are_an_image_error(data):
    for signature in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"P5 "):
        with pytest.raises(ImageError):
            decode(signature + data, "x", 10_000)


def test_sniff():
    assert [sniff(data) for data in FILES] == [
        "JPEG",
        "PNG",
        "GIF",
        "BMP",
        "TIFF",
        "WebP",
        "PNM",
        "JPEG 2000",
    ]
    assert sniff(b"") is None and sniff(b"PK\x03\x04") is None and sniff(b"Pan") is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP", "PPM", "JPEG2000"])
def test_header_size_is_the_size_that_is_decoded(kind):
    for orientation in (1, 3, 6):
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (31, 17)).save(buffer, kind, exif=exif)
        data = buffer.getvalue()
        assert header_size(data, "x") == decode(data, "x", 10**6).shape[:2]
        if kind not in ("TIFF", "WebP", "PPM"):  # these say things at the end, or check the length
            assert header_size(data[:-4], "x") == header_size(data, "x")


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_header_size_of_what_is_no_picture(data):
    with pytest.raises(ImageError, match=r"^x "):
        header_size(data, "x")
