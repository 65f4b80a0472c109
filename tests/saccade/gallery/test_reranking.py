from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.gallery._vectors import unit_rows
from saccade.gallery.reranking import k_reciprocal_distances
from saccade.gallery.superglobal import superglobal_scores


def at_degrees(*degrees: float) -> np.ndarray:
    turns = np.deg2rad(np.array(degrees, np.float64))
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


QUERIES, BASE = at_degrees(0, 90), at_degrees(10, 25, 40, 70, 100, 130)


@pytest.mark.parametrize(
    ("k2", "weight", "rows"),
    [
        (
            2,
            0.3,
            [
                ".002774 .173319 .331658 .777416 .914327 1",
                ".947906 .873215 .763396 .187759 .004558 .227529",
            ],
        ),
        (
            1,
            0.3,
            [
                ".269710 .298168 .512187 .820158 .914327 1",
                ".947906 .873215 .713791 .306206 .037259 .353078",
            ],
        ),
        (
            2,
            1.0,  # the plain distance
            [
                ".009248 .057032 .142414 .400526 .714425 1",
                ".826352 .577382 .357212 .060307 .015192 .233956",
            ],
        ),
        (
            2,
            0.0,  # Jaccard
            [
                "0 .223155 .412763 .938939 1 1",
                "1 1 .937475 .242381 0 .224774",
            ],
        ),
    ],
)
def test_worked_numbers(k2, weight, rows):
    found = k_reciprocal_distances(QUERIES, BASE, k1=3, k2=k2, weight=weight)
    expected = [[float(x) for x in row.split()] for row in rows]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert found.dtype == np.float32


def slow_reranking(queries, base, k1, k2, weight):
    """The definition, item by item, with sets."""
    every = np.concatenate([queries, base])
    count = len(every)
    distance = [
        [max(2 - 2 * float(np.float32(every[i] @ every[j])), 0.0) for j in range(count)]
        for i in range(count)
    ]
    for row in distance:
        largest = max(row) or 1.0
        row[:] = [d / largest for d in row]
    ranking = [
        sorted(range(count), key=lambda j, i=i: -1.0 if j == i else distance[i][j])
        for i in range(count)
    ]

    def reciprocal(p, k):
        return {g for g in ranking[p][: k + 1] if p in ranking[g][: k + 1]}

    encoding = []
    for p in range(count):
        own = reciprocal(p, k1)
        members = set(own)
        for q in own:
            theirs = reciprocal(q, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        shares = {g: np.exp(-distance[p][g]) for g in members}
        total = sum(shares.values())
        encoding.append({g: share / total for g, share in shares.items()})
    if k2 > 1:
        averaged = []
        for p in range(count):
            first = ranking[p][:k2]
            keys = set().union(*(encoding[n] for n in first))
            averaged.append(
                {g: sum(encoding[n].get(g, 0) for n in first) / len(first) for g in keys}
            )
        encoding = averaged
    result = np.zeros((len(queries), len(base)))
    for i in range(len(queries)):
        for j in range(len(base)):
            a, b = encoding[i], encoding[len(queries) + j]
            m = sum(min(share, b.get(g, 0)) for g, share in a.items())
            plain = distance[i][len(queries) + j]
            result[i, j] = (1 - weight) * (1 - m / (2 - m)) + weight * plain
    return result


@given(
    st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 12), st.integers(1, 6),
    st.integers(1, 4), st.booleans(),
)  # fmt: skip
def test_it_equals_the_loop(seed, q, n, k1, k2, clustered):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 4)) if clustered else np.zeros((3, 4))
    rows = centres[rng.integers(0, 3, q + n)] + 0.4 * rng.normal(size=(q + n, 4))
    every = unit_rows(rows.astype(np.float32))
    found = k_reciprocal_distances(every[:q], every[q:], k1=k1, k2=k2)
    np.testing.assert_allclose(found, slow_reranking(every[:q], every[q:], k1, k2, 0.3), atol=2e-5)


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    every = unit_rows(rng.normal(size=(60, 8)).astype(np.float32))
    whole = k_reciprocal_distances(every[:5], every[5:], k1=6, k2=3)
    monkeypatch.setattr("saccade.gallery._vectors._MOST", 700)
    parts = k_reciprocal_distances(every[:5], every[5:], k1=6, k2=3)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_odd_input_gives_numbers():
    same = np.tile([[1.0, 0.0]], (5, 1))
    for queries, base in (
        (same[:1], same),  # all equal
        (np.zeros((1, 2)), same),  # a query of zeros
        (same[:1], np.zeros((3, 2))),
        (QUERIES[:1], BASE[:1]),  # k above the size
    ):
        found = k_reciprocal_distances(queries, base)
        assert found.shape == (len(queries), len(base))
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        assert (found <= 1).all()
    assert k_reciprocal_distances(QUERIES, np.zeros((0, 2))).shape == (2, 0)
    assert k_reciprocal_distances(np.zeros((0, 2)), BASE).shape == (0, 6)


def test_bad_arguments_are_named():
    with pytest.raises(OptionError, match="k1 is 0"):
        k_reciprocal_distances(QUERIES, BASE, k1=0)
    with pytest.raises(OptionError, match="k2 is 0"):
        k_reciprocal_distances(QUERIES, BASE, k2=0)
    with pytest.raises(OptionError, match=r"weight \(lambda\) is 1.5"):
        k_reciprocal_distances(QUERIES, BASE, weight=1.5)


# --- SuperGlobal ---

ROWS = np.array([[0.9, 0.1, 0.1], [0.8, 0.5, 0.1], [0.1, 0.9, 0.3], [0.7, 0.1, 0.7]])
LAST = np.array([[0.2, 0.2, 0.9]])


def test_worked_numbers_of_superglobal():
    gallery = unit_rows(np.concatenate([ROWS, LAST]).astype(np.float32))
    query = unit_rows(np.array([[1, 0.2, 0.1]], np.float32))[0]
    top = np.argsort(-(gallery @ query))[:4]
    assert top.tolist() == [0, 1, 3, 4]
    found = superglobal_scores(query, gallery[top], k=1)
    np.testing.assert_allclose(found, [1.009624, 1.008951, 0.744753, 0.422792], atol=2e-6)


def test_superglobal_equals_the_loop():
    rng = np.random.default_rng(5)
    items = unit_rows(rng.normal(size=(12, 5)).astype(np.float32)).astype(np.float64)
    query = unit_rows(rng.normal(size=(1, 5)).astype(np.float32))[0].astype(np.float64)
    moved = []
    for i in range(12):
        near = sorted((j for j in range(12) if j != i), key=lambda j, i=i: -(items[i] @ items[j]))
        total, weight = items[i].copy(), 1.0
        for j in near[:3]:
            share = 0.15 * (items[i] @ items[j])
            total, weight = total + share * items[j], weight + share
        moved.append(total / weight)
    first = [float(query @ y) for y in moved]
    best = sorted(range(12), key=lambda i: -first[i])[:4]
    grown = np.max([moved[i] for i in best], axis=0)
    slow = [(a + float(grown @ y)) / 2 for a, y in zip(first, moved, strict=True)]
    np.testing.assert_allclose(superglobal_scores(query, items, k=3), slow, atol=1e-5)


def test_superglobal_on_few():
    assert superglobal_scores(np.ones(3), np.zeros((0, 3))).shape == (0,)
    assert superglobal_scores(np.ones(3), ROWS[:1]).shape == (1,)
    with pytest.raises(OptionError, match="beta is 2"):
        superglobal_scores(np.ones(3), ROWS, beta=2)
