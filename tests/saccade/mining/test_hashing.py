from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from near_copies import saved, scene
from saccade.mining.hashing import HASH_BITS, LEAST_BITS, NEAR_BITS, difference_hash, tells


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.unpackbits(difference_hash(a) ^ difference_hash(b)).sum())


def by_loops(image: np.ndarray) -> list[int]:
    """Each pixel is cut into 16 x 17 parts, so that a cell is a whole number of parts."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(int)
    fine = grey.repeat(16, axis=0).repeat(17, axis=1)
    rows, columns = len(grey), len(grey[0])
    bits = []
    for row in range(16):
        cells = [
            fine[row * rows : (row + 1) * rows, c * columns : (c + 1) * columns].mean()
            for c in range(17)
        ]
        bits += [int(left - right > 2**0.5) for left, right in pairwise(cells)]
    return bits


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 17), (40, 33), (300, 9)])
def test_as_by_a_slow_loop(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    hashed = difference_hash(image)
    assert hashed.shape == (32,) and hashed.dtype == np.uint8
    assert np.unpackbits(hashed).tolist() == by_loops(image)


pictures = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1)).map(
    lambda given: np.random.default_rng(given[2]).integers(
        30, 200, (given[0], given[1], 3), dtype=np.uint8
    )
)


@given(pictures, st.integers(-30, 55))
def test_added_light_changes_nothing(image: np.ndarray, light: int) -> None:
    assert distance(image, (image.astype(int) + light).astype(np.uint8)) == 0


@given(pictures, st.integers(1, 5), st.integers(1, 5))
def test_repeated_pixels_change_nothing(image: np.ndarray, down: int, across: int) -> None:
    assert distance(image, image.repeat(down, axis=0).repeat(across, axis=1)) == 0


@given(pictures, pictures, pictures)
def test_distances_are_distances(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a) <= HASH_BITS
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@pytest.mark.parametrize("seed", range(5))
def test_near_copies_are_near_and_others_are_far(seed: int) -> None:
    image = scene(seed)
    copies = {
        "half": cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "larger": cv2.resize(image, None, fx=1.7, fy=1.7),
        "saved": saved(image, 40),
        "brighter": (image * 1.15).clip(0, 255).astype(np.uint8),
    }
    for name, copy in copies.items():
        assert distance(image, copy) <= NEAR_BITS, name
    assert distance(image, scene(seed + 100)) > 2 * NEAR_BITS


def test_plain_pictures_tell_nothing() -> None:
    white, black = np.full((50, 60, 3), 255, np.uint8), np.zeros((50, 60, 3), np.uint8)
    assert distance(white, black) == 0
    assert not tells(difference_hash(white))
    assert tells(difference_hash(scene()))
    assert not tells(np.packbits(np.arange(256) < LEAST_BITS - 1))
    assert tells(np.packbits(np.arange(256) < LEAST_BITS))


def test_large_pictures_in_blocks() -> None:
    image = scene(3, (520, 30))
    assert np.unpackbits(difference_hash(image)).tolist() == by_loops(image)
