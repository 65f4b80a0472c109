"""Cut-outs, and pictures of things pasted on grounds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import DatasetError, OptionError
from saccade_train.synth.cutouts import Cutout, cut_out
from saccade_train.synth.objects import ObjectSource
from saccade_train.synth.packages import PACKAGE, draw_package


def studio(
    ground: tuple[int, int, int] = (255, 255, 255), colour: tuple[int, int, int] = (200, 30, 30)
) -> np.ndarray:
    """A disc of radius 20 around (32, 30), with a spot of the ground's colour inside."""
    image = np.full((64, 64, 3), ground, np.uint8)
    cv2.circle(image, (32, 30), 20, colour, -1)
    cv2.circle(image, (32, 30), 5, ground, -1)
    return image


def test_a_thing_is_cut_out_with_what_has_the_grounds_colour_inside() -> None:
    cutout = cut_out(studio(), "disc")
    height, width = cutout.cover.shape
    assert cutout.label == "disc"
    assert cutout.image.shape == (height, width, 3)
    # A radius of 20 pixels less a rim of one, with a soft edge of about a pixel.
    assert 38 <= height <= 43
    assert 38 <= width <= 43
    assert cutout.cover[height // 2, width // 2] == 255
    assert cutout.image[height // 2, width // 2].tolist() == [255, 255, 255]
    assert cutout.cover[0, 0] == 0
    assert (cutout.cover > 127).sum() == pytest.approx(np.pi * 19**2, rel=0.06)


def test_the_ground_may_have_any_colour_and_some_noise() -> None:
    image = studio((20, 120, 40))
    noisy = image.astype(int) + np.random.default_rng(0).integers(-5, 6, image.shape)
    share = (cut_out(np.clip(noisy, 0, 255).astype(np.uint8)).cover > 127).sum()
    assert share == pytest.approx((cut_out(image).cover > 127).sum(), rel=0.1)


def test_a_mixed_rim_is_peeled_off() -> None:
    soft = cv2.GaussianBlur(studio(colour=(0, 0, 0)), (0, 0), 1.0)
    cutout = cut_out(np.asarray(soft, np.uint8))
    edge = (cutout.cover > 127) & (cv2.erode(cutout.cover, np.ones((3, 3))) <= 127)
    inner = edge.copy()
    inner[10:-10, 10:-10] = False
    assert cutout.image[inner].max() < 255 - 60


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8), "not plain"),
        (np.full((64, 64, 3), 255, np.uint8), "0% of the picture"),
        (np.zeros((8, 64, 3), np.uint8), "too small"),
    ],
)
def test_what_cannot_be_cut_out_is_said(image: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        cut_out(image)


@pytest.fixture(scope="module")
def disc() -> Cutout:
    return cut_out(studio(colour=(255, 0, 0)), "disc")


@settings(max_examples=30, deadline=None)
@given(number=st.integers(0, 2**40), most=st.integers(1, 8), side=st.integers(32, 200))
def test_boxes_lie_inside_and_samples_repeat(number: int, most: int, side: int) -> None:
    source = ObjectSource([cut_out(studio(), "disc")], side=side, most=most, seed=3)
    sample, again = source[number], source[number]
    assert np.array_equal(sample.image, again.image)
    assert np.array_equal(sample.boxes, again.boxes)
    assert sample.image.shape == (side, side, 3)
    assert sample.image.dtype == np.uint8
    assert len(sample.boxes) == len(sample.labels) <= most
    assert (sample.boxes[:, :2] >= 0).all()
    assert (sample.boxes[:, 2:] <= side).all()
    assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()


def test_a_box_is_where_its_thing_is(disc: Cutout) -> None:
    """A red disc alone on grey: the box is that of the pixels that are redder than the ground."""
    grey = np.full((100, 100, 3), 128, np.uint8)
    source = ObjectSource([disc], [grey], side=200, most=1, least_size=0.4, empty=0, drawn=0)
    found = 0
    for number in range(40):
        sample = source[number]
        if not len(sample.boxes):  # no place was found
            continue
        red = sample.image[..., 0].astype(int) - sample.image[..., 2]
        soft = cv2.GaussianBlur(red.astype(np.float32), (0, 0), 2)
        mask = soft > 0.5 * soft.max()
        if mask.mean() < 0.02:
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert np.abs(sample.boxes[0] - seen).max() <= 6, number
        found += 1
    assert found >= 30


def test_things_stay_visible_and_empty_pictures_come(disc: Cutout) -> None:
    counts = [len(ObjectSource([disc], side=96, most=6, empty=0.3)[n].boxes) for n in range(80)]
    assert 10 <= counts.count(0) <= 40
    assert max(counts) >= 4
    assert not len(ObjectSource([disc], side=96, empty=1)[0].boxes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutouts": []}, "nothing to paste"),
        ({"side": 8}, "side=8"),
        ({"most": 0}, "most=0"),
        ({"empty": 1.5}, "empty=1.5"),
        ({"packages": -1.0}, "packages=-1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str, disc: Cutout) -> None:
    with pytest.raises(OptionError, match=message):
        ObjectSource(**{"cutouts": [disc], **options})


@pytest.mark.parametrize("number", range(24))
def test_a_package_fills_its_outline(number: int, disc: Cutout) -> None:
    """Boxes and cans: one piece, without holes, that touches all four sides of its picture."""
    package = draw_package(np.random.default_rng(number), [disc])
    again = draw_package(np.random.default_rng(number), [disc])
    assert np.array_equal(package.image, again.image)
    assert package.label == PACKAGE
    height, width = package.cover.shape
    assert package.image.shape == (height, width, 3)
    assert min(height, width) >= 40
    thing = package.cover > 127
    for edge in (thing[:2], thing[-2:], thing[:, :2], thing[:, -2:]):
        assert edge.any()
    count, parts = cv2.connectedComponents(thing.astype(np.uint8))
    assert np.bincount(parts.ravel())[1:].max() >= 0.99 * thing.sum(), count
    _, ground = cv2.connectedComponents(np.pad(~thing, 1, constant_values=True).astype(np.uint8))
    hidden = (ground > 0) & (ground != ground[0, 0])
    assert hidden.sum() <= 0.01 * thing.sum()


def test_packages_come_in_their_share(disc: Cutout) -> None:
    source = ObjectSource([disc], side=96, most=4, packages=0.5, empty=0)
    assert source.labels == ("disc", PACKAGE)
    labels = [label for number in range(60) for label in source[number].labels]
    assert 0.3 < labels.count(PACKAGE) / len(labels) < 0.7
    assert ObjectSource([disc]).labels == ("disc",)
