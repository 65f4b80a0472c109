"""Pages of books, letters and reports: headings, paragraphs in columns, lists, verse, footnotes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from saccade_train.synth.alphabets import fit_to_alphabet
from saccade_train.synth.draws import recase, whole
from saccade_train.synth.fields import address, date, person
from saccade_train.synth.fonts import FontSet
from saccade_train.synth.glyphs import typeset
from saccade_train.synth.texts import Lexicon, sentence

from .sheet import Rule, Sheet

__all__ = ["document"]


def document(
    rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
) -> list[Sheet]:
    """One page.

    Args:
        rng: Source of randomness.
        lexicon: What it is written with.
        fonts: To choose from.
        side: Height of the page, in pixels.
        mono: Chance of a typewriter's face.
    """
    return [_Writer(rng, lexicon, fonts, side, mono).write()]


class _Writer:
    """Fills one page from top to bottom, a column at a time."""

    def __init__(
        self, rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
    ) -> None:
        self.rng, self.lexicon = rng, lexicon
        self.letters = frozenset(lexicon.alphabet) | {" "}
        self.sheet = Sheet(round(side * (0.62 + 0.2 * rng.random())), side)
        self.columns = int(np.searchsorted([0.7, 0.95], rng.random(), side="right")) + 1
        self.font = fonts.draw(rng, lexicon.alphabet, mono=mono)
        self.heading_font = (
            self.font
            if self.font.monospaced or rng.random() < 0.4
            else fonts.draw(rng, lexicon.alphabet, mono=0.0)
        )
        self.margin = round(self.sheet.width * (0.04 + 0.08 * rng.random()))
        self.gutter = round(self.sheet.width * 0.04)
        inner = self.sheet.width - 2 * self.margin
        self.measure = (inner - (self.columns - 1) * self.gutter) // self.columns
        letters = whole(rng, 42, 80) if self.columns == 1 else whole(rng, 28, 42)
        self.size = max(11, min(34, round(self.measure / (letters * 0.5))))
        self.pitch = self.size * (1.12 + 0.45 * rng.random())
        self.justified = not self.font.monospaced and rng.random() < 0.6
        self.indent = round(self.size * 2 * rng.random()) if rng.random() < 0.7 else 0

    def write(self) -> Sheet:
        rng, sheet = self.rng, self.sheet
        top = float(self.margin + self.size)
        bottom = float(sheet.height - self.margin)
        if rng.random() < 0.5:
            number = whole(rng, 1, 900)
            text = (f"— {number} —", str(number), f"- {number} -")[whole(rng, 0, 2)]
            sheet.put(text, self.font, self.size, sheet.width / 2, top, anchor="centre")
            top += round(2 * self.pitch)
        if rng.random() < 0.35:
            top = self._title(top)
        if rng.random() < 0.2:
            top = self._letterhead(top)
        if rng.random() < 0.25:
            bottom = self._footnotes(bottom)
        for column in range(self.columns):
            self._column(self.margin + column * (self.measure + self.gutter), top, bottom)
            if column and rng.random() < 0.4:
                x = self.margin + column * (self.measure + self.gutter) - self.gutter // 2
                sheet.rules.append(Rule((x, round(top - self.size)), (x, round(bottom))))
        return sheet

    def _title(self, top: float) -> float:
        rng, sheet = self.rng, self.sheet
        size = round(self.size * (1.4 + 1.4 * rng.random()))
        for _ in range(whole(rng, 1, 2)):
            text = self._say(recase(" ".join(self._words(whole(rng, 1, 5))), rng, upper=0.4))
            room = sheet.width - 2 * self.margin
            top += 1.2 * size
            middle = sheet.width / 2
            sheet.put(text, self.heading_font, size, middle, top, anchor="centre", room=room)
        if rng.random() < 0.4:
            half, y = round(sheet.width * 0.1), round(top + size)
            start, end = (sheet.width // 2 - half, y), (sheet.width // 2 + half, y)
            sheet.rules.append(Rule(start, end))
        return top + 2.2 * self.pitch

    def _letterhead(self, top: float) -> float:
        rng, sheet = self.rng, self.sheet
        for text in (person(rng), address(rng), address(rng), date(rng)):
            x = self.margin if rng.random() < 0.9 else sheet.width / 2
            sheet.put(self._say(text), self.font, self.size, x, top)
            top += self.pitch
        return top + self.pitch

    def _footnotes(self, bottom: float) -> float:
        rng, sheet = self.rng, self.sheet
        size = max(10, round(self.size * 0.75))
        count = whole(rng, 1, 3)
        top = bottom - count * size * 1.25
        y = round(top - size)
        sheet.rules.append(Rule((self.margin, y), (self.margin + sheet.width // 4, y)))
        for number in range(count):
            text = self._say(f"({number + 1}) {sentence(self.lexicon, rng, whole(rng, 4, 14))}")
            room = sheet.width - 2 * self.margin
            baseline = top + number * size * 1.25 + size * 0.4
            sheet.put(text, self.font, size, self.margin, baseline, room=room)
        return top - 2 * size

    def _column(self, left: int, top: float, bottom: float) -> None:
        rng = self.rng
        y = top
        while y < bottom:
            drawn = rng.random()
            if drawn < 0.14:
                y = self._heading(left, y, bottom)
            elif drawn < 0.22:
                y = self._items(left, y, bottom)
            elif drawn < 0.28:
                y = self._verse(left, y, bottom)
            else:
                y = self._paragraph(left, y, bottom, whole(rng, 10, 110))
            y += self.pitch * (0.9 * rng.random() if rng.random() < 0.5 else 0)
            if rng.random() < 0.03:
                break

    def _heading(self, left: int, y: float, bottom: float) -> float:
        rng, sheet = self.rng, self.sheet
        size = round(self.size * (1 + 0.5 * rng.random()))
        y += 0.8 * self.pitch
        if y + 2 * self.pitch > bottom:
            return bottom
        text = self._say(recase(" ".join(self._words(whole(rng, 1, 6))), rng, upper=0.3, title=0.5))
        centred = rng.random() < 0.4
        x = left + self.measure / 2 if centred else left
        anchor = "centre" if centred else "left"
        width = sheet.put(text, self.heading_font, size, x, y, anchor=anchor, room=self.measure)
        if width and rng.random() < 0.3:
            start = round(x - width / 2) if centred else left
            line = round(y + 0.18 * size)
            sheet.rules.append(Rule((start, line), (round(start + width), line)))
        return y + 1.6 * self.pitch

    def _items(self, left: int, y: float, bottom: float) -> float:
        rng = self.rng
        mark = ("-", "•", "*", "", "")[whole(rng, 0, 4)]
        for number in range(1, whole(rng, 3, 6)):
            if y > bottom:
                break
            start = mark or f"{number}{'.' if rng.random() < 0.7 else ')'}"
            words = self._say(f"{start} {sentence(self.lexicon, rng, whole(rng, 2, 9))}")
            self.sheet.put(
                words, self.font, self.size, left + self.size, y, room=self.measure - self.size
            )
            y += self.pitch
        return y

    def _verse(self, left: int, y: float, bottom: float) -> float:
        rng = self.rng
        inset = self.measure * 0.2 * rng.random()
        for _ in range(whole(rng, 2, 6)):
            if y > bottom:
                break
            text = self._say(sentence(self.lexicon, rng, whole(rng, 3, 6)))
            text = text[:1].upper() + text[1:]
            room = self.measure - inset
            self.sheet.put(text, self.font, self.size, left + inset, y, room=room)
            y += self.pitch
        return y + 0.5 * self.pitch

    def _paragraph(self, left: int, y: float, bottom: float, words: int) -> float:
        """Running text, broken into lines by the width of the words; long words are hyphenated."""
        stream = self._stream(words)
        blank = typeset(" ", self.font, self.size).width
        indent, line, width = float(self.indent), list[str](), 0.0
        pending: str | None = next(stream, None)
        while pending is not None and y <= bottom:
            room = self.measure - indent
            length = typeset(pending, self.font, self.size).width
            if line and width + blank + length > room:
                left_over = room - width - blank
                if len(pending) > 6 and pending.isalpha() and left_over > 0.45 * length:
                    cut = max(2, min(len(pending) - 2, int(len(pending) * left_over / length) - 1))
                    line.append(pending[:cut] + "-")
                    pending = pending[cut:]
                self._set_line(line, left + indent, y, room, last=False)
                y += self.pitch
                line, width, indent = [], 0.0, 0.0
                continue
            width += length + (blank if line else 0.0)
            line.append(pending)
            pending = next(stream, None)
        if line and y <= bottom:
            self._set_line(line, left + indent, y, self.measure - indent, last=True)
            y += self.pitch
        return y

    def _set_line(self, words: list[str], x: float, y: float, room: float, *, last: bool) -> None:
        text = " ".join(words)
        spacing = 1.0
        if self.justified and not last and len(words) > 2:
            natural = typeset(text, self.font, self.size).width
            blanks = (len(words) - 1) * typeset(" ", self.font, self.size).width
            spacing = max(0.7, min(3.0, 1 + (room - natural) / blanks))
        self.sheet.put(
            text, self.font, self.size, x, y, room=room + self.size, word_spacing=spacing
        )

    def _stream(self, count: int) -> Iterator[str]:
        lines = self.lexicon.lines
        while count > 0:
            if lines and self.rng.random() < 0.8:
                text = lines[int(self.rng.random() * len(lines))]
            else:
                text = sentence(self.lexicon, self.rng, 12)
            for word in self._say(text).split():
                yield word
                count -= 1
                if count <= 0:
                    return
            count -= 1

    def _words(self, count: int) -> list[str]:
        words = self.lexicon.words
        return [words[int(r * len(words))] for r in self.rng.random(count).tolist()]

    def _say(self, text: str) -> str:
        """With the characters of both the alphabet and the face."""
        return fit_to_alphabet(text, self.letters & (self.font.characters | {" "}))
