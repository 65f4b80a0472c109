"""Receipts: a centred head, fields, items and prices in columns, totals, taxes, a foot."""

from __future__ import annotations

import numpy as np

from saccade_train.synth.alphabets import fit_to_alphabet
from saccade_train.synth.draws import pick, recase, whole
from saccade_train.synth.fields import (
    address,
    clock,
    closing,
    code,
    company,
    date,
    digits,
    item,
    person,
    phone,
    web,
)
from saccade_train.synth.fonts import FontSet
from saccade_train.synth.texts import Lexicon, sentence

from .sheet import Placed, Rule, Sheet

__all__ = ["receipt"]

_TITLES = (
    "TAX INVOICE",
    "INVOICE",
    "RECEIPT",
    "Receipt",
    "CASH SALE",
    "*** COPY ***",
    "Rechnung",
    "Simplified Tax Invoice",
    "Facture",
    "CASH BILL",
    "SALES RECEIPT",
    "Guest Check",
)
_FIELDS = (
    "Invoice No",
    "Bill No",
    "Receipt #",
    "Date",
    "Time",
    "Cashier",
    "Table",
    "Counter",
    "Terminal",
    "Order",
    "Member ID",
    "Server",
    "Ref",
    "GST ID",
    "Station",
    "Salesperson",
)
_TOTALS = (
    "Sub Total",
    "SUBTOTAL",
    "Total",
    "TOTAL",
    "Discount",
    "Service Charge 10%",
    "GST 6%",
    "VAT 20%",
    "Rounding Adj",
    "Total incl. GST",
    "Total Sales",
    "MwSt 19%",
    "TVA 5.5%",
)
_PAYMENTS = (
    "Cash",
    "CASH",
    "VISA",
    "Change",
    "CHANGE",
    "Balance",
    "Tendered",
    "MasterCard",
    "Card",
)
_CURRENCIES = ("RM", "$", "€", "£", "EUR", "USD", "", "", "", "")


def receipt(
    rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
) -> list[Sheet]:
    """One receipt, cut to its length.

    Args:
        rng: Source of randomness.
        lexicon: What it is written with.
        fonts: To choose from.
        side: Most pixels of height.
        mono: Chance of a monospaced face.
    """
    return [_Printer(rng, lexicon, fonts, side, mono).print()]


class _Printer:
    """Prints row after row."""

    def __init__(
        self, rng: np.random.Generator, lexicon: Lexicon, fonts: FontSet, side: int, mono: float
    ) -> None:
        self.rng, self.lexicon = rng, lexicon
        self.side = side
        self.width = round(side * (0.38 + 0.25 * rng.random()))
        self.font = fonts.draw(rng, lexicon.alphabet, mono=mono)
        self.large_font = self.font if rng.random() < 0.6 else fonts.draw(rng, "", mono=0.2)
        letters = whole(rng, 28, 46)
        per_letter = 0.6 if self.font.monospaced else 0.52
        self.size = max(11, min(40, round(0.92 * self.width / (letters * per_letter))))
        self.pitch = self.size * (1.05 + 0.35 * rng.random())
        self.margin = round(self.width * (0.02 + 0.05 * rng.random()))
        self.sheet = Sheet(self.width, side)
        self.y = self.margin + self.size * (1 + rng.random())
        self.currency = pick(rng, _CURRENCIES)
        self.comma = rng.random() < 0.12
        self.upper = rng.random() < 0.45
        self.rule_kind = whole(rng, 0, 4)
        # Where the four columns of items end, as shares of the width; the first begins at the left.
        self.columns = (0.44 + 0.16 * rng.random(), 0.68 + 0.12 * rng.random())
        self.tight = rng.random() < 0.5

    def print(self) -> Sheet:
        rng = self.rng
        self._head()
        self._fields()
        self._rule()
        total = self._items()
        self._rule()
        self._totals(total)
        if rng.random() < 0.4:
            self._rule()
            self._taxes(total)
        if rng.random() < 0.6:
            self._rule()
        self._foot()
        end = round(min(self.side, self.y + self.margin))
        self.sheet.height = max(end, 4 * self.size)
        return self.sheet

    def _head(self) -> None:
        rng = self.rng
        factor = pick(rng, (1.0, 1.3, 1.6, 2.0))
        self._centre(company(rng), factor)
        if rng.random() < 0.5:
            self._centre(f"({digits(rng, 6)}-{pick(rng, 'ADHKMPVX')})")
        for _ in range(whole(rng, 1, 4)):
            self._centre(recase(address(rng), rng, upper=0.6 if self.upper else 0.1, title=0.0))
        if rng.random() < 0.7:
            self._centre(pick(rng, ("Tel: ", "TEL: ", "Tel/Fax ", "")) + phone(rng))
        if rng.random() < 0.5:
            self._centre(
                pick(rng, ("GST ID : ", "VAT No. ", "GST No: ", "USt-ID ")) + digits(rng, 12)
            )
        if rng.random() < 0.25:
            self._centre(web(rng))
        if rng.random() < 0.7:
            self.y += 0.5 * self.pitch
            self._centre(pick(rng, _TITLES), pick(rng, (1.0, 1.0, 1.3)))
        self.y += 0.5 * self.pitch * rng.random()

    def _fields(self) -> None:
        rng = self.rng
        colon = self.width * (0.28 + 0.1 * rng.random())
        style = whole(rng, 0, 2)
        for _ in range(whole(rng, 2, 6)):
            name = pick(rng, _FIELDS)
            value = pick(rng, (code(rng), date(rng), clock(rng), person(rng), digits(rng, 4)))
            if style == 0:
                self._row((name, self.margin, "left"), (f": {value}", colon, "left"))
            elif style == 1:
                self._row((f"{name}: {value}", self.margin, "left"))
            else:
                self._row((name, self.margin, "left"), (value, self.width - self.margin, "right"))
        if rng.random() < 0.5:
            self._row(
                (date(rng), self.margin, "left"), (clock(rng), self.width - self.margin, "right")
            )

    def _items(self) -> int:
        """Prints items; gives their sum in cents."""
        rng = self.rng
        right, total = self.width - self.margin, 0
        style = whole(rng, 0, 3)
        if rng.random() < 0.6:
            names = ("Item", "Qty", "Price", "Amount") if style else ("Description", "", "", "Amt")
            self._columns(names)
            if rng.random() < 0.5:
                self._rule()
        for _ in range(whole(rng, 1, 12)):
            if self.y > self.side * 0.7:
                break
            count = 1 if rng.random() < 0.6 else whole(rng, 2, 12)
            price = int(10 ** (1.7 + 2.2 * rng.random()))
            total += count * price
            name = recase(item(rng), rng, upper=1.0 if self.upper else 0.1, title=0.0)
            unit, amount = self._money(price), self._money(count * price)
            tax = pick(rng, ("", "", "", " SR", " ZR", " S", " T", "*"))
            if style == 0:
                self._row((name, self.margin, "left"), (amount + tax, right, "right"))
            elif style == 1:
                self._row((name, self.margin, "left"))
                times = (str(count), pick(rng, ("x", "X", "@")), unit)
                self._row(*self._times(times), (amount + tax, right, "right"))
            elif style == 2:
                self._columns((name, str(count), unit, amount))
            else:
                self._row((name, self.margin, "left"))
                self._columns((digits(rng, whole(rng, 8, 13)), str(count), unit, amount))
            if rng.random() < 0.06:
                self._row(
                    (f"Disc {whole(rng, 1, 50)}%", self.width * 0.15, "left"),
                    (f"-{self._money(price // 5)}", right, "right"),
                )
        return total

    def _totals(self, total: int) -> None:
        rng = self.rng
        right = self.width - self.margin
        label_x, anchor = (
            (self.margin, "left") if rng.random() < 0.6 else (self.width * 0.66, "right")
        )
        for _ in range(whole(rng, 1, 4)):
            value = self._money(int(total * (1 if rng.random() < 0.5 else 0.06)))
            self._row(
                (pick(rng, _TOTALS) + pick(rng, ("", ":", " :")), label_x, anchor),
                (value, right, "right"),
            )
        factor = pick(rng, (1.0, 1.3, 1.6))
        name = (
            f"{pick(rng, ('TOTAL', 'Total', 'Net Total', 'Amount Due', 'Summe'))} {self.currency}"
        )
        self._row((name, label_x, anchor), (self._money(total), right, "right"), factor=factor)
        for _ in range(whole(rng, 0, 3)):
            self._row(
                (pick(rng, _PAYMENTS), label_x, anchor),
                (self._money(total + whole(rng, 0, 4000)), right, "right"),
            )

    def _taxes(self, total: int) -> None:
        rng = self.rng
        right = self.width - self.margin
        places = ((self.margin, "left"), (0.68 * self.width, "right"), (right, "right"))
        money = f"({self.currency})" if self.currency else ""
        rows = [
            (
                pick(rng, ("GST Summary", "VAT", "MwSt", "Tax Summary")),
                f"Amount{money}",
                f"Tax{money}",
            )
        ]
        for _ in range(whole(rng, 1, 2)):
            rate = whole(rng, 0, 25)
            name = f"{pick(rng, ('SR', 'ZR', 'A', 'B', 'GST'))} @ {rate}%"
            rows.append((name, self._money(total), self._money(total * rate // 100)))
        for row in rows:
            self._row(*((text, x, anchor) for text, (x, anchor) in zip(row, places, strict=True)))

    def _foot(self) -> None:
        rng = self.rng
        self.y += self.pitch * rng.random()
        for _ in range(whole(rng, 1, 5)):
            drawn = rng.random()
            if drawn < 0.7:
                self._centre(closing(rng))
            elif drawn < 0.85:
                self._centre(sentence(self.lexicon, rng, whole(rng, 3, 6)))
            else:
                self._centre(f"*{code(rng)}*")

    def _times(self, texts: tuple[str, ...]) -> list[tuple[str, float, str]]:
        """Number, sign and price: one text, or three with gaps of two letters between them."""
        x = self.width * 0.25
        if not self.tight:
            return [(" ".join(texts), x, "left")]
        cells: list[tuple[str, float, str]] = []
        for text in texts:
            cells.append((text, x, "left"))
            x += (0.6 * len(text) + 1.0 + self.rng.random()) * self.size
        return cells

    def _columns(self, texts: tuple[str, str, str, str]) -> None:
        right = self.width - self.margin
        places = (
            (self.margin, "left"),
            (self.columns[0] * self.width, "right"),
            (self.columns[1] * self.width, "right"),
            (right, "right"),
        )
        self._row(*((text, x, anchor) for text, (x, anchor) in zip(texts, places, strict=True)))

    def _row(self, *cells: tuple[str, float, str], factor: float = 1.0) -> None:
        """One row; a cell that would touch its right neighbour is shortened."""
        size = round(self.size * factor)
        font = self.font if factor == 1.0 else self.large_font
        if self.y > self.side - self.margin:
            return
        if factor > 1.0:
            self.y += (factor - 1.0) * self.size
        limit = float(self.width - self.margin)
        for text, x, anchor in reversed(cells):
            room = min(limit, self.width) - x if anchor == "left" else min(x, limit) - self.margin
            start = x if anchor == "left" else min(x, limit)
            text = self._say(text)
            if room <= size or not text:
                continue
            before = len(self.sheet.placed)
            width = self.sheet.put(text, font, size, start, self.y, anchor=anchor, room=room)
            if len(self.sheet.placed) > before:
                limit = (start if anchor == "left" else start - width) - 0.6 * size
        self.sheet.placed[:] = _in_reading_order(self.sheet.placed, round(self.y))
        self.y += self.pitch * (1.0 if factor == 1.0 else factor)

    def _centre(self, text: str, factor: float = 1.0) -> None:
        size = round(self.size * factor)
        font = self.font if factor == 1.0 else self.large_font
        if self.y > self.side - self.margin:
            return
        self.y += (factor - 1.0) * self.size
        room = self.width - 2 * self.margin
        self.sheet.put(
            self._say(text), font, size, self.width / 2, self.y, anchor="centre", room=room
        )
        self.y += self.pitch * factor

    def _rule(self) -> None:
        """A row of dashes or signs (it is no text that anyone labels), or a drawn rule."""
        y = round(self.y - 0.45 * self.size)
        start, end = (self.margin, y), (self.width - self.margin, y)
        dash = (round(0.4 * self.size), round(0.4 * self.size), 2, 0, 0)[self.rule_kind]
        thickness = 1 if self.rule_kind < 4 else 2
        if y < self.side:
            self.sheet.rules.append(Rule(start, end, thickness, dash))
            if self.rule_kind == 1:
                lower = ((start[0], y + 3), (end[0], y + 3))
                self.sheet.rules.append(Rule(*lower, thickness, dash))
        self.y += 0.8 * self.pitch

    def _money(self, cents: int) -> str:
        text = f"{cents / 100:,.2f}"
        return text.translate({44: 46, 46: 44}) if self.comma else text

    def _say(self, text: str) -> str:
        return fit_to_alphabet(text, frozenset(self.lexicon.alphabet) | {" "})


def _in_reading_order(placed: list[Placed], y: int) -> list[Placed]:
    """The lines of the last row from left to right, behind those of the rows before."""
    row = [line for line in placed if line.y == y]
    return [line for line in placed if line.y != y] + sorted(row, key=lambda line: line.x)
