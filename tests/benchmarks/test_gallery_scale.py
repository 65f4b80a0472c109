"""The benchmark of the gallery runs, at a size that takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gallery_scale as bench


@pytest.mark.parametrize("kind", ["hnsw", "binary-flat"])
def test_one_row(tmp_path: Path, kind: str) -> None:
    row = bench.measure(kind, 400, 32, 64, 1, tmp_path)
    assert row["kind"] == kind
    assert row["recall_at_10"] > 0.9
    assert row["numbers"] == (64 if kind == "binary-flat" else 32)
    assert row["cold_s"] > 0


def test_vectors_are_the_same_for_a_seed() -> None:
    one, two = (np.concatenate(list(bench.chunks(300, 16, seed=4))) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
