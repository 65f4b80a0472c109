"""Lines in few shapes; long lines in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saccade.text.batches import STEP, cut_long, plan


@given(st.lists(st.integers(1, 3000), max_size=60))
def test_every_line_fits_its_batch(widths) -> None:
    batches = plan(widths)
    assert sorted(i for batch in batches for i in batch.members) == list(range(len(widths)))
    for batch in batches:
        assert batch.width % STEP == 0
        assert max(widths[i] for i in batch.members) <= batch.width
        assert len(batch.members) == 1 or len(batch.members) * batch.width <= 6144
        assert len(batch.members) <= 16


def test_similar_lines_go_together() -> None:
    assert [len(batch.members) for batch in plan([100] * 10 + [110] * 5 + [600])] == [15, 1]


def test_long_lines_are_cut_where_they_are_quiet() -> None:
    line = np.full((10, 1000, 3), 255, np.uint8)
    line[3:7] = np.where(np.arange(1000)[None, :, None] % 4 < 2, 0, 255)
    line[:, 380:390] = 255
    pieces = cut_long(line, 40)
    assert pieces[0][0] == 0 and pieces[-1][1] == 1000
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert 380 <= pieces[0][1] <= 390
    assert max(end - start for start, end in pieces) <= 400
    assert cut_long(line, 100) == [(0, 1000)]
    assert len(cut_long(np.zeros((1, 500, 3), np.uint8), 80)) > 5
