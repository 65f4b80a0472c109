from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import saccade
from saccade.errors import ImageError, ModelFileError, OptionError, UnknownModel
from saccade.imaging.video import Video, VideoFrame, VideoWriter
from saccade.modelfile import write_card
from saccade.results import Detections, Failed
from saccade.tasks.detect import Detector, Frame, Slices
from toydetector import LABELS, detector_card, scene, write_detector
from toymodel import write_toy_classifier

Make = Callable[..., Detector]
ALONE = (((0, 0, 0, 0), 1.0),)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a toy detector and load it."""
    count = 0

    def build(**options: Any) -> Detector:
        nonlocal count
        count += 1
        return Detector(write_detector(tmp_path / f"toy{count}.onnx", **options), threads=1)

    return build


@pytest.fixture
def detect(make: Make) -> Detector:
    return make()


TWO = scene(64, 64, ("red", 8, 16, 24, 40), ("blue", 40, 4, 60, 60))


def boxes(found: Detections) -> dict[str, list[float]]:
    return {item.label: list(item.box) for item in found}


@pytest.mark.parametrize("nms", [False, True], ids=["plain", "nms"])
def test_both_forms_of_graphs_find_the_same(make: Make, nms: bool) -> None:
    found = make(nms=nms)(TWO)
    assert boxes(found) == {"red": [8, 16, 24, 40], "blue": [40, 4, 60, 60]}
    assert found.scores == pytest.approx([0.9, 0.9])
    assert sorted(found.class_ids.tolist()) == [0, 2]
    assert (found.width, found.height, found.frame) == (64, 64, None)
    assert set(found.timings_ms) == {"read", "prepare", "infer", "decode", "suppress"}
    assert found.problems == ()


def test_every_kind_of_source_has_its_answer(detect: Detector, tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    Image.fromarray(TWO).save(path)
    frame = VideoFrame("clip.mp4", 7, 0.7, TWO)
    sources: list[Any] = [path, str(path), path.read_bytes(), Image.open(path), TWO, frame]
    answers = [detect(source) for source in sources]
    assert all(boxes(answer) == boxes(answers[0]) for answer in answers)
    assert answers[0].image == str(path)
    assert (answers[-1].image, answers[-1].frame) == ("clip.mp4", 7)


@pytest.mark.parametrize("nms", [False, True], ids=["plain", "nms"])
def test_nothing_found_is_an_empty_result(make: Make, nms: bool) -> None:
    found = make(nms=nms)(scene(50, 30))
    assert len(found) == 0
    assert (found.boxes.shape, found.width, found.height) == ((0, 4), 30, 50)


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (1, 300), (200, 10_000), (640, 480)])
def test_odd_sizes_give_boxes_in_their_own_pixels(detect: Detector, size: tuple[int, int]) -> None:
    height, width = size
    found = detect(scene(height, width, ("green", 0, 0, width, height)))
    assert found.labels == ("green",)
    assert found[0].box == (0, 0, width, height)


def test_boxes_are_mapped_back_from_a_rectangular_input(make: Make) -> None:
    detect = make(height=32, width=96)
    found = detect(scene(320, 480, ("red", 50, 100, 300, 200)))
    assert found.boxes[0] == pytest.approx([50, 100, 300, 200], abs=5)


def test_letterboxed_models_too(make: Make) -> None:
    from saccade.imaging.prepare import Prepare

    detect = make(prepare=Prepare(height=64, width=64, mode="letterbox"))
    found = detect(scene(64, 128, ("red", 20, 10, 80, 40)))
    assert found.boxes[0] == pytest.approx([20, 10, 80, 40], abs=2)


def test_boxes_are_clipped_and_what_is_outside_is_left_out(make: Make) -> None:
    moved = (((-30, -30, 30, 30), 1.0), ((100, 0, 100, 0), 0.8), ((0, -90, 0, -90), 0.7))
    found = make(echoes=moved)(TWO)
    assert boxes(found) == {"red": [0, 0, 54, 64], "blue": [10, 0, 64, 64]}


def test_the_limits_of_the_card_hold_unless_others_are_given(make: Make) -> None:
    detect = make(thresholds={"score": 0.95, "iou": 0.6, "keep": 1})
    assert len(detect(TWO)) == 0
    assert len(detect(TWO, score=0.5)) == 1
    assert len(detect(TWO, score=0.5, keep=5)) == 2
    assert len(make(thresholds={})(TWO)) == 2


def test_score_is_exclusive(make: Make) -> None:
    detect = make(score=0.5)
    assert len(detect(TWO, score=0.5)) == 0
    assert len(detect(TWO, score=0.49)) == 2


def test_padding_never_comes_through(make: Make) -> None:
    assert len(make(nms=True)(TWO, score=0)) == 2


def test_classes_by_name_or_number(detect: Detector) -> None:
    assert detect(TWO, classes=["blue"]).labels == ("blue",)
    assert detect(TWO, classes=[0]).labels == ("red",)
    assert detect(TWO, classes="red").labels == ("red",)
    assert detect(TWO, classes=["green"]).labels == ()
    assert len(detect(TWO, classes=LABELS)) == 2


def test_every_suppression(detect: Detector) -> None:
    picture = scene(64, 64, ("red", 8, 16, 24, 40))
    counts = {
        method: len(detect(picture, suppression=method, score=0.01))
        for method in ("nms", "soft", "soft-linear", "box-voting", "nmw", "wbf", "none")
    }
    assert counts.pop("none") == 3
    assert counts.pop("soft") == 3
    assert counts.pop("soft-linear") == 3
    assert set(counts.values()) == {1}
    hard = detect(picture)
    assert hard[0].box == (8, 16, 24, 40)
    merged = detect(picture, suppression="wbf")
    # The mean by score of the box and its two echoes.
    weights = np.array([1, 0.8, 0.7])
    echoes = np.array([[8, 16, 24, 40], [9, 17, 25, 41], [7, 16, 25, 40]])
    assert merged.boxes[0] == pytest.approx(weights @ echoes / weights.sum(), abs=0.01)
    assert merged.scores[0] == pytest.approx(0.9 * weights.mean())
    soft = detect(picture, suppression="soft", score=0.3)
    assert soft.scores[0] == pytest.approx(0.9)
    assert (soft.scores > 0.3).all()


def test_iou_decides_what_is_one_object(detect: Detector) -> None:
    picture = scene(64, 64, ("red", 8, 16, 24, 40))
    assert len(detect(picture, iou=0.99)) == 3
    assert len(detect(picture, iou=0.5)) == 1


def test_agnostic_classes_suppress_each_other(make: Make) -> None:
    # Red frames green, so the two boxes are almost the same.
    picture = scene(64, 64, ("red", 10, 10, 50, 50), ("green", 11, 11, 49, 49))
    detect = make(thresholds={"score": 0.05})
    assert len(detect(picture)) == 2
    assert detect(picture, agnostic=True).labels == ("green",)
    with pytest.raises(OptionError, match="suppression 'wbf' merges boxes"):
        detect(picture, agnostic=True, suppression="wbf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": 1.5}, "score is 1.5"),
        ({"score": float("nan")}, "score is nan"),
        ({"score": "high"}, "score is 'high'"),
        ({"iou": -0.1}, "iou is -0.1"),
        ({"keep": 0}, "keep is 0"),
        ({"keep": 2.5}, "keep is 2.5"),
        ({"classes": []}, "classes is empty"),
        ({"classes": ["rde"]}, "no class 'rde'; did you mean 'red'"),
        ({"classes": [3]}, "no class 3; expected a number from 0 to 2"),
        ({"suppression": "nsm"}, "suppression is 'nsm'; did you mean"),
        ({"suppression": "voting"}, "suppression is 'voting'"),
        ({"slices": 3}, "size of a slice is 3"),
        ({"slices": 64.5}, "size of a slice is 64.5"),
    ],
)
def test_bad_options_are_refused_before_the_first_picture(
    detect: Detector, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        detect(TWO, **options)
    with pytest.raises(OptionError, match=message):
        detect.stream([], **options)


@pytest.mark.parametrize("nms", [False, True], ids=["plain", "nms"])
def test_nan_is_left_out_counted_and_told(make: Make, nms: bool) -> None:
    detect = make(nms=nms, broken=True)
    # Green is not there, so its score is 0 / 0.
    found = detect(TWO)
    assert boxes(found) == {"red": [8, 16, 24, 40], "blue": [40, 4, 60, 60]}
    assert len(found.problems) == 1
    assert "are not numbers (NaN) and were left out" in str(found.problems[0])
    assert "64x64" in str(found.problems[0])
    assert found.problems[0].reason in found.to_dict()["problems"]
    frame = detect(VideoFrame("clip.mp4", 3, 0, TWO))
    assert "clip.mp4 frame 3" in str(frame.problems[0])


def test_nan_counts_rows_of_the_plain_form(make: Make) -> None:
    picture = scene(64, 64, ("red", 0, 0, 20, 20), ("green", 20, 0, 40, 20), ("blue", 40, 0, 60, 9))
    detect = make(broken=True)
    found = detect(picture)
    assert (len(found), found.problems) == (3, ())
    (problem,) = detect(TWO).problems
    assert "of 9 boxes" in problem.reason


def test_stream_equals_one_by_one_in_input_order(detect: Detector) -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(25):
        x, y, width, height = rng.integers(1, 60, 4)
        pictures.append(scene(90, 120, (str(rng.choice(LABELS)), x, y, x + width, y + height)))
    found = list(detect.stream(pictures, score=0.2))
    assert found == [detect(picture, score=0.2) for picture in pictures]


def test_a_bad_picture_fails_alone(detect: Detector, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    sources: list[Any] = [TWO, "none.jpg", empty, b"no picture", TWO]
    found = list(detect.stream(sources))
    assert [type(item) for item in found] == [Detections, Failed, Failed, Failed, Detections]
    assert isinstance(found[1], Failed)
    assert found[1].image == "none.jpg"
    assert "none.jpg" in found[1].reason
    with pytest.raises(ImageError):
        detect("none.jpg")


def test_frames_bring_their_pixels(detect: Detector) -> None:
    (frame,) = detect.frames([TWO])
    assert isinstance(frame, Frame)
    assert frame.image is TWO
    assert len(frame.found) == 2


def test_a_stream_takes_its_pictures_as_it_needs_them(detect: Detector) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield TWO

    stream = detect.stream(endless())
    for _ in range(10):
        next(stream)
    assert taken <= 13
    stream.close()  # type: ignore[attr-defined]
    stream = detect.frames(endless())
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_a_closed_stream_leaves_no_threads(detect: Detector) -> None:
    stream = detect.frames([TWO] * 9)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("saccade-read")]


def test_one_picture_is_no_list_of_pictures(detect: Detector) -> None:
    with pytest.raises(OptionError, match="pass a list"):
        detect.stream("photo.jpg")
    with pytest.raises(OptionError, match=r"one frame of clip\.mp4"):
        detect.stream(VideoFrame("clip.mp4", 0, 0, TWO))  # type: ignore[arg-type]


def test_a_video_is_a_stream_of_frames(detect: Detector, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "clip.avi", 10)
    for number in range(8):
        writer.write(scene(96, 128, ("red", 10 + 8 * number, 20, 40 + 8 * number, 60)))
    writer.close()
    found = list(detect.stream(Video(tmp_path / "clip.avi", every=3)))
    assert [item.frame for item in found if isinstance(item, Detections)] == [0, 3, 6]
    for item in found:
        assert isinstance(item, Detections)
        assert item.labels == ("red",)
        start = 10 + 8 * (item.frame or 0)
        assert item.boxes[0] == pytest.approx([start, 20, start + 30, 60], abs=4)


def test_many_threads_share_one_detector(detect: Detector) -> None:
    pictures = [scene(64, 64, ("red", 2, 2, 10 + number, 30)) for number in range(40)]

    def ask(number: int) -> Detections:
        slices = 32 if number % 3 == 0 else None
        return detect(pictures[number], keep=1 + number % 3, slices=slices)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(40)))
    assert found == [ask(number) for number in range(40)]


def test_the_picture_is_left_alone(detect: Detector) -> None:
    picture = TWO.copy()
    detect(picture, slices=32)
    assert (picture == TWO).all()


def test_models_that_cannot_detect(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        Detector("no_such_model")
    path = write_toy_classifier(tmp_path / "classifier.onnx")
    with pytest.raises(ModelFileError, match=r"a model to classify .* 'boxes' is needed"):
        Detector(path)
    path = write_detector(tmp_path / "toy.onnx")
    for change, message in (
        ({"labels": ()}, "names no labels"),
        ({"input_name": "pixels"}, "the card does not fit the graph"),
        ({"prepare": detector_card().prepare.__class__()}, "'short_crop'"),
    ):
        write_card(path, path, detector_card(**change))
        with pytest.raises(ModelFileError, match=message):
            Detector(path)
    write_card(path, path, detector_card(labels=("a", "b")))
    with pytest.raises(ModelFileError, match="the card names 2 labels"):
        Detector(path)(TWO)


def test_without_a_shipped_detector_one_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saccade.zoo, "MODELS", tmp_path)
    monkeypatch.setattr(saccade.zoo, "DEFAULT", {})
    with pytest.raises(UnknownModel, match="ships no model to detect; name one"):
        Detector()
    # The code is ready for one: a file and a line in the table.
    write_detector(tmp_path / "toy.onnx")
    monkeypatch.setattr(saccade.zoo, "DEFAULT", {"detect": "toy"})
    assert len(Detector(threads=1)(TWO)) == 2


def test_outputs_are_the_plain_numbers(make: Make) -> None:
    outputs = make().outputs(np.stack([TWO, TWO]))
    assert {name: value.shape for name, value in outputs.items()} == {
        "boxes": (2, 9, 4),
        "scores": (2, 9, 3),
    }
    assert set(make(nms=True).outputs(TWO[None])) == {"boxes", "scores", "labels"}


def test_it_tells_what_it_is(detect: Detector) -> None:
    assert saccade.Detector is Detector
    assert "3 classes" in repr(detect)
    assert detect.labels == LABELS
    assert detect.card.task == "detect"


# Slices


@pytest.fixture
def near(make: Make) -> Detector:
    """One box for each thing, so that nothing but the slices is to be suppressed."""
    return make(echoes=ALONE)


def test_small_things_are_seen_in_slices(near: Detector) -> None:
    picture = scene(1000, 1000, ("red", 500, 300, 508, 308))
    # In the whole picture the red thing is one pixel of the network, 16 pixels of its own.
    assert near(picture).boxes[0] != pytest.approx([500, 300, 508, 308], abs=5)
    for slices in (True, 64, Slices(64, 0.3)):
        found = near(picture, slices=slices)
        assert boxes(found) == {"red": [500, 300, 508, 308]}
        assert len(found) == 1


@pytest.mark.parametrize("batch", [None, 1])
def test_slices_and_the_whole_find_each_thing_once(make: Make, batch: int | None) -> None:
    detect = make(batch=batch, echoes=ALONE)
    picture = scene(
        *(256, 256),
        ("red", 10, 10, 250, 120),  # larger than any tile
        ("blue", 100, 150, 110, 170),
        ("green", 200, 200, 212, 208),
    )
    found = detect(picture, slices=96)
    assert sorted(found.labels) == ["blue", "green", "red"]
    wanted = {"red": [10, 10, 250, 120], "blue": [100, 150, 110, 170]}
    for name, box in wanted.items():
        assert boxes(found)[name] == pytest.approx(box, abs=3)


def test_a_thing_on_a_seam_is_one(near: Detector) -> None:
    # With tiles of 64 and an overlap of 12 or more, 10 pixels are whole in one of them.
    for x in range(20, 200, 7):
        found = near(scene(64, 256, ("blue", x, 20, x + 10, 40)), slices=64)
        assert boxes(found) == {"blue": [x, 20, x + 10, 40]}
        assert len(found) == 1


def test_a_part_counts_where_nothing_whole_covers_it(near: Detector) -> None:
    # 40 of 256 pixels: too large for the overlap of 13, and in one tile if it lies well.
    for x in range(0, 216, 9):
        found = near(scene(64, 256, ("blue", x, 20, x + 40, 40)), slices=64)
        assert 1 <= len(found) <= 2
        low, high = found.boxes[:, 0].min(), found.boxes[:, 2].max()
        assert [low, high] == pytest.approx([x, x + 40], abs=4)


def test_a_large_thing_leaves_no_strips_in_the_tiles_that_hardly_show_it(near: Detector) -> None:
    # 300 x 500 pixels on a grid of tiles of 64; seen from afar its edges are off by some pixels.
    for x in (400, 411, 430):
        found = near(scene(1500, 1000, ("blue", x, 400, x + 300, 900)), slices=64)
        assert len(found) == 1
        assert found.boxes[0] == pytest.approx([x, 400, x + 300, 900], abs=24)


@pytest.mark.parametrize("size", [(8, 8), (10, 700), (64, 64)])
def test_slices_of_pictures_that_are_smaller_than_one(
    detect: Detector, size: tuple[int, int]
) -> None:
    height, width = size
    found = detect(scene(height, width, ("green", 0, 0, width, height)), slices=True)
    assert boxes(found)["green"] == [0, 0, width, height]


def test_a_long_strip_in_slices(near: Detector) -> None:
    picture = scene(200, 10_000, ("red", 9_900, 50, 9_960, 110), ("blue", 3, 3, 60, 60))
    found = near(picture, slices=200)
    assert len(found) == 2
    assert boxes(found)["red"] == pytest.approx([9_900, 50, 9_960, 110], abs=4)
    assert boxes(found)["blue"] == pytest.approx([3, 3, 60, 60], abs=4)


def test_too_many_slices_are_refused(detect: Detector) -> None:
    with pytest.raises(OptionError, match="choose larger tiles"):
        detect(np.zeros((3000, 3000, 3), np.uint8), slices=Slices(16, 0.5))


def test_slices_keep_the_proportions_of_the_input(make: Make) -> None:
    detect = make(height=32, width=64, echoes=ALONE)
    found = detect(scene(200, 400, ("red", 300, 100, 310, 110)), slices=64)
    assert boxes(found) == {"red": [300, 100, 310, 110]}


def test_broken_numbers_are_counted_over_all_slices(make: Make) -> None:
    detect = make(broken=True, echoes=ALONE)
    (problem,) = detect(scene(64, 128, ("red", 0, 0, 20, 20)), slices=64).problems
    # The whole picture and three tiles of three rows each.
    assert "of 12 boxes" in problem.reason
