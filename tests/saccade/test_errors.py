"""What errors and problems say."""

from __future__ import annotations

from saccade.errors import Problem


def test_a_problem_names_its_item_once() -> None:
    assert str(Problem("a.jpg", "it is dark")) == "a.jpg: it is dark"
    assert str(Problem("a.jpg", "no such file: a.jpg")) == "no such file: a.jpg"
