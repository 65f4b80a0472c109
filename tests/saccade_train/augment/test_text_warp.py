"""Warps against the formula written out, and the point sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade_train.augment.text_warp import (
    distort_points,
    mls,
    perspective_points,
    stretch_points,
    warp_mls,
)


def slow_mls(v: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The formula with its perpendiculars, point by point."""
    for before, after in zip(p, q, strict=True):
        if (v == before).all():
            return after
    w = [1 / ((v - a) @ (v - a)) for a in p]
    p_mean = sum(w[i] * p[i] for i in range(len(p))) / sum(w)
    q_mean = sum(w[i] * q[i] for i in range(len(p))) / sum(w)
    mu = sum(w[i] * (p[i] - p_mean) @ (p[i] - p_mean) for i in range(len(p)))
    rest = v - p_mean
    rest_across = np.array([-rest[1], rest[0]])
    total = np.zeros(2)
    for i in range(len(p)):
        hat = p[i] - p_mean
        across = np.array([-hat[1], hat[0]])
        total += (w[i] / mu) * np.array(
            [
                hat @ rest * q[i][0] - across @ rest * q[i][1],
                -(hat @ rest_across) * q[i][0] + across @ rest_across * q[i][1],
            ]
        )
    return q_mean + total


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_mls_is_the_formula(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.uniform(0, 200, (2, count, 2))
    places = np.concatenate([rng.uniform(-50, 250, (20, 2)), p])
    wanted = np.array([slow_mls(v, p, q) for v in places])
    np.testing.assert_allclose(mls(places, p, q), wanted, rtol=1e-7, atol=1e-6)
    np.testing.assert_array_equal(mls(p, p, q), q)


def test_mls_keeps_similarities() -> None:
    """A turn, scale and shift of the control points is one of the whole plane."""
    rng = np.random.default_rng(0)
    p, places = rng.uniform(0, 100, (2, 9, 2))
    turn = 1.7 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    found = mls(places, p, p @ turn.T + (3, -8))
    np.testing.assert_allclose(found, places @ turn.T + (3, -8), atol=1e-9)


def test_control_points_that_coincide_shift() -> None:
    p = np.full((3, 2), 5.0)
    np.testing.assert_allclose(mls(np.array([[1.0, 2.0]]), p, p + 4), [[5.0, 6.0]])


def slow_warp(image: np.ndarray, p: np.ndarray, q: np.ndarray, grid: int) -> np.ndarray:
    """Pixel by pixel: p are the places in the result, q those in the picture."""
    height, width = image.shape[:2]
    result = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            left = min(x // grid * grid, max(0, (width - 2) // grid * grid))
            top = min(y // grid * grid, max(0, (height - 2) // grid * grid))
            right, bottom = min(left + grid, width - 1), min(top + grid, height - 1)
            a = (x - left) / (right - left) if right > left else 0.0
            b = (y - top) / (bottom - top) if bottom > top else 0.0
            nodes = {
                (s, t): slow_mls(np.array([s, t], float), p, q)
                for s in (left, right)
                for t in (top, bottom)
            }
            source = (1 - b) * ((1 - a) * nodes[left, top] + a * nodes[right, top]) + b * (
                (1 - a) * nodes[left, bottom] + a * nodes[right, bottom]
            )
            u, v = source
            u0, v0 = int(np.floor(u)), int(np.floor(v))
            for dv, wv in ((0, v0 + 1 - v), (1, v - v0)):
                for du, wu in ((0, u0 + 1 - u), (1, u - u0)):
                    row, column = np.clip(v0 + dv, 0, height - 1), np.clip(u0 + du, 0, width - 1)
                    result[y, x] += wv * wu * image[row, column]
    return result


@pytest.mark.parametrize("size", [(20, 33), (21, 41), (1, 25), (22, 1)])
def test_warp_against_a_double_loop(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack([x * 5 + 20, y * 8 + 30, 120 + 60 * np.sin(x / 5 + y / 7)], 2).astype(np.uint8)
    before, _ = points = stretch_points(size, 3, rng)
    points = before, before + rng.uniform(-2, 2, before.shape)
    found = warp_mls(image, points, grid=10).astype(float)
    wanted = slow_warp(image, points[1], points[0], 10)
    assert np.abs(found - wanted).max() < 1.5  # OpenCV interpolates in 32nds of a pixel


def test_pixels_go_where_control_points_go() -> None:
    image = np.zeros((101, 201, 3), np.uint8)
    image[48:53, 98:103] = 255
    edge = np.array([[0, 0], [200, 0], [200, 100], [0, 100]], float)
    before = np.concatenate([edge, [[100, 50]]])
    after = np.concatenate([edge, [[120, 40]]])
    warped = warp_mls(image, (before, after), grid=20)
    rows, columns = np.nonzero(warped[..., 0] > 127)
    assert abs(columns.mean() - 120) < 1
    assert abs(rows.mean() - 40) < 1


@given(st.integers(1, 250), st.integers(1, 130), st.integers(1, 120))
def test_resting_points_change_nothing(width: int, height: int, grid: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    points, _ = perspective_points((height, width), rng)
    np.testing.assert_array_equal(warp_mls(image, (points, points), grid=grid), image)


@given(st.integers(20, 400), st.integers(20, 90), st.integers(1, 6), st.integers(0, 999))
def test_reach_of_the_points(width: int, height: int, segments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cut = width // segments
    size = height, width

    before, after = distort_points(size, segments, rng)
    assert before.shape == after.shape == (4 + 2 * (segments - 1), 2)
    wide, high = cut // 3, min(cut // 3, height // 3)
    inwards = (after - before)[:4] * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    assert (inwards >= 0).all()
    assert (inwards <= (max(0, wide - 1), max(0, high - 1))).all()
    assert (np.abs(after - before)[4:] <= (wide / 2, high / 2)).all()

    before, after = stretch_points(size, segments, rng)
    moves = after - before
    assert not moves[:, 1].any()
    assert not moves[:4].any()
    np.testing.assert_array_equal(moves[4::2], moves[5::2])
    assert (np.abs(moves[4:, 0]) <= cut * 4 // 5 / 2).all()
    np.testing.assert_array_equal(before[4::2, 0], cut * np.arange(1, segments))
    assert set(before[4::2, 1]) <= {0}
    assert set(before[5::2, 1]) <= {height}

    before, after = perspective_points(size, rng)
    inwards = (after - before)[:, 1] * (1, 1, -1, -1)
    assert not (after - before)[:, 0].any()
    assert ((inwards >= 0) & (inwards < height // 2)).all()


def test_distortion_of_long_lines() -> None:
    """In the reference, the corners of a low line may change places; here they don't."""

    def folds(paddle_compat: bool) -> bool:
        rng = np.random.default_rng(0)
        sets = [
            distort_points((32, 600), 3, rng, paddle_compat=paddle_compat)[1] for _ in range(50)
        ]
        return any(points[0, 1] > points[3, 1] for points in sets)

    assert folds(True)
    assert not folds(False)
