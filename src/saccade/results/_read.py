"""What all results need to be read back from plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from saccade.errors import OptionError

__all__ = ["read_result", "read_timings"]

_Result = TypeVar("_Result")


def read_result(
    kind: type[_Result],
    plain: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], _Result],
) -> _Result:
    """Read a result; whatever is wrong with the values becomes one OptionError."""
    try:
        return read(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        detail = f"lacks the key {error}" if isinstance(error, KeyError) else str(error)
        raise OptionError(
            f"this is no {kind.__name__} result ({detail}); expected what to_dict() gives"
        ) from error


def read_timings(plain: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in plain["timings_ms"].items()}
