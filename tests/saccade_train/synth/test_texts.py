from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from saccade.errors import DatasetError
from saccade_train.synth import LATIN, Lexicon, preset, read_lexicon
from saccade_train.synth.draws import recase
from saccade_train.synth.lines import draw_text, split_words
from saccade_train.synth.texts import KINDS, pseudo_word


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_says_something_on_one_line(kind: str) -> None:
    lexicon, rng = Lexicon(LATIN), np.random.default_rng(1)
    texts = [KINDS[kind](lexicon, rng) for _ in range(300)]
    assert all(text.strip() and "\n" not in text and "\t" not in text for text in texts)
    assert len(set(texts)) > 100 or kind == "heading"


def test_random_strings_show_rare_characters() -> None:
    lexicon, rng = Lexicon(LATIN), np.random.default_rng(2)
    seen = set("".join(KINDS["random"](lexicon, rng) for _ in range(2000)))
    assert seen >= set(LATIN)


def test_pseudo_words_are_modelled_on_the_words() -> None:
    rng = np.random.default_rng(3)
    words = ("banana", "bandana", "cabana")
    made = [pseudo_word(Lexicon(LATIN, words), rng) for _ in range(100)]
    assert set("".join(made)) <= set("bandc")
    pairs = {a + b for word in words for a, b in pairwise(word)}
    assert all(a + b in pairs for word in made for a, b in pairwise(word))
    assert set(made) - set(words)


def test_cases() -> None:
    rng = np.random.default_rng(4)
    assert recase("größe é", rng, upper=1.0) == "GRÖSSE É"
    assert recase("one two", rng, upper=0.0, title=1.0) == "One Two"
    assert recase("oNe", rng, upper=0.0, title=0.0) == "oNe"


@pytest.mark.parametrize("name", ["document", "receipt", "scene"])
@pytest.mark.parametrize("length", [(1, 1), (3, 12), (30, 40), (400, 400)])
def test_lengths_and_alphabets_are_kept(name: str, length: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    for alphabet in (LATIN, "0123456789", "abc é", "ЖЫЯ "):
        (options,) = preset(name, length=length, alphabet=alphabet)
        for _ in range(15):
            text = draw_text(options, Lexicon(alphabet), rng)
            assert length[0] <= len(text) <= length[1]
            assert set(text) <= set(alphabet)
            assert text == text.strip()
            assert "  " not in text


def test_words_of_a_line() -> None:
    assert split_words("ab c") == [(0, 2), (3, 4)]
    assert split_words("x") == [(0, 1)]


def test_a_text_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\ufeffquokka  wombat\n\nnumbat\n", encoding="utf-8")
    lexicon = read_lexicon(path, LATIN)
    assert lexicon.words == ("quokka", "wombat", "numbat")
    assert lexicon.lines == ("quokka wombat", "numbat")
    rng = np.random.default_rng(6)
    assert KINDS["given"](lexicon, rng) in ("quokka wombat", "numbat")


@pytest.mark.parametrize("content", [b"", b" \n \n", b"\xff\xff", None])
def test_a_bad_text(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"text\.txt"):
        read_lexicon(path, LATIN)
