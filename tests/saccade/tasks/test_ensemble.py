from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saccade
from saccade.errors import ModelFileError, OptionError
from saccade.results import Detections, Failed
from saccade.tasks.ensemble import Ensemble
from toydetector import scene, write_detector
from toymodel import write_toy_classifier

PICTURE = scene(64, 64, ("red", 8, 16, 24, 40))
ALONE = (((0, 0, 0, 0), 1.0),)
MOVED = (((2, 0, 2, 0), 1.0),)
METHODS = ("voting", "wbf", "nmw", "nms", "soft")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def build(name: str, **options: Any) -> Path:
        return write_detector(tmp_path / f"{name}.onnx", **options)

    return build


@pytest.fixture
def pair(write: Write) -> list[Path]:
    """One is sure of a box, the other less sure of the same two pixels further right."""
    return [
        write("a", score=0.8, echoes=ALONE),
        write("b", score=0.6, echoes=MOVED),
    ]


@pytest.mark.parametrize("fuse", ["voting", "wbf"])
def test_two_that_agree_give_the_mean(pair: list[Path], fuse: str) -> None:
    found = Ensemble(pair, fuse=fuse, threads=1)(PICTURE)
    assert found.labels == ("red",)
    assert found.scores == pytest.approx([0.7])
    x = (0.8 * 8 + 0.6 * 10) / 1.4
    assert found.boxes[0] == pytest.approx([x, 16, x + 16, 40], abs=0.01)
    assert set(found.timings_ms) == {"read", "prepare", "infer", "decode", "fuse"}


@pytest.mark.parametrize("fuse", ["nms", "nmw"])
def test_by_other_methods_the_surest_gives_the_score(pair: list[Path], fuse: str) -> None:
    found = Ensemble(pair, fuse=fuse, threads=1)(PICTURE)
    assert found.scores == pytest.approx([0.8])
    assert found.boxes[0, 0] == pytest.approx(8, abs=1)


@pytest.mark.parametrize("fuse", METHODS)
def test_one_model_alone_is_no_fault(pair: list[Path], fuse: str) -> None:
    found = Ensemble(pair[:1], fuse=fuse, threads=1)(PICTURE)
    assert found.scores == pytest.approx([0.8])
    assert found[0].box == (8, 16, 24, 40)


@pytest.mark.parametrize("fuse", METHODS)
def test_nothing_found(pair: list[Path], fuse: str) -> None:
    assert len(Ensemble(pair, fuse=fuse, threads=1)(scene(64, 64))) == 0


def test_what_one_model_alone_sees_loses_score(write: Write) -> None:
    models = [write("sees", echoes=ALONE), write("blind", score=0.01, echoes=ALONE)]
    found = Ensemble(models, fuse="wbf", threads=1)(PICTURE)
    assert found.scores == pytest.approx([0.45])
    assert len(Ensemble(models, fuse="wbf", threads=1)(PICTURE, score=0.5)) == 0
    assert len(Ensemble(models, fuse="nms", threads=1)(PICTURE, score=0.5)) == 1


def test_weights(pair: list[Path]) -> None:
    found = Ensemble(pair, fuse="wbf", weights=[3, 1], threads=1)(PICTURE)
    x = (3 * 0.8 * 8 + 0.6 * 10) / (3 * 0.8 + 0.6)
    assert found.boxes[0, 0] == pytest.approx(x, abs=0.01)
    with pytest.raises(OptionError, match="1 weights for 2 models"):
        Ensemble(pair, weights=[1])
    with pytest.raises(OptionError, match="above 0"):
        Ensemble(pair, weights=[1, 0])


def test_classes_go_by_their_names(write: Write) -> None:
    """The second model calls red 'blue', and green something of its own."""
    models = [
        write("a", echoes=ALONE),
        write("b", echoes=ALONE, labels=("blue", "tree", "red")),
    ]
    ensemble = Ensemble(models, fuse="wbf", threads=1)
    assert ensemble.labels == ("red", "green", "blue", "tree")
    found = ensemble(scene(64, 64, ("red", 8, 16, 24, 40), ("green", 30, 30, 50, 50)))
    by_label = {item.label: item.score for item in found}
    # Red and blue are known to both, and each is seen by one; green and tree by one that knows it.
    assert by_label == pytest.approx({"red": 0.45, "blue": 0.45, "green": 0.9, "tree": 0.9})
    assert {item.label: item.class_id for item in found} == {
        "red": 0,
        "green": 1,
        "blue": 2,
        "tree": 3,
    }
    assert ensemble(PICTURE, classes=["blue"]).labels == ("blue",)
    assert ensemble(PICTURE, classes=[3]).labels == ()


def test_models_of_both_forms_and_sizes(write: Write) -> None:
    models = [
        write("a", height=32, width=96),
        write("b", nms=True),
    ]
    found = Ensemble(models, fuse="wbf", threads=1)(scene(640, 960, ("red", 80, 160, 240, 400)))
    assert found.labels == ("red",)
    assert found.boxes[0] == pytest.approx([80, 160, 240, 400], abs=12)


def test_slices_too(pair: list[Path]) -> None:
    picture = scene(1000, 1000, ("red", 500, 300, 516, 316))
    assert len(Ensemble(pair, threads=1)(picture)) == 0
    assert Ensemble(pair, threads=1)(picture, slices=True).labels == ("red",)


def test_nan_of_every_model_is_counted(write: Write) -> None:
    models = [write("a", echoes=ALONE, broken=True), write("b", echoes=ALONE, broken=True)]
    found = Ensemble(models, fuse="wbf", threads=1)(PICTURE)
    (problem,) = found.problems
    assert "6 boxes of the network" in problem.reason


def test_streams(pair: list[Path]) -> None:
    ensemble = Ensemble(pair, threads=1)
    found = list(ensemble.stream([PICTURE, "none.jpg", PICTURE], score=0.2))
    assert [type(item) for item in found] == [Detections, Failed, Detections]
    assert found[0] == ensemble(PICTURE)
    (frame,) = ensemble.frames([PICTURE])
    assert not isinstance(frame, Failed)
    assert frame.image is PICTURE


def test_many_threads_share_one_ensemble(pair: list[Path]) -> None:
    ensemble = Ensemble(pair, threads=1)
    pictures = [scene(64, 64, ("red", 2, 2, 10 + number, 30)) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ensemble, pictures)) == [ensemble(picture) for picture in pictures]


def test_bad_ensembles(pair: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least one model"):
        Ensemble([])
    with pytest.raises(OptionError, match="pass a list"):
        Ensemble(str(pair[0]))
    with pytest.raises(OptionError, match="method 'votig'; did you mean 'voting'"):
        Ensemble(pair, fuse="votig")
    with pytest.raises(ModelFileError, match="a model to classify"):
        Ensemble([pair[0], write_toy_classifier(tmp_path / "classifier.onnx")])
    ensemble = Ensemble(pair, threads=1)
    for options, message in (
        ({"score": 2}, "score is 2"),
        ({"iou": 2}, "iou 2"),
        ({"keep": 0}, "keep is 0"),
        ({"classes": ["rde"]}, "did you mean 'red'"),
    ):
        with pytest.raises(OptionError, match=message):
            ensemble.stream([], **options)  # type: ignore[arg-type]


def test_it_tells_what_it_is(pair: list[Path]) -> None:
    assert saccade.Ensemble is Ensemble
    assert "a.onnx" in repr(Ensemble(pair, threads=1))
    assert "fuse='voting'" in repr(Ensemble(pair, threads=1))


def test_keep_takes_the_surest(write: Write) -> None:
    models = [write("a", echoes=ALONE), write("b", echoes=ALONE)]
    picture = scene(64, 64, ("red", 0, 0, 20, 20), ("blue", 30, 30, 60, 60))
    picture[30:40, 30:40] = 0  # blue is not whole, and scores less
    found = Ensemble(models, threads=1)(picture, keep=1)
    assert found.labels == ("red",)
    assert np.isfinite(found.scores).all()
