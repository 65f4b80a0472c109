"""Boxes, scores, labels and models for the tests of suppression and fusion."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

# Quarters make many ties and exact thresholds; boxes may be empty or inside out.
corner = st.integers(0, 24).map(lambda n: n / 4)
box = st.one_of(
    st.tuples(corner, corner, corner, corner),
    st.builds(
        lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, corner.map(abs), corner.map(abs)
    ),
)
score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))
# What the same boxes look like far away and much larger; powers of two keep the ties.
place = st.sampled_from([(1.0, 0.0), (2.0**-20, 0.0), (2.0**200, 0.0), (1.0, 2.0**20)])
threshold = st.one_of(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.6, 1.0]), st.floats(0, 1))
# The settings under which few boxes already take the ways that otherwise many take.
ways = st.sampled_from(
    [
        {"_FEW": 1 << 14},
        {"_FEW": 0},
        {"_FEW": 0, "_BLOCK": 1, "_CHUNK": 3},
        {"_FEW": 6, "_BLOCK": 3},
    ]
)


@st.composite
def scenes(draw):
    """Boxes, scores, labels and model numbers."""
    rows = draw(st.lists(st.tuples(box, score, st.integers(0, 2), st.integers(0, 2)), max_size=14))
    copies = draw(st.lists(st.sampled_from(rows), max_size=6)) if rows else []
    boxes, scores, labels, models = _columns(rows + copies)
    factor, shift = draw(place)
    boxes = [[side * factor + shift for side in sides] for sides in boxes]
    if boxes and draw(st.booleans()):
        spoilt = draw(st.integers(0, len(boxes) - 1))
        value = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e101]))
        if draw(st.booleans()):
            boxes[spoilt][draw(st.integers(0, 3))] = value
        else:
            scores[spoilt] = value
    return boxes, scores, labels, models


def _columns(rows):
    return [[row[number] for row in rows] for number in range(4)]


def arrays(boxes, scores, *numbers):
    return (
        np.array(boxes, float).reshape(-1, 4),
        np.array(scores, float),
        *(np.array(column, np.int64) for column in numbers),
    )


def assert_rows(found, expected):
    boxes, scores, labels = found
    assert labels.tolist() == [row[2] for row in expected]
    assert scores.tolist() == [row[1] for row in expected]
    assert boxes.tolist() == [list(row[0]) for row in expected]


def crowd(count, seed, per=15):
    """Jittered boxes around few objects of many sizes, in two classes, with ties."""
    rng = np.random.default_rng(seed)
    objects = max(1, count // per)
    centre, size = rng.uniform(0, 800, (objects, 2)), np.exp(rng.uniform(1, 6, (objects, 2)))
    which = rng.integers(0, objects, count)
    middle = centre[which] + rng.normal(0, 0.1, (count, 2)) * size[which]
    side = size[which] * np.exp(rng.normal(0, 0.2, (count, 2)))
    boxes = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    boxes[::9] = boxes[0]
    scores = np.round(rng.uniform(0, 1, count), 2)
    return boxes, scores, rng.integers(0, 2, count), rng.integers(0, 3, count)
