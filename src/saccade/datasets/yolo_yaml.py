"""The file ``data.yaml`` of YOLO datasets: the small part of YAML that it uses, read safely.

PyYAML belongs to the workshop, not to the runtime, and a few keys of text and lists don't need it.
Read are ``key: value`` at the top, lists and maps of plain or quoted words, on one line in brackets
or one entry a line. Anything else under a key makes that key unknown, no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from saccade.errors import DatasetError

__all__ = ["class_names", "format_names", "parse_data_yaml"]

_MOST_CLASSES = 100_000
_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s:'"\[\]{},#][^:]*?)\s*:(?:\s+(.*)|)""", re.S)
_BREAKS = {"[": "]", "{": "}"}


def parse_data_yaml(text: str) -> dict[str, Any]:
    """Read the keys at the top of a ``data.yaml``.

    Returns:
        str, list of str, or dict of str to str by key; None where the value is of another kind.
    """
    found: dict[str, Any] = {}
    lines = [line for line in map(_uncomment, text.splitlines()) if line.strip()]
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        match = _KEY.fullmatch(line.rstrip())
        if line[0] in " \t-" or match is None:
            continue
        key, rest = _scalar(match[1]), (match[2] or "").strip()
        below = []
        while at < len(lines) and (lines[at][0] in " \t" or lines[at].startswith(("- ", "]", "}"))):
            below.append(lines[at])
            at += 1
        if rest[:1] in _BREAKS:
            found[key] = _flow(" ".join([rest, *map(str.strip, below)]))
        elif rest:
            found[key] = None if below or rest[0] in "|>&*!" else _scalar(rest)
        else:
            found[key] = _block(below)
    return found


def class_names(value: Any, where: str) -> dict[int, str]:
    """Give the names by number; numbers may have gaps.

    Raises:
        DatasetError: no names, or not in one of the two forms.
    """
    names: dict[int, str] = {}
    if isinstance(value, list):
        names = dict(enumerate(value))
    elif isinstance(value, dict) and all(re.fullmatch(r"[0-9]{1,6}", key) for key in value):
        names = {int(key): name for key, name in value.items()}
    if not names or max(names) >= _MOST_CLASSES:
        raise DatasetError(
            f"{where} has no list 'names' that can be read; expected names: [cat, dog], or a line "
            "'  0: cat' for each class; or put a classes.txt beside it with one name a line"
        )
    return names


def format_names(classes: Sequence[str]) -> str:
    """Write ``names:`` with a line for each class."""
    lines = [
        f"  {number}: {json.dumps(name, ensure_ascii=False)}\n"
        for number, name in enumerate(classes)
    ]
    return "names:\n" + "".join(lines)


def _uncomment(line: str) -> str:
    """Cut a comment off: ``#`` at the start or after a blank, outside of quotes."""
    quote = ""
    for at, character in enumerate(line):
        if quote:
            if character == quote and not (quote == '"' and line[at - 1] == "\\"):
                quote = ""
        elif character in "\"'" and (at == 0 or line[at - 1] in " \t[{,:-"):
            quote = character
        elif character == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def _block(lines: Sequence[str]) -> Any:
    """A list or a map with one entry a line; None for anything deeper."""
    stripped = [line.strip() for line in lines]
    widths = {len(line) - len(line.lstrip()) for line in lines}
    if not lines or len(widths) != 1:
        return None
    if all(line.startswith("- ") for line in stripped):
        return [_scalar(line[2:].strip()) for line in stripped]
    matches = [_KEY.fullmatch(line) for line in stripped]
    entries = {_scalar(m[1]): _scalar((m[2] or "").strip()) for m in matches if m is not None}
    return entries if len(entries) == len(lines) else None


def _flow(text: str) -> Any:
    """``[a, 'b']`` or ``{0: a, 1: b}``; None if it is broken or nested."""
    text = text.strip()
    if len(text) < 2 or text[-1] != _BREAKS[text[0]]:
        return None
    parts = _split(text[1:-1])
    if parts is None:
        return None
    if text[0] == "[":
        return [_scalar(part) for part in parts]
    matches = [_KEY.fullmatch(part) for part in parts]
    entries = {_scalar(m[1]): _scalar((m[2] or "").strip()) for m in matches if m is not None}
    return entries if len(entries) == len(parts) else None


def _split(text: str) -> list[str] | None:
    parts, quote, current = [], "", ""
    for character in text:
        if quote:
            escaped = quote == '"' and current.endswith("\\") and not current.endswith("\\\\")
            if character == quote and not escaped:
                quote = ""
        elif character in "\"'" and (not current.strip() or current.rstrip().endswith(":")):
            quote = character
        elif character in "[]{}":
            return None
        elif character == ",":
            parts.append(current.strip())
            current = ""
            continue
        current += character
    if quote:
        return None
    if current.strip():
        parts.append(current.strip())
    return parts


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text
