"""Whole pictures and main bodies together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saccade
from saccade.errors import OptionError
from saccade.results import Detections
from saccade.tasks.views import fuse_views

WHOLE = np.array([[0.6, 0.4, 0.0], [0.2, 0.5, 0.3]], np.float32)
BODY = np.array([[0.3, 0.6, 0.1], [0.1, 0.2, 0.7]], np.float32)


def test_the_worked_numbers_of_a_geometric_mean() -> None:
    fused = fuse_views(WHOLE, BODY)
    assert fused[0] == pytest.approx([0.464102, 0.535898, 0], abs=1e-6)
    assert fused[1] == pytest.approx([0.154406, 0.345262, 0.500332], abs=1e-6)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_it_is_the_softmax_of_mixed_logits(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    whole, body = rng.normal(0, 3, (2, 4, 5))

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    parts = (softmax(one).astype(np.float32) for one in (whole, body))
    expected = softmax((1 - share) * whole + share * body)
    assert np.allclose(fuse_views(*parts, share), expected, atol=1e-6)


def test_ends_of_the_share() -> None:
    assert np.allclose(fuse_views(WHOLE, BODY, 0), WHOLE)
    assert np.allclose(fuse_views(WHOLE, BODY, 1), BODY)
    # Two that exclude each other's class leave it to the rest, or to chance.
    sure = np.eye(2, dtype=np.float32)
    assert np.allclose(fuse_views(sure[0], sure[1]), [0.5, 0.5])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "half"])
def test_bad_shares(share: object) -> None:
    with pytest.raises(OptionError, match="body_share"):
        fuse_views(WHOLE, BODY, share)  # type: ignore[arg-type]


class Finder:
    """A detector that knows where the main body is."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = np.array(boxes, np.float32).reshape(-1, 4)

    @property
    def card(self) -> SimpleNamespace:
        return SimpleNamespace(thresholds={})

    def __call__(self, image: np.ndarray, **_: object) -> Detections:
        count = len(self.boxes)
        return Detections(
            "",
            image.shape[1],
            image.shape[0],
            self.boxes,
            np.ones(count, np.float32),
            ("body",) * count,
            np.zeros(count, np.int64),
        )


@pytest.fixture
def scene() -> np.ndarray:
    """A red body in a blue picture."""
    image = np.full((60, 60, 3), (5, 15, 240), np.uint8)
    image[20:40, 20:40] = (220, 20, 10)
    return image


def test_the_main_body_counts(toy_classifier: Path, scene: np.ndarray) -> None:
    classify = saccade.Classifier(toy_classifier, threads=1)
    finder = Finder((20, 20, 40, 40))
    assert classify(scene).labels[0] == "blue"
    alone = classify(np.ascontiguousarray(scene[20:40, 20:40]))
    only = classify(scene, body=finder, body_share=1)  # type: ignore[arg-type]
    assert only.labels == alone.labels
    assert only.scores == pytest.approx(alone.scores, abs=1e-5)
    both = classify(scene, body=finder)  # type: ignore[arg-type]
    red = {
        name: dict(zip(a.labels, a.scores, strict=True))["red"]
        for name, a in (("whole", classify(scene)), ("both", both), ("body", only))
    }
    assert red["whole"] < red["both"] < red["body"]
    assert set(both.timings_ms) == {"read", "detect", "prepare", "infer"}
    assert len(classify(scene, top=2, body=finder)) == 2  # type: ignore[arg-type]


def test_nothing_found_leaves_it_to_the_picture(toy_classifier: Path, scene: np.ndarray) -> None:
    classify = saccade.Classifier(toy_classifier, threads=1)
    for finder in (Finder(), Finder((70, 70, 80, 80))):
        found = classify(scene, body=finder)  # type: ignore[arg-type]
        assert found.labels == classify(scene).labels
        assert found.scores == pytest.approx(classify(scene).scores, abs=1e-5)
    with pytest.raises(OptionError, match="body_share"):
        classify(scene, body=Finder(), body_share=2)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"body is 'mainbody'; .*saccade\.Detector"):
        classify(scene, body="mainbody")  # type: ignore[arg-type]


def test_with_the_shipped_detector(toy_classifier: Path, scene: np.ndarray) -> None:
    classify = saccade.Classifier(toy_classifier, threads=1)
    found = classify(scene, body=saccade.Detector("mainbody_picodet_s_320", threads=1))
    assert sum(found.scores) == pytest.approx(1, abs=1e-5)
