"""One reader for every way to hand over a picture.

>>> import numpy as np
>>> read_image(np.zeros((4, 6), np.uint8)).shape
(4, 6, 3)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from saccade.errors import ImageError
from saccade.imaging.decode import check_size, decode
from saccade.imaging.orientation import apply_orientation, info_orientation
from saccade.imaging.pixels import array_to_rgb, pillow_to_rgb

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ImageSource",
    "describe_source",
    "list_images",
    "read_image",
]

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | np.ndarray"

MAX_PIXELS = 178_000_000
"""Pictures above this are refused before decoding (half a gigabyte of RGB)."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif"}
)
"""The endings, in lower case, that count as pictures when a folder is listed."""


def read_image(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> np.ndarray:
    """Read a picture as RGB, the right way up.

    EXIF rotation is applied; transparency is laid on white; palette, CMYK, grey, 1-bit and 16-bit
    pictures come out as 8-bit RGB; of an animation the first frame is taken. Colour profiles are
    not applied. Safe to call from several threads.

    Args:
        source: a path; the bytes of a picture file; a Pillow picture; or an array, uint8 or
            uint16, of shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.
        max_pixels: refuse larger pictures before decoding (arrays are already decoded).
        name: what error messages call the picture; by default `describe_source(source)`.

    Returns:
        uint8 (H, W, 3). Contiguous and writable. An array that is already so is returned as it is.

    Raises:
        ImageError: missing, empty, not a picture, truncated, too large, or an array of another
            kind.
    """
    name = name or describe_source(source)
    if isinstance(source, np.ndarray):
        return array_to_rgb(source, name)
    if isinstance(source, Image.Image):
        return _read_pillow(source, max_pixels, name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(bytes(source), name, max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return decode(_read_file(source, name), name, max_pixels)
    raise ImageError(
        f"cannot read a picture from {type(source).__name__}; pass a path, the bytes of a picture "
        "file, a PIL image, or an RGB uint8 array of shape (height, width, 3)"
    )


def describe_source(source: ImageSource) -> str:
    """Name a source for messages and for the key ``image`` of JSON results.

    Returns:
        The path as it was given; for things without a path, what they are in angle brackets.
    """
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source) or "''"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{len(source)} bytes>"
    if isinstance(source, Image.Image):
        path = getattr(source, "filename", "")
        return os.fsdecode(path) if path else f"<PIL image {source.width}x{source.height}>"
    if isinstance(source, np.ndarray):
        if source.ndim >= 2:
            return f"<array {source.shape[1]}x{source.shape[0]}>"
        return f"<array of shape {source.shape}>"
    return f"<{type(source).__name__}>"


def list_images(
    paths: Iterable[str | os.PathLike[str]], suffixes: Container[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """Expand folders to the pictures below them.

    Files are kept as they are, whatever their ending. A folder gives all pictures below it, sorted
    by path, without hidden files and folders. The order of the arguments is kept.

    Args:
        paths: files and folders.
        suffixes: the endings, in lower case, that count in a folder.

    Raises:
        ImageError: a path that does not exist, a folder that cannot be read, or one without
            pictures.
    """
    found: list[Path] = []
    for given in paths:
        path = Path(given)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            raise ImageError(_no_file(os.fsdecode(given), error)) from error
        if not stat.S_ISDIR(mode):
            found.append(path)
            continue
        below = _walk(path, suffixes)
        if not below:
            raise ImageError(
                f"{path} holds no picture; expected files ending in .jpg, .png, .webp, .bmp, "
                ".tif or alike"
            )
        found.extend(below)
    return found


def _walk(folder: Path, suffixes: Container[str]) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(
            f"cannot list the folder {error.filename}: {error.strerror}; check its permissions"
        ) from error

    found = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122
        ]
    return sorted(found)


def _read_pillow(source: Image.Image, max_pixels: int, name: str) -> np.ndarray:
    check_size(*source.size, max_pixels, name)
    try:
        source.load()
        return apply_orientation(pillow_to_rgb(source, name), info_orientation(source.info))
    except ImageError:
        raise
    except Exception as error:  # Pillow decodes late, and raises a dozen kinds for damaged files
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{name} is truncated or damaged ({detail}); copy or download it again"
        ) from error


def _read_file(source: str | os.PathLike[str], name: str) -> bytes:
    try:
        path = Path(source)
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode)):
            raise ImageError(f"{name} is a device, not a file; pass the path of a picture")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(_no_file(name, error)) from error


def _no_file(name: str, error: OSError | ValueError) -> str:
    if name.startswith(("http://", "https://")):
        return f"{name} is a web address; download the picture first and pass its path"
    if isinstance(error, FileNotFoundError):
        return f"no such file: {name}; check the path"
    if isinstance(error, IsADirectoryError):
        return f"{name} is a folder, not a picture; pass the pictures in it"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot read {name}: {error.strerror}; check the path and its permissions"
    return f"cannot read {name!r}: {error}; check the path"
