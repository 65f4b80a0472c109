"""The bytes of a picture file to RGB pixels, quietly and within a limit.

Pillow reads the header of every format; the size is checked before a pixel is decoded. Pillow
speaks through Python's warnings in some places (large pictures, damaged metadata, odd animations).
Silencing them would mean to change the filters of the whole process, which races between threads;
therefore the plugins are called without the parts that warn:

* a format is recognised here by its first bytes, and its plugin is called directly, without the
  size warning of ``Image.open`` and without plugins that run other programs (EPS);
* JPEG: no resolution is looked for in EXIF, no multi-picture index is read;
* PNG: animation chunks are left out; the default picture remains;
* TIFF: the tags that do not describe pixels are left out.
"""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
from PIL import Image, ImageFile, TiffTags
from PIL.JpegImagePlugin import JpegImageFile

from saccade.errors import ImageError
from saccade.imaging.orientation import (
    ORIENTATION_TAG,
    apply_orientation,
    info_orientation,
)
from saccade.imaging.pixels import pillow_to_rgb

__all__ = ["check_size", "decode", "header_size", "sniff"]

_KNOWN = "JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, JPEG 2000, AVIF"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
)

# What is met in folders of pictures without being one, and what to do about it.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "is a PDF; turn its pages into PNG first"),
    (b"PK\x03\x04", "is a ZIP archive; unpack it first"),
    (b"<svg", "is an SVG drawing; render it to PNG first"),
    (b"<?xml", "is an XML or SVG text; render it to PNG first"),
    (b"<!DOCTYPE", "is a web page, not a picture; download the picture itself"),
    (b"<html", "is a web page, not a picture; download the picture itself"),
    (b"version https://git-lfs", "is a Git LFS pointer; run: git lfs pull"),
)

# Baseline, extension and old-style JPEG tags of TIFF 6.0 that say how pixels are stored.
_PIXEL_TAGS = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325}
    | {332, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)
_PHOTOMETRIC = 262
_TIFF_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    16: 8,
    17: 8,
}


class _QuietJpeg(JpegImageFile):
    """A JPEG whose EXIF block stays unread: Pillow warns about a damaged one."""

    def _read_dpi_from_exif(self) -> None:
        return None


def sniff(data: bytes) -> str | None:
    """Recognise a picture format by its first bytes; None for anything else."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if (
        data[:1] == b"P"
        and data[1:2] in tuple(bytes([c]) for c in b"123456fy")
        and data[2:3].isspace()
    ):
        return "PNM"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        return "AVIF"
    return None


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Refuse a picture that would take too much memory once decoded.

    Raises:
        ImageError: more than ``max_pixels`` pixels, or none.
    """
    if width <= 0 or height <= 0:
        raise ImageError(
            f"{name} says it is {width} x {height} pixels; it is damaged: copy or download it again"
        )
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} = {width * height:,} pixels, above the limit of "
            f"{max_pixels:,}; make it smaller, or raise max_pixels if you trust it"
        )


def decode(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode the bytes of a picture file.

    Ordinary JPEG (grey or three colours) is decoded by OpenCV: it carries the same libjpeg-turbo
    as Pillow and gives the same pixels without Pillow's copies, 2 to 5 times faster from 32 x 32 to
    12 megapixels (benchmarks/read_jpeg.py). Its own handling of EXIF is off; orientation is applied
    here for every format. Whatever OpenCV declines, truncated files among it, goes to Pillow, which
    says what is wrong. One thing is lost: for a JPEG with damaged data that still decodes, the
    libjpeg inside OpenCV prints a remark of its own on stderr. Such damage lies in the Huffman
    codes; a walk over the markers does not see it, only a second decoding would.

    Args:
        data: the whole file.
        name: what messages call it.
        max_pixels: refuse more than this before decoding.

    Returns:
        uint8 (H, W, 3), RGB, the right way up, writable.

    Raises:
        ImageError: not a picture, too large, truncated or damaged.
    """
    kind = sniff(data)
    if kind is None:
        raise ImageError(f"{name} {_what_else(data)}")
    try:
        image, orientation = _open(kind, data)
        check_size(*image.size, max_pixels, name)
        pixels = _jpeg_by_opencv(data, image) if kind == "JPEG" else None
        if pixels is None:
            _load(image)
            pixels = pillow_to_rgb(image, name)
        return apply_orientation(pixels, orientation)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} does not fit in memory once decoded; make it smaller") from error
    except Exception as error:  # Pillow's plugins raise a dozen kinds for damaged files
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{name} is a truncated or damaged {kind} ({detail}); copy or download it again"
        ) from error


def header_size(data: bytes, name: str) -> tuple[int, int]:
    """Tell how large `decode` will make a picture, from its header alone.

    Args:
        data: the file, or enough of its beginning to hold the header.
        name: what messages call it.

    Returns:
        (height, width) the right way up.

    Raises:
        ImageError: not a picture, or a header that is cut off or damaged.
    """
    kind = sniff(data)
    if kind is None:
        raise ImageError(f"{name} {_what_else(data)}")
    try:
        image, orientation = _open(kind, data)
        width, height = image.size
    except MemoryError as error:
        raise ImageError(f"{name} does not fit in memory once decoded; make it smaller") from error
    except Exception as error:  # Pillow's plugins raise a dozen kinds for damaged files
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{name} is a truncated or damaged {kind} ({detail}); copy or download it again"
        ) from error
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _what_else(data: bytes) -> str:
    if not data:
        return "is empty (0 bytes); copy or download it again"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis"):
        return "is HEIC, which Saccade does not read; convert it to JPEG or PNG"
    head = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, remark in _FOREIGN:
        if head.startswith(signature.lower()):
            return remark
    return f"is not a picture that Saccade reads ({_KNOWN}); convert it to JPEG or PNG"


def _open(kind: str, data: bytes) -> tuple[ImageFile.ImageFile, int]:
    """Read a header. The plugins are imported here, so that a JPEG does not wait for all of them.

    Returns:
        The picture, not yet decoded, and its orientation.
    """
    match kind:
        case "JPEG":
            image: ImageFile.ImageFile = _QuietJpeg(io.BytesIO(data))
        case "PNG":
            from PIL.PngImagePlugin import PngImageFile

            image = PngImageFile(io.BytesIO(_without_animation(data)))
        case "GIF":
            from PIL.GifImagePlugin import GifImageFile

            image = GifImageFile(io.BytesIO(data))
        case "BMP":
            from PIL.BmpImagePlugin import BmpImageFile

            image = BmpImageFile(io.BytesIO(data))
        case "TIFF":
            from PIL.TiffImagePlugin import TiffImageFile

            stripped, orientation = _pixel_tags_only(data)
            return TiffImageFile(io.BytesIO(stripped)), orientation
        case "JPEG 2000":
            from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

            image = Jpeg2KImageFile(io.BytesIO(data))
        case "WebP":
            from PIL.WebPImagePlugin import WebPImageFile

            image = WebPImageFile(io.BytesIO(data))
        case "AVIF":
            from PIL.AvifImagePlugin import AvifImageFile

            image = AvifImageFile(io.BytesIO(data))
        case _:
            from PIL.PpmImagePlugin import PpmImageFile

            image = PpmImageFile(io.BytesIO(data))
    return image, info_orientation(image.info)


def _load(image: ImageFile.ImageFile) -> None:
    if image.format == "TIFF" and getattr(image, "_im", None) is None:
        # The plugin checks the size again (and warns) where it allocates; allocate before it.
        image.im = Image.core.new(  # type: ignore[attr-defined]
            image.mode, getattr(image, "_tile_size", image.size)
        )
    image.load()


def _jpeg_by_opencv(data: bytes, image: ImageFile.ImageFile) -> np.ndarray | None:
    if image.mode not in ("L", "RGB"):  # CMYK needs Pillow's Adobe conventions
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if pixels is None or pixels.shape[1::-1] != image.size:
        return None
    return np.asarray(pixels, np.uint8)


def _without_animation(data: bytes) -> bytes:
    """Leave out the chunks of an animated PNG; what remains is its default picture."""
    if data.find(b"acTL") < 0:
        return data
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if data[at + 4 : at + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _pixel_tags_only(data: bytes) -> tuple[bytes, int]:
    """Give a TIFF a new first directory with only the tags that describe pixels.

    Private, geographic and EXIF tags of real files make Pillow warn; none is needed. Further
    pictures of the file are unlinked.

    Returns:
        The file with the new directory at its end, and the orientation (1 to 8).
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] == b"+\x00"  # Pillow knows BigTIFF in this byte order only
    head, entry = ("Q", "HHQ8s") if big else ("L", "HHL4s")
    inline = 8 if big else 4
    (start,) = struct.unpack_from(order + head, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    start += 8 if big else 2
    if count > 4096:
        raise ValueError(f"its directory counts {count} entries")
    width = struct.calcsize(order + entry)
    kept, orientation, used = [], 1, 0
    for index in range(count):
        tag, kind, number, value = struct.unpack_from(order + entry, data, start + width * index)
        if tag == ORIENTATION_TAG and kind == 3:
            (orientation,) = struct.unpack(order + "H", value[:2])
        if tag not in _PIXEL_TAGS or kind not in _TIFF_SIZES or number == 0:
            continue
        single = TiffTags.lookup(tag).length == 1 and kind not in (1, 2, 7)  # bytes and texts
        if single and number != 1 and tag != _PHOTOMETRIC:
            continue
        size = number * _TIFF_SIZES[kind]
        if size > inline:
            (offset,) = struct.unpack(order + head, value)
            used += size
            if offset + size > len(data) or used > len(data):
                raise ValueError(f"the values of tag {tag} lie beyond its end")
        kept.append(struct.pack(order + entry, tag, kind, number, value))
    padded = data + b"\x00" * (-len(data) % 8)
    directory = struct.pack(order + ("Q" if big else "H"), len(kept))
    directory += b"".join(kept) + struct.pack(order + head, 0)
    at = 8 if big else 4
    where = struct.pack(order + head, len(padded))
    return padded[:at] + where + padded[at + len(where) :] + directory, orientation
