"""What is written on a line: pure functions of a random generator, no downloads.

Each generator takes a `Lexicon` and a random generator and returns one line. `KINDS` names them;
options give each a weight.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from saccade.errors import DatasetError

from . import fields
from .draws import pick, recase, whole
from .words import WORDS

__all__ = ["KINDS", "Lexicon", "draw_kind", "pseudo_word", "read_lexicon", "sentence"]

# The two letters before: enough for words that can be spoken.
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

    @cached_property
    def chain(self) -> dict[str, str]:
        """For each pair of letters, those that follow it in the words, as often as they do."""
        followers: dict[str, list[str]] = {}
        for word in self.words[:200_000]:
            letters = "^" * _ORDER + "".join(c for c in word.lower() if c.isalpha()) + "$"
            for place in range(_ORDER, len(letters)):
                followers.setdefault(letters[place - _ORDER : place], []).append(letters[place])
        return {context: "".join(letters) for context, letters in followers.items()}


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


def pseudo_word(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A word that does not exist but could: a Markov chain over letters."""
    chain = lexicon.chain
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
    text = recase(_word(lexicon, rng), rng, upper=0.52, title=0.28)
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
        return fields.amount(rng)
    if drawn < 0.4:
        return f"-{fields.amount(rng)}"
    if drawn < 0.55:
        return f"{fields.amount(rng)}{pick(rng, (' €', '€', ' EUR', ' SR', 'S', ' T', ' A'))}"
    return f"{pick(rng, fields.CURRENCIES)}{' ' if rng.random() < 0.2 else ''}{fields.amount(rng)}"


def _date(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return f"{fields.date(rng)} {fields.clock(rng)}" if rng.random() < 0.35 else fields.date(rng)


def _time(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return fields.clock(rng)


def _phone(lexicon: Lexicon, rng: np.random.Generator) -> str:
    label = pick(rng, ("", "", "Tel: ", "TEL : ", "Tel. ", "Fax: ", "Phone ", "Tel/Fax : "))
    return label + fields.phone(rng)


def _code(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return fields.code(rng)


def _address(lexicon: Lexicon, rng: np.random.Generator) -> str:
    text = fields.address(rng) if rng.random() < 0.7 else fields.person(rng)
    return recase(text, rng, upper=0.35, title=0.0)


def _web(lexicon: Lexicon, rng: np.random.Generator) -> str:
    return fields.web(rng)


def _receipt(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A piece of a receipt, as one box of a detector holds it."""
    drawn = rng.random()
    if drawn < 0.28:
        return fields.item(rng)
    if drawn < 0.48:
        return fields.amount(rng)
    if drawn < 0.62:
        return fields.label(rng)
    if drawn < 0.7:
        return f"{pick(rng, fields.LABELS)}{pick(rng, (' : ', ': ', ':', '  '))}{fields.code(rng)}"
    if drawn < 0.76:
        times = pick(rng, (" X ", " x ", " @ ", "x", "*", " "))
        return f"{whole(rng, 1, 12)}{times}{fields.amount(rng)}"
    if drawn < 0.82:
        return str(whole(rng, 0, 30))
    if drawn < 0.88:
        return fields.closing(rng)
    if drawn < 0.92:
        return fields.company(rng)
    if drawn < 0.96:
        return pick(
            rng, ("X", "*", ":", "%", "SR", "ZR", "RM", "$", "€", "T", "S", "@", "(KB)", "#")
        )
    return f"{fields.label(rng)} {fields.amount(rng)}"


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
