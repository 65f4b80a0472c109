"""Lists of labelled pictures: text files, and what another program writes into ours."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from saccade.errors import OptionError, Problem
from saccade.gallery.pictures import Picture, Pictures

__all__ = ["labelled_list"]

STDIN = "-"


def labelled_list(
    file: str | os.PathLike[str],
    *,
    label: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Pictures:
    r"""The pictures of a UTF-8 text, one a line.

    A line is ``path<TAB>label``, or a JSON object with ``path``, ``label`` and, if wanted,
    ``metadata`` (it begins with ``{``; such a label may have tabs and newlines in it). Paths are
    relative to the file's folder, or on stdin to the present one. Empty lines and lines that begin
    with ``#`` are skipped; lines that are none of these are problems.

    Args:
        file: The file; ``-`` is stdin.
        label: For lines that have none of their own, which may then be a path alone.
        metadata: For all pictures; what a line says itself stands.

    Raises:
        OptionError: The list cannot be read.
    """
    stdin = os.fspath(file) == STDIN
    place = Path() if stdin else Path(file).parent
    try:
        data = sys.stdin.buffer.read() if stdin else Path(file).read_bytes()
        lines = data.decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise OptionError(f"the list {file} cannot be read: {reason}") from error
    found: list[Picture] = []
    problems: list[Problem] = []
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            path, own, more = _parsed(line)
            name = own or label
            if not path or not name:
                raise ValueError(f"{line!r} is not path<TAB>label")
        except ValueError as error:
            problems.append(Problem(f"{'stdin' if stdin else file}:{number}", str(error)))
            continue
        found.append(Picture(place / path, name, {**(metadata or {}), **more}))
    return Pictures(tuple(found), tuple(problems))


def _parsed(line: str) -> tuple[str, str, dict[str, Any]]:
    """Path, label (empty for none) and metadata.

    Raises:
        ValueError: It is JSON of another shape.
    """
    if not line.startswith("{"):
        path, _, label = line.partition("\t")
        return path.strip(), label.strip(), {}
    try:
        plain = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{line!r} is not JSON ({error})") from error
    unknown = plain.keys() - {"path", "label", "metadata"}
    path, label, more = plain.get("path"), plain.get("label", ""), plain.get("metadata", {})
    if unknown or not (isinstance(path, str) and isinstance(label, str) and isinstance(more, dict)):
        raise ValueError(
            f"{line!r} is not a picture; expected path, label (texts) and metadata (an object)"
        )
    return path.strip(), label if label.strip() else "", more
