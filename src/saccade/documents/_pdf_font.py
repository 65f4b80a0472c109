"""A font without shapes, for text that is searched and copied but not seen.

Tesseract's idea: every character has the same blank glyph, as wide as half its size, and a table
says which Unicode text it stands for. Codes are given out as characters come up, so any text fits,
also outside the basic plane (ISO 32000-1, 9.7 and 9.10).
"""

from __future__ import annotations

import struct

from saccade.documents._pdf_file import PdfFile

__all__ = ["ASCENT", "GLYPH_WIDTH", "GlyphlessFont"]

GLYPH_WIDTH = 0.5
"""Width of every glyph, in sizes of the font."""

ASCENT = 0.8
"""Height above the baseline, in sizes of the font; what is left of 1 lies below."""

_UNITS = 1000
_FAMILY = "SaccadeGlyphless"
_LAST_CODE = 0xFFFF
_REPLACEMENT = "\ufffd"


class GlyphlessFont:
    """Gives a code to each character, and writes the font that belongs to the codes.

    Args:
        file: Where the font is written in the end.
    """

    def __init__(self, file: PdfFile) -> None:
        self.identity = file.reserve()
        self._codes: dict[str, int] = {_REPLACEMENT: 1}

    def encode(self, text: str) -> str:
        """A text as codes, in hexadecimal digits."""
        return "".join(f"{self._code(character):04X}" for character in text)

    def _code(self, character: str) -> int:
        code = self._codes.get(character)
        if code is None:
            if len(self._codes) == _LAST_CODE:  # more characters than any script has
                return self._codes[_REPLACEMENT]
            code = self._codes[character] = len(self._codes) + 1
        return code

    def write(self, file: PdfFile) -> None:
        """Write the font; no text may be encoded after."""
        program = _truetype()
        stream = file.add_stream(program, f" /Length1 {len(program)}")
        below = round((ASCENT - 1) * _UNITS)
        descriptor = file.add(
            f"<</Type /FontDescriptor /FontName /{_FAMILY} /Flags 5 /ItalicAngle 0 "
            f"/FontBBox [0 {below} {_glyph_width()} {round(ASCENT * _UNITS)}] "
            f"/Ascent {round(ASCENT * _UNITS)} /Descent {below} /CapHeight 700 /StemV 80 "
            f"/FontFile2 {stream} 0 R>>"
        )
        # All codes show glyph 1.
        glyphs = file.add_stream(b"\0\0" + b"\0\1" * len(self._codes))
        descendant = file.add(
            f"<</Type /Font /Subtype /CIDFontType2 /BaseFont /{_FAMILY} /CIDSystemInfo "
            f"<</Registry (Adobe) /Ordering (Identity) /Supplement 0>> /DW {_glyph_width()} "
            f"/FontDescriptor {descriptor} 0 R /CIDToGIDMap {glyphs} 0 R>>"
        )
        unicode = file.add_stream(self._to_unicode().encode("ascii"))
        file.add(
            f"<</Type /Font /Subtype /Type0 /BaseFont /{_FAMILY} /Encoding /Identity-H "
            f"/DescendantFonts [{descendant} 0 R] /ToUnicode {unicode} 0 R>>",
            into=self.identity,
        )

    def _to_unicode(self) -> str:
        """The table from codes to text (Adobe Technical Note 5411)."""
        rows = [
            f"<{code:04X}> <{character.encode('utf-16-be').hex().upper()}>"
            for character, code in self._codes.items()
        ]
        parts = [rows[start : start + 100] for start in range(0, len(rows), 100)]
        tables = "".join(
            f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in parts
        )
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
            f"{tables}endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        )


def _glyph_width() -> int:
    return round(GLYPH_WIDTH * _UNITS)


def _truetype() -> bytes:
    """A TrueType program of two blank glyphs, with the tables that a PDF asks for (9.9).

    Their outline is a diagonal, there and back: it has no area, but bounds. PDFium leaves out
    letters without bounds.
    """
    above, below, width = round(ASCENT * _UNITS), round((ASCENT - 1) * _UNITS), _glyph_width()
    box = (0, below, width, above)
    steps = (0, width, below, above - below)  # x of both points, then y, each from the one before
    glyph = struct.pack(">5hHHBB4h", 1, *box, 1, 0, 1, 1, *steps)
    ends = (0, len(glyph) // 2, len(glyph))  # in units of two bytes
    head = struct.pack(
        ">IIIIHHqqhhhhHHhhh",
        *(0x00010000, 0x00010000, 0, 0x5F0F3CF5, 0, _UNITS, 0, 0),
        *(*box, 0, 8, 2, 0, 0),
    )
    tables = {
        b"glyf": 2 * glyph,
        b"head": head,
        b"hhea": struct.pack(">IhhhH11hH", 0x00010000, above, below, 0, width, *[0] * 11, 2),
        b"hmtx": struct.pack(">HhHh", width, 0, width, 0),
        b"loca": struct.pack(">3H", *ends),
        b"maxp": struct.pack(">IH13H", 0x00010000, 2, 2, 1, 0, 0, 1, *[0] * 8),
    }
    at = 12 + 16 * len(tables)
    directory, bodies = struct.pack(">IHHHH", 0x00010000, len(tables), 64, 2, 32), b""
    for tag, body in tables.items():
        padded = body + bytes(-len(body) % 4)
        directory += struct.pack(">4sIII", tag, _checksum(padded), at + len(bodies), len(body))
        bodies += padded
    # The font as a whole must sum up to a constant; the field for it was 0 until here.
    adjust = (0xB1B0AFBA - _checksum(directory + bodies)) & 0xFFFFFFFF
    start = bodies.index(head) + 8
    return directory + bodies[:start] + struct.pack(">I", adjust) + bodies[start + 4 :]


def _checksum(data: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f">{len(data) // 4}I", data)
    return sum(words) & 0xFFFFFFFF
