"""Signs: a few panels of large words, as a street or a shop shows them."""

from __future__ import annotations

import numpy as np

from saccade_train.synth.alphabets import fit_to_alphabet
from saccade_train.synth.draws import whole
from saccade_train.synth.fonts import FontSet
from saccade_train.synth.texts import KINDS, Lexicon

from .sheet import Rule, Sheet

__all__ = ["sign"]

_KINDS = ("word", "word", "word", "words", "words", "heading", "price", "phone", "time", "web")


def sign(
    rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
) -> list[Sheet]:
    """One to six panels.

    Args:
        rng: Source of randomness.
        lexicon: What is written on them.
        fonts: To choose from; each panel has one or two.
        side: Longer side of the whole picture, in pixels.
        mono: Chance of monospaced faces.
    """
    return [_panel(rng, lexicon, fonts, side, mono) for _ in range(whole(rng, 1, 6))]


def _panel(
    rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
) -> Sheet:
    width = round(side * (0.2 + 0.3 * rng.random()))
    letters = frozenset(lexicon.alphabet) | {" "}
    sheet = Sheet(width, width * 3, bare=bool(rng.random() < 0.25))
    margin = round(width * (0.04 + 0.08 * rng.random()))
    font = fonts.draw(rng, lexicon.alphabet, mono=mono)
    y = float(margin)
    for _ in range(whole(rng, 1, 4)):
        if rng.random() < 0.15:
            font = fonts.draw(rng, lexicon.alphabet, mono=mono)
        kind = _KINDS[int(rng.random() * len(_KINDS))]
        text = fit_to_alphabet(KINDS[kind](lexicon, rng), letters & (font.characters | {" "}))
        if not text:
            continue
        room = width - 2 * margin
        # As large as fits, within reason.
        fits = room / (0.58 * max(3, len(text)))
        size = round(min(fits, 0.35 * width, 120) * (0.55 + 0.45 * rng.random()))
        if size < 10:
            continue
        y += 0.95 * size
        spacing = 0.15 * size * rng.random() if rng.random() < 0.25 else 0.0
        x, anchor = (width / 2, "centre") if rng.random() < 0.75 else (margin, "left")
        sheet.put(text, font, size, x, y, anchor=anchor, room=room, spacing=spacing)
        y += (0.25 + 0.4 * rng.random()) * size
    sheet.height = max(round(y + margin), round(width * 0.2))
    if not sheet.bare and rng.random() < 0.25:
        a, b = margin // 3, max(1, width // 150)
        right, bottom = width - a, sheet.height - a
        corners = [(a, a), (right, a), (right, bottom), (a, bottom), (a, a)]
        sheet.rules += [Rule(corners[n], corners[n + 1], b) for n in range(4)]
    return sheet
