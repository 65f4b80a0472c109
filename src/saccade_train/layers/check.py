"""Checks of numbers and switches that come from recipes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from saccade.errors import OptionError, nearest

__all__ = ["check_flag", "check_number", "check_options", "check_whole"]


def check_options(function: Callable[..., Any], given: Iterable[str], what: str) -> None:
    """Accept the names of keyword-only arguments of a function.

    Args:
        function: what will be called with them.
        given: the names.
        what: what the options are of, for the message.

    Raises:
        OptionError: another name; the nearest are named.
    """
    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for option in given:
        if option not in known:
            raise OptionError(f"{what} has no option {option!r}; {nearest(option, known)}")


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
