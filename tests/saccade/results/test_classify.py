from __future__ import annotations

import json

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade.results import Classes, Failed


def test_classes_round_trip_through_json_with_the_documented_keys() -> None:
    found = Classes("a.jpg", ("cat", "猫"), (0.75, 0.25), {"read": 1.5, "infer": 2.0})
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain == {
        "image": "a.jpg",
        "classes": [{"label": "cat", "score": 0.75}, {"label": "猫", "score": 0.25}],
        "timings_ms": {"read": 1.5, "infer": 2.0},
    }
    again = Classes.from_dict(plain)
    assert again == found
    assert again.timings_ms == found.timings_ms


def test_classes_read_like_a_list() -> None:
    found = Classes("a.jpg", ("cat", "dog"), (0.75, 0.25))
    assert len(found) == 2
    assert list(found) == [("cat", 0.75), ("dog", 0.25)]
    assert repr(found) == "a.jpg: cat 75.0 %, dog 25.0 %"
    assert repr(Classes("a.jpg", (), ())) == "a.jpg: nothing"
    assert not Classes("a.jpg", (), ())


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"image": "a", "classes": 3, "timings_ms": {}},
        {"image": "a", "classes": [{"label": "x"}], "timings_ms": {}},
        {"image": "a", "classes": [{"label": "x", "score": "high"}], "timings_ms": {}},
        {"image": "a", "classes": [], "timings_ms": None},
    ],
)
def test_what_is_no_result_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="no Classes result"):
        Classes.from_dict(plain)


def test_labels_and_scores_are_as_many() -> None:
    with pytest.raises(OptionError, match="2 labels and 1 scores"):
        Classes("a", ("x", "y"), (1.0,))


def test_drawing_gives_a_new_picture() -> None:
    image = np.full((120, 160, 3), 255, np.uint8)
    drawn = Classes("a.jpg", ("cat",), (0.75,)).draw(image)
    assert drawn.shape == image.shape
    assert (image == 255).all()
    assert (drawn != image).any()


def test_a_failure_says_its_reason() -> None:
    assert str(Failed("a.jpg", "a.jpg is empty")) == "a.jpg is empty"
