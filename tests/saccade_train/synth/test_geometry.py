"""Quads and pixels move together: a dot drawn at a point is found where the point went."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade_train.synth import geometry

HEIGHT, WIDTH = 120, 240
xs, ys = st.floats(30, WIDTH - 30), st.floats(30, HEIGHT - 30)


def dot(x: float, y: float) -> np.ndarray:
    """A soft dot whose middle is at (x, y), where pixel (0, 0) has its middle at (0.5, 0.5)."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
    cv2.circle(image, centre, 4 * 16, 255, -1, cv2.LINE_AA, 4)
    return image


def middle(image: np.ndarray) -> tuple[float, float]:
    weights = image.astype(np.float64)
    total = weights.sum()
    assert total > 0
    x = (weights.sum(axis=0) * (np.arange(image.shape[1]) + 0.5)).sum() / total
    y = (weights.sum(axis=1) * (np.arange(image.shape[0]) + 0.5)).sum() / total
    return float(x), float(y)


def as_quad(x: float, y: float) -> np.ndarray:
    return np.full((1, 4, 2), (x, y), np.float32)


@settings(max_examples=40, deadline=None)
@given(
    x=xs,
    y=ys,
    degrees=st.floats(-30, 30),
    slant=st.floats(-0.4, 0.4),
    scale=st.floats(0.3, 2.0),
    corners=st.lists(st.floats(-12, 12), min_size=8, max_size=8),
)
def test_homographies(
    x: float, y: float, degrees: float, slant: float, scale: float, corners: list[float]
) -> None:
    matrix = (
        geometry.translation(60 * scale, 70 * scale)
        @ geometry.scaling(scale, scale)
        @ geometry.rotation(degrees, WIDTH / 2, HEIGHT / 2)
        @ geometry.shear(slant, HEIGHT / 2)
        @ geometry.tilt(WIDTH, HEIGHT, np.array(corners).reshape(4, 2))
    )
    size = (math.ceil(scale * 320), math.ceil(scale * 420))
    warped, quads = geometry.warp(dot(x, y), as_quad(x, y), matrix, size)
    np.testing.assert_allclose(middle(warped), quads[0, 0], atol=0.35)


@settings(max_examples=40, deadline=None)
@given(x=xs, y=ys, angle=st.floats(-1.9, 1.9))
def test_arcs(x: float, y: float, angle: float) -> None:
    bent, quads = geometry.arc(dot(x, y), as_quad(x, y), angle)
    np.testing.assert_allclose(middle(bent), quads[0, 0], atol=0.5)


@settings(max_examples=40, deadline=None)
@given(x=xs, y=ys, amplitude=st.floats(-8, 8), length=st.floats(150, 500), phase=st.floats(0, 6.3))
def test_waves(x: float, y: float, amplitude: float, length: float, phase: float) -> None:
    image, quads = geometry.wave(dot(x, y), as_quad(x, y), amplitude, length, phase, fill=0)
    np.testing.assert_allclose(middle(image), quads[0, 0], atol=0.5)


def test_an_arc_keeps_the_middle_and_bends_the_ends() -> None:
    image = np.full((20, 200), 255, np.uint8)
    quads = np.array([[[0, 10], [100, 10], [200, 10], [100, 10]]], np.float32)
    _, hill = geometry.arc(image, quads, 1.0)
    left, centre, right = hill[0, :3, 1]
    assert left == pytest.approx(right, abs=1e-3)
    assert left - centre == pytest.approx(200 * (1 - math.cos(0.5)), abs=1e-2)
    _, valley = geometry.arc(image, quads, -1.0)
    assert valley[0, 0, 1] < valley[0, 1, 1]


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(-5, 105), st.floats(-5, 25)), min_size=1, max_size=20),
    degrees=st.floats(-40, 40),
)
def test_an_enclosing_quad_holds_all_points(
    points: list[tuple[float, float]], degrees: float
) -> None:
    matrix = geometry.rotation(degrees, 50, 10)
    quad = np.array([[0, 0], [100, 0], [100, 20], [0, 20]], np.float32)
    turned = geometry.project(matrix, quad)
    moved = geometry.project(matrix, np.array(points, np.float32))
    around = geometry.enclose(turned, moved)
    for x, y in moved:
        assert cv2.pointPolygonTest(around, (float(x), float(y)), True) > -0.01
    inside = geometry.enclose(turned, turned)
    np.testing.assert_array_equal(inside, turned)


def test_boxes_and_outlines() -> None:
    quads = geometry.boxes_to_quads(np.array([[1, 2, 5, 9]], np.float32))
    assert quads.tolist() == [[[1, 2], [5, 2], [5, 9], [1, 9]]]
    assert geometry.outline(geometry.grow(quads, 1)) == (0, 1, 6, 10)
    assert geometry.letter_height(quads) == pytest.approx(1.25 * 7)
