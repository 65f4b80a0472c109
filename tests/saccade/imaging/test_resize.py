from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.imaging.resize import (
    center_crop,
    letterbox,
    resize,
    resize_short,
    resize_short_crop,
)

sides = st.integers(1, 60)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def reference_short_crop(image, short, size):
    """The evaluation transform as the reference states it, step by step."""
    h, w = image.shape[:2]
    percent = float(short) / min(w, h)
    new_w, new_h = int(round(w * percent)), int(round(h * percent))  # noqa: RUF046
    image = cv2.resize(image, (new_w, new_h))
    w_start, h_start = (new_w - size[1]) // 2, (new_h - size[0]) // 2
    return image[h_start : h_start + size[0], w_start : w_start + size[1], :]


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 90), st.integers(10, 90), st.integers(24, 40))
def test_short_crop_is_the_reference_to_the_pixel(height, width, short):
    image = noise(height, width)
    expected = reference_short_crop(image, short, (24, 22))
    np.testing.assert_array_equal(resize_short_crop(image, short, (24, 22)), expected)


def test_short_side_rounds_ties_to_even():
    # 5 * (3 / 6) = 2.5 becomes 2, as Python rounds; 7 * (3 / 6) = 3.5 becomes 4.
    assert resize_short(noise(6, 7), 3).shape == (3, 4, 3)
    assert resize_short(noise(10, 45), 1).shape == (1, 4, 3)


def test_crop_offsets_round_down():
    image = np.arange(7 * 6 * 3).reshape(7, 6, 3).astype(np.uint8)
    np.testing.assert_array_equal(center_crop(image, (4, 3)), image[1:5, 1:4])


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 60000), (60000, 1), (3, 20000), (1, 17), (2, 33)]
)
def test_extreme_pictures_stay_cheap(height, width):
    out = resize_short_crop(noise(height, width), 256, (224, 224))
    assert out.shape == (224, 224, 3) and out.flags.c_contiguous


def test_the_shortcut_for_slim_pictures_shows_the_same_middle():
    ramp = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 10, 0)
    image = np.ascontiguousarray(np.repeat(ramp, 3, 2))
    found = resize_short_crop(image, 32, (28, 28)).astype(int)
    assert np.abs(found - reference_short_crop(image, 32, (28, 28))).max() <= 1


def test_interpolations_differ_and_are_checked():
    image = noise(40, 40)
    results = [resize(image, (13, 17), kind) for kind in ("linear", "cubic", "area")]
    assert all(r.shape == (13, 17, 3) for r in results)
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    with pytest.raises(OptionError, match="did you mean 'linear'"):
        resize(image, (2, 2), "lineal")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="0 x 5"):
        resize(image, (0, 5))


def test_resize_never_shares_memory():
    image = noise(5, 5)
    out = resize(image, (5, 5))
    out[:] = 0
    assert image.any()


def test_crop_larger_than_the_picture_is_refused():
    with pytest.raises(OptionError, match="cannot cut 9 x 4 out of a picture of 5 x 5"):
        center_crop(noise(5, 5), (9, 4))


@given(sides, sides, sides, sides, st.booleans())
def test_letterbox_maps_back_exactly(height, width, out_height, out_width, upscale):
    _, place = letterbox(noise(height, width), (out_height, out_width), upscale=upscale)
    whole = np.array([[0, 0, width, height]], np.float64)
    inner = place.from_source(whole)[0]
    top, left = place.offset
    # The whole picture covers whole pixels of the letterboxed one, inside it ...
    np.testing.assert_allclose(inner, np.rint(inner), atol=1e-9)
    assert left >= 0 and top >= 0
    assert inner[2] <= out_width + 1e-9 and inner[3] <= out_height + 1e-9
    # ... fills one direction when it may grow ...
    if upscale:
        fills = (round(inner[2] - inner[0]), round(inner[3] - inner[1]))
        assert fills[0] == out_width or fills[1] == out_height
    # ... and comes back to itself.
    np.testing.assert_allclose(place.to_source(inner[None]), whole, atol=1e-9)


@given(sides, sides, st.lists(st.tuples(*[st.floats(-50, 100, width=32)] * 4), max_size=5))
def test_letterbox_round_trip_of_boxes(height, width, rows):
    boxes = np.array(rows, np.float64).reshape(-1, 4)
    _, place = letterbox(noise(height, width), (32, 48))
    np.testing.assert_allclose(place.to_source(place.from_source(boxes)), boxes, atol=1e-9)
    quads = boxes.reshape(-1, 2, 2)
    np.testing.assert_allclose(
        place.points_to_source(place.from_source(boxes).reshape(-1, 2, 2)), quads, atol=1e-9
    )


def test_letterbox_pixels():
    image = np.full((10, 20, 3), 200, np.uint8)
    boxed, place = letterbox(image, (40, 40), fill=7)
    assert boxed.shape == (40, 40, 3) and place.offset == (10, 0) and place.scale == (2, 2)
    assert (boxed[10:30] == 200).all() and (boxed[:10] == 7).all() and (boxed[30:] == 7).all()
    small, place = letterbox(image, (40, 40), upscale=False)
    assert place.offset == (15, 10) and (small[15:25, 10:30] == 200).all()
    assert (small == 114).all(axis=2).sum() == 40 * 40 - 10 * 20


def test_letterbox_refuses_nonsense():
    with pytest.raises(OptionError, match="300"):
        letterbox(noise(2, 2), (4, 4), fill=300)
    with pytest.raises(OptionError, match="0 x 4"):
        letterbox(noise(2, 2), (0, 4))
    with pytest.raises(OptionError, match=r"\(3,\)"):
        letterbox(noise(2, 2), (4, 4))[1].to_source(np.zeros(3))
