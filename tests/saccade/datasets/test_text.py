"""PP-OCR label files, in folders and archives, good and bad."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from saccade.datasets.text import (
    TextRegion,
    format_line,
    format_page,
    open_text_lines,
    open_text_pages,
)
from saccade.errors import DatasetError

BOX = [[1, 2], [11, 2], [11, 8], [1, 8]]


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 9), (10, 20, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def page(*texts: str) -> str:
    return json.dumps([{"transcription": text, "points": BOX} for text in texts])


FILES = {
    "images/a.png": png(),
    "images/b.png": png(),
    "det_train.txt": f"images/a.png\t{page('Total', '###', '*')}\r\n./images/b.png\t[]\n".encode(),
    "det_val.txt": f"images/b.png\t{page('été')}\n".encode(),
    "rec_train.txt": b"images/a.png\t two  words \n\nimages/b.png\ta\tb\n",
}


def lay_out(root: Path, files: dict[str, bytes], packed: bool) -> Path:
    if packed:
        with zipfile.ZipFile(root / "pack.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return root / "pack.zip"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("packed", [False, True])
def test_pages(tmp_path: Path, packed: bool) -> None:
    place = lay_out(tmp_path, FILES, packed)
    pages = open_text_pages(place)
    assert len(pages) == 2 and pages.problems == ()
    first, second = pages.samples
    assert [r.text for r in first.regions] == ["Total", "###", "*"]
    assert [r.ignored for r in first.regions] == [False, True, True]
    assert first.regions[0].points.dtype == np.float32
    assert first.regions[0].points.tolist() == BOX
    assert second.regions == ()
    assert pages.read(0).shape == (9, 12, 3)
    assert pages.read(1)[0, 0].tolist() == [10, 20, 30]
    assert open_text_pages(place, "val").samples[0].regions[0].text == "été"


@pytest.mark.parametrize("packed", [False, True])
def test_lines(tmp_path: Path, packed: bool) -> None:
    lines = open_text_lines(lay_out(tmp_path, FILES, packed))
    assert [sample.text for sample in lines.samples] == [" two  words ", "a\tb"]
    assert lines.read(1).shape == (9, 12, 3)


def test_lines_are_cut_out_of_pages(tmp_path: Path) -> None:
    page = np.zeros((40, 60, 3), np.uint8)
    page[5:15, 10:50] = 200
    upwards = [[2, 0], [8, 0], [8, 39], [2, 39]]
    corners = {"Total": [[10, 5], [50, 5], [50, 15], [10, 15]], "###": BOX, "up": upwards}
    corners["five"] = [[10, 5], [30, 5], [50, 5], [50, 15], [10, 15]]
    buffer = io.BytesIO()
    Image.fromarray(page).save(buffer, "PNG")
    label = [{"transcription": text, "points": points} for text, points in corners.items()]
    files = {"a.png": buffer.getvalue(), "det_train.txt": f"a.png\t{json.dumps(label)}".encode()}
    lines = open_text_lines(lay_out(tmp_path, files, packed=True))
    assert [sample.text for sample in lines.samples] == ["Total", "five"]
    for index in range(2):
        line = lines.read(index)
        assert line.shape == (10, 40, 3)
        assert (line == 200).all()
    wider = lines.read(0, np.array([[5, 0], [99, 0], [99, 20], [5, 20]]))
    np.testing.assert_array_equal(wider, page[:20, 5:60])


def test_a_page_without_readable_lines(tmp_path: Path) -> None:
    place = lay_out(tmp_path, {"a.png": png(), "det_val.txt": b"a.png\t[]"}, packed=False)
    with pytest.raises(DatasetError, match="no line that can be read"):
        open_text_lines(place, "val")


def test_a_list_by_itself_and_other_names_of_a_split(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "validation.txt": b"images/a.png\tx\n"}, False)
    assert len(open_text_pages(tmp_path / "det_val.txt")) == 1
    assert open_text_lines(tmp_path, "val").samples[0].text == "x"


BROKEN = {
    "images/a.png\t[{": "no JSON",
    'images/a.png\t{"a": 1}': "no JSON list",
    "images/a.png\t[3]": "malformed",
    'images/a.png\t[{"transcription": "a"}]': "malformed",
    'images/a.png\t[{"transcription": 3, "points": [[1,1],[2,1],[2,2],[1,2]]}]': "malformed",
    'images/a.png\t[{"transcription": "a", "points": [[1,1],[2,1],[2,2]]}]': "malformed",
    'images/a.png\t[{"transcription": "a", "points": [[1,1],[2,1],[2,2],[1]]}]': "malformed",
    'images/a.png\t[{"transcription": "a", "points": [[1,1],[2,1],[2,2],[1,NaN]]}]': "malformed",
    'images/a.png\t[{"transcription": "a", "points": [[1,1],[2,1],[2,2],"ab"]}]': "malformed",
    "images/a.png\t" + "[" * 100_000: "no JSON",
    "images/gone.png\t[]": "no picture images/gone.png",
    "images/a.png []": "expected PATH<TAB>LABEL",
    "\t[]": "expected PATH<TAB>LABEL",
}


@pytest.mark.parametrize("bad", BROKEN)
def test_one_broken_line_is_named_and_the_others_count(tmp_path: Path, bad: str) -> None:
    good = f"images/b.png\t{page('x')}"
    files = {**FILES, "det_train.txt": f"{good}\n{bad}\n{good}\n".encode()}
    pages = open_text_pages(lay_out(tmp_path, files, False))
    assert len(pages) == 2
    (problem,) = pages.problems
    assert problem.where.endswith("det_train.txt line 2")
    assert BROKEN[bad] in problem.reason and "\n" not in problem.reason


def test_lines_without_text(tmp_path: Path) -> None:
    files = {**FILES, "rec_train.txt": b"images/a.png\t\nimages/a.png\t  \nimages/b.png\tx\n"}
    lines = open_text_lines(lay_out(tmp_path, files, True))
    assert [str(p.where).rsplit(" ", 1)[1] for p in lines.problems] == ["1", "2"]
    assert "pack.zip:rec_train.txt" in lines.problems[0].where


def test_nothing_usable(tmp_path: Path) -> None:
    place = lay_out(
        tmp_path, {**FILES, "det_train.txt": b"", "rec_train.txt": b"gone.png\tx"}, False
    )
    with pytest.raises(DatasetError, match=r"det_train\.txt has no usable line"):
        open_text_pages(place)
    with pytest.raises(DatasetError, match=r"line 1: there is no picture gone\.png"):
        open_text_lines(place)
    with pytest.raises(DatasetError, match=r"no list det_test\.txt or test\.txt; its lists: det_"):
        open_text_pages(place, "test")
    with pytest.raises(DatasetError, match="no such file"):
        open_text_pages(place / "nowhere")
    (place / "det_val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match="not UTF-8"):
        open_text_pages(place, "val")


texts = st.text(st.characters(codec="utf-8"), max_size=20)
coordinate = st.floats(-1e6, 1e6, width=32)
points = st.lists(st.tuples(coordinate, coordinate), min_size=4, max_size=7)


@given(st.lists(st.tuples(texts, points), max_size=4))
def test_pages_round_trip(tmp_path_factory, content):
    place = tmp_path_factory.mktemp("pages")
    (place / "a b.png").write_bytes(png())
    regions = [TextRegion(np.array(p, np.float32), t) for t, p in content]
    (place / "train.txt").write_bytes((format_page("a b.png", regions) + "\n").encode())
    found = open_text_pages(place).samples[0].regions
    assert [r.text for r in found] == [t for t, _ in content]
    for region, (_, expected) in zip(found, content, strict=True):
        np.testing.assert_array_equal(region.points, np.array(expected, np.float32))


def test_lines_round_trip_and_refusals(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    text = " £5\u2028“x”\x85 "
    (tmp_path / "train.txt").write_bytes(format_line("a.png", text).encode())
    assert open_text_lines(tmp_path).samples[0].text == text
    for path, bad in (("a\tb", "x"), ("", "x"), ("a", ""), ("a", "x\ny")):
        with pytest.raises(DatasetError):
            format_line(path, bad)
    with pytest.raises(DatasetError, match="tabs"):
        format_page("a\nb", [])


@pytest.mark.parametrize(
    ("pack", "train", "val", "regions"),
    [
        ("ocr_sroie_receipts", 160, 40, 2280),
        ("ocr_print_pages", 32, 8, 353),
        ("ocr_icdar15_scene", 180, 40, 434),
    ],
)
def test_packs_of_pages(shared_data: Path, pack, train, val, regions) -> None:
    place = shared_data / f"{pack}.zip"
    assert len(open_text_pages(place)) == train
    pages = open_text_pages(place, "val")
    assert len(pages) == val and pages.problems == ()
    assert sum(len(sample.regions) for sample in pages.samples) == regions
    assert pages.read(0).ndim == 3


@pytest.mark.parametrize(
    ("pack", "train", "val"),
    [
        ("rec_sroie_lines", 4327, 873),
        ("rec_print_lines", 1499, 249),
        ("rec_icdar15_words", 3972, 496),
        ("rec_iiit5k_words", 2000, 2067),
    ],
)
def test_packs_of_lines(shared_data: Path, pack, train, val) -> None:
    place = shared_data / f"{pack}.zip"
    assert len(open_text_lines(place)) == train
    lines = open_text_lines(place, "val")
    assert len(lines) == val and lines.problems == ()
    assert lines.read(0).shape[2] == 3
