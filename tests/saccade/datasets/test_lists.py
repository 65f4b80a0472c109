from __future__ import annotations

import re

import pytest

from saccade.datasets.lists import Row, name_rows, parse_classes, parse_list
from saccade.errors import DatasetError


def test_both_forms_of_a_line():
    text = "a b/1.jpg\tred wine\t7\r\n\n./c/2.jpg 3\n  \nd e.jpg 0\n"
    assert parse_list(text, "x") == [
        Row(1, "a b/1.jpg", "red wine"),
        Row(3, "c/2.jpg", "3"),
        Row(5, "d e.jpg", "0"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg 0\nb.jpg\n", "list.txt line 2: 'b.jpg' lacks a path or a label"),
        ("a.jpg\t\n", "line 1"),
        ("\t3\n", "line 1"),
        ("", "list.txt lists no picture"),
        ("\n \n", "list.txt lists no picture"),
    ],
)
def test_bad_lines_are_named(text, message):
    with pytest.raises(DatasetError, match=message):
        parse_list(text, "list.txt")


def test_class_names():
    assert parse_classes("cat\r\nred fox\n\n", "c") == ("cat", "red fox")
    with pytest.raises(DatasetError, match="c line 2 is blank"):
        parse_classes("cat\n\ndog\n", "c")
    with pytest.raises(DatasetError, match="c line 3: class 'cat' is already on line 1"):
        parse_classes("cat\ndog\ncat\n", "c")
    with pytest.raises(DatasetError, match="line 1 is blank"):
        parse_classes("", "c")


def rows(*labels):
    return [Row(i + 1, f"{i}.jpg", label) for i, label in enumerate(labels)]


def test_numbers_with_and_without_names():
    assert name_rows(rows("1", "0"), "x", ("a", "b")) == (("a", "b"), ["b", "a"])
    assert name_rows(rows("2", "0"), "x", None) == (("0", "1", "2"), ["2", "0"])
    assert name_rows(rows("1"), "x", None, ("p", "q")) == (("p", "q"), ["q"])


def test_numbers_stay_numbers_even_where_names_look_like_them():
    assert name_rows(rows("0", "1"), "x", ("1", "2")) == (("1", "2"), ["1", "2"])


def test_names():
    assert name_rows(rows("dog", "cat", "dog"), "x", None) == (
        ("cat", "dog"),
        ["dog", "cat", "dog"],
    )
    assert name_rows(rows("7up", "1"), "x", ("1", "7up")) == (("1", "7up"), ["7up", "1"])


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (
            ("0", "2"),
            ("a", "b"),
            "x line 2: label 2 is out of range; there are 2 classes, numbered 0 to 1",
        ),
        (("-1",), ("a", "b"), "x line 1: label -1 is out of range"),
        (("0", "123456789"), None, "label 123456789 is out of range.*a classes.txt"),
        (
            ("cat", "dgo"),
            ("cat", "dog"),
            "x line 2: 'dgo' is not a class of classes.txt; did you mean 'dog'",
        ),
        (("cat", "0"), ("cat", "dog"), "x line 2: '0' is not a class"),
    ],
)
def test_bad_labels_are_named(labels, classes, message):
    with pytest.raises(DatasetError, match=re.sub(r"([?])", r"\\\1", message)):
        name_rows(rows(*labels), "x", classes)
