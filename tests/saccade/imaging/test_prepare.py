from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.imaging.prepare import Prepare
from saccade.imaging.resize import center_crop, letterbox, resize, resize_short


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(
        0, 256, (height, width, 3), np.uint8
    )


def test_each_mode_is_its_function():
    image = noise(50, 70)
    crop = Prepare(24, 20, "short_crop", short=28)
    np.testing.assert_array_equal(crop(image), center_crop(resize_short(image, 28), (24, 20)))
    stretch = Prepare(24, 20, "stretch", interpolation="area")
    np.testing.assert_array_equal(stretch(image), resize(image, (24, 20), "area"))
    boxed = Prepare(24, 20, "letterbox", interpolation="cubic")
    expected = letterbox(image, (24, 20), interpolation="cubic")[0]
    np.testing.assert_array_equal(boxed(image), expected)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["short_crop", "stretch", "letterbox"]),
)
def test_any_picture_comes_out_in_shape(height, width, mode):
    image = noise(height, width)
    before = image.copy()
    out = Prepare(32, 24, mode, short=36)(image)
    assert out.shape == (32, 24, 3) and out.dtype == np.uint8 and out.flags.c_contiguous
    out[:] = 0  # never a view of the source
    np.testing.assert_array_equal(image, before)


def test_batch_mixes_sizes_and_may_be_empty():
    prepare = Prepare(8, 8, "stretch")
    images = [noise(5, 9), noise(8, 8), noise(1, 1)]
    batch = prepare.batch(iter(images))
    assert batch.shape == (3, 8, 8, 3)
    np.testing.assert_array_equal(batch[1], prepare(images[1]))
    assert prepare.batch([]).shape == (0, 8, 8, 3)


def test_json_round_trip():
    prepare = Prepare(48, 64, "letterbox", interpolation="area")
    assert Prepare.from_dict(json.loads(json.dumps(prepare.to_dict()))) == prepare
    assert Prepare.from_dict({}) == Prepare()
    assert Prepare().to_dict() == {
        "height": 224,
        "width": 224,
        "mode": "short_crop",
        "short": 256,
        "interpolation": "linear",
    }


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"heigth": 3}, "unknown key 'heigth'; did you mean 'height'"),
        ({"mode": "shortcrop"}, "unknown mode 'shortcrop'; did you mean 'short_crop'"),
        ({"interpolation": "bicubi"}, "unknown interpolation 'bicubi'; did you mean 'cubic'"),
        ({"height": 0}, "height is 0"),
        ({"width": 12.5}, "width is 12.5"),
        ({"width": "224"}, "width is '224'"),
        ({"short": True}, "short is True"),
        ({"mode": ["stretch"]}, "unknown mode"),
        ({"height": 300}, "short is 256, smaller than the crop of 300 x 224; make it at least 300"),
    ],
)
def test_bad_settings_are_named(settings_, message):
    with pytest.raises(OptionError, match=message):
        Prepare.from_dict(settings_)
