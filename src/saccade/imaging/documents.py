"""Documents: files of several pages. PDF through pypdfium2 (an extra), TIFF of several frames.

A picture is a document of one page, so that one way leads through all of them. A page is decoded
when it is asked for, one at a time.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from saccade.errors import ImageError, MissingExtra, OptionError
from saccade.imaging.decode import decode, sniff
from saccade.imaging.read import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    ImageSource,
    describe_source,
    read_image,
)

__all__ = ["DOCUMENT_SUFFIXES", "DPI", "Document", "open_document"]

DPI = 200
"""Dots an inch at which PDF pages are rendered: ordinary print comes out 25 to 30 pixels high."""

DOCUMENT_SUFFIXES = IMAGE_SUFFIXES | {".pdf"}
"""The endings, in lower case, that count when a folder of documents is listed."""

_MAX_PAGE_PIXELS = 40_000_000
_HEAD = 1024  # a PDF may begin with so many bytes of something else
_NO_PASSWORD = 4  # FPDF_ERR_PASSWORD
_MAX_FRAMES = 10_000

# PDFium keeps global state; calls from two threads corrupt it.
_pdfium = threading.Lock()


class Document(Protocol):
    """Pages that are decoded one at a time. Any number of threads may share one."""

    @property
    def name(self) -> str:
        """Name of the file, for messages and results."""

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""

    def read(self, number: int) -> np.ndarray:
        """Decode a page.

        Args:
            number: From 1.

        Returns:
            uint8 RGB ``(H, W, 3)``.

        Raises:
            ImageError: The page is damaged.
            OptionError: There is no such page.
        """

    def close(self) -> None:
        """Let go of the file."""


def open_document(
    source: ImageSource, *, dpi: float = DPI, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Document:
    """Open a picture, a TIFF or a PDF.

    Args:
        source: As for :func:`saccade.imaging.read.read_image`; a path or bytes may be a PDF.
        dpi: At which PDF pages are rendered; very large pages are rendered coarser.
        max_pixels: As for ``read_image``.
        name: What messages call it.

    Raises:
        ImageError: Missing, or a PDF that is encrypted or damaged. Pictures are only decoded, and
            complained about, when they are read.
        MissingExtra: A PDF without pypdfium2.
    """
    name = name or describe_source(source)
    head = _head(source)
    if b"%PDF" in head:
        return _Pdf(source, name, dpi)
    if sniff(head) == "TIFF":
        data = Path(source).read_bytes() if _is_path(source) else bytes(source)  # type: ignore[arg-type]
        frames = _frames(data)
        if len(frames) > 1:
            return _Tiff(data, frames, name, max_pixels)
    if (
        not head
        and isinstance(source, (str, os.PathLike))
        and os.fspath(source).lower().endswith(".pdf")
        and Path(source).is_file()
    ):
        raise ImageError(f"{name} is empty (0 bytes); copy or download it again")
    return _Picture(name, lambda: read_image(source, max_pixels=max_pixels, name=name))


class _Picture:
    pages = 1

    def __init__(self, name: str, read: Callable[[], np.ndarray]) -> None:
        self.name = name
        self._read = read

    def read(self, number: int) -> np.ndarray:
        _check_number(self, number)
        return self._read()

    def close(self) -> None:
        pass


class _Tiff:
    def __init__(self, data: bytes, frames: list[int], name: str, max_pixels: int) -> None:
        self.name = name
        self.pages = len(frames)
        self._data = data
        self._frames = frames
        self._max_pixels = max_pixels

    def read(self, number: int) -> np.ndarray:
        _check_number(self, number)
        order, size, head = _layout(self._data)
        # With its directory as the first one, a frame is a TIFF of its own.
        at = struct.pack(order + size, self._frames[number - 1])
        data = self._data[:head] + at + self._data[head + len(at) :]
        return decode(data, f"{self.name} (frame {number})", self._max_pixels)

    def close(self) -> None:
        pass


class _Pdf:
    def __init__(self, source: Any, name: str, dpi: float) -> None:
        if not 10 <= dpi <= 1200:
            raise OptionError(f"dpi is {dpi!r}, expected 10 to 1200")
        try:
            import pypdfium2
        except ImportError as error:
            raise MissingExtra("pypdfium2", "pdf", f"{name} is a PDF; reading it") from error
        self.name = name
        self._dpi = dpi
        self._error = pypdfium2.PdfiumError
        try:
            data = Path(source) if _is_path(source) else bytes(source)
            with _pdfium:
                self._document = pypdfium2.PdfDocument(data)
                self.pages = len(self._document)
        except pypdfium2.PdfiumError as error:
            raise ImageError(f"{name} {_why(error)}") from error
        except OSError as error:
            raise ImageError(f"cannot read {name}: {error.strerror or error}") from error
        if self.pages == 0:
            self.close()
            raise ImageError(f"{name} is a PDF without pages; copy or download it again")

    def read(self, number: int) -> np.ndarray:
        _check_number(self, number)
        try:
            with _pdfium:
                page = self._document[number - 1]
                try:
                    return self._render(page, number)
                finally:
                    page.close()
        except self._error as error:
            raise ImageError(
                f"{self.name}, page {number}, is damaged ({error}); copy or download it again"
            ) from error

    def close(self) -> None:
        with _pdfium:
            self._document.close()

    def _render(self, page: Any, number: int) -> np.ndarray:
        width, height = page.get_size()
        if not (width > 0 and height > 0):
            raise ImageError(
                f"{self.name}, page {number}, says it is {width} x {height} points; it is damaged"
            )
        scale = min(self._dpi / 72, (_MAX_PAGE_PIXELS / (width * height)) ** 0.5)
        bitmap = page.render(scale=scale, rev_byteorder=True)
        try:
            pixels = bitmap.to_numpy()
            if pixels.ndim == 2 or pixels.shape[2] == 1:
                pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
            return np.array(pixels[..., :3], np.uint8)  # a copy: the bitmap goes
        finally:
            bitmap.close()


def _check_number(document: Document, number: int) -> None:
    if not 1 <= number <= document.pages:
        raise OptionError(f"page {number} of {document.name}, which has {document.pages}")


def _why(error: Exception) -> str:
    if getattr(error, "err_code", None) == _NO_PASSWORD or "password" in str(error).lower():
        return "is a PDF that needs a password; save it without one"
    return f"is a damaged PDF ({' '.join(str(error).split())}); copy or download it again"


def _is_path(source: object) -> bool:
    return isinstance(source, (str, os.PathLike))


def _head(source: ImageSource) -> bytes:
    """The first bytes of a file; none for other things, and where reading it will fail anyway."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source[:_HEAD])
    if not isinstance(source, (str, os.PathLike)):
        return b""
    try:
        path = Path(source)
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


def _layout(data: bytes) -> tuple[str, str, int]:
    """Byte order, form of an offset, and where the offset of the first directory stands."""
    order = "<" if data[:2] == b"II" else ">"
    return (order, "Q", 8) if data[2:4] in (b"+\x00", b"\x00+") else (order, "L", 4)


def _frames(data: bytes) -> list[int]:
    """Offsets of the directories of a TIFF, without those of thumbnails.

    A chain that is broken ends there; the decoder complains about a broken frame.
    """
    order, size, head = _layout(data)
    wide = size == "Q"
    count_form, entry, offset_size = (order + "Q", 20, 8) if wide else (order + "H", 12, 4)
    found: list[int] = []
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + size, data, head)
        while at and at not in seen and len(seen) < _MAX_FRAMES:
            seen.add(at)
            (count,) = struct.unpack_from(count_form, data, at)
            first = at + struct.calcsize(count_form)
            (after,) = struct.unpack_from(order + size, data, first + entry * count)
            if not found or not _is_thumbnail(data, order, first, entry, count, offset_size):
                found.append(at)
            at = after
    except struct.error:
        pass
    return found


def _is_thumbnail(
    data: bytes, order: str, first: int, entry: int, count: int, offset_size: int
) -> bool:
    """Whether a directory says, in tag 254, that it is a smaller copy of another picture."""
    for index in range(min(count, 4096)):
        place = first + entry * index
        (tag,) = struct.unpack_from(order + "H", data, place)
        if tag == 254:
            (value,) = struct.unpack_from(order + "L", data, place + entry - offset_size)
            return bool(value & 1)
    return False
