"""Every way to hand over a picture, and every way in which it can be bad."""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from saccade.errors import ImageError
from saccade.imaging.read import describe_source, list_images, read_image


def noise(height=20, width=30, channels=3, seed=0):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def smooth(height=64, width=96):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 2, y * 3, x + y], axis=2).astype(np.uint8)


def encoded(image, kind, **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def orientation_exif(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


# --- where a picture comes from


def test_all_sources_give_the_same_pixels(tmp_path):
    pixels = noise()
    data = encoded(pixels, "PNG")
    path = tmp_path / "ein bild ü.png"
    path.write_bytes(data)
    sources = [path, str(path), data, bytearray(data), Image.open(io.BytesIO(data)), pixels]
    for source in sources:
        out = read_image(source)
        assert out.dtype == np.uint8 and out.flags.c_contiguous and out.flags.writeable
        np.testing.assert_array_equal(out, pixels)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG2000"])
def test_lossless_formats_come_back_exactly(kind):
    options = {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}.get(kind, {})
    np.testing.assert_array_equal(read_image(encoded(noise(), kind, **options)), noise())


@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
def test_tiff_compressions(compression):
    data = encoded(smooth(), "TIFF", compression=compression)
    tolerance = 12 if compression == "jpeg" else 0
    assert np.abs(read_image(data).astype(int) - smooth()).max() <= tolerance


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}]
)
def test_the_fast_way_for_jpeg_gives_the_pixels_of_pillow(options):
    for image in (smooth(61, 97), smooth(1, 1), noise(40, 40, 0)):
        data = encoded(image, "JPEG", **options)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(read_image(data), expected)


def test_real_photos_equal_pillow(shared_data):
    import zipfile

    with zipfile.ZipFile(shared_data / "cls_clothing10.zip") as pack:
        for name in [n for n in pack.namelist() if n.endswith(".jpg")][::40]:
            data = pack.read(name)
            expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            np.testing.assert_array_equal(read_image(data), expected)


# --- which way up


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation(kind, value, tmp_path):
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(smooth(), kind, exif=orientation_exif(value), **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert expected.shape == ((64, 96, 3) if value < 5 else (96, 64, 3))
    np.testing.assert_array_equal(read_image(data), expected)
    np.testing.assert_array_equal(read_image(Image.open(io.BytesIO(data))), expected)


def test_rotation_of_a_grey_jpeg_and_of_xmp():
    grey = encoded(smooth()[:, :, 0], "JPEG", exif=orientation_exif(6))
    assert read_image(grey).shape == (96, 64, 3)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    assert read_image(encoded(smooth(), "JPEG", xmp=xmp)).shape == (96, 64, 3)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00",
        b"Exif\x00\x00II*\x00",
        b"Exif\x00\x00II*\x00\xff\xff\xff\x7f",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x63\x00\x00",
        # a value that claims to lie far behind the end: Pillow warns about this one
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x1a\x01\x05\x00\x01\x00\x00\x00\x00\xff\x00\x00",
    ],
)
def test_damaged_exif_neither_warns_nor_turns(exif):
    assert read_image(encoded(smooth(), "JPEG", exif=exif)).shape == (64, 96, 3)


# --- what pixels are made of


def test_transparency_is_laid_on_white():
    rgba = noise(channels=4)
    alpha = rgba[:, :, 3:].astype(float) / 255
    expected = np.rint(rgba[:, :, :3] * alpha + 255 * (1 - alpha))
    for source in (encoded(rgba, "PNG"), rgba, Image.fromarray(rgba)):
        np.testing.assert_array_equal(read_image(source), expected)
    premultiplied = read_image(Image.fromarray(rgba).convert("RGBa"))
    assert np.abs(premultiplied - expected)[rgba[:, :, 3] > 128].max() <= 2


def test_grey_with_alpha_and_one_bit():
    la = noise(channels=2)
    alpha = la[:, :, 1].astype(float) / 255
    expected = np.rint(la[:, :, 0] * alpha + 255 * (1 - alpha))[:, :, None].repeat(3, 2)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(la, "LA"), "PNG")), expected)
    bits = noise(channels=0) > 127
    found = read_image(encoded(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(found, (bits * 255)[:, :, None].repeat(3, 2))


def test_palette_with_and_without_transparency():
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    np.testing.assert_array_equal(read_image(encoded(image, "PNG"))[0], np.eye(3) * 255)
    one = read_image(encoded(image, "PNG", transparency=1))[0]
    np.testing.assert_array_equal(one, [[255, 0, 0], [255, 255, 255], [0, 0, 255]])
    graded = read_image(encoded(image, "PNG", transparency=bytes([255, 0, 51])))[0]
    np.testing.assert_array_equal(graded, [[255, 0, 0], [255, 255, 255], [204, 204, 255]])
    gif = read_image(encoded(image, "GIF", transparency=0))[0]
    np.testing.assert_array_equal(gif, [[255, 255, 255], [0, 255, 0], [0, 0, 255]])


def test_a_transparent_colour_of_an_rgb_png():
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    found = read_image(encoded(pixels, "PNG", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(found, [[[255, 255, 255], [4, 5, 6]]])


def test_sixteen_bit_is_scaled_not_cut():
    values = np.array([[0, 1, 128, 129, 257, 32896, 65278, 65534, 65535]], np.uint16)
    expected = np.rint(values / 257)[:, :, None].repeat(3, 2)
    grey = Image.fromarray(values)
    assert grey.mode == "I;16"
    sources = [encoded(grey, "PNG"), encoded(grey, "TIFF"), encoded(grey, "PPM"), grey, values]
    sources.append(Image.frombytes("I;16B", grey.size, values.astype(">u2").tobytes()))
    for source in sources:
        np.testing.assert_array_equal(read_image(source), expected)
    rgb16 = values[:, :, None].repeat(3, 2)
    np.testing.assert_array_equal(read_image(rgb16), expected)


def test_wide_integers_and_floats():
    as_int = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    np.testing.assert_array_equal(read_image(as_int)[0, :, 0], [0, 1, 255])
    for scale in (1.0, 255.0, 65535.0):
        values = np.array([[0, 0.2, 1.0]], np.float32) * scale
        np.testing.assert_array_equal(read_image(Image.fromarray(values))[0, :, 0], [0, 51, 255])
    assert read_image(encoded(Image.fromarray(values), "TIFF"))[0, 1, 0] == 51
    for bad in ([[-1.0, 2.0]], [[0.0, np.nan]], [[0.0, 1e9]]):
        with pytest.raises(ImageError, match=r"32-bit values.*scale it"):
            read_image(Image.fromarray(np.array(bad, np.float32)))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    data = encoded(Image.fromarray(smooth()).convert("CMYK"), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(read_image(data), expected)


def test_other_colour_spaces(monkeypatch):
    image = Image.fromarray(smooth())
    assert np.abs(read_image(image.convert("YCbCr")).astype(int) - smooth()).max() <= 4

    def refuse(self, mode):
        raise ValueError("conversion not supported")  # as Pillow does for some modes

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(ImageError, match=r"colour mode HSV.*save it as RGB"):
        read_image(Image.new("HSV", (2, 2)))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(read_image(data)[4, 4], [255, 0, 0])


def test_arrays_of_all_shapes():
    grey = noise(channels=0)
    tripled = grey[:, :, None].repeat(3, 2)
    np.testing.assert_array_equal(read_image(grey), tripled)
    np.testing.assert_array_equal(read_image(grey[:, :, None]), tripled)
    turned = noise()[::-1, ::2]
    out = read_image(turned)
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, turned)
    frozen = noise()
    frozen.setflags(write=False)
    assert read_image(frozen).flags.writeable


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32; pass uint8 RGB.*\(array \* 255\)"),
        (np.zeros((4, 4, 3), np.int64), "int64; pass uint8 RGB"),
        (np.zeros((4, 4), bool), r"bool.*for a mask: array.astype\('uint8'\) \* 255"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((3, 4, 4, 3), np.uint8), r"shape \(3, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "holds no pixel"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
    ],
)
def test_other_arrays_are_refused_with_the_remedy(array, message):
    with pytest.raises(ImageError, match=message):
        read_image(array)


def test_other_things_are_refused():
    with pytest.raises(ImageError, match="cannot read a picture from int; pass a path"):
        read_image(3)  # type: ignore[arg-type]


# --- bad files


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "empty.jpg").touch()
    cases = {
        tmp_path / "none.jpg": "no such file: .*none.jpg; check the path",
        tmp_path: "is a folder, not a picture; pass the pictures in it",
        tmp_path / "empty.jpg": r"empty.jpg is empty \(0 bytes\); copy or download it again",
        "": "'' is a folder",
        "a\0b": "cannot read",
        "x" * 5000: "cannot read .*name too long",
        "https://example.org/a.jpg": "is a web address; download the picture first",
    }
    if sys.platform != "win32":
        cases["/dev/null"] = "/dev/null is a device"
    for source, message in cases.items():
        with pytest.raises(ImageError, match=message) as caught:
            read_image(source)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(), "PNG"))
    path.chmod(0)
    with pytest.raises(ImageError, match="Permission denied; check the path and its permissions"):
        read_image(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, world", "is not a picture that Saccade reads .JPEG, PNG.*convert it"),
        (b"%PDF-1.4 ...", "is a PDF; turn its pages into PNG"),
        (b"<!doctype html><html>", "is a web page"),
        (b"  <svg xmlns=''>", "is an SVG"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "is HEIC.*convert it to JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "is not a picture"),  # a plugin of Pillow would run a program
    ],
)
def test_what_is_not_a_picture(data, message, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("JPEG2000", {}),
    ],
)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused_by_name(kind, options, part, tmp_path, capfd):
    data = encoded(noise(60, 80), kind, **options)
    path = tmp_path / "holiday.img"
    path.write_bytes(data[: max(24, int(len(data) * part))])
    with pytest.raises(ImageError, match=r"holiday\.img is a truncated or damaged") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_truncated_pillow_picture_is_refused():
    data = encoded(noise(60, 80), "PNG")
    with pytest.raises(ImageError, match="truncated"):
        read_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_a_bomb_is_refused_before_decoding():
    import zlib

    def chunk(name, body):
        crc = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + crc

    def header(width, height):
        body = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", b"")

    with pytest.raises(
        ImageError, match="30000 x 20000 = 600,000,000 pixels, above the limit of 178,000,000"
    ):
        read_image(header(30000, 20000))
    # Below the limit, but above the size at which Pillow warns: only the missing pixels count.
    with pytest.raises(ImageError, match="truncated or damaged PNG"):
        read_image(header(10000, 10000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "JPEG2000"])
def test_the_limit_is_ours_for_every_format(kind, monkeypatch, tmp_path):
    path = tmp_path / "big.img"
    path.write_bytes(encoded(smooth(), kind))
    with pytest.raises(ImageError, match=r"big\.img has 96 x 64 = 6,144 pixels.* 6,143;"):
        read_image(path, max_pixels=6143)
    assert read_image(path, max_pixels=6144).shape == (64, 96, 3)
    with Image.open(path) as opened, pytest.raises(ImageError, match="6,144 pixels"):
        read_image(opened, max_pixels=100)
    # Pillow's own limits have no say: it would warn from 4000 pixels on, and refuse from 8000 on.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    assert read_image(path).shape == (64, 96, 3)


def test_reading_in_threads_leaves_the_warning_filters_alone():
    import warnings

    pictures = [encoded(smooth(40 + i, 50), k) for i in range(8) for k in ("JPEG", "PNG", "TIFF")]
    expected = [read_image(p) for p in pictures]
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(read_image, pictures * 5), expected * 5, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert warnings.filters == before


# --- names and folders


def test_describe_source():
    assert describe_source("a/b.jpg") == "a/b.jpg"
    assert describe_source(Path("a") / "b.jpg") == str(Path("a") / "b.jpg")
    assert describe_source(b"123") == "<3 bytes>"
    assert describe_source(np.zeros((4, 6, 3), np.uint8)) == "<array 6x4>"
    assert describe_source(Image.new("L", (6, 4))) == "<PIL image 6x4>"


def test_messages_use_the_given_name():
    with pytest.raises(ImageError, match=r"^pack.zip:a.jpg is not a picture"):
        read_image(b"nonsense", name="pack.zip:a.jpg")


def test_list_images(tmp_path):
    for name in (
        "b.JPG",
        "a.png",
        "z/c.webp",
        "z/y/d.tif",
        "notes.txt",
        ".hidden.jpg",
        ".git/e.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [p.relative_to(tmp_path).as_posix() for p in list_images([tmp_path])]
    assert found == ["a.png", "b.JPG", "z/c.webp", "z/y/d.tif"]
    given = [tmp_path / "notes.txt", str(tmp_path / "z")]
    assert [p.name for p in list_images(given)] == ["notes.txt", "c.webp", "d.tif"]


def test_list_images_says_what_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match=r"no such file: .*nowhere"):
        list_images([tmp_path / "nowhere"])
    (tmp_path / "readme.txt").touch()
    with pytest.raises(ImageError, match="holds no picture"):
        list_images([tmp_path])

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ImageError, match=r"cannot list the folder .*Permission denied"):
        list_images([tmp_path])
