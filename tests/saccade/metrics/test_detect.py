"""The twelve numbers of COCO against faster-coco-eval, and against what can be told by hand."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.metrics.detect import coco_metrics, coco_tables

NAMES = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large",
         "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"]  # fmt: skip


class Truth(NamedTuple):
    image_id: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray


class Found(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def truth(image_id, boxes, labels, crowd=None, areas=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Truth(
        image_id,
        boxes,
        np.array(labels, np.int64),
        np.zeros(len(boxes), bool) if crowd is None else np.array(crowd, bool),
        sides.prod(axis=1) if areas is None else np.array(areas, np.float32),
    )


def found(boxes=(), scores=(), labels=()):
    return Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int64),
    )


def xywh(boxes):
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()


def peer(truths, guesses, classes=6):
    """The same numbers by faster-coco-eval, -1 as not a number."""
    package = pytest.importorskip("faster_coco_eval")
    annotations, results = [], []
    for one, guess in zip(truths, guesses, strict=True):
        for box, label, crowd, area in zip(
            xywh(one.boxes), one.labels, one.crowd, one.areas, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": one.image_id,
                    "category_id": int(label),
                    "bbox": box,
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
        for box, label, score in zip(xywh(guess.boxes), guess.class_ids, guess.scores, strict=True):
            results.append(
                {
                    "image_id": one.image_id,
                    "category_id": int(label),
                    "bbox": box,
                    "score": float(score),
                }
            )
    labels = package.COCO(
        {
            "images": [{"id": one.image_id, "width": 1000, "height": 1000} for one in truths],
            "annotations": annotations,
            "categories": [{"id": number, "name": str(number)} for number in range(classes)],
        }
    )
    answers = labels.loadRes(results) if results else package.COCO()
    if not results:
        answers.dataset = {**labels.dataset, "annotations": []}
        answers.createIndex()
    judge = package.COCOeval_faster(labels, answers, "bbox", print_function=lambda *_: None)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    numbers = [float(number) for number in judge.stats[:12]]
    return dict(zip(NAMES, [math.nan if n == -1 else n for n in numbers], strict=True))


def assert_same(ours, theirs):
    assert list(ours) == NAMES
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), atol=1e-6, rtol=0)


def random_set(seed, pictures=12, classes=4, many=False):
    """Pictures of jittered objects of all sizes, with crowds, ties, repeats and nonsense."""
    rng = np.random.default_rng(seed)
    truths, guesses = [], []
    for image_id in rng.permutation(pictures) * 3 + 1:
        count = int(rng.integers(0, 9))
        corner = rng.integers(0, 400, (count, 2)) / 2
        side = np.round(np.exp(rng.uniform(1, 5.3, (count, 2))) * 4) / 4
        boxes = np.concatenate([corner, corner + side], axis=1)
        labels = rng.integers(0, classes, count)
        areas = side.prod(axis=1) * rng.choice([1, 0.7], count)
        areas[rng.random(count) < 0.1] = rng.choice([32.0**2, 96.0**2])
        truths.append(truth(int(image_id), boxes, labels, rng.random(count) < 0.15, areas))
        repeat = int(rng.integers(0, 40 if many else 4))
        near = np.repeat(boxes, repeat, axis=0)
        near = (
            near
            + np.round(
                rng.normal(0, 0.08, near.shape) * np.repeat(side, 2, 1).repeat(repeat, axis=0) * 4
            )
            / 4
        )
        away = rng.integers(0, 500, (int(rng.integers(0, 6)), 4)) / 1.0
        away[:, 2:] += away[:, :2]
        near_labels = np.where(
            rng.random(len(near)) < 0.85,
            np.repeat(labels, repeat),
            rng.integers(0, classes + 1, len(near)),
        )
        scores = rng.choice(np.arange(1, 20) / 20, len(near) + len(away))
        guesses.append(
            found(
                np.concatenate([near, away]),
                scores,
                np.concatenate([near_labels, rng.integers(0, classes + 1, len(away))]),
            )
        )
    return truths, guesses


@pytest.mark.parametrize("seed", range(40))
def test_random_sets_equal_faster_coco_eval(seed):
    truths, guesses = random_set(seed, many=seed % 4 == 0, classes=1 + seed % 5)
    assert_same(coco_metrics(truths, guesses), peer(truths, guesses))


corner = st.integers(0, 12).map(lambda n: n * 8.0)
side = st.integers(0, 14).map(lambda n: n * 8.0)
box = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side)
label = st.integers(0, 2)
picture = st.tuples(
    st.lists(st.tuples(box, label, st.booleans(), st.sampled_from([None, 1024, 9216, 5])),
             max_size=5),
    st.lists(st.tuples(box, label, st.sampled_from([0.25, 0.5, 0.75])), max_size=8),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(picture, min_size=1, max_size=4))
def test_coarse_boxes_equal_faster_coco_eval(pictures):
    truths, guesses = [], []
    for number, (objects, answers) in enumerate(pictures):
        boxes = [row[0] for row in objects]
        areas = [row[3] or (row[0][2] - row[0][0]) * (row[0][3] - row[0][1]) for row in objects]
        truths.append(
            truth(number + 1, boxes, [row[1] for row in objects], [r[2] for r in objects], areas)
        )
        guesses.append(found(*([row[n] for row in answers] for n in (0, 2, 1))))
    assert_same(coco_metrics(truths, guesses), peer(truths, guesses))


def test_perfect_answers():
    truths = [truth(1, [[0, 0, 10, 10], [20, 20, 70, 70]], [0, 1]), truth(2, [[0, 0, 99, 99]], [1])]
    guesses = [found(one.boxes, np.ones(len(one.boxes)), one.labels) for one in truths]
    scores = coco_metrics(truths, guesses)
    assert all(value == pytest.approx(1) for value in scores.values())


def test_one_right_and_one_wrong():
    # Right at 0.5 and 0.55 alone (IoU 0.6 would need 60 of 100, this is 58), after a wrong one.
    truths = [truth(1, [[0, 0, 10, 10], [50, 0, 60, 10]], [0, 0])]
    guesses = [found([[80, 80, 90, 90], [0, 0, 10, 5.8]], [0.9, 0.8], [0, 0])]
    scores = coco_metrics(truths, guesses)
    # Half of the objects, with precision 1/2, at 51 of the 101 recalls.
    assert scores["map_50"] == pytest.approx(0.5 * 51 / 101)
    assert scores["map_75"] == 0
    assert scores["map"] == pytest.approx(0.5 * 51 / 101 * 2 / 10)
    assert scores["mar_1"] == 0
    assert scores["mar_10"] == pytest.approx(0.5 * 2 / 10)
    assert math.isnan(scores["map_large"])


def test_crowds_count_for_nothing():
    crowd = truth(1, [[0, 0, 100, 100], [200, 0, 210, 10]], [0, 0], [True, False])
    # Two boxes within the crowd, and the one object.
    guess = found([[0, 0, 10, 10], [5, 5, 30, 30], [200, 0, 210, 10]], [0.9, 0.8, 0.7], [0, 0, 0])
    assert coco_metrics([crowd], [guess])["map"] == pytest.approx(1)
    only = truth(1, [[0, 0, 100, 100]], [0], [True])
    assert all(math.isnan(value) for value in coco_metrics([only], [guess]).values())


def test_an_area_on_the_border_is_of_both_sizes():
    one = truth(1, [[0, 0, 32, 32]], [0])
    scores = coco_metrics([one], [found(one.boxes, [0.5], [0])])
    assert (scores["map_small"], scores["map_medium"]) == pytest.approx((1, 1))
    assert math.isnan(scores["map_large"])


@pytest.mark.parametrize("truths", [[], [truth(1, [], [])]])
def test_nothing_to_find(truths):
    for guess in (found(), found([[0, 0, 5, 5]], [0.5], [0])):
        scores = coco_metrics(truths, [guess] * len(truths))
        assert list(scores) == NAMES
        assert all(math.isnan(value) for value in scores.values())


def test_nothing_found():
    truths = [truth(1, [[0, 0, 10, 10]], [3]), truth(2, [], [])]
    scores = coco_metrics(truths, [found(), found()])
    assert [scores[name] for name in ("map", "map_50", "map_small", "mar_100")] == [0, 0, 0, 0]
    assert math.isnan(scores["map_large"])
    assert_same(scores, peer(truths, [found(), found()]))


def test_classes_without_objects_take_no_part():
    truths = [truth(1, [[0, 0, 10, 10]], [2])]
    guesses = [found([[0, 0, 10, 10], [0, 0, 10, 10]], [0.5, 0.9], [2, 0])]
    assert coco_metrics(truths, guesses)["map"] == pytest.approx(1)
    assert coco_tables(truths, guesses).classes.tolist() == [2]


def test_equal_scores_are_taken_by_the_id_of_the_picture():
    right = truth(9, [[0, 0, 10, 10]], [0]), found([[0, 0, 10, 10]], [0.5], [0])
    wrong = truth(4, [], []), found([[0, 0, 10, 10]], [0.5], [0])
    for pairs in ([right, wrong], [wrong, right]):
        truths, guesses = [list(column) for column in zip(*pairs, strict=True)]
        assert coco_metrics(truths, guesses)["map"] == pytest.approx(0.5)
        assert_same(coco_metrics(truths, guesses), peer(truths, guesses))


@pytest.mark.parametrize(
    ("truths", "guesses", "message"),
    [
        ([truth(1, [], [])], [], "1 pictures with truths, 0 with findings"),
        ([truth(1, [], [])], [found([[0, 0, 1, 1]], [np.nan], [0])], "score is not a number"),
        ([truth(1, [], [])], [found([[0, 0, 1, 1]], [0.5, 0.5], [0])], "scores of shape"),
        ([truth(1, [[0, 0, 1, 1]], [])], [found()], "labels of shape"),
    ],
)
def test_bad_input_is_refused(truths, guesses, message):
    with pytest.raises(OptionError, match=message):
        coco_metrics(truths, guesses)
