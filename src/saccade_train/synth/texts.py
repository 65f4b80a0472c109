"""What is written on a line: pure functions of a random generator, no downloads.

Each generator takes a `Lexicon` and a random generator and returns one line. `KINDS` names them;
options give each a weight.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np

from saccade.errors import DatasetError

from .words import FAMILY_NAMES, GIVEN_NAMES, PLACES, SHOP_WORDS, STREETS, WORDS

__all__ = ["KINDS", "Lexicon", "pick", "pseudo_word", "read_lexicon", "recase", "whole"]

_Item = TypeVar("_Item")
_CURRENCIES = ("$", "$", "€", "€", "£", "RM", "USD ", "EUR ", "CHF ", "kr ", "Rp", "S$", "¥")
_MONTHS = (
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_CODE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_DOMAINS = ("com", "org", "net", "co.uk", "de", "fr", "eu", "com.my", "io")
# The letter before and the two before: enough for words that can be spoken.
_ORDER = 2
_LONGEST_PSEUDO_WORD = 14
_LARGEST_TEXT = 200_000_000


@dataclass(frozen=True)
class Lexicon:
    """What the generators draw from.

    Attributes:
        alphabet: Characters for random strings.
        words: For names of things and sentences; the more often a word is in it, the more often it
            is drawn.
        lines: Lines of a text of the user's; empty for none.
    """

    alphabet: str
    words: tuple[str, ...] = WORDS
    lines: tuple[str, ...] = ()

    @cached_property
    def visible(self) -> str:
        """The alphabet without blanks."""
        return "".join(self.alphabet.split())


def read_lexicon(path: Path, alphabet: str) -> Lexicon:
    """Take the words and lines from a text file: running text or one word a line.

    Raises:
        DatasetError: The file can't be read, isn't text, or has no word.
    """
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise DatasetError(f"text {path}: larger than {_LARGEST_TEXT // 10**6} MB; split it")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"text {path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError:
        raise DatasetError(f"text {path}: is not text in UTF-8") from None
    lines = tuple(stripped for line in text.splitlines() if (stripped := " ".join(line.split())))
    if not lines:
        raise DatasetError(f"text {path}: holds no word; give running text or a word list")
    return Lexicon(alphabet, tuple(word for line in lines for word in line.split()), lines)


def pick(rng: np.random.Generator, items: Sequence[_Item]) -> _Item:
    """One of them (much faster than ``rng.choice``)."""
    return items[int(rng.random() * len(items))]


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def recase(text: str, rng: np.random.Generator, *, upper: float = 0.25, title: float = 0.2) -> str:
    """Set a line in capitals or Title Case, sometimes."""
    drawn = rng.random()
    if drawn < upper:
        return text.upper()
    if drawn < upper + title:
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    return text


@lru_cache(maxsize=8)
def _chain(words: tuple[str, ...]) -> dict[str, str]:
    """For each pair of letters, those that follow it in the words, as often as they do."""
    followers: dict[str, list[str]] = {}
    for word in words[:200_000]:
        letters = "^" * _ORDER + "".join(c for c in word.lower() if c.isalpha()) + "$"
        for place in range(_ORDER, len(letters)):
            followers.setdefault(letters[place - _ORDER : place], []).append(letters[place])
    return {context: "".join(letters) for context, letters in followers.items()}


def pseudo_word(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A word that does not exist but could: a Markov chain over letters."""
    chain = _chain(lexicon.words)
    context = "^" * _ORDER
    letters: list[str] = []
    for drawn in rng.random(_LONGEST_PSEUDO_WORD).tolist():
        choices = chain[context]
        letter = choices[int(drawn * len(choices))]
        if letter == "$":
            break
        letters.append(letter)
        context = context[1:] + letter
    return "".join(letters) or pick(rng, lexicon.words)


def _word(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return pick(rng, lexicon.words) if rng.random() < 0.8 else pseudo_word(lexicon, rng)


def _words(lexicon: Lexicon, rng: np.random.Generator) -> str:
    count = whole(rng, 1, 4)
    return recase(" ".join(_word(lexicon, rng) for _ in range(count)), rng)


def _single(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """One word, as signs and word crops have it."""
    text = recase(_word(lexicon, rng), rng, upper=0.45, title=0.3)
    drawn = rng.random()
    if drawn < 0.08:
        return text + pick(rng, ".,:;!?-%'")
    if drawn < 0.1:
        return f"{pick(rng, '“‘(#@&')}{text}"
    return text


def _pseudo(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return recase(" ".join(pseudo_word(lexicon, rng) for _ in range(whole(rng, 1, 4))), rng)


def sentence(lexicon: Lexicon, rng: np.random.Generator, words: int) -> str:
    """A part of running text: punctuation, quotes, capitals, numbers, dashes, brackets."""
    drawn = rng.random(5 * words + 5).tolist()
    pieces: list[str] = []
    begins = drawn[-1] < 0.5
    quote = ("“”", "‘’", '""', "«»", "''", "„“")[int(drawn[-2] * 6)]
    is_open = False
    for number in range(words):
        a, b, c, d, e = drawn[5 * number : 5 * number + 5]
        word = lexicon.words[int(a * len(lexicon.words))]
        if b < 0.06:
            word = pseudo_word(lexicon, rng)
        elif b < 0.09:
            word = str(int(c * c * 2100))
        elif b < 0.12:
            word = word.upper()
        if begins or e < 0.05:
            word = word[:1].upper() + word[1:]
            begins = False
        if b > 0.97:
            word = f"({word})"
        elif b > 0.955 and not is_open:
            word, is_open = quote[0] + word, True
        if d < 0.07:
            word += ","
        elif d < 0.13:
            word += (".", ".", ".", ".", "?", "!", "...")[int(c * 7)]
            if is_open:
                word, is_open = word + quote[1], False
            begins = True
        elif d < 0.145:
            word += (";", ":")[int(c * 2)]
        elif d < 0.165 and number + 1 < words:
            word += (" —", " –", " -", "—", "-", "’s", "'s")[int(c * 7)]
        elif d < 0.18:
            word += ("’s", "'s", "’t", "'t")[int(c * 4)]
        pieces.append(word)
    if drawn[-3] < 0.15:
        pieces[-1] += "-" if drawn[-4] < 0.5 else "."
    return " ".join(pieces)


def _sentence(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return sentence(lexicon, rng, whole(rng, 3, 16))


def _random(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """Uniform over the alphabet, so that rare characters are seen."""
    letters = lexicon.visible
    count = whole(rng, 2, 12)
    text = "".join(letters[int(r * len(letters))] for r in rng.random(count).tolist())
    if count > 5 and rng.random() < 0.4:
        gap = count // 2
        text = f"{text[:gap]} {text[gap:]}"
    return text


def amount(rng: np.random.Generator, most: float = 3.2) -> str:
    """``12.50``, ``1,299.00``, ``3,95``."""
    cents = int(10 ** (rng.random() * most + 1.2))
    drawn = rng.random()
    if drawn < 0.8:
        return f"{cents / 100:,.2f}"
    if drawn < 0.9:
        return f"{cents // 100},{cents % 100:02d}"
    return f"{cents / 100:.2f}"


def _number(lexicon: Lexicon, rng: np.random.Generator) -> str:
    value = int(10 ** (rng.random() * 7))
    drawn = whole(rng, 0, 6)
    if drawn == 0:
        return f"{value:,}"
    if drawn == 1:
        return f"{value / 100:.2f}"
    if drawn == 2:
        return f"{value % 1000 / 10:.1f}{pick(rng, ('%', ' %', '°C', '°', 'kg', ' cm'))}"
    if drawn == 3:
        return f"{pick(rng, '+-#')}{value}"
    if drawn == 4:
        return (
            f"{whole(rng, 1, 99)}{pick(rng, ('/', '.', ':', '-', ' x ', 'X'))}{whole(rng, 1, 99)}"
        )
    return str(value)


def _price(lexicon: Lexicon, rng: np.random.Generator) -> str:
    drawn = rng.random()
    if drawn < 0.3:
        return amount(rng)
    if drawn < 0.4:
        return f"-{amount(rng)}"
    if drawn < 0.55:
        return f"{amount(rng)}{pick(rng, (' €', '€', ' EUR', ' SR', 'S', ' T', ' A'))}"
    return f"{pick(rng, _CURRENCIES)}{' ' if rng.random() < 0.2 else ''}{amount(rng)}"


def date(rng: np.random.Generator) -> str:
    """Of the years 1900 to 2039, in the customs of several countries."""
    day, month = whole(rng, 1, 28), whole(rng, 1, 12)
    year = whole(rng, 1995, 2039) if rng.random() < 0.8 else whole(rng, 1900, 1994)
    name = _MONTHS[month - 1]
    forms = (
        f"{day:02d}/{month:02d}/{year}",
        f"{day:02d}-{month:02d}-{year}",
        f"{day:02d}.{month:02d}.{year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day}/{month}/{year % 100:02d}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{day:02d}-{name[:3]}-{year}",
        f"{day:02d}{name[:3].upper()}{year % 100:02d}",
        f"{pick(rng, _DAYS)[:3]} {day} {name[:3]}",
    )
    return forms[int(rng.random() * len(forms))]


def clock(rng: np.random.Generator) -> str:
    """A time of day."""
    hour, minute, second = whole(rng, 0, 23), whole(rng, 0, 59), whole(rng, 0, 59)
    forms = (
        f"{hour:02d}:{minute:02d}",
        f"{hour:02d}:{minute:02d}:{second:02d}",
        f"{(hour - 1) % 12 + 1}:{minute:02d} {'AM' if hour < 12 else 'PM'}",
        f"{(hour - 1) % 12 + 1:02d}:{minute:02d}:{second:02d}{'am' if hour < 12 else 'pm'}",
        f"{hour}h{minute:02d}",
        f"{hour}.{minute:02d}",
    )
    return forms[int(rng.random() * len(forms))]


def _date(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return f"{date(rng)} {clock(rng)}" if rng.random() < 0.35 else date(rng)


def _time(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return clock(rng)


def digits(rng: np.random.Generator, count: int) -> str:
    """A string of digits."""
    return "".join(str(int(r * 10)) for r in rng.random(count).tolist())


def phone(rng: np.random.Generator) -> str:
    """A telephone number."""
    forms = (
        f"+{whole(rng, 1, 99)} {digits(rng, 2)} {digits(rng, 3)} {digits(rng, 4)}",
        f"0{digits(rng, 1)}-{digits(rng, 8)}",
        f"({digits(rng, 3)}) {digits(rng, 3)}-{digits(rng, 4)}",
        f"0{digits(rng, 2)}/{digits(rng, 6)}",
        f"0{digits(rng, 3)} {digits(rng, 6)}",
        f"+{digits(rng, 3)}-{digits(rng, 8)}",
    )
    return forms[int(rng.random() * len(forms))]


def _phone(lexicon: Lexicon, rng: np.random.Generator) -> str:
    label = pick(rng, ("", "", "Tel: ", "TEL : ", "Tel. ", "Fax: ", "Phone ", "Tel/Fax : "))
    return label + phone(rng)


def code(rng: np.random.Generator) -> str:
    """A part number, an invoice number, a plate."""
    drawn = whole(rng, 0, 5)
    if drawn == 0:
        return digits(rng, whole(rng, 6, 13))
    if drawn == 1:
        return f"{_capitals(rng, whole(rng, 1, 4))}{pick(rng, ('-', '', '/', ' '))}{digits(rng, 5)}"
    if drawn == 2:
        return f"{digits(rng, 2)}-{digits(rng, 4)}-{_capitals(rng, 1)}"
    if drawn == 3:
        return f"({digits(rng, 6)}-{_capitals(rng, 1)})"
    if drawn == 4:
        return f"#{digits(rng, whole(rng, 2, 6))}"
    count = whole(rng, 4, 10)
    return "".join(_CODE_CHARACTERS[int(r * 36)] for r in rng.random(count).tolist())


def _capitals(rng: np.random.Generator, count: int) -> str:
    return "".join(_CODE_CHARACTERS[int(r * 26)] for r in rng.random(count).tolist())


def _code(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return code(rng)


def person(rng: np.random.Generator) -> str:
    """A name."""
    given = pick(rng, GIVEN_NAMES)
    if rng.random() < 0.25:
        given = f"{given[0]}."
    return f"{given} {pick(rng, FAMILY_NAMES)}"


def address(rng: np.random.Generator) -> str:
    """A line of an address."""
    place, street = pick(rng, PLACES), f"{pick(rng, FAMILY_NAMES)} {pick(rng, STREETS)}"
    forms = (
        f"{whole(rng, 1, 399)} {street}",
        f"{whole(rng, 1, 399)}, {street}, {place}",
        f"No. {whole(rng, 1, 99)}-{whole(rng, 1, 9)}, {street},",
        f"Lot {whole(rng, 1, 99)}{pick(rng, 'ABCD')}, {pick(rng, ('Jalan', 'Rue', 'Via'))} {place}",
        f"{digits(rng, 5)} {place}",
        f"{place}, {_capitals(rng, 2)}{whole(rng, 1, 9)} {whole(rng, 1, 9)}{_capitals(rng, 2)}",
        f"{pick(rng, FAMILY_NAMES)}straße {whole(rng, 1, 99)}, {digits(rng, 5)} {place}",
    )
    return forms[int(rng.random() * len(forms))]


def _address(lexicon: Lexicon, rng: np.random.Generator) -> str:
    text = address(rng) if rng.random() < 0.7 else person(rng)
    return recase(text, rng, upper=0.35, title=0.0)


def web(rng: np.random.Generator) -> str:
    """An e-mail or web address."""
    site = f"{pick(rng, SHOP_WORDS)}{pick(rng, ('', '-', ''))}{pick(rng, SHOP_WORDS)}"
    domain = pick(rng, _DOMAINS)
    forms = (
        f"www.{site}.{domain}",
        f"{pick(rng, GIVEN_NAMES).lower()}@{site}.{domain}",
        f"https://{site}.{domain}/{pick(rng, SHOP_WORDS)}",
        f"Email: info@{site}.{domain}",
    )
    return forms[int(rng.random() * len(forms))]


def _web(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return web(rng)


def item(rng: np.random.Generator) -> str:
    """Something that is sold: ``CHOC MUFFIN 6PK``."""
    name = " ".join(pick(rng, SHOP_WORDS) for _ in range(whole(rng, 1, 3)))
    drawn = rng.random()
    if drawn < 0.25:
        amount_ = f"{whole(rng, 1, 60) * pick(rng, (1, 5, 10, 25))}"
        name += f" {amount_}{pick(rng, ('G', 'ML', 'g', 'KG', 'ml', 'L', 'PK', 'PCS', 'CM', ''))}"
    elif drawn < 0.35:
        name += f" {whole(rng, 1, 90)}{pick(rng, ('X', 'x', '*', '/'))}{whole(rng, 1, 90)}"
    elif drawn < 0.42:
        name = f"{digits(rng, whole(rng, 3, 6))} {name}"
    elif drawn < 0.48:
        name += f" ({pick(rng, ('S', 'M', 'L', 'R', 'HOT', 'Cold', 'Large'))})"
    elif drawn < 0.53:
        name += f" {whole(rng, 1, 99)}%"
    return recase(name, rng, upper=0.6, title=0.3)


_LABELS = (
    "Total", "TOTAL", "Sub Total", "SUBTOTAL", "Sub-Total", "Cash", "CASH", "Change", "CHANGE",
    "Amount", "Amt", "Tax", "GST 6%", "VAT", "VAT 20%", "Round Adj", "Rounding", "Discount", "Disc",
    "Item", "Items", "Qty", "QTY", "Price", "U.Price", "Description", "Date", "Time", "Cashier",
    "Table", "Invoice No", "INVOICE", "TAX INVOICE", "Receipt", "RECEIPT", "Bill No.", "Order", "POS",
    "Terminal", "Member", "Points", "Balance", "Payment", "VISA", "Net Total", "Nett", "Total Due",
    "Amount Due", "Tendered", "Server", "Guest", "Operator", "Ref", "GST ID", "Reg No", "Summary",
    "Total Qty", "Service Charge", "Tip", "Montant", "Summe", "MwSt", "Importe", "Totale", "Betrag",
)  # fmt: skip
_CLOSINGS = (
    "Thank you", "THANK YOU", "Thank You! Please Come Again", "PLEASE COME AGAIN", "Have a nice day",
    "Goods sold are not returnable", "GOODS SOLD ARE NOT REFUNDABLE", "No cash refund",
    "Exchange within 7 days with receipt", "Please keep this receipt", "*** Customer Copy ***",
    "Powered by", "See you soon!", "Thank you for shopping with us", "STRICTLY NO CASH REFUND",
    "Prices include VAT", "Merci de votre visite", "À bientôt", "Vielen Dank für Ihren Einkauf",
    "Gracias por su compra", "Grazie e arrivederci", "Served by", "E. & O. E.", "Tax Invoice",
)  # fmt: skip


def label(rng: np.random.Generator) -> str:
    """The name of a field of a receipt or invoice."""
    text = pick(rng, _LABELS)
    drawn = rng.random()
    if drawn < 0.25:
        return f"{text}:"
    if drawn < 0.4:
        return f"{text} :"
    if drawn < 0.48:
        return f"{text} ({pick(rng, ('RM', '$', '€', '%', 'EUR', 'incl.'))})"
    return text


def closing(rng: np.random.Generator) -> str:
    """What stands at the foot of a receipt."""
    return pick(rng, _CLOSINGS)


def company(rng: np.random.Generator) -> str:
    """A shop's name."""
    first = pick(rng, FAMILY_NAMES) if rng.random() < 0.5 else pick(rng, SHOP_WORDS).capitalize()
    second = pick(rng, ("Market", "Café", "Stores", "Hardware", "Books", "Restaurant", "Trading",
                        "Bakery", "Pharmacy", "& Sons", "Foods", "Electrical", "Mart", "House"))  # fmt: skip
    last = pick(rng, ("", "", "", " Ltd", " Ltd.", " GmbH", " S.A.", " Inc.", " Sdn Bhd", " & Co."))
    return recase(f"{first} {second}{last}", rng, upper=0.55, title=0.0)


def _receipt(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A piece of a receipt, as one box of a detector holds it."""
    drawn = rng.random()
    if drawn < 0.28:
        return item(rng)
    if drawn < 0.48:
        return amount(rng)
    if drawn < 0.62:
        return label(rng)
    if drawn < 0.7:
        return f"{pick(rng, _LABELS)}{pick(rng, (' : ', ': ', ':', '  '))}{code(rng)}"
    if drawn < 0.76:
        return f"{whole(rng, 1, 12)}{pick(rng, (' X ', ' x ', ' @ ', 'x', '*', ' '))}{amount(rng)}"
    if drawn < 0.82:
        return str(whole(rng, 0, 30))
    if drawn < 0.88:
        return closing(rng)
    if drawn < 0.92:
        return company(rng)
    if drawn < 0.96:
        return pick(
            rng, ("X", "*", ":", "%", "SR", "ZR", "RM", "$", "€", "T", "S", "@", "(KB)", "#")
        )
    return f"{label(rng)} {amount(rng)}"


def _heading(lexicon: Lexicon, rng: np.random.Generator) -> str:
    text = " ".join(pick(rng, lexicon.words) for _ in range(whole(rng, 1, 5)))
    drawn = rng.random()
    if drawn < 0.15:
        text = f"{whole(rng, 1, 40)}. {text}"
    elif drawn < 0.22:
        text = f"{pick(rng, ('Chapter', 'CHAPITRE', 'Part', 'Section', '§'))} {whole(rng, 1, 99)}"
    elif drawn < 0.27:
        return pick(rng, (f"— {whole(rng, 1, 900)} —", f"- {whole(rng, 1, 900)} -"))
    return recase(text, rng, upper=0.4, title=0.3)


def _given(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A piece of the user's own text; a sentence where there is none."""
    if not lexicon.lines:
        return _sentence(lexicon, rng)
    line = pick(rng, lexicon.lines).split(" ")
    first = whole(rng, 0, max(0, len(line) - 3)) if len(line) > 12 else 0
    return " ".join(line[first : first + whole(rng, 6, 16)])


KINDS: dict[str, Callable[[Lexicon, np.random.Generator], str]] = {
    "address": _address,
    "code": _code,
    "date": _date,
    "given": _given,
    "heading": _heading,
    "number": _number,
    "phone": _phone,
    "price": _price,
    "pseudo": _pseudo,
    "random": _random,
    "receipt": _receipt,
    "sentence": _sentence,
    "time": _time,
    "web": _web,
    "word": _single,
    "words": _words,
}
"""The generators by name."""


def draw_kind(kinds: tuple[tuple[str, float], ...], rng: np.random.Generator) -> str:
    """Draw one of the kinds by weight."""
    steps = list(accumulate(weight for _, weight in kinds))
    return kinds[min(bisect.bisect(steps, rng.random() * steps[-1]), len(kinds) - 1)][0]
