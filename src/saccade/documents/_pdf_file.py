"""The outer form of a PDF: numbered objects, and a table of their places (ISO 32000-1, 7.5)."""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO

__all__ = ["PdfFile", "number", "text_string"]


class PdfFile:
    """Writes objects one after the other; nothing but their places is kept in memory.

    Args:
        file: Open for writing bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._places: list[int] = []
        self._hash = hashlib.sha256()
        # Four bytes above 127 tell transfer programs that this is no text.
        self._write(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")

    def reserve(self) -> int:
        """Give a number for an object that is written later."""
        self._places.append(0)
        return len(self._places)

    def add(self, body: str, *, into: int | None = None) -> int:
        """Write an object and give its number: a new one, or one that was reserved."""
        return self._object(body.encode("ascii"), into)

    def add_stream(
        self, data: bytes, entries: str = "", *, pack: bool = True, into: int | None = None
    ) -> int:
        """Write a stream: bytes, and a dictionary that tells what they are.

        Args:
            data: The bytes.
            entries: What the dictionary says besides the length.
            pack: Compress; not what is compressed already.
            into: A reserved number.
        """
        if pack:
            data, entries = zlib.compress(data), f"{entries} /Filter /FlateDecode"
        head = f"<<{entries} /Length {len(data)}>>\nstream\n".encode("ascii")
        return self._object(head + data + b"\nendstream", into)

    def finish(self, root: int, info: int) -> None:
        """Write the table and the trailer."""
        start = self._at
        rows = "".join(f"{place:010} 00000 n \n" for place in self._places)
        self._write(f"xref\n0 {len(self._places) + 1}\n0000000000 65535 f \n{rows}".encode("ascii"))
        name = self._hash.hexdigest()[:32]
        self._write(
            f"trailer\n<</Size {len(self._places) + 1} /Root {root} 0 R /Info {info} 0 R "
            f"/ID [<{name}> <{name}>]>>\nstartxref\n{start}\n%%EOF\n".encode("ascii")
        )

    def _object(self, body: bytes, into: int | None) -> int:
        identity = into or self.reserve()
        self._places[identity - 1] = self._at
        self._write(b"%d 0 obj\n" % identity + body + b"\nendobj\n")
        return identity

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._at += len(data)


def number(value: float) -> str:
    """A real number as PDF takes it: no exponent, four digits after the point at most."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def text_string(text: str) -> str:
    """A text of the metadata, in any script."""
    return f"<FEFF{text.encode('utf-16-be', 'replace').hex().upper()}>"
