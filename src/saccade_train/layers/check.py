"""Checks of numbers and switches that come from recipes."""

from __future__ import annotations

from saccade.errors import OptionError

__all__ = ["check_flag", "check_number", "check_whole"]


def check_number(option: str, value: object, *, above: float, up_to: float) -> None:
    """Accept a number in (above, up_to].

    Raises:
        OptionError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= up_to:
        raise OptionError(f"{option} {value!r}: expected a number above {above:g}, up to {up_to:g}")


def check_whole(option: str, value: object, *, at_least: int) -> None:
    """Accept a whole number from ``at_least``.

    Raises:
        OptionError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise OptionError(f"{option} {value!r}: expected a whole number, at least {at_least}")


def check_flag(option: str, value: object) -> None:
    """Accept true or false.

    Raises:
        OptionError: anything else.
    """
    if not isinstance(value, bool):
        raise OptionError(f"{option} {value!r}: expected true or false")
