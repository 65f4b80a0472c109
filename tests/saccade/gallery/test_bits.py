from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saccade.errors import OptionError
from saccade.gallery.bits import hamming, pack_bits, unpack_bits


def test_worked_numbers():
    values = np.array([[0.3, -0.2, 0, 0.5, -0.1, 0.9, 0.7, -0.4]])
    assert pack_bits(values).tolist() == [[0x96]]
    assert pack_bits(values).dtype == np.uint8
    some = np.array([[0x96]], np.uint8)
    others = np.array([[0x33], [0x55], [0x96], [0x69]], np.uint8)
    assert hamming(some, others).tolist() == [[4, 4, 0, 8]]
    assert hamming(some, others).dtype == np.int32
    assert pack_bits(np.zeros((3, 512))).shape == (3, 64)


@given(arrays.arrays(bool, st.tuples(st.integers(0, 5), st.sampled_from([8, 24, 64]))))
def test_packing_round_trips(bits):
    assert (unpack_bits(pack_bits(bits)) == bits).all()
    assert (pack_bits(np.where(bits, 1e-30, -0.0)) == pack_bits(bits)).all()


packed = st.integers(0, 4).flatmap(
    lambda n: arrays.arrays(np.uint8, (n, 3), elements=st.integers(0, 255))
)


@given(packed, packed)
def test_hamming_equals_the_loop(a, b):
    found = hamming(a, b)
    assert found.shape == (len(a), len(b))
    for i, left in enumerate(a.tolist()):
        for j, right in enumerate(b.tolist()):
            slow = sum((x ^ y).bit_count() for x, y in zip(left, right, strict=True))
            assert found[i, j] == slow


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (3, 8), np.uint8), rng.integers(0, 256, (50, 8), np.uint8)
    whole = hamming(a, b)
    monkeypatch.setattr("saccade.gallery._vectors._MOST", 200)
    assert (hamming(a, b) == whole).all()


def test_bad_input_is_named():
    with pytest.raises(OptionError, match=r"\(1, 7\); expected \(N, D\), D a multiple of 8"):
        pack_bits(np.zeros((1, 7)))
    with pytest.raises(OptionError, match="NaN"):
        pack_bits(np.full((1, 8), np.nan))
    with pytest.raises(OptionError, match="dtype <U1"):
        pack_bits(np.full((1, 8), "x"))
    with pytest.raises(OptionError, match="expected packed uint8"):
        unpack_bits(np.zeros((1, 8)))
    with pytest.raises(OptionError, match="2 bytes a row and b 1"):
        hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 1), np.uint8))
