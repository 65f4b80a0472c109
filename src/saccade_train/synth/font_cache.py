"""What was found out about font files, kept on disk: drawing thousands of fonts takes a minute.

One JSON file for each alphabet in the user's cache folder (``$XDG_CACHE_HOME/saccade``, else
``~/.cache/saccade``). An entry holds as long as its file keeps its size and time of change. The
cache may be deleted at any time; where it can't be read or written, fonts are simply drawn again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import PIL
from PIL import features

__all__ = ["FontCache"]

_FORM = 1  # another number when what is stored, or how it is found out, changes


class FontCache:
    """Facts about font files by path.

    Args:
        alphabet: The characters that they were looked through for.
    """

    def __init__(self, alphabet: str) -> None:
        drawn_by = f"{_FORM}|{PIL.__version__}|{features.version('freetype2')}|{alphabet}"
        digest = hashlib.sha256(drawn_by.encode()).hexdigest()[:16]
        self._file = _folder() / f"fonts-{digest}.json"
        self._known: dict[str, Any] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._file.read_text("utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def get(self, path: Path) -> Any:
        """The facts about a file; None if there are none or it has changed."""
        entry = self._known.get(str(path))
        if not isinstance(entry, dict) or entry.get("stamp") != _stamp(path):
            return None
        return entry.get("facts")

    def put(self, path: Path, facts: Any) -> None:
        """Remember facts, which JSON must be able to hold."""
        self._known[str(path)] = {"stamp": _stamp(path), "facts": facts}
        self._changed = True

    def save(self) -> None:
        """Write what is new; another process that does so at the same time does no harm."""
        if not self._changed:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            beside.write_text(json.dumps(self._known), "utf-8")
            beside.replace(self._file)
            self._changed = False


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "saccade"


def _stamp(path: Path) -> list[int]:
    try:
        facts = path.stat()
    except OSError:
        return []
    return [facts.st_size, facts.st_mtime_ns]
