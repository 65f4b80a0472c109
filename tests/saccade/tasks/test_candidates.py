from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import ModelFileError
from saccade.tasks._candidates import Candidates, check_outputs, join, read_candidates


def rows(found: Candidates) -> list[tuple[float, ...]]:
    return sorted(
        (*box, score, number)
        for box, score, number in zip(
            found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
    )


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 30),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 0.9]),
)
def test_the_plain_form_equals_a_slow_loop(
    seed: int, points: int, classes: int, score: float
) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(-10, 300, (1, points, 4)).astype(np.float32)
    scores = rng.uniform(0, 1, (1, points, classes)).astype(np.float32)
    bad = (np.nan, np.inf, -np.inf)
    for array in (boxes, scores):
        spoilt = rng.uniform(size=array.shape) < 0.02
        array[spoilt] = rng.choice(bad, spoilt.sum())
    wanted = rng.uniform(size=classes) < 0.7
    expected, broken = [], 0
    for point in range(points):
        if not (np.isfinite(boxes[0, point]).all() and np.isfinite(scores[0, point]).all()):
            broken += 1
            continue
        for number in range(classes):
            value = scores[0, point, number]
            if value > np.float32(score) and wanted[number]:
                expected.append((*boxes[0, point].tolist(), float(value), number))
    outputs = {"boxes": boxes, "scores": scores}
    check_outputs(outputs, 1, classes, "toy")
    found = read_candidates(outputs, 0, score=score, classes=classes, wanted=wanted)
    assert rows(found) == sorted(expected)
    assert (found.broken, found.rows) == (broken, points)


def test_the_form_with_nms() -> None:
    nan = np.nan
    outputs = {
        "boxes": np.array(
            [[[0, 0, 1, 1], [0, 0, 2, 2], [nan, 0, 3, 3], [0, 0, 4, 4], [0, 0, 5, 5], [0] * 4]],
            np.float32,
        ),
        "scores": np.array([[0.9, 0.2, 0.8, nan, 0.7, 0]], np.float32),
        # The last class but one does not exist; rows that fill up may say anything.
        "labels": np.array([[1, 0, 0, 0, 7, -1]], np.float32),
    }
    check_outputs(outputs, 1, 2, "toy")
    found = read_candidates(outputs, 0, score=0.1, classes=2)
    assert rows(found) == [
        (0, 0, 1, 1, pytest.approx(0.9), 1),
        (0, 0, 2, 2, pytest.approx(0.2), 0),
    ]
    assert (found.broken, found.rows) == (3, 6)
    assert rows(read_candidates(outputs, 0, score=0.5, classes=2)) == [
        (0, 0, 1, 1, pytest.approx(0.9), 1)
    ]


def test_the_best_thousand_of_each_class_are_enough() -> None:
    rng = np.random.default_rng(0)
    scores = rng.permutation(np.linspace(0.1, 1, 6000)).astype(np.float32).reshape(1, 3000, 2)
    scores[0, 500:, 1] = 0
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (1, 3000, 1))
    found = read_candidates({"boxes": boxes, "scores": scores}, 0, score=0, classes=2)
    for number, count in ((0, 1000), (1, 500)):
        mine = found.scores[found.classes == number]
        best = np.sort(scores[0, :, number])[::-1][:count]
        assert np.array_equal(np.sort(mine)[::-1], best)


@pytest.mark.parametrize(
    "shapes",
    [
        {"boxes": (2, 5, 4), "scores": (2, 5, 2)},
        {"boxes": (2, 5, 4), "scores": (2, 3, 5)},
        {"boxes": (1, 5, 4), "scores": (1, 5, 3)},
        {"boxes": (2, 5), "scores": (2, 5, 3)},
        {"boxes": (2, 5, 5), "scores": (2, 5, 3)},
        {"boxes": (2, 5, 4), "scores": (2, 5)},
        {"boxes": (2, 5, 4), "scores": (2, 5, 3), "labels": (2, 5)},
        {"boxes": (2, 5, 4), "scores": (2, 5), "labels": (2, 4)},
    ],
)
def test_outputs_of_other_shapes_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    with pytest.raises(ModelFileError, match=r"toy\.onnx: the graph gives boxes"):
        check_outputs(outputs, 2, 3, "toy.onnx")


def test_outputs_of_both_forms_pass() -> None:
    zeros = np.zeros
    check_outputs({"boxes": zeros((2, 5, 4)), "scores": zeros((2, 5, 3))}, 2, 3, "toy")
    check_outputs({"boxes": zeros((2, 0, 4)), "scores": zeros((2, 0, 3))}, 2, 3, "toy")
    nms = {"boxes": zeros((2, 5, 4)), "scores": zeros((2, 5)), "labels": zeros((2, 5))}
    check_outputs(nms, 2, 3, "toy")


def test_joining_adds_up_the_counts() -> None:
    one = Candidates(
        np.ones((1, 4), np.float32), np.ones(1, np.float32), np.ones(1, np.int64), 2, 9
    )
    both = join([one, one])
    assert (both.boxes.shape, both.broken, both.rows) == ((2, 4), 4, 18)
    assert join([one]) is one
