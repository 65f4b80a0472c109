from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from saccade_train.synth import PRESETS, FontSet, PageSource, preset
from saccade_train.synth import options as options_module
from saccade_train.synth.layouts import LAYOUTS

SMALL = {"page": (420, 520)}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_page_depends_on_options_seed_and_number_only(
    name: str, aileron: FontSet, letters: str
) -> None:
    options = preset(name, alphabet=letters, **SMALL)
    source = PageSource(options, seed=3, fonts=aileron)
    first = [source[index] for index in range(4)]
    again = pickle.loads(pickle.dumps(source))
    for index in (3, 1):
        np.testing.assert_array_equal(first[index].image, again[index].image)
        assert [line.text for line in first[index].lines] == [
            line.text for line in again[index].lines
        ]
    assert not np.array_equal(first[0].image, PageSource(options, 4, fonts=aileron)[0].image)


@pytest.mark.parametrize("name", ["document", "receipt", "scene"])
@pytest.mark.parametrize("on_table", [0.0, 1.0])
def test_ink_lies_in_the_lines(name: str, on_table: float, aileron: FontSet, letters: str) -> None:
    """A page with little done to it: bright where no line is, dark in every line."""
    (options,) = preset(
        name,
        alphabet=letters,
        **SMALL,
        **dict.fromkeys(options_module._CHANCES, 0.0),
    )
    options = replace(
        options, ground=(255, 255), contrast=(255, 255), paper=(0, 0), bend=1.0, on_table=on_table
    )
    source = PageSource(options, seed=9, fonts=aileron)
    lines = 0
    for index in range(5):
        page = source[index]
        height, width = page.image.shape[:2]
        assert page.image.dtype == np.uint8
        assert page.image.shape[2] == 3
        for line in page.lines:
            lines += 1
            assert " ".join(word.text for word in line.words) == line.text
            assert line.quads.shape == (len(line.text), 4, 2)
            # Inside of the picture, clockwise from the top left.
            assert line.quad.min() >= -2
            assert line.quad[:, 0].max() <= width + 2
            assert line.quad[:, 1].max() <= height + 2
            assert cv2.contourArea(line.quad, oriented=True) > 0
            top, right = line.quad[1] - line.quad[0], line.quad[2] - line.quad[1]
            assert top[0] > 0
            assert right[1] > 0
            inside = np.zeros((height, width), np.uint8)
            cv2.fillPoly(inside, [np.rint(line.quad).astype(int)], 255)
            levels = page.image[inside > 0].min(axis=1)
            assert int(levels.max()) - int(levels.min()) > 60, line.text
        if name != "scene" and not on_table:
            # Nothing but rules is dark outside of the lines.
            text = np.zeros((height, width), np.uint8)
            for line in page.lines:
                for quad in line.quads:
                    cv2.fillPoly(text, [np.rint(quad).astype(int)], 255)
            text = cv2.dilate(text, np.ones((5, 5), np.uint8))
            dark = ((page.image[:, :, 0] < 110) & (text == 0)).astype(np.uint8)
            assert not cv2.erode(dark, np.ones((5, 5), np.uint8)).any(), index
    assert lines > 5


def test_lines_do_not_cover_each_other(aileron: FontSet, letters: str) -> None:
    for name, layout in LAYOUTS.items():
        (options,) = preset("document", alphabet=letters)
        source = PageSource(options, fonts=aileron)
        for seed in range(6):
            rng = np.random.default_rng(seed)
            for sheet in layout(rng, source.lexicons[0], aileron, 900, 0.3):
                boxes = [
                    np.array(line.setting.box) + np.array([line.x, line.y] * 2)
                    for line in sheet.placed
                ]
                cover = np.zeros((sheet.height + 200, sheet.width + 200), np.uint8)
                for left, top, right, bottom in boxes:
                    # Accents and tails may touch; a third of a line may not.
                    shave = (bottom - top) / 3
                    upper, lower = round(top + shave), round(bottom - shave)
                    part = cover[upper:lower, round(left) : round(right)]
                    assert not part.any(), (name, seed)
                    part[:] = 1


def test_receipts_read_from_left_to_right(aileron: FontSet, letters: str) -> None:
    (options,) = preset("receipt", alphabet=letters)
    source = PageSource(options, fonts=aileron)
    (sheet,) = LAYOUTS["receipt"](np.random.default_rng(0), source.lexicons[0], aileron, 900, 0.5)
    places = [(line.y, line.x) for line in sheet.placed]
    assert places == sorted(places)
    assert any("." in line.setting.text for line in sheet.placed)
