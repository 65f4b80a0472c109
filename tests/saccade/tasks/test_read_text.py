"""Reading pictures with toy models: order, turns, tiles, words, bad input."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade import zoo
from saccade.errors import ImageError, ModelFileError, OptionError, UnknownModel
from saccade.results import Failed, Page
from saccade.tasks import _text_page
from saccade.tasks._text_models import TextDetector
from saccade.tasks._text_recogniser import PlacedText, TextRecogniser
from saccade.tasks.read_text import TextReader
from saccade.text.rotation import turn_image, turn_quads
from toytext import (
    ALPHABET,
    draw_text,
    write_detector,
    write_direction,
    write_page,
    write_recogniser,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_detector(folder / "det.onnx")
    write_direction(folder / "cls.onnx")
    write_direction(folder / "wrong.onnx", swapped=True)
    write_recogniser(folder / "rec.onnx")
    write_detector(folder / "foreign_det.onnx", foreign=True)
    write_direction(folder / "foreign_cls.onnx", foreign=True)
    write_recogniser(folder / "foreign_rec.onnx", foreign=True, height=48)
    write_recogniser(folder / "bare_rec.onnx", foreign=True, metadata=False)
    return folder


@pytest.fixture(scope="module")
def reader(models: Path) -> TextReader:
    return TextReader(models / "det.onnx", models / "rec.onnx", models / "cls.onnx", threads=1)


PAGE = {(40, 30): "rgb rr", (260, 30): "bb", (40, 100): "gg b", (40, 170): "brgbrgb"}
TEXT = "rgb rr\nbb\ngg b\nbrgbrgb"


def near(polygon, box, slack: float = 4) -> bool:
    x1, y1, x2, y2 = box
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    return bool(np.abs(np.array(polygon) - corners).max() <= slack)


def test_lines_words_and_characters(reader: TextReader) -> None:
    image = np.full((320, 480, 3), 255, np.uint8)
    box = draw_text(image, 40, 30, "rgb rr")
    page = reader(image, characters=True)
    (line,) = page.lines
    assert line.text == "rgb rr" and near(line.polygon, box)
    assert [word.text for word in line.words] == ["rgb", "rr"]
    assert [c.text for c in line.words[0].characters] == ["r", "g", "b"]
    first = np.array(line.words[0].characters[1].polygon)
    assert abs(first[:, 0].mean() - (40 + 16 + 4 + 6)) < 4  # the middle of the second cell
    assert page.words[1].polygon[0][0] > page.words[0].polygon[1][0]
    assert (page.width, page.height, page.rotation) == (480, 320, 0)
    assert Page.from_dict(page.to_dict()) == page


def test_options_of_a_call(reader: TextReader) -> None:
    image = write_page(PAGE)
    assert reader(image).text == TEXT
    assert reader(image, words=False).words == ()
    assert all(not word.characters for word in reader(image).words)
    assert reader(image, min_score=1.0).lines == ()
    with pytest.raises(OptionError, match=r"min_score is 2"):
        reader(image, min_score=2)


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("direction", ["cls.onnx", "wrong.onnx", None])
def test_turned_pages(models: Path, degrees: int, direction: str | None) -> None:
    """The recogniser decides; a classifier that is always wrong does no harm."""
    read = TextReader(
        models / "det.onnx",
        models / "rec.onnx",
        models / direction if direction else False,
        threads=1,
    )
    image = write_page(PAGE)
    upright = read(image)
    assert (upright.text, upright.rotation) == (TEXT, 0)
    page = read(turn_image(image, degrees))
    assert page.text == TEXT
    assert page.rotation == (360 - degrees) % 360
    for line, known in zip(page.lines, upright.lines, strict=True):
        expected = turn_quads(np.array(known.polygon), degrees, image.shape[:2])
        assert np.abs(np.array(line.polygon) - expected).max() < 2


def test_single_lines_that_are_turned(reader: TextReader) -> None:
    image = write_page({(40, 30): "rgb rgb rgb", (40, 90): "rgb rgb rgb"}, (400, 480))
    image[140:170] = turn_image(write_page({(40, 3): "gbr"}, (30, 480)), 180)
    image[200:400, 20:60] = turn_image(write_page({(20, 8): "rrb"}, (40, 200)), 90)
    image[200:400, 120:160] = turn_image(write_page({(20, 8): "bbr"}, (40, 200)), 270)
    page = reader(image)
    assert page.rotation == 0
    assert sorted(line.text for line in page.lines) == sorted(
        ["rgb rgb rgb", "rgb rgb rgb", "gbr", "rrb", "bbr"]
    )
    downwards = next(line for line in page.lines if line.text == "rrb")
    (x0, y0), (x1, y1) = downwards.polygon[:2]
    assert abs(x0 - x1) < 3 and y1 > y0  # the top of the text runs down the page


def test_a_column_of_upright_letters(reader: TextReader) -> None:
    image = write_page({(200, 30): "rgb rgb rgb", (200, 90): "rgb rgb rgb"}, (400, 480))
    for index, letter in enumerate("rgbbr"):
        image[60 + 48 * index : 60 + 48 * (index + 1), 40:80] = 0
        draw_text(image, 40, 60 + 48 * index, letter, height=45)
        image[105 + 48 * index : 108 + 48 * index, 40:80] = (255, 255, 40)  # found, but light
    page = reader(image, characters=True)
    column = min(page.lines, key=lambda line: line.polygon[0][0])
    assert column.text == "rgbbr"
    (x0, y0), (x1, y1) = column.polygon[:2]
    assert abs(y0 - y1) < 3 and x1 > x0
    tops = [c.polygon[0][1] for c in column.words[0].characters]
    assert tops == sorted(tops) and tops[-1] - tops[0] > 150


def test_two_columns_and_their_blocks(reader: TextReader) -> None:
    left = {(20, 20 + 40 * i): "rgrgrgrg" for i in range(4)}
    right = {(300, 26 + 40 * i): "bgbgbgbg" for i in range(4)}
    page = reader(write_page({**left, **right}, (240, 480)))
    assert page.text.split() == ["rgrgrgrg"] * 4 + ["bgbgbgbg"] * 4
    assert page.blocks == (0,) * 4 + (1,) * 4


def test_a_large_scan_is_tiled(models: Path, reader: TextReader) -> None:
    lines = {(60, 100 + 400 * row): "rgb" * 14 + " " + "bg" * 10 for row in range(6)}
    image = write_page(lines, (2600, 2300), height=48)
    page = reader(image)
    assert page.text.split("\n") == list(lines.values())
    small = TextReader(
        write_detector(models / "small.onnx", limit=320), models / "rec.onnx", False, threads=1
    )
    assert small(image).text == page.text


@pytest.mark.parametrize(
    ("least", "size", "seen"),
    [
        (0, (200, 300), (200, 300)),
        (400, (200, 300), (400, 600)),
        (400, (40, 300), (80, 600)),  # at most twice as large
        (400, (500, 640), (500, 640)),
    ],
)
def test_a_detector_may_ask_for_larger_pictures(
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    least: int,
    size: tuple[int, int],
    seen: tuple[int, int],
) -> None:
    detector = TextDetector(write_detector(models / "asks.onnx", least=least), threads=1)
    looked: list[tuple[int, ...]] = []

    def probability(image: np.ndarray) -> np.ndarray:
        looked.append(image.shape[:2])
        return np.zeros(image.shape[:2], np.float32)

    monkeypatch.setattr(detector, "probability", probability)
    detector.find(np.full((*size, 3), 255, np.uint8))  # blank: no second look
    margin = 2 * 8
    assert looked == [tuple(-(-(side + margin) // 32) * 32 for side in seen)]


@pytest.mark.parametrize(("gap", "widths"), [(0, [400]), (1.5, [110, 70])])
def test_a_detector_may_ask_that_lines_fit_their_ink(
    models: Path, monkeypatch: pytest.MonkeyPatch, gap: float, widths: list[int]
) -> None:
    detector = TextDetector(write_detector(models / "fits.onnx", gap=gap), threads=1)
    image = np.full((160, 480, 3), 240, np.uint8)
    for start, end in ((60, 160), (300, 360)):
        image[70:90, start:end:4] = 10
    one_region = np.zeros((192, 512), np.float32)
    one_region[80:96, 58:438] = 0.9
    monkeypatch.setattr(detector, "probability", lambda _: one_region)
    found = detector.find(image)
    assert len(found.scores) == len(found.quads) == len(widths)
    across = np.linalg.norm(found.quads[:, 1] - found.quads[:, 0], axis=1)
    np.testing.assert_allclose(across, widths, atol=12)


class TwoWays:
    """Reads lines as they are with one score, and turned lines, which come last, with another."""

    height = 24

    def __init__(self, upright: float, over: float) -> None:
        self.scores = upright, over

    def read_once(self, crops: list[np.ndarray]) -> list[PlacedText]:
        half = len(crops) // 2
        return [PlacedText("x", self.scores[number >= half], ()) for number in range(len(crops))]


@pytest.mark.parametrize(
    ("upright", "over", "turns"),
    [(0.8, 0.95, True), (0.5, 0.58, False), (0.9, 0.93, False), (0.95, 0.6, False)],
)
def test_pages_are_turned_over_only_by_clear_words(
    upright: float, over: float, turns: bool
) -> None:
    image = np.full((60, 200, 3), 255, np.uint8)
    quads = np.array([[[10, 10], [150, 10], [150, 30], [10, 30]]], np.float32)
    assert _text_page._on_its_head(image, quads, TwoWays(upright, over)) is turns  # type: ignore[arg-type]


def test_a_very_long_receipt(reader: TextReader) -> None:
    lines = {(30, 20 + 100 * row): ("rgb", "gg r", "b rr")[row % 3] for row in range(199)}
    page = reader(write_page(lines, (20_000, 400), height=48))
    assert page.text.split("\n") == list(lines.values())


def test_a_line_too_long_for_one_go(models: Path) -> None:
    text = ("rgb" * 9 + " ") * 12 + "b"
    crop = write_page({(0, 0): text}, (24, 16 * len(text) + 4))
    (line,) = TextRecogniser(models / "rec.onnx", threads=1).read([crop])
    assert line.text == text
    middles = (np.array(line.starts) + line.ends) / 2 * crop.shape[1]
    assert np.abs(middles - (np.arange(len(text)) * 16 + 10)).max() < 4


def test_narrow_lines_are_drawn_out(tmp_path: Path) -> None:
    crop = write_page({(0, 0): "rgb"}, (24, 52))
    read = []
    for narrow in (0.0, 300.0):
        recogniser = TextRecogniser(write_recogniser(tmp_path / "r.onnx", narrow=narrow), threads=1)
        (line,) = recogniser.read([crop])
        assert line.text == "rgb"
        read.append(line)
    plain, drawn = read
    # The same places, seen by more steps: so their ends are known better.
    np.testing.assert_allclose(plain.starts, drawn.starts, atol=0.1)
    np.testing.assert_allclose(plain.ends, drawn.ends, atol=0.1)
    assert drawn.characters[2].end > 2 * plain.characters[2].end


def test_doubtful_lines_are_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those; all looks vote where the second one disagrees, or the reading stays."""
    crop = write_page({(0, 0): "rgb"}, (24, 52))
    said = [
        [("sure", 0.95), ("rgg", 0.7), ("rgb", 0.7), ("r", 0.7)],  # the first look, at all
        [("rgb", 0.6), ("rgb", 0.5), ("", 0.0)],  # the second, at what is doubtful
    ]
    asked: list[int] = []
    voted: list[int] = []

    def read_once(_: TextRecogniser, crops: list[np.ndarray]) -> list[PlacedText]:
        found = said[len(asked)] if crops else []
        asked.append(len(crops))
        assert len(found) == len(crops)
        return [PlacedText(text, score) for text, score in found]

    def settle(_: TextRecogniser, looks: list[np.ndarray]) -> PlacedText | None:
        voted.append(len(looks))
        return PlacedText("rgb", 0.8) if len(voted) == 1 else None

    for sure, texts, scores in (
        (0.9, ["sure", "rgb", "rgb", "r"], [0.95, 0.8, 0.7, 0.7]),
        (0.0, ["sure", "rgg", "rgb", "r"], [0.95, 0.7, 0.7, 0.7]),  # a model that never doubts
    ):
        asked.clear()
        voted.clear()
        recogniser = TextRecogniser(write_recogniser(tmp_path / "r.onnx", sure=sure), threads=1)
        with monkeypatch.context() as patch:
            patch.setattr(TextRecogniser, "read_once", read_once)
            patch.setattr(TextRecogniser, "_settle", settle)
            read = recogniser.read([crop] * 4)
        assert [line.text for line in read] == texts
        assert [line.score for line in read] == scores
        assert asked == [4, 3 if sure else 0]
        assert voted == ([4, 4] if sure else [])


def test_looks_elect_a_text_and_where_its_characters_are(tmp_path: Path) -> None:
    """Opposite colours read differently here: the looks that see the letters decide."""
    crop = write_page({(4, 0): "rgb"}, (24, 60))
    plain = TextRecogniser(write_recogniser(tmp_path / "plain.onnx"), threads=1)
    doubting = TextRecogniser(write_recogniser(tmp_path / "doubt.onnx", sure=1.01), threads=1)
    (once,), (again,) = plain.read([crop]), doubting.read([crop])
    assert once.text == again.text == "rgb"
    assert again.starts == pytest.approx(once.starts, abs=0.1)
    assert again.ends == pytest.approx(once.ends, abs=0.1)
    blank = np.full((24, 60, 3), 255, np.uint8)
    assert doubting.read([blank])[0].text == ""
    # Words that are allowed are all that is elected from.
    listed = TextRecogniser(tmp_path / "doubt.onnx", words=["rg", "gb"], threads=1)
    assert listed.read([crop])[0].text in ("rg", "gb")


def test_text_at_the_border(reader: TextReader) -> None:
    image = write_page({(0, 0): "rgb rr", (380, 296): "bbrrgg"}, (320, 480))
    page = reader(image)
    assert page.text == "rgb rr\nbbrrgg"
    corners = np.array([line.polygon for line in page.lines])
    assert corners.min() >= 0 and (corners.max(axis=(0, 1)) <= (480, 320)).all()


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 500), (500, 1), (3, 3), (320, 480), (2, 5000), (31, 33)]
)
@pytest.mark.parametrize("value", [0, 255])
def test_pictures_without_text(reader: TextReader, shape: tuple[int, int], value: int) -> None:
    image = np.full((*shape, 3), value, np.uint8)
    page = reader(image)
    assert page.text == "" and page.rotation == 0
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert isinstance(reader(noise), Page)


def test_a_page_of_many_words(reader: TextReader) -> None:
    words = {
        (20 + 60 * column, 20 + 60 * row): "rgb"[(row + column) % 3]
        for row in range(100)
        for column in range(50)
    }
    page = reader(write_page(words, (6040, 3040), height=48), words=False)
    assert "".join(line.text for line in page.lines) == "".join(words.values())


def test_foreign_models_read_alike(models: Path, reader: TextReader) -> None:
    foreign = TextReader(
        models / "foreign_det.onnx", models / "foreign_rec.onnx", models / "foreign_cls.onnx"
    )
    assert foreign.alphabet == ALPHABET
    for degrees in (0, 90, 180):
        page = foreign(turn_image(write_page(PAGE), degrees))
        assert page.text == TEXT
        assert page.rotation == -degrees % 360


def test_a_foreign_dictionary(models: Path, tmp_path: Path) -> None:
    bare = models / "bare_rec.onnx"
    with pytest.raises(ModelFileError, match=r"names no characters; give its dictionary"):
        TextRecogniser(bare)
    for text in ("R\nG\nB\n", "R\r\nG\r\nB\r\n \r\n", "\ufeffR\nG\nB"):
        (tmp_path / "dict.txt").write_text(text, encoding="utf-8", newline="")
        assert TextRecogniser(bare, dictionary=tmp_path / "dict.txt").alphabet == (*"RGB", " ")
    (tmp_path / "dict.txt").write_text("R\nG\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"tells 5 classes apart; the dictionary of 2"):
        TextRecogniser(bare, dictionary=tmp_path / "dict.txt")
    (tmp_path / "dict.txt").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"dict\.txt: is empty"):
        TextRecogniser(bare, dictionary=tmp_path / "dict.txt")
    with pytest.raises(ModelFileError, match=r"its card holds its alphabet"):
        TextRecogniser(models / "rec.onnx", dictionary=tmp_path / "dict.txt")


def test_models_of_another_task(models: Path, toy_classifier: Path) -> None:
    with pytest.raises(ModelFileError, match=r"to text_recognise; expected one to text_detect"):
        TextReader(models / "rec.onnx", models / "rec.onnx")
    with pytest.raises(ModelFileError, match=r"a model to classify; expected one to text_recog"):
        TextReader(models / "det.onnx", toy_classifier)
    with pytest.raises(ModelFileError, match=r"is no recogniser"):
        TextRecogniser(models / "foreign_det.onnx")
    with pytest.raises(ModelFileError, match=r"expected a text detector"):
        TextDetector(models / "foreign_rec.onnx")
    with pytest.raises(UnknownModel, match=r"no model 'det'"):
        TextReader("det", models / "rec.onnx")


def test_missing_models_are_named_together(monkeypatch, models: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(zoo, "MODELS", tmp_path)
    assert not TextReader.is_shipped()
    with pytest.raises(UnknownModel, match=r"text_detect\) and .*text_recognise\); name files"):
        TextReader()
    with pytest.raises(UnknownModel, match=r"lacks .*: crnn_latin \(text_recognise\)"):
        TextReader(models / "det.onnx")


def test_shipped_models_are_the_default(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zoo, "MODELS", tmp_path)
    write_detector(tmp_path / f"{zoo.DEFAULT['text_detect']}.onnx")
    write_recogniser(tmp_path / f"{zoo.DEFAULT['text_recognise']}.onnx")
    assert TextReader.is_shipped()
    assert "None" in repr(TextReader())
    write_direction(tmp_path / f"{zoo.DEFAULT['text_direction']}.onnx")
    assert "TextDirection" in repr(TextReader())
    assert TextReader()(write_page(PAGE)).text == TEXT


def test_a_word_list_rules_what_is_read(models: Path) -> None:
    image = write_page({(40, 30): "rgb rr"})
    read = TextReader(models / "det.onnx", models / "rec.onnx", False, words=["rgb", "gg", "r"])
    assert read(image, min_score=0).text == "rgb r"
    with pytest.raises(OptionError, match=r"words and dictionary belong"):
        TextReader(models / "det.onnx", TextRecogniser(models / "rec.onnx"), words=["r"])


def test_documents_and_streams(reader: TextReader, tmp_path: Path) -> None:
    first, second = write_page({(40, 30): "rgb"}), write_page({(40, 30): "bb"}, (200, 300))
    tiff = tmp_path / "two.tif"
    Image.fromarray(first).save(
        tiff, save_all=True, append_images=[Image.fromarray(second)], compression="tiff_deflate"
    )
    pages = list(reader.document(tiff))
    assert [(p.text, p.number, p.pages, p.width) for p in pages] == [
        ("rgb", 1, 2, 480),
        ("bb", 2, 2, 300),
    ]
    assert reader(tiff) == pages[0]
    found = list(reader.stream([tiff, "nope.png", second, b""]))
    assert [item.text if isinstance(item, Page) else "failed" for item in found] == [
        "rgb",
        "bb",
        "failed",
        "bb",
        "failed",
    ]
    assert isinstance(found[2], Failed) and found[2].image == "nope.png"
    frames = list(reader.frames([tiff]))
    assert np.array_equal(frames[1].image, second)
    with pytest.raises(ImageError, match=r"no such file"):
        reader("nope.png")
    with pytest.raises(OptionError, match=r"one picture"):
        reader.stream(str(tiff))


def test_a_stream_takes_sources_as_they_are_needed(reader: TextReader) -> None:
    taken = []

    def sources():
        for index in range(50):
            taken.append(index)
            assert threading.current_thread() is threading.main_thread()
            yield write_page({(40, 30): "rgb"})

    stream = reader.stream(sources())
    assert next(stream).text == "rgb"
    assert len(taken) <= 3
    stream.close()


def test_pdf(reader: TextReader, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    file = io.BytesIO()
    pages = [Image.fromarray(write_page({(40, 30): text})) for text in ("rgb", "bb r")]
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:], resolution=200)
    found = list(reader.document(file.getvalue()))
    assert [(p.text, p.number, p.pages) for p in found] == [("rgb", 1, 2), ("bb r", 2, 2)]
    assert abs(found[0].width - 480) <= 2


def test_threads_share_a_reader(reader: TextReader) -> None:
    images = [write_page({(40, 30): text}) for text in ("rgb", "bb r", "grb", "b")]
    got: dict[int, list[str]] = {}

    def work(index: int) -> None:
        got[index] = [reader(images[index]).text for _ in range(5)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {0: ["rgb"] * 5, 1: ["bb r"] * 5, 2: ["grb"] * 5, 3: ["b"] * 5}
