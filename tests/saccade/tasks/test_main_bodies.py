"""PP-ShiTu's pipeline: pieces of a picture, their names, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import run as run_command
from saccade import zoo
from saccade.cli import recognize as recognize_cli
from saccade.errors import GalleryError, ModelFileError, OptionError, UnknownModel
from saccade.gallery import Gallery, NewItem, create_gallery
from saccade.gallery.calibration import calibrate
from saccade.imaging.draw import save_image
from saccade.results import Failed, Look, Neighbour, RecognizedObject
from saccade.tasks._main_bodies import choose, find_pieces, open_detector, result_nms
from saccade.tasks.detect import Detector
from saccade.tasks.embed import Embedder
from saccade.tasks.look import Looker
from saccade.tasks.recognize import MAX_OBJECTS, Recognizer
from toydetector import scene, write_detector
from toymodel import ColourEmbedder

SCENE = scene(160, 160, ("red", 10, 10, 60, 60), ("blue", 90, 90, 150, 150))


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp("toy") / "bodies.onnx")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with create_gallery(tmp_path / "g", ColourEmbedder()) as gallery:
        eye = np.eye(3, dtype=np.float32)
        items = [NewItem("ruby", eye[0], "r"), NewItem("emerald", eye[1], "g")]
        gallery.add(items, fingerprint=ColourEmbedder.fingerprint)
        yield gallery


def thing(box: tuple[float, ...], score: float, label: str | None) -> RecognizedObject:
    x1, y1, x2, y2 = box
    return RecognizedObject((x1, y1, x2, y2), label, score)


# --- Result NMS ---


def test_worked_numbers_of_the_result_nms():
    boxes = np.array([[0, 0, 99, 99], [10, 10, 89, 89], [200, 0, 299, 99], [0, 0, 399, 299]])
    scores = np.array([0.7, 0.8, 0.6, 0.55])
    assert result_nms(boxes, scores).tolist() == [1, 2]
    # The overlaps with the second are .64, 0 and .053333.
    assert result_nms(boxes[[1, 3]], scores[[1, 3]], iou=0.0533).tolist() == [0]
    assert result_nms(boxes[[1, 3]], scores[[1, 3]], iou=0.0534).tolist() == [0, 1]
    assert result_nms(boxes[[0, 1]], scores[[0, 1]], iou=0.6399).tolist() == [1]
    assert result_nms(boxes[[0, 1]], scores[[0, 1]], iou=0.6401).tolist() == [1, 0]


corner = st.integers(0, 12)
box = st.tuples(corner, corner, st.integers(1, 12), st.integers(1, 12)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(st.tuples(box, st.sampled_from([0.2, 0.5, 0.7, 0.9])), max_size=8))
def test_result_nms_equals_the_loop(pieces):
    boxes = np.array([b for b, _ in pieces], np.int64).reshape(-1, 4)
    scores = np.array([s for _, s in pieces], np.float64)
    kept: list[int] = []
    for i in sorted(range(len(pieces)), key=lambda i: -scores[i]):
        ax1, ay1, ax2, ay2 = boxes[i].tolist()
        clear = True
        for j in kept:
            bx1, by1, bx2, by2 = boxes[j].tolist()
            w = max(min(ax2, bx2) - max(ax1, bx1) + 1, 0)
            h = max(min(ay2, by2) - max(ay1, by1) + 1, 0)
            area = (ax2 - ax1 + 1) * (ay2 - ay1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1)
            clear &= w * h / (area - w * h) <= 0.05
        if clear:
            kept.append(i)
    assert result_nms(boxes, scores).tolist() == kept


# --- From pieces to the answer ---

LEFT, RIGHT, FRAME = (0, 0, 40, 40), (60, 0, 100, 40), (0, 0, 100, 40)


def test_named_things_come_first_and_the_frame_gives_way():
    named, unknown = thing(LEFT, 0.9, "lemon"), thing(RIGHT, 0.3, None)
    assert choose([unknown, named, thing(FRAME, 0.7, "shelf")]) == [named, unknown]
    # Where the frame resembles more than its parts, it is the answer.
    shelf = thing(FRAME, 0.95, "shelf")
    assert choose([unknown, named, shelf]) == [shelf]


def test_a_body_of_the_same_name_says_where_the_thing_is():
    body, frame = thing(LEFT, 0.6, "lemon"), thing(FRAME, 0.9, "lemon")
    assert choose([body, frame]) == [body]
    assert choose([body, frame], every=True) == [frame, body]


def test_the_unknown_frame_is_the_answer_only_alone():
    frame = thing(FRAME, 0.4, None)
    assert choose([frame]) == [frame]
    assert choose([thing(LEFT, 0.3, None), frame]) == [thing(LEFT, 0.3, None)]
    assert choose([thing(LEFT, 0.8, "lemon"), frame]) == [thing(LEFT, 0.8, "lemon")]


def test_unknown_bodies_give_way_to_named_and_to_surer_ones():
    named, over = thing(LEFT, 0.6, "lemon"), thing((5, 5, 40, 40), 0.59, None)
    sure, less = thing(RIGHT, 0.1, None), thing((61, 0, 100, 40), 0.4, None)
    frame = thing((0, 0, 2000, 2000), 0.2, None)
    assert choose([sure, over, less, named, frame]) == [named, sure]
    everything = [sure, over, less, named, frame]
    every = choose(everything, every=True)
    assert [t.score for t in every] == sorted((t.score for t in everything), reverse=True)


def test_scores_below_zero_still_rank_before_the_unknown():
    named, unknown = thing(LEFT, -0.9, "lemon"), thing(LEFT, -0.95, None)
    assert choose([unknown, named, thing(FRAME, -1.0, None)]) == [named]


# --- From a picture to pieces ---


class FixedDetector(Detector):
    """Gives the boxes that it is told; notes the options it is called with."""

    def __init__(self, boxes: list[list[float]], **thresholds: float) -> None:
        self.boxes, self.options, self.thresholds = boxes, {}, thresholds

    @property
    def card(self):  # type: ignore[no-untyped-def,override]
        return SimpleNamespace(thresholds=self.thresholds)

    def __call__(self, image, **options):  # type: ignore[no-untyped-def,override]
        from saccade.results import Detections

        self.options = options
        count = len(self.boxes)
        return Detections("p", 9, 9, self.boxes, [0.9] * count, ("x",) * count, [0] * count)


def test_boxes_are_clipped_and_cut_to_whole_pixels():
    picture = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    detector = FixedDetector([[-3.7, 2.9, 10.9, 12.9], [25.5, 1, 80, 90], [5.2, 5.2, 5.9, 9]])
    pieces = find_pieces(detector, picture, 7)
    assert pieces.boxes.tolist() == [[0, 2, 10, 12], [25, 1, 30, 20], [0, 0, 30, 20]]
    for (x1, y1, x2, y2), crop in zip(pieces.boxes.tolist(), pieces.crops, strict=True):
        np.testing.assert_array_equal(crop, picture[y1:y2, x1:x2])
    assert detector.options == {"score": 0.2, "keep": 7, "agnostic": True}


def test_a_card_may_say_which_boxes_count():
    detector = FixedDetector([[2, 2, 9, 9]], score=0.5, body=0.4)
    find_pieces(detector, SCENE)
    assert detector.options["score"] == 0.4


def test_without_a_detector_the_frame_is_the_only_piece():
    pieces = find_pieces(None, SCENE)
    assert pieces.boxes.tolist() == [[0, 0, 160, 160]]
    np.testing.assert_array_equal(pieces.crops[0], SCENE)
    assert MAX_OBJECTS == 5


def test_a_real_detector_finds_the_pieces(bodies: Path):
    pieces = find_pieces(Detector(bodies, threads=1), SCENE)
    assert len(pieces.crops) >= 3
    assert pieces.boxes[-1].tolist() == [0, 0, 160, 160]


def test_which_detector_is_opened(bodies: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def opened(choice):  # type: ignore[no-untyped-def]
        return open_detector(choice, runtime="onnxruntime", threads=1)

    monkeypatch.delitem(zoo.DEFAULT, "mainbody", raising=False)
    assert opened(None) is None
    assert opened(False) is None
    assert isinstance(opened(bodies), Detector)
    own = Detector(bodies, threads=1)
    assert opened(own) is own
    with pytest.raises(UnknownModel):
        opened("no_such_model")
    monkeypatch.setitem(zoo.DEFAULT, "mainbody", "bodies")
    assert opened(None) is None  # named, but not shipped
    monkeypatch.setattr(zoo, "MODELS", bodies.parent)
    assert isinstance(opened(None), Detector)
    assert opened(False) is None


def test_a_model_of_another_task_is_refused(toy_classifier: Path):
    with pytest.raises(ModelFileError):
        open_detector(toy_classifier, runtime="onnxruntime", threads=1)


# --- The whole ---


def test_things_are_found_and_named(shelf: Gallery, bodies: Path):
    recognize = Recognizer(shelf, ColourEmbedder(), detector=bodies, threads=1)
    found = recognize(SCENE, threshold=0.8)
    assert [t.label for t in found] == ["ruby", None]
    ruby, blue = found.objects
    np.testing.assert_allclose(ruby.box, (10, 10, 60, 60), atol=8)
    np.testing.assert_allclose(blue.box, (90, 90, 150, 150), atol=8)
    assert ruby.neighbours[0].label == "ruby"
    assert set(found.timings_ms) == {"read", "detect", "embed", "search"}
    every = recognize(SCENE, threshold=0.8, every=True)
    assert len(every) > len(found)
    assert (0.0, 0.0, 160.0, 160.0) in [t.box for t in every]
    assert recognize(SCENE, threshold=0.8, max_objects=1, every=True).objects[-1].label is None
    assert len(recognize(SCENE, max_objects=1, every=True)) == 2
    alone = Recognizer(shelf, ColourEmbedder(), detector=False)(SCENE)
    assert alone.objects[0].box == (0.0, 0.0, 160.0, 160.0)


def test_a_stream_gives_what_single_calls_give(shelf: Gallery, bodies: Path):
    recognize = Recognizer(shelf, ColourEmbedder(), detector=bodies, threads=1)
    black = np.zeros((64, 64, 3), np.uint8)
    green = scene(160, 160, ("green", 40, 40, 100, 100))
    pictures: list[object] = [SCENE, b"no picture", black, green, SCENE]
    answers = list(recognize.many(pictures, batch=3, threshold=0.8))  # type: ignore[arg-type]
    assert isinstance(answers[1], Failed)
    for picture, answer in zip(pictures, answers, strict=True):
        if not isinstance(answer, Failed):
            assert answer == recognize(picture, threshold=0.8)  # type: ignore[arg-type]
    assert answers[2].objects[0].label is None  # type: ignore[union-attr]


def test_the_calibration_of_the_gallery_is_the_default_threshold(tmp_path: Path):
    rng = np.random.default_rng(0)
    with create_gallery(tmp_path / "g", ColourEmbedder()) as gallery:
        colours = np.abs(rng.normal(size=(30, 3)))
        colours = (colours / np.linalg.norm(colours, axis=1, keepdims=True)).astype(np.float32)
        items = [NewItem(f"c{i}", v, f"c{i}") for i, v in enumerate(colours)]
        gallery.add(items, fingerprint=ColourEmbedder.fingerprint)
        recognize = Recognizer(gallery, ColourEmbedder(), detector=False)
        near = (255 * colours[0] * 0.9 + [0, 20, 20]).clip(0, 255).astype(np.uint8)
        picture = np.tile(near, (8, 8, 1))
        assert recognize(picture).objects[0].label is not None  # 0.5 accepts any colour
        _, labels, vectors = gallery.vectors()
        strict = calibrate(vectors, labels, false_accept_rate=0.1)
        gallery.set_calibration(strict)
        score = recognize(picture).objects[0].score
        assert (recognize(picture).objects[0].label is not None) == (score >= strict.threshold)
        assert recognize(picture, threshold=0.0).objects[0].label is not None
        gallery.set_calibration(None)
        assert recognize(picture).objects[0].label is not None


def test_bad_options(shelf: Gallery, bodies: Path):
    recognize = Recognizer(shelf, ColourEmbedder(), detector=bodies, threads=1)
    for options in ({"max_objects": 0}, {"max_objects": 101}, {"top": 0}, {"threshold": 2.0}):
        with pytest.raises(OptionError):
            recognize(SCENE, **options)  # type: ignore[arg-type]
        with pytest.raises(OptionError):
            recognize.many([SCENE], **options)  # type: ignore[arg-type]
    with pytest.raises(GalleryError):
        Recognizer("nowhere", detector=bodies)


# --- Look ---


def test_looking_with_a_detector_and_a_gallery(toy_classifier: Path, bodies: Path, tmp_path: Path):
    embedder = Embedder(toy_classifier, threads=1)
    red = np.full((20, 20, 3), (255, 0, 0), np.uint8)
    with create_gallery(tmp_path / "g", embedder) as shelf:
        items = [NewItem("ruby", embedder.batch([red])[0], "r")]
        shelf.add(items, fingerprint=embedder.fingerprint)
        look = Looker(shelf, detector=bodies, reader=False, threads=1)
        seen = look(SCENE, threshold=0.5)
        recognize = Recognizer(shelf, embedder, detector=bodies)
        assert seen.objects == recognize(SCENE, threshold=0.5).objects
        (answer,) = look.many([SCENE], threshold=0.5)
        assert isinstance(answer, Look)
        assert answer.objects == seen.objects
        for options in ({"max_objects": 0}, {"threshold": 3.0}, {"top": 0}):
            with pytest.raises(OptionError):
                look.many([SCENE], **options)  # type: ignore[arg-type]


def test_looking_with_a_detector_alone_gives_its_classes(bodies: Path):
    look = Looker(detector=bodies, reader=False, threads=1)
    seen = look(SCENE)
    assert sorted(t.label or "" for t in seen.objects) == ["blue", "red"]
    assert all(t.neighbours == () for t in seen.objects)
    assert len(look(SCENE, max_objects=1).objects) == 1


def test_names_keep_off_the_text():
    from saccade.results import TextLine

    picture = np.full((300, 400, 3), 255, np.uint8)
    corners = ((10.0, 6.0), (390.0, 6.0), (390.0, 40.0), (10.0, 40.0))
    lines = (TextLine("Total 7.20", 0.99, corners),)
    whole = RecognizedObject((0, 0, 400, 300), "shop", 0.9, (Neighbour(1, "shop", 0.9),))
    drawn = Look("p", 400, 300, (whole,), {}, lines).draw(picture)
    assert drawn.shape == (300, 800, 3)
    inside = drawn[12:34, 16:380]  # within the frame of the line
    assert (inside == 255).all()
    bare = Look("p", 400, 300, (whole,)).draw(picture)
    assert (bare[12:34, 16:380] != 255).any()  # without text, that is where the name goes


# --- The command line ---


def test_the_options_of_the_command_line(toy_classifier: Path, bodies: Path, tmp_path: Path):
    embedder = Embedder(toy_classifier, threads=1)
    red = np.full((20, 20, 3), (255, 0, 0), np.uint8)
    with create_gallery(tmp_path / "g", embedder) as shelf:
        items = [NewItem("ruby", embedder.batch([red])[0], "r")]
        shelf.add(items, fingerprint=embedder.fingerprint)
    photo = tmp_path / "photo.png"
    save_image(photo, SCENE)
    shared = [str(photo), "--gallery", str(tmp_path / "g"), "--json", "--threads", "1"]
    finder = ["--detector", str(bodies)]
    expected = Recognizer(tmp_path / "g", detector=bodies, threads=1)
    for verb, extra in (("recognize", []), ("look", ["--no-text"])):
        ran = run_command(verb, *shared, *finder, *extra, "--threshold", "0.5")
        assert ran.returncode == 0, ran.stderr
        things = json.loads(ran.stdout)["objects"]
        assert things == [t.to_dict() for t in expected(photo, threshold=0.5)]
        ran = run_command(verb, *shared, *finder, *extra, "--all", "--max-objects", "1")
        assert len(json.loads(ran.stdout)["objects"]) == 2
        ran = run_command(verb, *shared, *extra, "--detector", "none")
        assert [t["box"] for t in json.loads(ran.stdout)["objects"]] == [[0.0, 0.0, 160.0, 160.0]]
        ran = run_command(verb, *shared, *extra, "--detector", "nothing.onnx")
        assert ran.returncode != 0
        assert ran.stderr.count("\n") == 1
        assert "nothing.onnx" in ran.stderr
    expected.gallery.close()
    assert recognize_cli.MAX_OBJECTS == MAX_OBJECTS
