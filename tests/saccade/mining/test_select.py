from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saccade.mining.scores import best_classes, top_scores
from saccade.mining.select import BELOW, BEYOND, choose


@dataclass(frozen=True)
class One:
    where: str
    score: float
    sha256: str
    hashed: np.ndarray


def random_hash(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, 32, dtype=np.uint8)


def rank(scores: np.ndarray, label: int) -> list[One]:
    """The pictures of a class as the journal gives them."""
    labels, best = best_classes(scores)
    rows = [row for row in range(len(scores)) if labels[row] == label]
    rows.sort(key=lambda row: (-best[row], row))
    return [One(str(row), float(best[row]), f"file {row}", random_hash(row)) for row in rows]


def taken(scores: np.ndarray, per_class: int, least_score: float = 0.0) -> list[list[int]]:
    return [
        [
            int(one.where)
            for one, reason in choose(rank(scores, label), per_class, least_score=least_score)
            if not reason
        ]
        for label in range(scores.shape[1])
    ]


def by_loops(scores: list[list[float]], per_class: int, least: float) -> list[list[int]]:
    classes = len(scores[0])
    left = {
        row: max(range(classes), key=lambda c: (scores[row][c], -c)) for row in range(len(scores))
    }
    chosen: list[list[int]] = []
    for label in range(classes):
        chosen.append([])
        for _ in range(per_class):
            best = None
            for row, its in left.items():
                if its != label or row in chosen[-1] or scores[row][label] < least:
                    continue
                if best is None or scores[row][label] > scores[best][label]:
                    best = row
            if best is not None:
                chosen[-1].append(best)
    return chosen


# The acceptance facts of SSLD: an image belongs to its best class only, and a class may have fewer.
WORKED = np.array(
    [
        [0.9, 0.05, 0.05],
        [0.6, 0.3, 0.1],
        [0.2, 0.7, 0.1],
        [0.1, 0.8, 0.1],
        [0.5, 0.4, 0.1],
        [0.3, 0.3, 0.4],
    ]
)


def test_the_worked_numbers() -> None:
    assert taken(WORKED, 2) == [[0, 1], [3, 2], [5]]
    assert taken(WORKED, 2, least_score=0.7) == [[0], [3, 2], []]
    reasons = [reason for _, reason in choose(rank(WORKED, 0), 2, least_score=0.55)]
    assert reasons == ["", "", BELOW]
    assert [reason for _, reason in choose(rank(WORKED, 0), 1)] == ["", BEYOND, BEYOND]


@given(
    st.lists(
        st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=3, max_size=3),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_as_by_a_slow_loop(scores: list[list[float]], per_class: int, least: float) -> None:
    assert taken(np.array(scores), per_class, least) == by_loops(scores, per_class, least)


def test_of_equal_scores_the_first_class() -> None:
    labels, best = best_classes(np.array([[0.4, 0.4, 0.2], [0.0, 0.5, 0.5]]))
    assert labels.tolist() == [0, 1] and best.tolist() == [0.4, 0.5]
    assert top_scores(np.array([0.25, 0.5, 0.25])) == "[[1, 0.5], [0, 0.25], [2, 0.25]]"


def test_copies_of_better_pictures_are_left_out() -> None:
    base = random_hash(0)
    near, far = base.copy(), base.copy()
    near[0] ^= 0xFF
    far[:4] ^= 0xFF
    ranked = [
        One("a", 0.9, "1", base),
        One("b", 0.8, "1", random_hash(7)),
        One("c", 0.7, "2", near),
        One("d", 0.6, "3", far),
        One("e", 0.5, "4", np.zeros(32, np.uint8)),
        One("f", 0.4, "5", np.zeros(32, np.uint8)),
        One("g", 0.3, "6", random_hash(8)),
    ]
    reasons = {one.where: reason for one, reason in choose(ranked, 4)}
    assert reasons == {
        "a": "",
        "b": "a copy of a (the same file)",
        "c": "a copy of a (hash, 8 of 256 bits differ)",
        "d": "",
        "e": "",  # plain pictures are compared by their files only
        "f": "",
        "g": BEYOND,
    }
    reasons = {one.where: reason for one, reason in choose(ranked, 4, near_copies=False)}
    assert not reasons["c"] and reasons["b"]


def test_many_pictures_of_one_class() -> None:
    ranked = [One(str(n), 1 - n / 1000, str(n), random_hash(n % 200)) for n in range(400)]
    chosen = [one.where for one, reason in choose(ranked, 300) if not reason]
    assert chosen == [str(n) for n in range(200)]
