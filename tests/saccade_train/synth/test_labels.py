from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from saccade_train.synth import FontSet, PageSource, preset
from saccade_train.synth.labels import boxes_of, detection_line, recognition_line


def test_detection_labels_parse_back(aileron: FontSet, letters: str) -> None:
    page = PageSource(preset("receipt", alphabet=letters, page=(700, 800)), fonts=aileron)[2]
    for level in ("line", "word", "character"):
        boxes = boxes_of(page, level)
        path, _, rest = detection_line("images/0.jpg", boxes).partition("\t")
        assert path == "images/0.jpg"
        read = json.loads(rest)
        assert [item["transcription"] for item in read] == [text for text, _ in boxes]
        for item, (_, quad) in zip(read, boxes, strict=True):
            np.testing.assert_allclose(item["points"], quad, atol=0.51)
    lines = "".join(text for text, _ in boxes_of(page, "line")).replace(" ", "")
    assert lines == "".join(text for text, _ in boxes_of(page, "word"))
    assert lines == "".join(text for text, _ in boxes_of(page, "character"))


def test_what_is_too_small_to_read_is_marked(aileron: FontSet, letters: str) -> None:
    page = PageSource(preset("receipt", alphabet=letters, page=(700, 800)), fonts=aileron)[2]
    line = page.lines[0]
    tiny = replace(page, lines=(line, replace(line, quads=line.quads * 0.1)))
    assert line.is_readable
    assert [text for text, _ in boxes_of(tiny, "line")] == [line.text, "###"]
    assert {text for text, _ in boxes_of(tiny, "word")[len(line.words) :]} == {"###"}


def test_quotes_and_accents_survive() -> None:
    quad = np.array([[0, 0], [9, 0], [9, 5], [0, 5]], np.float32)
    text = 'say "é€\\" {}[]'
    line = detection_line("a b.jpg", [(text, quad)])
    assert "é€" in line
    assert json.loads(line.split("\t")[1]) == [
        {"transcription": text, "points": [[0, 0], [9, 0], [9, 5], [0, 5]]}
    ]
    assert recognition_line("a.jpg", " x ") == "a.jpg\t x "
    for path, label in (("a\tb", "x"), ("a", "x\ty"), ("a", "x\ny")):
        with pytest.raises(ValueError, match="tab"):
            recognition_line(path, label)
    with pytest.raises(ValueError, match="tab"):
        detection_line("a\tb", [])
