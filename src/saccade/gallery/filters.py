"""Which items are meant: by label, source, ids, and by their metadata, as SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saccade.errors import OptionError

__all__ = ["Filter"]

# One key of the metadata: a text equals the value as it was typed; a number, true, false and null
# equal what the value reads as in JSON; a list has a member that does.
_KEY = """EXISTS (SELECT 1 FROM json_each(items.metadata) AS entry WHERE entry.key = ? AND (
    ({entry}) OR (entry.type = 'array' AND EXISTS (
        SELECT 1 FROM json_each(entry.value) AS member WHERE {member}))))"""
_VALUE = """CASE {0}.type WHEN 'text' THEN {0}.value = ?
    WHEN 'integer' THEN {0}.value = ? WHEN 'real' THEN {0}.value = ?
    WHEN 'true' THEN ? = 'true' WHEN 'false' THEN ? = 'false' WHEN 'null' THEN ? = 'null'
    ELSE 0 END"""


@dataclass(frozen=True)
class Filter:
    """A condition on the table ``items``; false when it lets everything through."""

    sql: str = "1"
    values: tuple[object, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values)

    @classmethod
    def of(
        cls,
        where: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        source: str | None = None,
    ) -> Filter:
        """All the conditions that are given must hold.

        Args:
            where: Metadata: key to value, of the metadata's first level. A list in the metadata
                fits when it contains the value.
            label: The label.
            source: Where the picture came from.

        Raises:
            OptionError: A value is no text, number, truth value or None.
        """
        parts: list[str] = []
        values: list[object] = []
        for name, wanted in (("label", label), ("source", source)):
            if wanted is not None:
                parts.append(f"{name} = ?")
                values.append(wanted)
        for key, value in (where or {}).items():
            if value is not None and not isinstance(value, str | int | float | bool):
                raise OptionError(
                    f"where {key!r} is {value!r}; expected a text, a number, true, false or null"
                )
            text = value if isinstance(value, str) else json.dumps(value)
            number = _number(text)
            one = (text, number, number, text, text, text)
            parts.append(_KEY.format(entry=_VALUE.format("entry"), member=_VALUE.format("member")))
            values += [key, *one, *one]
        return cls(" AND ".join(parts), tuple(values)) if parts else cls()


def _number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None
