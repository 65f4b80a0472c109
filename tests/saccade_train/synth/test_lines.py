from __future__ import annotations

import pickle
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from saccade.errors import OptionError
from saccade_train.synth import (
    LATIN,
    PRESETS,
    FontSet,
    Lexicon,
    Line,
    LineSource,
    SynthOptions,
    preset,
)
from saccade_train.synth import options as options_module
from saccade_train.synth.glyphs import paint, typeset

# Black on white and nothing else.
CLEAN = replace(
    SynthOptions(),
    **dict.fromkeys(options_module._CHANCES, 0.0),
    kinds=(("words", 1.0), ("random", 1.0), ("price", 1.0)),
    ground=(255.0, 255.0),
    contrast=(255.0, 255.0),
    paper=(0.0, 0.0),
    margin_x=(0.5, 0.5),
    margin_y=(0.5, 0.5),
    native=(40, 60),
    height=None,
    rotation=0.0,
    slant=0.0,
    perspective=0.0,
)


def same(one: Line, other: Line) -> bool:
    return (
        one.text == other.text
        and one.font == other.font
        and np.array_equal(one.image, other.image)
        and np.array_equal(one.quads, other.quads)
    )


def test_glyphs_fill_their_boxes(system_fonts: FontSet) -> None:
    """Each character's box is the smallest around its ink, to the pixel, kerning included."""
    for font in system_fonts.fonts:
        text = "".join(c for c in "AVATo. Wjf/fi @“É”g" if c in font.characters or c == " ")
        setting = typeset(text, font, 32, spacing=12.0)  # apart, so that no ink is shared
        canvas = np.zeros((90, int(setting.width) + 80), np.uint8)
        paint(canvas, setting, 40, 60)
        rest = canvas.copy()
        for character, box in zip(text, setting.boxes, strict=True):
            left, top, right, bottom = (box + np.array([40, 60, 40, 60])).astype(int)
            if character == " ":
                assert not canvas[:, left + 14 : right - 2].any() or right - left < 18
                continue
            ink = canvas[top:bottom, left:right] > 0
            rest[top:bottom, left:right] = 0
            for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
                assert edge.any(), (font.name, character)
        assert not rest.any(), font.name


def test_painting_cuts_at_the_edges(aileron: FontSet) -> None:
    setting = typeset("Wide line", aileron.fonts[0], 40)
    large = np.zeros((120, 400), np.uint8)
    paint(large, setting, 60, 60)
    small = np.zeros((30, 90), np.uint8)
    paint(small, setting, 60 - 100, 60 - 40)
    np.testing.assert_array_equal(small, large[40:70, 100:190])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rotation": 4.0, "slant": 0.15, "perspective": 0.15},
        {"arc": 1.0},
        {"bend": 1.0, "rotation": 2.0},
        {"bold": 1.0},
        {"stretch": (0.6, 0.7), "spacing": (0.1, 0.2)},
        {"oblique": 1.0},
    ],
    ids=["plain", "perspective", "arc", "wave", "bold", "narrow", "oblique"],
)
def test_ink_lies_in_the_quads(aileron: FontSet, letters: str, changes: dict[str, object]) -> None:
    """Through every warp: dark pixels inside, and each character's quad has some."""
    source = LineSource(
        replace(CLEAN, alphabet=letters, **changes),
        seed=11,
        fonts=aileron,  # type: ignore[arg-type]
    )
    for index in range(40):
        line = source[index]
        dark = line.image[:, :, 0] < 128
        allowed = np.zeros(dark.shape, np.uint8)
        for character, quad in zip(line.text, line.quads, strict=True):
            inside = np.zeros(dark.shape, np.uint8)
            cv2.fillPoly(inside, [np.rint(quad * 16).astype(int) - 8], 255, shift=4)
            inside = cv2.dilate(inside, np.ones((3, 3), np.uint8))
            allowed |= inside
            if character != " ":
                levels = line.image[:, :, 0][inside > 0]
                assert levels.min() < 200, (line.text, character)
        stray = int((dark & (allowed == 0)).sum())
        assert stray <= 0.004 * dark.sum(), (line.text, stray)
        hull = cv2.convexHull(line.quads.reshape(-1, 2))
        for x, y in hull[:, 0]:
            assert cv2.pointPolygonTest(line.quad, (float(x), float(y)), True) > -0.1
        assert " ".join(word.text for word in line.words) == line.text
        for word in line.words:
            assert cv2.pointPolygonTest(
                cv2.convexHull(line.quads.reshape(-1, 2)),
                tuple(float(v) for v in word.quad.mean(axis=0)),
                True,
            ) > -0.1  # fmt: skip


def test_seen_from_the_side_lines_climb_or_fall(aileron: FontSet, letters: str) -> None:
    options = replace(CLEAN, alphabet=letters, length=(5, 9), stretch=(1.0, 1.0))
    straight = LineSource(options, seed=3, fonts=aileron)
    oblique = LineSource(replace(options, oblique=1.0), seed=3, fonts=aileron)
    slopes, shapes = [], []
    for index in range(40):
        line, plain = oblique[index], straight[index]
        along, down = line.quad[1] - line.quad[0], line.quad[3] - line.quad[0]
        slopes.append(along[1] / along[0])
        assert abs(down[0]) < 0.1  # letters stay upright
        size = plain.quad[2] - plain.quad[0]
        shapes.append((along[0] / down[1]) / (size[0] / size[1]))
    assert min(slopes) < -0.3 and max(slopes) > 0.3
    assert np.abs(slopes).max() <= 1.05
    assert min(shapes) < 0.6 and max(shapes) < 1.05  # and are narrower, never wider


def test_words_beside_reach_into_the_crop(aileron: FontSet, letters: str) -> None:
    options = replace(CLEAN, alphabet=letters, kinds=(("word", 1.0),), beside=1.0)
    source = LineSource(options, seed=1, fonts=aileron)
    ends = 0
    for index in range(30):
        line = source[index]
        dark = (line.image[:, :, 0] < 128).any(axis=0)
        left, right = line.quad[:, 0].min(), line.quad[:, 0].max()
        ends += int(dark[: max(0, int(left) - 3)].any()) + int(dark[int(right) + 4 :].any())
    assert 20 < ends < 50  # of 60, with a chance of 0.6 each


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_sample_depends_on_options_seed_and_number_only(
    name: str, aileron: FontSet, letters: str
) -> None:
    options = preset(name, alphabet=letters)
    source = LineSource(options, seed=5, fonts=aileron)
    first = [source[index] for index in range(12)]
    again = pickle.loads(pickle.dumps(LineSource(options, seed=5, fonts=aileron)))
    for index in (11, 3, 0, 7):
        assert same(first[index], again[index])
    other = LineSource(options, seed=6, fonts=aileron)
    assert not any(same(first[index], other[index]) for index in range(12))
    assert len({line.text for line in first}) > 8


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_keep_their_promises(name: str, system_fonts: FontSet, letters: str) -> None:
    alphabet = letters if len(system_fonts) == 1 else LATIN
    source = LineSource(preset(name, alphabet=alphabet), seed=1, fonts=system_fonts)
    widths = []
    for index in range(150):
        line = source[index]
        assert line.image.dtype == np.uint8
        assert line.image.shape[0] == 32
        assert line.image.shape[2] == 3
        assert line.quads.shape == (len(line.text), 4, 2)
        assert line.quads.dtype == np.float32
        assert set(line.text) <= set(alphabet)
        # Most of a line is in the picture, in reading order.
        middles = line.quads.mean(axis=1)
        assert (np.diff(middles[:, 0]) > -8).all(), line.text
        assert middles[:, 0].min() > -4
        assert middles[:, 0].max() < line.image.shape[1] + 4
        widths.append(line.image.shape[1])
    assert len(set(widths)) > 50


def test_quads_follow_the_height(aileron: FontSet, letters: str) -> None:
    options = replace(CLEAN, alphabet=letters, native=(40, 40))
    large = LineSource(options, seed=2, fonts=aileron)[4]
    half = LineSource(replace(options, height=20), seed=2, fonts=aileron)[4]
    assert half.image.shape[0] == 20
    np.testing.assert_allclose(half.quads[..., 1], large.quads[..., 1] / 2, atol=0.01)
    ratio = half.image.shape[1] / large.image.shape[1]
    np.testing.assert_allclose(half.quads[..., 0], large.quads[..., 0] * ratio, atol=0.01)


def test_mixing_follows_the_weights(aileron: FontSet) -> None:
    digits = replace(CLEAN, alphabet="0123456789", weight=1.0, length=(3, 8))
    capitals = replace(CLEAN, alphabet="ABCDEFG", weight=3.0, length=(3, 8))
    source = LineSource((digits, capitals), fonts=aileron)
    share = np.mean([source[index].text.isdigit() for index in range(200)])
    assert 0.15 < share < 0.35


def test_words_of_the_user_are_written(aileron: FontSet, letters: str) -> None:
    options = replace(CLEAN, alphabet=letters, kinds=(("given", 1.0),))
    lexicon = Lexicon(letters, ("quokka",), ("quokka", "numbat wombat"))
    source = LineSource(options, fonts=aileron, lexicon=lexicon)
    assert {source[index].text for index in range(30)} == {"quokka", "numbat wombat"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blur": 1.5}, "blur 1.5: expected a chance"),
        ({"ground": (9.0, 1.0)}, "ground 9.0, 1.0: expected the smaller number first"),
        ({"alphabet": " "}, "no visible character"),
        ({"alphabet": "aa"}, "comes twice"),
        ({"alphabet": "abא"}, "HEBREW LETTER ALEF"),
        ({"length": (0, 5)}, "length"),
        ({"height": 4}, "height 4"),
        ({"native": (2, 9)}, "native"),
        ({"page": (5, 9)}, "page"),
        ({"weight": 0.0}, "weight"),
        ({"kinds": ()}, "kinds"),
        ({"kinds": (("sentance", 1.0),)}, "did you mean 'sentence'"),
        ({"layout": "documents"}, "did you mean 'document'"),
    ],
)
def test_options_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        SynthOptions(**changes)  # type: ignore[arg-type]


def test_every_option_is_told() -> None:
    """One sentence each: the text below each field in the source."""
    import inspect

    source = inspect.getsource(SynthOptions)
    assert source.count('"""') >= 2 * len(fields(SynthOptions))


def test_what_cannot_be_written_is_refused(aileron: FontSet) -> None:
    with pytest.raises(OptionError, match="no font has these 1 characters of the alphabet: Ж"):
        LineSource(replace(CLEAN, alphabet="abЖ"), fonts=aileron)
    with pytest.raises(OptionError, match="the set is empty"):
        LineSource(CLEAN, fonts=FontSet(()))
    with pytest.raises(OptionError, match="no preset 'recipt'; did you mean 'receipt'"):
        preset("recipt")
    with pytest.raises(OptionError, match="no option 'hight'; did you mean 'height'"):
        preset("receipt", hight=3)
    source = LineSource(replace(CLEAN, alphabet="abc"), fonts=aileron)
    with pytest.raises(OptionError, match="index -1"):
        source[-1]
    with pytest.raises(OptionError, match="seed -1"):
        LineSource(replace(CLEAN, alphabet="abc"), seed=-1, fonts=aileron)
