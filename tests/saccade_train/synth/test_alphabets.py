from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import DatasetError
from saccade_train.synth.alphabets import (
    ASCII,
    LATIN,
    fit_to_alphabet,
    read_alphabet,
    write_alphabet,
)


def test_latin_holds_what_the_task_names() -> None:
    assert len(ASCII) == 95
    assert len(set(LATIN)) == len(LATIN)
    assert set(ASCII) | set("éèêàçñüößåøæœ€£°‘’“”–—¿¡«»") <= set(LATIN)


def test_dictionary_files_round_trip(tmp_path: Path) -> None:
    write_alphabet(tmp_path / "dict.txt", LATIN)
    assert read_alphabet(tmp_path / "dict.txt") == LATIN
    (tmp_path / "windows.txt").write_bytes("\ufeffa\r\nb\r\n \r\né\r\n".encode())
    assert read_alphabet(tmp_path / "windows.txt") == "ab é"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab\nc\n", r"line 1: 'ab' is not one character"),
        (b"a\nb\na\n", r"line 3: 'a' is already on line 1"),
        (b"\n\n", "no character"),
        (b"\xff\xfe", "UTF-8"),
        (b"\x07\n", "cannot be printed"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_dictionary_is_told_apart(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "dict.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_alphabet(path)


@given(st.text(max_size=40))
def test_what_is_fitted_fits(text: str) -> None:
    for alphabet in (frozenset(ASCII), frozenset(LATIN), frozenset("ABC1"), frozenset("abc ")):
        assert alphabet.issuperset(fit_to_alphabet(text, alphabet))


def test_fitting_keeps_the_sense() -> None:
    assert fit_to_alphabet("Œuvre—naïve…", frozenset(ASCII)) == "OEuvre-naive..."
    assert fit_to_alphabet("Total: 5 €", frozenset("TOAL5 ")) == "TOTAL 5"
    assert fit_to_alphabet("a\u00a0b", frozenset("ab ")) == "a b"
