"""Pictures as the JPEG bytes that a PDF holds."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from saccade.errors import ImageError
from saccade.imaging.orientation import exif_orientation
from saccade.imaging.read import ImageSource, read_image
from saccade.results import Page

__all__ = ["Jpeg", "jpeg_of"]

_LONGEST_SIDE = 65500

# Lossless, hierarchical and arithmetic coding, which PDF does not know; the end of the picture, and
# the pixels, before which the sizes must stand.
_UNFIT = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xD9, 0xDA)


class Jpeg(NamedTuple):
    """A JPEG file.

    Attributes:
        data: Its bytes.
        width: In pixels.
        height: Likewise.
        channels: 1 for grey, 3 for colour.
    """

    data: bytes
    width: int
    height: int
    channels: int


def jpeg_of(source: ImageSource, page: Page, quality: int) -> Jpeg:
    """Give the picture of a page as JPEG.

    The bytes of a JPEG file are taken as they are, without loss, unless a camera held it otherwise
    (EXIF) or it is not 8-bit grey or colour. All else is encoded; grey pictures as grey.

    Raises:
        ImageError: It cannot be read, or is not of the size of the page.
    """
    jpeg = _kept(source) or _encoded(read_image(source, name=page.image), page, quality)
    if (jpeg.width, jpeg.height) != (page.width, page.height):
        raise ImageError(
            f"the picture of {page.image} has {jpeg.width} x {jpeg.height} pixels, but what was "
            f"read has {page.width} x {page.height}; pass the picture that was read"
        )
    return jpeg


def _kept(source: ImageSource) -> Jpeg | None:
    if isinstance(source, (str, os.PathLike)):
        try:
            with Path(source).open("rb") as file:
                start = file.read(2)
                source = start + file.read() if start == b"\xff\xd8" else start
        except (OSError, ValueError):
            return None  # `read_image` finds the words
    return _inspect(source) if isinstance(source, bytes) else None


def _inspect(data: bytes) -> Jpeg | None:
    """Read the header; None where the file is none that a PDF shows as we see it."""
    if data[:2] != b"\xff\xd8" or data.rstrip(b"\0")[-2:] != b"\xff\xd9":
        return None
    at = 2
    try:
        while data[at] == 0xFF:
            marker = data[at + 1]
            if marker == 0xFF:  # fill bytes
                at += 1
                continue
            (length,) = struct.unpack_from(">H", data, at + 2)
            body = data[at + 4 : at + 2 + length]
            if marker == 0xE1 and body.startswith(b"Exif\0\0") and exif_orientation(body) != 1:
                return None
            if marker in (0xC0, 0xC1, 0xC2):
                depth, height, width, channels = struct.unpack_from(">BHHB", body)
                plain = body[6::3] != b"RGB"  # else three channels that are not YCbCr
                fits = depth == 8 and channels in (1, 3) and plain and height and width
                return Jpeg(data, width, height, channels) if fits else None
            if marker in _UNFIT:
                return None
            at += 2 + length
    except (IndexError, struct.error):
        pass
    return None


def _encoded(pixels: np.ndarray, page: Page, quality: int) -> Jpeg:
    height, width = pixels.shape[:2]
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(
            f"{page.image} has {width} x {height} pixels; a PDF takes up to {_LONGEST_SIDE} a "
            "side: make it smaller"
        )
    red, green, blue = cv2.split(pixels)
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    ready = red if grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", ready, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f"cannot encode {page.image} as JPEG; check that it is a picture")
    return Jpeg(data.tobytes(), width, height, 1 if grey else 3)
