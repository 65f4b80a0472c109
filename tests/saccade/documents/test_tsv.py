from __future__ import annotations

import csv
import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from saccade.documents import to_tsv
from saccade.documents.tsv import TSV_COLUMNS
from saccade.results import Page
from sample_pages import RECEIPT, line, page, turned


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_columns_are_those_of_tesseract() -> None:
    header = "level page_num block_num par_num line_num word_num left top width height conf text"
    assert to_tsv([]) == "\t".join(header.split()) + "\n"
    assert tuple(header.split()) == TSV_COLUMNS


def test_words_with_their_boxes_and_numbers() -> None:
    found = page(RECEIPT)
    table = rows(to_tsv(found))
    words = [row for row in table if row["level"] == "5"]
    assert [row["text"] for row in words] == [word.text for word in found.words]
    for row, word in zip(words, found.words, strict=True):
        (left, top), _, (right, bottom), _ = word.polygon
        box = [int(row[key]) for key in ("left", "top", "width", "height")]
        assert box == [left, top, right - left, bottom - top]
        assert float(row["conf"]) == 90.0
    others = [row for row in table if row["level"] != "5"]
    assert all((row["conf"], row["text"]) == ("-1", "") for row in others)
    assert [row["level"] for row in table[:6]] == ["1", "2", "3", "4", "5", "5"]
    assert table[0]["width"] == "420"


def test_numbers_start_again_within_each_part() -> None:
    two = replace(page([(0, 0, "a b"), (0, 30, "c"), (200, 0, "d")]), blocks=(0, 0, 1))
    keys = ("page_num", "block_num", "par_num", "line_num", "word_num", "text")
    words = [row for row in rows(to_tsv([two, two])) if row["level"] == "5"]
    assert [tuple(row[key] for key in keys) for row in words[:4]] == [
        ("1", "1", "1", "1", "1", "a"),
        ("1", "1", "1", "1", "2", "b"),
        ("1", "1", "1", "2", "1", "c"),
        ("1", "2", "1", "1", "1", "d"),
    ]
    assert words[4]["page_num"] == "2"


def test_pages_of_a_document_keep_their_numbers() -> None:
    first = replace(page([(0, 0, "a")]), number=2, pages=9)
    later = replace(first, number=5)
    assert {row["page_num"] for row in rows(to_tsv([first, later]))} == {"2", "5"}
    assert {row["page_num"] for row in rows(to_tsv([later, first]))} == {"1", "2"}


def test_a_wide_gap_starts_a_paragraph() -> None:
    spaced = page([(0, 0, "a"), (0, 25, "b"), (0, 100, "c")])
    words = [row for row in rows(to_tsv(spaced)) if row["level"] == "5"]
    assert [row["par_num"] for row in words] == ["1", "1", "2"]


def test_a_page_without_words() -> None:
    assert len(rows(to_tsv(page([])))) == 1
    assert len(rows(to_tsv(page([(0, 0, " ")])))) == 1


def test_a_line_that_knows_no_words_is_parted_at_blanks() -> None:
    whole = replace(line(100, 0, "one two"), words=())
    words = [row for row in rows(to_tsv(Page("a", 300, 50, (whole,)))) if row["level"] == "5"]
    assert [(row["text"], row["left"], row["width"]) for row in words] == [
        ("one", "100", "30"),
        ("two", "140", "30"),
    ]


def test_boxes_of_turned_words_hold_them_and_stay_on_the_page() -> None:
    for row in rows(to_tsv(turned(page(RECEIPT), 50))):
        left, top = int(row["left"]), int(row["top"])
        assert 0 <= left <= left + int(row["width"]) <= 420
        assert 0 <= top <= top + int(row["height"]) <= 280


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_no_text_breaks_the_table(texts: list[str]) -> None:
    found = Page("a", 99, 99, tuple(replace(line(0, 0, "x"), text=t, words=()) for t in texts))
    for row in to_tsv(found).removesuffix("\n").split("\n"):
        assert row.count("\t") == 11
        assert row.isprintable() or "\t" in row


def test_five_thousand_words() -> None:
    many = page([(0, 25 * n, " ".join(["word"] * 10)) for n in range(500)], height=12500)
    assert to_tsv(many).count("\tword\n") == 5000
