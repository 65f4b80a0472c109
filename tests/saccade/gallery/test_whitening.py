from __future__ import annotations

import io

import numpy as np
import pytest

from saccade.errors import GalleryError, OptionError
from saccade.gallery.whitening import Whitening, fit_whitening

ROWS = np.array([[2, 0], [0, 1], [-2, 0], [0, -1]], np.float32)


def random_vectors(count: int = 300, dim: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim)) @ rng.normal(size=(dim, dim)) + 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("power", "first"), [(0.5, 1.414214), (0.25, 1.681793), (0.0, 2.0)])
def test_worked_numbers(power, first):
    projected = fit_whitening(ROWS, power=power).project(ROWS)
    np.testing.assert_allclose(np.abs(projected[0]), [first, 0], atol=1e-6)


def test_full_whitening_gives_the_identity_as_covariance():
    vectors = random_vectors()
    whitening = fit_whitening(vectors)
    projected = whitening.project(vectors)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(projected.T @ projected / len(vectors), np.eye(12), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(whitening(vectors), axis=1), 1, atol=1e-6)


def test_against_the_singular_value_decomposition():
    vectors = random_vectors().astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred / np.sqrt(len(vectors)), full_matrices=False)
    slow = centred @ directions[:5].T * (sizes[:5] ** 2) ** -0.25
    fast = fit_whitening(vectors, dim=5, power=0.25).project(vectors)
    np.testing.assert_allclose(np.abs(fast), np.abs(slow), atol=1e-4)


def test_directions_without_variance_are_dropped():
    flat = np.concatenate([random_vectors(40, 5), np.full((40, 3), 0.5, np.float32)], axis=1)
    assert fit_whitening(flat).dim == 5
    assert fit_whitening(flat, dim=2).dim == 2
    assert fit_whitening(random_vectors(4, 12)).dim == 3  # N points span N - 1 directions
    assert np.isfinite(fit_whitening(flat)(flat)).all()


def test_the_same_vectors_give_the_same_signs():
    vectors = random_vectors()
    a, b = fit_whitening(vectors), fit_whitening(vectors[::-1])
    np.testing.assert_allclose(a.projection, b.projection, atol=1e-3)


def test_bytes_round_trip_and_nothing_else_is_read():
    whitening = fit_whitening(random_vectors(), dim=4)
    again = Whitening.from_bytes(whitening.to_bytes())
    vectors = random_vectors(seed=1)
    np.testing.assert_array_equal(again(vectors), whitening(vectors))
    for data in (b"", b"nonsense", whitening.to_bytes()[:-40]):
        with pytest.raises(GalleryError, match="hold no whitening"):
            Whitening.from_bytes(data)
    stream = io.BytesIO()
    np.savez(stream, format=np.int64(2), mean=whitening.mean, projection=whitening.projection)
    with pytest.raises(GalleryError, match="format 2"):
        Whitening.from_bytes(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, format=np.int64(1), mean=np.zeros(3, np.float32), projection=ROWS)
    with pytest.raises(GalleryError, match="damaged"):
        Whitening.from_bytes(stream.getvalue())


def test_bad_arguments_are_named():
    for few in (np.zeros((0, 3)), np.ones((1, 3)), np.ones((5, 3)), np.zeros((5, 3))):
        with pytest.raises(GalleryError, match="two different vectors"):
            fit_whitening(few)
    with pytest.raises(OptionError, match="power is 2"):
        fit_whitening(ROWS, power=2)
    with pytest.raises(OptionError, match="dim is 0"):
        fit_whitening(ROWS, dim=0)
    with pytest.raises(OptionError, match="3 numbers each; this whitening was fitted on 2"):
        fit_whitening(ROWS)(np.zeros((1, 3)))
    with pytest.raises(OptionError, match="NaN"):
        fit_whitening(np.full((3, 2), np.nan))
    assert fit_whitening(ROWS)(np.zeros((0, 2))).shape == (0, 2)
