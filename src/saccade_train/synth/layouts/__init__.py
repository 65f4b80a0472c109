"""Where the lines of a page go: functions that write sheets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saccade_train.synth.fonts import FontSet
from saccade_train.synth.texts import Lexicon

from .document import document
from .receipt import receipt
from .sheet import Placed, Rule, Sheet
from .sign import sign

__all__ = ["LAYOUTS", "Layout", "Placed", "Rule", "Sheet"]

Layout = Callable[[np.random.Generator, Lexicon, FontSet, int, float], list[Sheet]]

LAYOUTS: dict[str, Layout] = {"document": document, "receipt": receipt, "sign": sign}
"""Layouts by name. Several sheets are parts of one picture."""
