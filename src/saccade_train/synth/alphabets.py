"""The characters that a recogniser knows, and the files that list them.

A dictionary file is PaddleOCR's: UTF-8, one character a line, only the line break removed, so that
a line may hold a blank.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from saccade.errors import DatasetError

__all__ = ["ASCII", "DIGITS", "LATIN", "fit_to_alphabet", "read_alphabet", "write_alphabet"]

DIGITS = "0123456789"

ASCII = "".join(chr(code) for code in range(0x20, 0x7F))
"""The 95 printable ones, blank first."""

LATIN = (
    ASCII
    + "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœ"
    + "¡¿«»‘’“”„–—"
    + "€£°§©®•"
)
"""Western Latin script: ASCII, accents, quotes, dashes, and the signs of shops and offices.

Left out on purpose is what print can't tell from something inside: the ellipsis (three full stops),
the middle dot, the low single quote (a comma), the ordinal o (a degree sign).
"""

# What stands for a character that an alphabet lacks. Others lose their accent, or fall out.
_STAND_INS = {
    "…": "...",
    "‚": ",",
    "‹": "<",
    "›": ">",
    "‐": "-",
    "‑": "-",
    "−": "-",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "º": "°",
    "×": "x",
    "Œ": "OE",
    "œ": "oe",
    "Æ": "AE",
    "æ": "ae",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "·": ".",
    "•": "*",
}
_LARGEST_FILE = 4_000_000


def read_alphabet(path: Path) -> str:
    """Read a dictionary file.

    Returns:
        The characters in the order of the file.

    Raises:
        DatasetError: The file can't be read or isn't text; a line holds more than one character;
            a character comes twice; there is none.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise DatasetError(f"alphabet {path}: too large for one character a line")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(
            f"alphabet {path}: cannot be read ({error.strerror or error})"
        ) from error
    except UnicodeDecodeError:
        raise DatasetError(f"alphabet {path}: is not text in UTF-8") from None
    lines = text.replace("\r\n", "\n").split("\n")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if len(line) > 1:
            raise DatasetError(
                f"alphabet {path} line {number}: {line[:20]!r} is not one character; "
                "give one character a line"
            )
        if line in seen:
            raise DatasetError(
                f"alphabet {path} line {number}: {line!r} is already on line {seen[line]}"
            )
        if line != " " and not line.isprintable():
            raise DatasetError(f"alphabet {path} line {number}: {line!r} cannot be printed")
        seen[line] = number
    if not seen:
        raise DatasetError(f"alphabet {path}: no character; give one character a line")
    return "".join(seen)


def write_alphabet(path: Path, alphabet: str) -> None:
    """Write a dictionary file that `read_alphabet` reads back."""
    path.write_text("".join(f"{character}\n" for character in alphabet), encoding="utf-8")


def fit_to_alphabet(text: str, alphabet: frozenset[str]) -> str:
    """Write a text with the characters of an alphabet.

    What the alphabet lacks is replaced by what looks like it, loses its accent, changes case, or
    falls out; blanks are never doubled.

    Example:
        >>> fit_to_alphabet("Œuvre—naïve", frozenset(ASCII))
        'OEuvre-naive'
    """
    if alphabet.issuperset(text) and "  " not in text:
        return text.strip()
    pieces = []
    for character in unicodedata.normalize("NFC", text):
        if character in alphabet:
            pieces.append(character)
            continue
        if character.isspace():
            pieces.append(" ")
            continue
        plain = _STAND_INS.get(character) or unicodedata.normalize("NFKD", character)[0]
        for form in (plain, plain.lower(), plain.upper()):
            if alphabet.issuperset(form):
                pieces.append(form)
                break
    fitted = "".join(pieces)
    return " ".join(fitted.split()) if " " in alphabet else fitted.replace(" ", "")
