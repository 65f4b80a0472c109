from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.results import Look, Page, RecognizedObject, TextCharacter, TextLine, TextWord

BOX = ((10.0, 20.0), (90.0, 20.0), (90.0, 40.0), (10.0, 40.0))
WORD = TextWord("né", 0.75, BOX, (TextCharacter("n", 0.5, BOX), TextCharacter("é", 1.0, BOX)))
LINE = TextLine("né 1", 0.875, BOX, (WORD, TextWord("1", 1.0, BOX)))
PAGE = Page("a.pdf", 120, 60, (LINE,), 2, 3, 90, {"detect": 1.5}, (0,))

numbers = st.floats(-1e6, 1e6)
scores = st.floats(0, 1)
polygons = st.lists(st.tuples(numbers, numbers), min_size=4, max_size=8).map(tuple)
characters = st.builds(TextCharacter, st.text(max_size=2), scores, polygons)
words = st.builds(
    TextWord, st.text(), scores, polygons, st.lists(characters, max_size=2).map(tuple)
)
lines = st.builds(TextLine, st.text(), scores, polygons, st.lists(words, max_size=2).map(tuple))


@st.composite
def pages(draw: st.DrawFn) -> Page:
    found = tuple(draw(st.lists(lines, max_size=3)))
    count = draw(st.integers(1, 9))
    blocks = st.tuples(*[st.integers(0, 5)] * len(found))
    return Page(
        image=draw(st.text()),
        width=draw(st.integers(1, 9999)),
        height=draw(st.integers(1, 9999)),
        lines=found,
        number=draw(st.integers(1, count)),
        pages=count,
        rotation=draw(st.sampled_from([0, 90, 180, 270])),
        timings_ms=draw(st.dictionaries(st.text(), numbers, max_size=2)),
        blocks=draw(st.one_of(st.just(()), blocks)),
    )


@given(pages())
def test_pages_round_trip_through_json(page: Page) -> None:
    again = Page.from_dict(json.loads(json.dumps(page.to_dict())))
    assert again == page
    assert again.timings_ms == page.timings_ms


def test_the_documented_keys() -> None:
    plain = PAGE.to_dict()
    keys = ["image", "width", "height", "page", "pages", "rotation", "lines", "blocks"]
    assert list(plain) == [*keys, "timings_ms"]
    assert (plain["page"], plain["pages"], plain["rotation"]) == (2, 3, 90)
    (line,) = plain["lines"]
    assert list(line) == ["text", "score", "polygon", "words"]
    assert line["polygon"] == [[10.0, 20.0], [90.0, 20.0], [90.0, 40.0], [10.0, 40.0]]
    assert list(line["words"][0]) == ["text", "score", "polygon", "characters"]
    assert [list(c) for c in line["words"][0]["characters"]] == [["text", "score", "polygon"]] * 2
    assert "blocks" not in replace(PAGE, blocks=()).to_dict()


def test_pages_read_like_a_list_of_lines() -> None:
    page = Page("a.jpg", 9, 9, (LINE, LINE))
    assert len(page) == 2
    assert list(page) == [LINE, LINE]
    assert page.text == "né 1\nné 1"
    assert [word.text for word in page.words] == ["né", "1", "né", "1"]
    assert repr(page) == "a.jpg: 2 lines, 'né 1', ..."
    assert repr(PAGE) == "a.pdf page 2: 1 line, 'né 1'"
    nothing = Page("b.jpg", 9, 9, ())
    assert (nothing.text, nothing.words, repr(nothing)) == ("", (), "b.jpg: no text")
    assert not nothing


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rotation": 45}, "rotation 45"),
        ({"blocks": (0, 1)}, "2 blocks for 1 lines"),
        ({"number": 0}, "page 0 of 3"),
        ({"number": 4}, "page 4 of 3"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        replace(PAGE, **wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"lines": 3},
        {"lines": [{"text": "x", "score": 1.0, "polygon": [[1, 2, 3]], "words": []}]},
        {"lines": [{"text": "x", "polygon": [], "words": []}]},
        {"lines": [{"text": "x", "score": "sure", "polygon": [], "words": []}]},
        {"width": None},
        {"timings_ms": None},
    ],
)
def test_what_is_no_page_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="no Page result"):
        Page.from_dict({**PAGE.to_dict(), **change})
    with pytest.raises(OptionError, match="no Page result"):
        Page.from_dict({})


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_drawing_shows_the_picture_and_the_text_beside_it(rotation: int) -> None:
    image = np.full((60, 120, 3), 200, np.uint8)
    before = image.copy()
    drawn = replace(PAGE, rotation=rotation).draw(image)
    turned = rotation in (90, 270)
    assert drawn.shape == ((120, 120, 3) if turned else (60, 240, 3))
    assert (image == before).all()
    framed, panel = np.split(drawn, 2, axis=1)
    assert (framed == 200).any()
    assert (framed != 200).any()
    upright = np.rot90(panel, rotation // 90)  # back to how the picture lies
    assert upright.shape == image.shape
    inside = np.zeros((60, 120), bool)
    inside[19:42, 9:92] = True
    assert (upright[~inside] == 255).all()
    assert (upright[22:38, 12:88] < 160).any()


def test_colours_tell_doubt() -> None:
    image = np.full((60, 120, 3), 255, np.uint8)
    seen = {}
    for score in (0.95, 0.8, 0.2):
        line = TextLine("Text", score, BOX)
        panel = Page("a", 120, 60, (line,)).draw(image)[:, 120:]
        seen[score] = panel[panel.sum(axis=2).argmin() // 120, panel.sum(axis=2).argmin() % 120]
    assert seen[0.95].argmax() == 1
    assert seen[0.2].argmax() == 0
    assert seen[0.2][1] < seen[0.8][1] < seen[0.8][0]


def test_strange_lines_are_drawn_without_harm() -> None:
    image = np.full((60, 120, 3), 255, np.uint8)
    point = ((5.0, 5.0),) * 4
    far = ((-1e7, -1e7), (1e7, -1e7), (1e7, 1e7), (-1e7, 1e7))
    broken = ((float("nan"), 0.0),) * 4
    outside = tuple((x + 500, y) for x, y in BOX)
    shapes = (point, far, broken, outside, BOX[:2], ())
    page = Page("a", 120, 60, tuple(TextLine("x\n\x00y", 0.5, shape) for shape in shapes))
    assert page.draw(image).shape == (60, 240, 3)
    assert replace(page, rotation=90).draw(image).shape == (120, 120, 3)
    assert (Page("a", 120, 60, ()).draw(image) == 255).all()
    with pytest.raises(OptionError, match="cannot draw on dtype float64"):
        page.draw(np.zeros((4, 4, 3)))


def test_a_look_has_lines() -> None:
    thing = RecognizedObject((0.0, 0.0, 9.0, 9.0), "tea", 0.5)
    look = Look("a.jpg", 120, 60, (thing,), {"read": 1.0}, (LINE,))
    plain = json.loads(json.dumps(look.to_dict()))
    assert plain["lines"] == [LINE.to_dict()]
    assert Look.from_dict(plain) == look
    assert Look("a.jpg", 120, 60, ()).lines == ()
    assert repr(look) == "a.jpg: tea 0.50, 'né 1'"
    assert repr(replace(look, objects=())) == "a.jpg: 'né 1'"
    image = np.full((60, 120, 3), 255, np.uint8)
    assert look.draw(image).shape == (60, 240, 3)  # the text stands beside the picture
    assert replace(look, lines=()).draw(image).shape == (60, 120, 3)
