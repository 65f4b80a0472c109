"""Which way up a picture is: the EXIF orientation, read without side effects.

Pillow's own EXIF reader warns about damaged metadata through Python's warning filters, which are
global and shared by all threads. One number is needed here, so it is read directly from the bytes.

The eight orientations are those of the EXIF 2.3 standard (tag 0x0112, CIPA DC-008, table 4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

__all__ = ["ORIENTATION_TAG", "apply_orientation", "exif_orientation", "info_orientation"]

ORIENTATION_TAG = 0x0112

_XMP = re.compile(rb"tiff:Orientation(?:=\"|>)\s*([1-8])")


def apply_orientation(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels the way the camera was held.

    Args:
        image: uint8 (H, W, 3).
        orientation: 1 to 8; any other number leaves the picture as it is.

    Returns:
        uint8, contiguous; height and width are swapped for the orientations 5 to 8. The picture
        itself where nothing is to be turned.
    """
    match orientation:  # OpenCV turns several times faster than strided copies of NumPy
        case 2:
            return cv2.flip(image, 1)
        case 3:
            return cv2.rotate(image, cv2.ROTATE_180)
        case 4:
            return cv2.flip(image, 0)
        case 5:
            return cv2.transpose(image)
        case 6:
            return cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            return cv2.transpose(cv2.rotate(image, cv2.ROTATE_180))
        case 8:
            return cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            return image


def exif_orientation(exif: bytes) -> int:
    r"""Read the orientation out of a raw EXIF block.

    Args:
        exif: the block as it lies in the file, with or without the leading ``Exif\0\0``.

    Returns:
        1 to 8; 1 where the tag is absent or the block is damaged.
    """
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    try:
        (start,) = struct.unpack_from(order + "L", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHLH", tiff, start + 2 + 12 * index)
            if tag == ORIENTATION_TAG and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def info_orientation(info: Mapping[Any, Any]) -> int:
    """Find the orientation in what Pillow stored about a picture (``Image.info``).

    Looks into EXIF first, then into the EXIF that ImageMagick writes as PNG text, then into XMP.

    Returns:
        1 to 8; 1 where nothing is said.
    """
    exif = info.get("exif")
    if isinstance(exif, bytes) and (found := exif_orientation(exif)) != 1:
        return found
    profile = info.get("Raw profile type exif")
    if isinstance(profile, str):
        try:
            raw = bytes.fromhex("".join(profile.split("\n")[3:]))
        except ValueError:
            raw = b""
        if (found := exif_orientation(raw)) != 1:
            return found
    if isinstance(exif, bytes) and exif:
        return 1
    for key in ("xmp", "XML:com.adobe.xmp"):
        xmp = info.get(key)
        if isinstance(xmp, str):
            xmp = xmp.encode("utf-8", "ignore")
        if isinstance(xmp, bytes) and (hit := _XMP.search(xmp)):
            return int(hit.group(1))
    return 1
