from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from saccade.errors import ImageError, OptionError
from saccade.imaging import fonts
from saccade.imaging.draw import (
    color_of,
    draw_boxes,
    draw_label,
    draw_labels,
    draw_polygons,
    save_image,
)
from saccade.imaging.fonts import clean_text, covers, render_text
from saccade.imaging.read import read_image
from saccade.imaging.tags import contrast

RED = (255, 0, 0)


def grey(height=120, width=160):
    return np.full((height, width, 3), 128, np.uint8)


def changed(before, after):
    """The smallest box around all pixels that differ: left, top, right, bottom."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_box_is_drawn_inside_its_edges_and_on_a_copy():
    image = grey()
    out = draw_boxes(image, np.array([[20, 30, 90, 100]]), colors=[RED])
    assert (image == 128).all()
    assert changed(image, out) == (20, 30, 90, 100)
    assert (out[30, 20:90] == RED).all() and (out[99, 20:90] == RED).all()
    assert (out[30:100, 20] == RED).all() and (out[30:100, 89] == RED).all()
    assert (out[50:80, 40:70] == 128).all()


def test_lines_and_letters_grow_with_the_picture():
    def measure(scale):
        image = grey(120 * scale, 160 * scale)
        box = np.array([[20, 60, 140, 110]]) * scale
        bare = draw_boxes(image, box, colors=[RED])
        column = (bare[:, 80 * scale] == RED).all(axis=1)
        labelled = draw_boxes(image, box, ["Cup"], colors=[RED])
        return column.sum() // 2, 60 * scale - changed(image, labelled)[1]

    (thin, small), (thick, large) = measure(2), measure(12)
    assert thick >= 4 * thin and large >= 4 * small


coordinate = st.one_of(
    st.floats(-300, 300), st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0])
)
text = st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["苹果", "кот", "a" * 300, "\n"]))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.tuples(st.tuples(*[coordinate] * 4), text), max_size=4),
)
def test_nothing_that_is_drawn_can_fail(height, width, shapes):
    boxes = np.array([box for box, _ in shapes], np.float64).reshape(-1, 4)
    labels = [label for _, label in shapes]
    image = grey(height, width)
    for out in (
        draw_boxes(image, boxes, labels, scores=np.zeros(len(shapes))),
        draw_polygons(image, list(boxes.reshape(-1, 2, 2)), labels),
        draw_labels(image, [label or "" for label in labels]),
    ):
        assert out.shape == image.shape and out.dtype == np.uint8


@pytest.mark.parametrize(
    "box", [[0, 0, 30, 30], [130, 0, 160, 30], [130, 90, 160, 120], [0, 90, 30, 120]]
)
def test_a_label_stays_whole_inside_the_picture(box):
    image = grey()
    bare = draw_boxes(image, np.array([box]), colors=[RED])
    out = draw_boxes(image, np.array([box]), ["banana"], colors=[RED])
    left, top, right, bottom = changed(bare, out)
    free = draw_boxes(image, np.array([[60, 60, 90, 90]]), ["banana"], colors=[RED])
    wanted = changed(draw_boxes(image, np.array([[60, 60, 90, 90]]), colors=[RED]), free)
    # As many letters are visible as where there is room (part of the ground may hide on the line).
    assert right - left >= wanted[2] - wanted[0] - 4 and bottom - top >= wanted[3] - wanted[1] - 4


def test_a_long_label_is_shortened_to_fit():
    image = grey(100, 200)
    out = draw_label(
        image, "an endless name of a thing that nobody can read " * 3, (0, 0), color=RED
    )
    left, _, right, _ = changed(image, out)
    assert left == 0 and 150 <= right <= 200


def test_labels_avoid_each_other():
    image = grey(200, 300)
    boxes = np.array([[50, 80, 150, 150], [55, 84, 155, 154]])
    one = draw_boxes(image, boxes, ["first", None], colors=[RED, RED])
    two = draw_boxes(image, boxes, ["first", "second"], colors=[RED, RED])
    lone = draw_boxes(image, boxes, colors=[RED, RED])
    first, second = changed(lone, one), changed(one, two)
    overlap = min(first[2], second[2]) > max(first[0], second[0])
    assert not (overlap and min(first[3], second[3]) > max(first[1], second[1]))


def test_colours_are_stable_between_processes_and_distinct():
    code = "from saccade.imaging.draw import color_of; print(color_of('Äpfel'))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert other.strip() == str(color_of("Äpfel"))
    assert len({color_of(name) for name in ("cat", "dog", "cup", "car", "bus")}) == 5


def test_a_score_does_not_change_the_colour():
    image = grey(200, 300)
    box = np.array([[50, 80, 150, 150]])
    low = draw_boxes(image, box, ["cat"], scores=[0.1])
    high = draw_boxes(image, box, ["cat"], scores=[0.9])
    assert tuple(low[80, 100]) == tuple(high[80, 100]) == color_of("cat")
    assert (low != high).any()


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_letters_have_the_better_contrast(color):
    def luminance(rgb):
        parts = [c / 255 for c in rgb]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    white, black = 1.05 / (luminance(color) + 0.05), (luminance(color) + 0.05) / 0.05
    if abs(white - black) > 0.05:
        assert contrast(color) == ((255, 255, 255) if white > black else (0, 0, 0))


def test_polygons():
    image = grey()
    quad = np.array([[20, 20], [80, 30], [75, 70], [15, 60]])
    out = draw_polygons(image, [quad], colors=[RED])
    left, top, right, bottom = changed(image, out)
    assert abs(left - 15) <= 2 and abs(top - 20) <= 2 and abs(right - 80) <= 3
    assert abs(bottom - 70) <= 3
    assert (out[45, 45] == 128).all()
    np.testing.assert_array_equal(draw_polygons(image, np.empty((0, 4, 2))), image)


def test_labels_of_the_whole_picture_stack_from_the_top():
    image = grey(300, 300)
    two = changed(image, draw_labels(image, ["one", "two"]))
    three = changed(image, draw_labels(image, ["one", "two", "three"], scores=[0.5, 0.3, 0.2]))
    assert two[:2] == three[:2] == (0, 0) and three[3] == pytest.approx(two[3] * 1.5, abs=2)
    many = changed(image, draw_labels(image, ["name"] * 500))
    assert many[3] <= 300


def test_what_does_not_fit_is_named():
    image = grey()
    with pytest.raises(OptionError, match="1 labels for 2 shapes"):
        draw_boxes(image, np.zeros((2, 4)), ["a"])
    with pytest.raises(OptionError, match=r"\(2, 5\)"):
        draw_boxes(image, np.zeros((2, 5)))
    with pytest.raises(OptionError, match="float64"):
        draw_boxes(image / 255, np.zeros((2, 4)))
    with pytest.raises(OptionError, match=r"a polygon has shape \(1, 2\)"):
        draw_polygons(image, [np.zeros((1, 2))])


# --- letters


def test_texts_are_equally_high_and_inked():
    masks = [render_text(text, 24) for text in ("a", "Ägypten", "яблоко", "l")]
    assert {mask.shape[0] for mask in masks} == {round(1.3 * 24)}
    assert all(mask.max() > 200 for mask in masks)
    assert masks[1].shape[1] > masks[0].shape[1]
    assert render_text("", 24).shape[1] == 1


@pytest.mark.parametrize(
    "text", ["苹果", "りんご", "яблоко", "μήλο", "תפוח", "تفاحة", "แอปเปิล", "🍎", "\u0e31"]
)
def test_no_script_is_blank(text):
    assert render_text(clean_text(text), 24).any()


@pytest.mark.parametrize("text", ["яблоко", "苹果", "Ω"])
def test_different_letters_look_different_without_any_system_font(text, monkeypatch):
    """With nothing but what the dependencies bring."""
    monkeypatch.setattr(fonts, "_system_fonts", lambda: ())
    fonts._find_font.cache_clear()
    try:
        shown, unknown = render_text(text, 24), render_text("?" * len(text), 24)
        assert render_text("plain", 24).any()
        import cv2

        if hasattr(cv2, "FontFace"):
            assert shown.shape != unknown.shape or (shown != unknown).any()
        monkeypatch.setattr(fonts, "_by_opencv", lambda *_: None)  # as with OpenCV 4
        assert render_text(text, 24).any()
    finally:
        fonts._find_font.cache_clear()


def test_coverage_of_pillows_own_font():
    assert covers("", "A") and covers("", "z")
    assert not covers("", "苹") and not covers("", "я")
    assert not covers("/no/such/font.ttf", "A")


def test_a_damaged_font_is_passed_over(tmp_path, monkeypatch):
    bad = tmp_path / "Broken.ttf"
    bad.write_bytes(b"not a font")
    monkeypatch.setattr(fonts, "_system_fonts", lambda: (str(bad),))
    fonts._find_font.cache_clear()
    try:
        assert render_text("fine", 20).any()
    finally:
        fonts._find_font.cache_clear()


def test_clean_text():
    assert clean_text(" a\n\tb\x00c\u2028d ") == "a b c d"
    assert clean_text("नमस्ते") == "नमस्ते"


# --- files


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF"])
def test_saving_without_loss_comes_back(suffix, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    path = tmp_path / f"out{suffix}"
    save_image(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_saving_with_loss_keeps_colours_and_obeys_quality(suffix, tmp_path):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    image = np.stack(
        [np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 9, np.uint8)], 2
    )
    good, poor = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    save_image(str(good), image)
    save_image(poor, image, quality=10)
    assert np.abs(read_image(good).astype(int) - image).mean() < 4
    assert poor.stat().st_size < good.stat().st_size
    assert Image.open(io_of(good)).size == (64, 64)


def io_of(path):
    import io

    return io.BytesIO(path.read_bytes())


def test_saving_replaces_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    from pathlib import Path

    path = tmp_path / "a.png"
    save_image(path, grey(4, 4))
    before = path.read_bytes()

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(ImageError, match="No space left on device; check"):
            save_image(path, grey(8, 8))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.png"]
    save_image(path, grey(8, 8))
    assert read_image(path).shape == (8, 8, 3)


def test_saving_says_what_is_wrong(tmp_path):
    with pytest.raises(ImageError, match=r"ending \.xyz is not one of \.bmp"):
        save_image(tmp_path / "a.xyz", grey())
    with pytest.raises(ImageError, match=r"ending \(none\)"):
        save_image(tmp_path / "a", grey())
    with pytest.raises(ImageError, match="check that its folder exists"):
        save_image(tmp_path / "none" / "a.png", grey())
    with pytest.raises(ImageError, match="float32"):
        save_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ImageError, match="70000 x 1 pixels"):
        save_image(tmp_path / "a.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(20, 4000, 3), (4000, 20, 3)])
def test_letters_fit_into_a_strip(shape):
    """Proportional to the long side they would be cut off."""
    strip = np.full(shape, 255, np.uint8)
    drawn = draw_labels(strip, ["ok"])
    inked = np.argwhere((drawn != strip).any(axis=2))
    assert len(inked)
    assert np.ptp(inked[:, 0]) < 20  # one line of small letters, not a bar over everything
    assert np.ptp(inked[:, 1]) < 40
