"""hOCR and ALTO: both are XML that must give back the words and boxes it was made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.documents import to_alto, to_hocr
from saccade.results import Page, TextLine, TextWord
from sample_pages import RECEIPT, line, page, turned

XHTML = "{http://www.w3.org/1999/xhtml}"
ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"
Box = tuple[int, ...]
Words = list[tuple[str, Box]]


def of_class(root: Element, name: str) -> list[Element]:
    return [item for item in root.iter() if item.get("class") == name]


def title(item: Element) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in (item.get("title") or "").split(";"))
    return {key: value for key, _, value in parts}


def hocr_words(text: str) -> Words:
    words = of_class(ElementTree.fromstring(text), "ocrx_word")
    return [("".join(w.itertext()), tuple(map(int, title(w)["bbox"].split()))) for w in words]


def alto_words(text: str) -> Words:
    found: Words = []
    for word in ElementTree.fromstring(text).iter(ALTO + "String"):
        left, top, width, height = (
            int(word.get(key) or "") for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
        )
        found.append((word.get("CONTENT") or "", (left, top, left + width, top + height)))
    return found


FORMATS = pytest.mark.parametrize(
    ("write", "words"), [(to_hocr, hocr_words), (to_alto, alto_words)], ids=["hocr", "alto"]
)


@FORMATS
@pytest.mark.parametrize("characters", [False, True])
def test_words_and_boxes_come_back(
    write: Callable[..., str], words: Callable[[str], Words], characters: bool
) -> None:
    found = page(RECEIPT)
    wanted = [
        (word.text, (*map(int, word.polygon[0]), *map(int, word.polygon[2])))
        for word in found.words
    ]
    assert words(write([found, found], characters=characters)) == wanted * 2


@FORMATS
@given(texts=st.lists(st.text(min_size=1), min_size=1, max_size=3), name=st.text())
def test_any_text_is_well_formed(
    write: Callable[..., str], words: Callable[[str], Words], texts: list[str], name: str
) -> None:
    box = line(0, 0, "x").polygon
    lines = tuple(TextLine(t, 0.5, box, (TextWord(t, 0.5, box),)) for t in texts)
    found = words(write(Page(name, 99, 99, lines)))
    kept = "".join(text for text, _ in found)
    for character in "".join(texts):
        if character.isprintable() and not character.isspace():
            assert character in kept


@FORMATS
def test_odd_characters(write: Callable[..., str], words: Callable[[str], Words]) -> None:
    text = "<a&b>\"'\x00\x1b\ufffe\ud800\tç"
    one = replace(line(0, 0, "x"), text=text, words=(TextWord(text, 0.5, ()),))
    found = write(Page('<"na&me">\x01.png', 99, 99, (one,)))
    assert [said for said, _ in words(found)] == ["<a&b>\"'\ufffd\ufffd\ufffd\ufffd ç"]


@FORMATS
def test_nothing_to_say(write: Callable[..., str], words: Callable[[str], Words]) -> None:
    for nothing in ([], page([]), page([(0, 0, "  ")])):
        assert words(write(nothing)) == []


@FORMATS
def test_five_thousand_words(write: Callable[..., str], words: Callable[[str], Words]) -> None:
    many = page([(0, 25 * n, " ".join(["word"] * 10)) for n in range(500)], height=12500)
    assert len(words(write(many))) == 5000


@FORMATS
def test_identities_are_unique(write: Callable[..., str], words: Callable[[str], Words]) -> None:
    two = replace(page(RECEIPT), blocks=(0, 1, 1, 1, 1, 1, 1, 2))
    seen = re.findall(r' (?:ID|id)="([^"]*)"', write([two, two]))
    assert len(seen) == len(set(seen)) > 40
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", identity) for identity in seen)


# --- hOCR ---


def test_hocr_nests_pages_areas_paragraphs_lines_words_and_characters() -> None:
    found = replace(page(RECEIPT), blocks=(0, 1, 1, 1, 1, 1, 1, 2))
    root = ElementTree.fromstring(to_hocr(found, characters=True))
    (sheet,) = of_class(root, "ocr_page")
    assert title(sheet) == {"image": '"receipt.jpg"', "bbox": "0 0 420 280", "ppageno": "0"}
    assert len(of_class(sheet, "ocr_carea")) == 3
    assert len(of_class(sheet, "ocr_par")) >= 3
    lines = of_class(sheet, "ocr_line")
    assert ["".join(item.itertext()) for item in lines] == [one.text for one in found.lines]
    assert title(lines[0]) == {"bbox": "140 20 250 40", "baseline": "0.0000 -4"}
    word = of_class(lines[0], "ocrx_word")[1]
    assert title(word) == {"bbox": "210 20 250 40", "x_wconf": "90"}
    character = of_class(word, "ocrx_cinfo")[0]
    assert title(character) == {"x_bboxes": "210 20 220 40", "x_conf": "90.00"}
    meta = {item.get("name"): item.get("content") or "" for item in root.iter(XHTML + "meta")}
    used = {item.get("class") for item in root.iter()} - {None}
    assert used <= set(meta["ocr-capabilities"].split())
    assert meta["ocr-system"].startswith("saccade ")


def test_hocr_tells_how_lines_are_turned() -> None:
    flat = page([(100, 100, "a turned line")])
    for degrees, wanted in ((5.0, 0.0875), (-10.0, -0.1763)):
        (one,) = of_class(ElementTree.fromstring(to_hocr(turned(flat, degrees))), "ocr_line")
        slope, offset = map(float, title(one)["baseline"].split())
        assert slope == pytest.approx(wanted, abs=1e-3)
        # The baseline at the left end of the box, and a fifth of the height above the lower edge.
        left, _, _, bottom = map(int, title(one)["bbox"].split())
        (x, y) = turned(flat, degrees).lines[0].polygon[3]
        assert bottom + offset == pytest.approx(y + slope * (left - x) - 4, abs=1)
    for degrees, angle in ((90, "270"), (180, "180"), (-90, "90")):
        (one,) = of_class(ElementTree.fromstring(to_hocr(turned(flat, degrees))), "ocr_line")
        assert title(one)["textangle"] == angle
        assert "baseline" not in title(one)


def test_spaces_stand_only_where_the_line_has_them() -> None:
    whole = line(0, 0, "ab cd")
    first, second = whole.words
    joined = replace(whole, text="日本語 x", words=(replace(first, text="日本"), second))
    joined = replace(
        joined, words=(joined.words[0], replace(second, text="語"), replace(second, text="x"))
    )
    (one,) = of_class(ElementTree.fromstring(to_hocr(Page("a", 99, 99, (joined,)))), "ocr_line")
    assert "".join(one.itertext()) == "日本語 x"
    other = replace(joined, text="otherwise")
    (one,) = of_class(ElementTree.fromstring(to_hocr(Page("a", 99, 99, (other,)))), "ocr_line")
    assert "".join(one.itertext()) == "日本 語 x"


# --- ALTO ---

# What the schema 4.4 asks for: attributes that must be there, and elements in their order.
REQUIRED = {
    "Page": {"ID", "PHYSICAL_IMG_NR"},
    "TextBlock": {"ID"},
    "String": {"CONTENT"},
    "Glyph": {"CONTENT"},
    "Polygon": {"POINTS"},
    "Processing": {"ID"},
}
CHILDREN = {
    "alto": "Description Layout",
    "Description": "MeasurementUnit (sourceImageInformation )?Processing",
    "Layout": "Page( Page)*",
    "Page": "(PrintSpace)?",
    "PrintSpace": "(TextBlock ?)*",
    "TextBlock": "TextLine( TextLine)*",
    "TextLine": "(Shape )?String( SP)?( String( SP)?)*",
    "String": "(Shape ?)?(Glyph ?)*",
    "Shape": "Polygon",
}
NUMBERS = {"HPOS", "VPOS", "WIDTH", "HEIGHT", "ROTATION", "PHYSICAL_IMG_NR"}


def check_alto(text: str) -> Element:
    root = ElementTree.fromstring(text)
    for item in root.iter():
        name = item.tag.removeprefix(ALTO)
        assert set(item.keys()) >= REQUIRED.get(name, set())
        children = " ".join(child.tag.removeprefix(ALTO) for child in item)
        assert re.fullmatch(CHILDREN.get(name, ".*"), children), (name, children)
        for key, value in item.items():
            if key in NUMBERS:
                assert float(value) >= 0
            if key in ("WC", "GC"):
                assert 0 <= float(value) <= 1
            if key in ("BASELINE", "POINTS"):
                assert re.fullmatch(r"-?[\d.]+,-?[\d.]+( -?[\d.]+,-?[\d.]+)+", value)
            if name == "Glyph" and key == "CONTENT":
                assert len(value) == 1
    return root


@pytest.mark.parametrize("degrees", [0, 5, 90])
def test_alto_has_what_the_schema_asks_for(degrees: float) -> None:
    found = replace(turned(page(RECEIPT), degrees), blocks=(0, 1, 1, 1, 1, 1, 1, 2))
    root = check_alto(to_alto([found, page([])], characters=True))
    assert root.tag == ALTO + "alto"
    assert [p.get("PHYSICAL_IMG_NR") for p in root.iter(ALTO + "Page")] == ["1", "2"]
    shapes = list(root.iter(ALTO + "Polygon"))
    assert bool(shapes) == (degrees == 5)
    assert len(list(root.iter(ALTO + "Glyph"))) == sum(len(word.text) for word in found.words)
    assert [b.get("ROTATION") for b in root.iter(ALTO + "TextBlock")] == (
        ["270"] * 3 if degrees == 90 else [None] * 3
    )


def test_alto_names_the_source_where_there_is_one() -> None:
    one, two = page([(0, 0, "a")], "a<b.png"), page([(0, 0, "a")], "c.png")
    root = check_alto(to_alto([one, replace(one, number=2, pages=2)]))
    assert [item.text for item in root.iter(ALTO + "fileName")] == ["a<b.png"]
    assert not list(check_alto(to_alto([one, two])).iter(ALTO + "fileName"))
    check_alto(to_alto([]))


def test_alto_puts_spaces_into_the_gaps() -> None:
    root = check_alto(to_alto(page([(100, 50, "ab cd")])))
    (space,) = root.iter(ALTO + "SP")
    assert [space.get(key) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == [
        "120",
        "50",
        "10",
        "20",
    ]


def test_alto_tells_a_page_on_its_side() -> None:
    square = page([(100, 100, "a line of text")], width=420, height=420)
    root = check_alto(to_alto(replace(turned(square, -90), rotation=90)))
    (sheet,) = root.iter(ALTO + "Page")
    assert sheet.get("ROTATION") == "90"
    (block,) = root.iter(ALTO + "TextBlock")
    assert block.get("ROTATION") is None  # as the page says


def test_scores_out_of_range_are_cut() -> None:
    check_alto(to_alto(Page("a", 99, 99, (line(0, 0, "x", 1.0000001), line(0, 30, "y", -0.1)))))
