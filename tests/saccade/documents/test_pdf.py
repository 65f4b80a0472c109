from __future__ import annotations

import re
import shutil
import subprocess
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from saccade.documents import write_pdf
from saccade.errors import ImageError, OptionError
from saccade.results import Page, TextLine, TextWord
from sample_pages import RECEIPT, blank, line, page, turned

PAGE = page(RECEIPT)


def objects(data: bytes) -> dict[int, bytes]:
    """The objects of a PDF, found by its table, which must be exact."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)[1])  # type: ignore[index]
    head, count, rest = re.match(rb"xref\n(0) (\d+)\n", data[start:]), 0, b""
    assert head
    count = int(head[2])
    rest = data[start + head.end() :]
    rows = [rest[20 * n : 20 * n + 20] for n in range(count)]
    assert rows[0] == b"0000000000 65535 f \n"
    assert rest[20 * count :].startswith(b"trailer\n<</Size %d " % count)
    found = {}
    for identity, row in enumerate(rows[1:], 1):
        assert re.fullmatch(rb"\d{10} 00000 n \n", row)
        place = int(row[:10])
        assert data[place:].startswith(b"%d 0 obj\n" % identity)
        found[identity] = data[place : data.index(b"\nendobj\n", place)]
    return found


def streams(found: dict[int, bytes], containing: bytes) -> list[bytes]:
    parts = []
    for body in found.values():
        head, middle, rest = body.partition(b"\nstream\n")
        if not middle or containing not in head:
            continue
        length = int(re.search(rb"/Length (\d+)", head)[1])  # type: ignore[index]
        assert rest[length:] == b"\nendstream"
        parts.append(zlib.decompress(rest[:length]) if b"/Flate" in head else rest[:length])
    return parts


def read(path: Path) -> Any:
    pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    return pdfium.PdfDocument(path.read_bytes())


def said(document: Any, at: int = 0) -> str:
    text: str = document[at].get_textpage().get_text_range()
    return text


def pixels(document: Any, at: int = 0) -> np.ndarray:
    shown: np.ndarray = document[at].render(scale=2, rev_byteorder=True).to_numpy()
    return shown[:, :, :3]


def test_the_file_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "a.pdf"
    write_pdf(place, [(PAGE, blank(PAGE)), (replace(PAGE, rotation=90), blank(PAGE))])
    data = place.read_bytes()
    assert data.startswith(b"%PDF-1.5\n")
    found = objects(data)
    pages = [body for body in found.values() if b"/Type /Page " in body]
    assert [int(re.search(rb"/Rotate (\d+)", body)[1]) for body in pages] == [0, 90]  # type: ignore[index]
    assert b"/MediaBox [0 0 100.8 67.2]" in pages[0]  # 420 x 280 pixels at 300 dpi
    for body in found.values():
        for target in re.findall(rb"(\d+) 0 R", body.partition(b"\nstream\n")[0]):
            assert int(target) in found
    assert [part[:2] for part in streams(found, b"/DCTDecode")] == [b"\xff\xd8"] * 2
    drawn = [part for part in streams(found, b"") if b" Tj\n" in part]
    assert len(drawn) == 2
    assert all(part.count(b"3 Tr") == 1 for part in drawn)  # nothing of it is seen
    assert list(tmp_path.iterdir()) == [place]


def test_the_same_pages_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        write_pdf(tmp_path / name, [(PAGE, blank(PAGE))])
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_text_is_found_in_order_with_its_spaces(tmp_path: Path, rotation: int) -> None:
    square = page(RECEIPT, width=420, height=420)
    lying = replace(turned(square, -rotation), rotation=rotation)
    write_pdf(tmp_path / "a.pdf", [(lying, blank(lying))], dpi=100)
    text = said(read(tmp_path / "a.pdf"))
    assert text.split() == [word.text for word in PAGE.words]
    for one in PAGE.lines:
        assert one.text in text
    assert text.split("\r\n")[1] == "Oat milk 1 l 4.90"


@pytest.mark.parametrize("degrees", [-8, -3, 3, 8, 30, 90])
def test_turned_lines(tmp_path: Path, degrees: float) -> None:
    wide = page([(100, 100, "words of a turned line")])
    slanted = turned(wide, degrees)
    write_pdf(tmp_path / "a.pdf", [(slanted, blank(slanted))], dpi=72)
    document = read(tmp_path / "a.pdf")
    assert said(document).split() == ["words", "of", "a", "turned", "line"]
    sheet = document[0].get_textpage()
    for word in slanted.words:
        found = sheet.search(word.text, match_whole_word=True).get_next()
        assert found is not None
        boxes = [sheet.get_charbox(found[0] + n) for n in range(found[1])]
        middle = np.mean([[(x1 + x2) / 2, 280 - (y1 + y2) / 2] for x1, y1, x2, y2 in boxes], axis=0)
        assert middle == pytest.approx(np.mean(word.polygon, axis=0), abs=3)


def test_words_cover_their_boxes(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", [(PAGE, blank(PAGE))], dpi=72)
    sheet = read(tmp_path / "a.pdf")[0].get_textpage()
    found = sheet.search("SHOP").get_next()
    left, bottom, _, top = sheet.get_charbox(found[0])
    right = sheet.get_charbox(found[0] + 3)[2]
    box = (left, 280 - top, right, 280 - bottom)
    (x1, y1), _, (x2, y2), _ = PAGE.words[1].polygon
    assert box == pytest.approx((x1, y1, x2, y2), abs=0.5)


def test_the_picture_is_all_that_is_seen(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (280, 420, 3), np.uint8)
    write_pdf(tmp_path / "text.pdf", [(PAGE, image)], dpi=72)
    write_pdf(tmp_path / "bare.pdf", [(replace(PAGE, lines=()), image)], dpi=72)
    with_text, bare = (pixels(read(tmp_path / f"{name}.pdf")) for name in ("text", "bare"))
    assert (with_text == bare).all()
    smooth = cv2.GaussianBlur(image, (0, 0), 3)
    write_pdf(tmp_path / "smooth.pdf", [(PAGE, smooth)], dpi=72)
    shown = pixels(read(tmp_path / "smooth.pdf"))[::2, ::2].astype(int)
    assert abs(shown - smooth).mean() < 4


@pytest.mark.parametrize(
    "text",
    [
        "ÄÖÜ ß é č ő",
        "€ 7,20 £ ¥",
        "“a” ‘b’ «c» – — …",
        "😀 𝒳",
        "日本語 中文 한국어",
        "Ελλ Рус",
        "(\\<>)",
    ],
)
def test_any_script_can_be_copied(tmp_path: Path, text: str) -> None:
    one = page([(10, 10, text), (10, 60, "last")])
    write_pdf(tmp_path / "a.pdf", [(one, blank(one))])
    assert said(read(tmp_path / "a.pdf")) == f"{text}\r\nlast"


def test_words_from_right_to_left(tmp_path: Path) -> None:
    first, second = line(200, 10, "שלום"), line(100, 10, "בית12")
    words = (*first.words, *second.words)
    one = TextLine("שלום בית12", 1.0, line(100, 10, "x" * 14).polygon, words)
    where = Page("a", 420, 280, (one,))
    write_pdf(tmp_path / "a.pdf", [(where, blank(where))])
    assert said(read(tmp_path / "a.pdf")).split() == ["שלום", "בית12"]


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="poppler is not installed")
def test_poppler_agrees(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", [(PAGE, blank(PAGE)), (PAGE, blank(PAGE))], title="Tea")
    run = ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"]
    text = subprocess.run(run, capture_output=True, text=True, check=True)
    assert text.stderr == ""
    assert text.stdout.count("\f") == 2
    assert text.stdout.split() == [word.text for word in PAGE.words] * 2


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="poppler is not installed")
def test_poppler_keeps_the_words_of_slanted_lines_whole(tmp_path: Path) -> None:
    slanted = turned(page([(50, 120, "extraordinarily slanted handwriting")]), 6)
    write_pdf(tmp_path / "a.pdf", [(slanted, blank(slanted))], dpi=72)
    run = ["pdftotext", str(tmp_path / "a.pdf"), "-"]
    text = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert text.split() == ["extraordinarily", "slanted", "handwriting"]


def test_a_jpeg_goes_in_as_it_is(tmp_path: Path) -> None:
    for mode, space in (("RGB", b"/DeviceRGB"), ("L", b"/DeviceGray")):
        photo = tmp_path / "photo.jpg"
        Image.fromarray(blank(PAGE)).convert(mode).save(photo, progressive=True)
        for source in (photo, str(photo), photo.read_bytes()):
            write_pdf(tmp_path / "a.pdf", [(PAGE, source)])
            found = objects((tmp_path / "a.pdf").read_bytes())
            assert streams(found, b"/DCTDecode") == [photo.read_bytes()]
            assert any(space in body for body in found.values())


def test_a_jpeg_that_a_camera_held_otherwise_is_turned(tmp_path: Path) -> None:
    upright = np.zeros((280, 420, 3), np.uint8)
    upright[:, :210] = (200, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.rot90(upright)).save(photo, exif=exif)
    write_pdf(tmp_path / "a.pdf", [(PAGE, photo)], dpi=72)
    shown = pixels(read(tmp_path / "a.pdf"))
    assert shown[100, 100] == pytest.approx([200, 0, 0], abs=8)
    assert shown[100, -100] == pytest.approx([0, 0, 0], abs=8)


def test_other_jpegs_and_other_formats_are_encoded(tmp_path: Path) -> None:
    picture = Image.fromarray(blank(PAGE))
    for name, mode in (
        ("a.png", "RGB"),
        ("cmyk.jpg", "CMYK"),
        ("grey.png", "L"),
        ("b.webp", "RGB"),
    ):
        picture.convert(mode).save(tmp_path / name)
        write_pdf(tmp_path / "a.pdf", [(PAGE, tmp_path / name)], quality=95)
        (jpeg,) = streams(objects((tmp_path / "a.pdf").read_bytes()), b"/DCTDecode")
        assert jpeg != (tmp_path / name).read_bytes()
        back = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
        assert back.ndim == (2 if mode == "L" else 3)


def test_sizes_of_pages(tmp_path: Path) -> None:
    for width, height, dpi, wanted in (
        (420, 280, 150, (201.6, 134.4)),
        (4, 300, 300, (3, 225)),  # readers accept no less than 3 points
        (300, 20_000, 72, (216, 14400)),  # and no more than 14400
    ):
        empty = Page("a", width, height, ())
        write_pdf(tmp_path / "a.pdf", [(empty, np.zeros((height, width, 3), np.uint8))], dpi=dpi)
        assert read(tmp_path / "a.pdf")[0].get_size() == pytest.approx(wanted)


def test_metadata(tmp_path: Path) -> None:
    for title, wanted in ((None, "receipt.jpg"), ("Ångström (茶)\\", "Ångström (茶)\\"), ("", "")):
        write_pdf(tmp_path / "a.pdf", [(PAGE, blank(PAGE))], title=title)
        entries = read(tmp_path / "a.pdf").get_metadata_dict()
        assert entries["Title"] == wanted
        assert entries["Producer"].startswith("Saccade ")


def test_odd_lines_do_no_harm(tmp_path: Path) -> None:
    box = line(0, 0, "x").polygon
    point = ((5.0, 5.0),) * 4
    lines = (
        TextLine("", 0.5, box),
        TextLine("dot", 0.5, point),
        TextLine("no corners", 0.5, ()),
        TextLine("\x00\ud800", 0.5, box, (TextWord("\x00\ud800", 0.5, point),)),
        line(50, 200, "in the end"),
    )
    where = Page("a\x00\ud800b", 420, 280, lines)
    write_pdf(tmp_path / "a.pdf", [(where, blank(where))])
    assert "in the end" in said(read(tmp_path / "a.pdf"))


def test_a_page_is_let_go_before_the_next(tmp_path: Path) -> None:
    made: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def many() -> Iterator[tuple[Page, np.ndarray]]:
        for number in range(1, 6):
            image = blank(PAGE)
            made.append(weakref.ref(image))
            alive.append(sum(reference() is not None for reference in made))
            yield replace(PAGE, number=number, pages=5), image
            del image

    write_pdf(tmp_path / "a.pdf", many())
    assert max(alive) <= 2
    assert len(read(tmp_path / "a.pdf")) == 5


def test_five_thousand_words(tmp_path: Path) -> None:
    many = page([(0, 25 * n, " ".join(["word"] * 10)) for n in range(500)], height=12500)
    write_pdf(tmp_path / "a.pdf", [(many, blank(many))])
    assert said(read(tmp_path / "a.pdf")).split() == ["word"] * 5000


def test_failures_leave_nothing_behind(tmp_path: Path) -> None:
    old = tmp_path / "a.pdf"
    old.write_bytes(b"as it was")

    def breaks() -> Iterator[tuple[Page, np.ndarray]]:
        yield PAGE, blank(PAGE)
        raise ImageError("page 2 is broken")

    with pytest.raises(ImageError, match="page 2 is broken"):
        write_pdf(old, breaks())
    with pytest.raises(OptionError, match="no page to write"):
        write_pdf(old, [])
    with pytest.raises(ImageError, match="420 x 280; pass the picture that was read"):
        write_pdf(old, [(PAGE, np.zeros((9, 9, 3), np.uint8))])
    with pytest.raises(ImageError, match=r"receipt\.jpg"):
        write_pdf(old, [(PAGE, b"no picture")])
    with pytest.raises(OptionError, match="dpi 0"):
        write_pdf(old, [], dpi=0)
    with pytest.raises(OptionError, match="quality 101"):
        write_pdf(old, [], quality=101)
    with pytest.raises(ImageError, match="check that its folder exists"):
        write_pdf(tmp_path / "no" / "a.pdf", [(PAGE, blank(PAGE))])
    with pytest.raises(ImageError):
        write_pdf(old, [(PAGE, tmp_path / "missing.jpg")])
    assert old.read_bytes() == b"as it was"
    assert list(tmp_path.iterdir()) == [old]
