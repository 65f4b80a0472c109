"""Any kind of pixel to 8-bit RGB: Pillow modes and NumPy arrays."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from saccade.errors import ImageError

__all__ = ["array_to_rgb", "pillow_to_rgb"]

_HOW = "pass uint8 RGB of shape (height, width, 3)"


def array_to_rgb(array: np.ndarray, name: str) -> np.ndarray:
    """Check an array that a caller handed in as a picture, and bring it to RGB.

    Args:
        array: uint8 or uint16; (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA. uint16 spans
            0..65535.
        name: what messages call it.

    Returns:
        uint8 (H, W, 3), contiguous. A picture that is already so is returned as it is, not copied.

    Raises:
        ImageError: another dtype, another shape, or no pixel at all.
    """
    if array.dtype not in (np.uint8, np.uint16):
        remedy = _HOW
        if array.dtype.kind == "f":
            remedy += ", for values in 0..1: (array * 255).round().astype('uint8')"
        elif array.dtype.kind == "b":
            remedy += ", for a mask: array.astype('uint8') * 255"
        raise ImageError(f"{name} has dtype {array.dtype}; {remedy}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"{name} has shape {array.shape}; {_HOW}, or (H, W) grey, or (H, W, 4) RGBA"
        )
    if array.size == 0:
        raise ImageError(f"{name} has shape {array.shape} and holds no pixel; {_HOW}")
    if array.dtype == np.uint16:
        array = _sixteen_to_eight(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return _on_white(array)
    if array.flags.c_contiguous and array.flags.writeable:
        return array
    return np.array(array, order="C")


def pillow_to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """Bring a loaded Pillow picture of any mode to RGB.

    Transparency is laid on white; 16-bit grey is scaled from 0..65535; a palette is looked up;
    CMYK is converted without colour profiles, as browsers without colour management do. ``I``
    (32-bit) is taken as 16-bit data, ``F`` as 0..1, 0..255 or 0..65535, whichever is the smallest
    range that holds it.

    Args:
        image: a loaded picture.
        name: what messages call it.

    Returns:
        A fresh, writable uint8 array (H, W, 3).

    Raises:
        ImageError: numbers outside those ranges, or a mode without a way to RGB.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return array_to_rgb(np.asarray(image).astype(np.uint16), name)
    if mode in ("I", "F"):
        return array_to_rgb(_wide_to_eight(np.asarray(image), name), name)
    if mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        return _on_white(np.asarray(image if mode == "RGBA" else image.convert("RGBA")))
    if mode == "L":
        return cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2RGB)
    try:
        return np.array(image if mode == "RGB" else image.convert("RGB"))
    except ValueError as error:
        raise ImageError(
            f"{name} has the colour mode {mode}, which has no way to RGB ({error}); "
            "save it as RGB first"
        ) from error


def _sixteen_to_eight(array: np.ndarray) -> np.ndarray:
    """Scale 0..65535 to 0..255, rounded; 65535 = 257 * 255 makes the division exact."""
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _wide_to_eight(array: np.ndarray, name: str) -> np.ndarray:
    """Scale 32-bit integers or floats, whose range no file states, to 0..255."""
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 65535):
        raise ImageError(
            f"{name} has 32-bit values from {low:g} to {high:g}; Saccade reads 0..1, 0..255 and "
            "0..65535: scale it to 8 or 16 bits first"
        )
    if array.dtype.kind != "f" or high > 255:
        return _sixteen_to_eight(np.rint(array).astype(np.uint16))
    return np.rint(array * (255.0 if high <= 1 else 1.0)).astype(np.uint8)


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """Lay uint8 (H, W, 4) straight-alpha RGBA on white; exact rounding of c*a + 255*(1-a)."""
    alpha = rgba[:, :, 3:]
    if alpha.min() == 255:
        return np.array(rgba[:, :, :3], order="C")
    wide = alpha.astype(np.uint16)
    total = rgba[:, :, :3] * wide + 255 * (255 - wide)
    return ((total + 127) // 255).astype(np.uint8)
