from __future__ import annotations

import itertools

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade.gallery._vectors import unit_rows
from saccade.gallery.expansion import augment_database, expand_queries
from saccade.gallery.quality import search_vectors
from saccade.gallery.reranking import k_reciprocal_distances
from saccade.gallery.whitening import fit_whitening

RNG = np.random.default_rng(0)
BASE = unit_rows(RNG.normal(size=(40, 6)).astype(np.float32))
QUERIES = unit_rows(RNG.normal(size=(5, 6)).astype(np.float32))


def test_without_switches_it_is_the_exact_search():
    found, scores = search_vectors(QUERIES, BASE, 7)
    full = QUERIES @ BASE.T
    np.testing.assert_array_equal(found, np.argsort(-full, axis=1, kind="stable")[:, :7])
    np.testing.assert_allclose(scores, np.take_along_axis(full, found, axis=1), atol=1e-6)


def test_the_switches_are_the_pieces_in_their_order():
    whiten = fit_whitening(BASE, dim=4)
    found, scores = search_vectors(QUERIES, BASE, 40, whiten=whiten, dba=3, qe=2, alpha=2.0)
    base = augment_database(whiten(BASE), n=3, alpha=2.0)
    queries = expand_queries(whiten(QUERIES), base, n=2, alpha=2.0)
    full = queries @ base.T
    np.testing.assert_allclose(scores, -np.sort(-full, axis=1), atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(full, found, axis=1), scores, atol=1e-6)


def test_reranking_orders_the_shortlist_anew():
    found, scores = search_vectors(QUERIES, BASE, 10, rerank=True, shortlist=25)
    near, _ = search_vectors(QUERIES, BASE, 25)
    for row in range(len(QUERIES)):
        distances = k_reciprocal_distances(QUERIES[row, None], BASE[near[row]])[0]
        best = np.argsort(distances, kind="stable")[:10]
        np.testing.assert_array_equal(found[row], near[row][best])
        np.testing.assert_allclose(scores[row], 1 - distances[best], atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    # Beyond the shortlist the order of the search stays, and the scores go on falling.
    whole, scores = search_vectors(QUERIES, BASE, 40, rerank=True, shortlist=25)
    np.testing.assert_array_equal(whole[:, :10], found)
    np.testing.assert_array_equal(whole[:, 25:], search_vectors(QUERIES, BASE, 40)[0][:, 25:])
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize(
    ("dba", "qe", "rerank"), list(itertools.product((0, 3), (0, 3), (False, True)))
)
def test_a_query_is_answered_by_itself(dba, qe, rerank):
    options = {"dba": dba, "qe": qe, "rerank": rerank}
    found, _ = search_vectors(QUERIES, BASE, 5, **options)
    for row in range(len(QUERIES)):
        alone, _ = search_vectors(QUERIES[row, None], BASE, 5, **options)
        np.testing.assert_array_equal(alone[0], found[row])


@pytest.mark.parametrize("rerank", [False, True])
def test_k_above_the_size_is_padded(rerank):
    found, scores = search_vectors(QUERIES, BASE[:3], 5, dba=9, qe=9, rerank=rerank)
    assert (found[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    assert sorted(found[0, :3].tolist()) == [0, 1, 2]
    found, _ = search_vectors(QUERIES, np.zeros((0, 6)), 2, dba=1, qe=1, rerank=rerank)
    assert (found == -1).all()
    assert search_vectors(np.zeros((0, 6)), BASE, 2, rerank=rerank)[0].shape == (0, 2)


def test_bad_arguments_are_named():
    with pytest.raises(OptionError, match="k is 0"):
        search_vectors(QUERIES, BASE, 0)
    with pytest.raises(OptionError, match="shortlist is 0"):
        search_vectors(QUERIES, BASE, 1, shortlist=0)
    with pytest.raises(OptionError, match="n is -1"):
        search_vectors(QUERIES, BASE, 1, qe=-1)
