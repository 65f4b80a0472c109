"""Names of classes that every form of a dataset can hold."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.datasets.detection_kinds import RENAMED
from saccade.datasets.tally import Tally

__all__ = ["clean_name", "name_classes"]


def clean_name(name: str) -> str:
    """Bring the name of a class into a form that every format can hold.

    White space of any kind becomes single blanks; what XML 1.0 forbids (control characters, halves
    of surrogate pairs) goes.
    """
    kept = "".join(c for c in name if c.isspace() or (c >= " " and not _forbidden(ord(c))))
    return " ".join(kept.split())


def _forbidden(code: int) -> bool:
    return 0x7F <= code < 0xA0 or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)


def name_classes(names: Sequence[str], fallbacks: Sequence[str], tally: Tally) -> tuple[str, ...]:
    """Clean the names of classes and make them differ; a fallback tells what to add or use."""
    found: dict[str, None] = {}
    for name, fallback in zip(names, fallbacks, strict=True):
        wish = clean_name(name)
        unique = wish or fallback
        if unique in found:
            unique = f"{wish} ({fallback})" if wish else fallback
        while unique in found:
            unique += "'"
        if unique != wish:
            tally.add(RENAMED, repr(unique))
        found[unique] = None
    return tuple(found)
