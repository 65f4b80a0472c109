"""Label maps: the reference's numbers, and a loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade.geometry.polygons import reach
from saccade_train.text.label_maps import (
    edge_distances,
    gaps_of_rows,
    label_maps,
    shrink_map,
    threshold_map,
)

BOX = np.array([[10, 10], [110, 10], [110, 30], [10, 30]], np.float32)
SIZE = (60, 160)


def slow_compat(x: float, y: float, polygon: np.ndarray) -> float:
    best = math.inf
    for a, b in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        d1 = (x - a[0]) ** 2 + (y - a[1]) ** 2
        d2 = (x - b[0]) ** 2 + (y - b[1]) ** 2
        d = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
        if d1 * d2 == 0:
            return 0.0
        c = (d - d1 - d2) / (2 * math.sqrt(d1 * d2))
        away = math.sqrt(min(d1, d2)) if c < 0 else math.sqrt(max(d1 * d2 * (1 - c * c) / d, 0))
        best = min(best, away)
    return best


def slow_segment(x: float, y: float, polygon: np.ndarray) -> float:
    """Try every thousandth of each edge."""
    at = np.linspace(0, 1, 1001)[:, None]
    best = math.inf
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        best = min(best, float(np.hypot(*((a + at * (b - a)) - (x, y)).T).min()))
    return best


def test_worked_numbers() -> None:
    for compat in (False, True):
        maps = label_maps([BOX], [False], SIZE, paddle_compat=compat)
        assert maps.shrink.sum() == 609
        rows, columns = np.nonzero(maps.shrink)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (17, 23, 17, 103)
        assert maps.shrink_mask.min() == 1
        assert maps.threshold_mask.sum() == 3967
        rows, columns = np.nonzero(maps.threshold_mask)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 37, 3, 117)
        column = maps.threshold[:, 60]
        found = [column[y] for y in (10, 13, 7, 17, 20, 3)]
        assert found == pytest.approx([0.7, 0.528571, 0.528571, 0.3, 0.3, 0.3], abs=1e-6)
        assert all(one.dtype == np.float32 and one.shape == SIZE for one in vars(maps).values())


def test_a_slanted_polygon_is_shrunk_to_the_corners_of_the_reference() -> None:
    slanted = np.array([[20, 20], [80, 40], [75, 55], [15, 35]], np.float32)
    drawn, _ = shrink_map([slanted], [False], (80, 100))
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (27, 48, 22, 73)
    assert drawn[27, 23] == drawn[32, 22] == drawn[43, 73] == drawn[48, 72] == 1
    again, _ = shrink_map([slanted[::-1]], [False], (80, 100))
    np.testing.assert_array_equal(drawn, again)


def test_the_distance_of_the_reference_is_none_of_the_edge() -> None:
    edge = np.array([[0, 0], [20, 0]], np.float32)
    x, y = np.array([10.0], np.float32), np.array([15.0], np.float32)
    assert edge_distances(x, y, edge) == pytest.approx([15])
    assert edge_distances(x, y, edge, paddle_compat=True) == pytest.approx([18.03], abs=5e-3)


@pytest.mark.parametrize("compat", [False, True])
def test_distances_against_the_loop(compat: bool) -> None:
    random = np.random.default_rng(0)
    slow = slow_compat if compat else slow_segment
    for _ in range(5):
        polygon = random.integers(0, 40, (5, 2)).astype(np.float32)
        x, y = np.meshgrid(*[np.arange(0, 41, 4, dtype=np.float32)] * 2)
        found = edge_distances(x, y, polygon, paddle_compat=compat)
        expected = [slow(a, b, polygon) for a, b in zip(x.flat, y.flat, strict=True)]
        np.testing.assert_allclose(found.ravel(), expected, atol=0.03)


def test_threshold_map_of_two_neighbours_against_the_loop() -> None:
    polygons = [BOX, BOX + np.array([0, 24], np.float32)]
    found, mask = threshold_map(polygons, [False, False], SIZE)
    assert mask[32, 60] == 1
    d = reach(BOX, 1 - 0.4**2)
    for y in range(0, 60, 3):
        for x in range(0, 160, 5):
            near = max(1 - min(slow_segment(x, y, p) / d, 1) for p in polygons)
            assert found[y, x] == pytest.approx(0.3 + 0.4 * near, abs=2e-3)


def box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def test_gaps_of_rows() -> None:
    """A price, its tax code 10 pixels on, a third column 3 heights away, and the row below."""
    price, code, far, below = box(20, 40, 60, 20), box(90, 42, 30, 20), box(180, 40, 20, 20), box(20, 70, 100, 20)  # fmt: skip  # noqa: E501
    gaps = gaps_of_rows([code, price, far, below], [False] * 4, (120, 220))
    rows, columns = np.nonzero(gaps)
    # Where both have ink above and below, and a fifth of the height into either.
    assert (rows.min(), rows.max()) == (42, 60)
    assert (columns.min(), columns.max()) == (76, 94)
    assert gaps[42:61, 76:95].all()
    for polygons in ([price], [price, far], [price, below], []):
        assert not gaps_of_rows(polygons, [False] * len(polygons), (120, 220)).any()
    assert not gaps_of_rows([price, code], [False, True], (120, 220)).any()


def test_what_is_left_out() -> None:
    low = BOX.copy()
    low[2:, 1] = 17  # 7 pixels high
    outside = BOX + np.array([300, 0], np.float32)
    for polygon, ignored in ((BOX, True), (low, False), (outside, False)):
        drawn, mask = shrink_map([polygon], [ignored], SIZE)
        assert drawn.sum() == 0
        assert (mask.min() == 0) == (polygon is not outside or mask[10, -1] == 0)
    _, mask = shrink_map([BOX], [True], SIZE)
    assert (mask == 0).sum() == 101 * 21
    edges, seen = threshold_map([BOX], [True], SIZE)
    assert (edges == np.float32(0.3)).all() and seen.sum() == 0
    assert threshold_map([low], [False], SIZE)[1].sum() > 0  # small text still has an outline
    line = np.array([[5, 5], [50, 5], [50, 5], [5, 5]], np.float32)
    assert threshold_map([line], [False], SIZE)[1].sum() == 0


def test_a_polygon_that_tears_is_shrunk_less() -> None:
    waist = np.array(
        [(0, 0), (40, 0), (40, 14), (80, 14), (80, 0), (120, 0), (120, 40), (80, 40), (80, 26),
         (40, 26), (40, 40), (0, 40)], np.float32
    )  # fmt: skip
    strong = reach(waist, 1 - 0.4**2)
    weak = reach(waist, 1 - 0.8**2)
    assert 2 * weak < 12 < 2 * strong  # the waist is 12 wide
    drawn, _ = shrink_map([waist], [False], (50, 130))
    assert drawn[20, 60] == 1
    assert drawn[int(weak) + 2, 20] == 1


def test_polygons_may_stick_out() -> None:
    shifted = BOX + np.array([-40, -15], np.float32)
    maps = label_maps([shifted], [False], SIZE)
    assert maps.shrink[6, 30] == 1 and maps.threshold_mask[0, 0] == 1
    far = label_maps([BOX + 500], [False], SIZE)
    assert far.threshold_mask.sum() == 0


def test_no_polygon() -> None:
    maps = label_maps([], [], SIZE)
    assert maps.shrink.sum() == maps.threshold_mask.sum() == 0
    assert maps.shrink_mask.min() == 1


def test_refusals() -> None:
    with pytest.raises(OptionError, match="1 polygons with 0 flags"):
        label_maps([BOX], [], SIZE)
    with pytest.raises(OptionError, match="shrink ratio 1"):
        label_maps([BOX], [False], SIZE, shrink_ratio=1)
