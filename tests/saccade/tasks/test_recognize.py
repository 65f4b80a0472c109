"""From a picture to a name, with a stub that sees colours and with a real model file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from saccade.errors import GalleryError, ImageError, OptionError
from saccade.gallery import Gallery, NewItem, create_gallery
from saccade.results import Failed, Look, Neighbour, Recognized, RecognizedObject
from saccade.tasks.embed import Embedder
from saccade.tasks.look import Looker
from saccade.tasks.recognize import DEFAULT_THRESHOLD, Recognizer, open_embedder
from toymodel import ColourEmbedder, write_toy_classifier

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def plain(colour: Sequence[int], height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with create_gallery(tmp_path / "g", ColourEmbedder()) as gallery:
        eye = np.eye(3, dtype=np.float32)
        items = [NewItem(name, eye[i], name) for i, name in enumerate(COLOURS)]
        gallery.add(items, fingerprint=ColourEmbedder.fingerprint)
        yield gallery


def test_the_whole_frame_is_named_by_its_best_neighbour(shelf: Gallery) -> None:
    found = Recognizer(shelf, ColourEmbedder(), detector=False)(plain((0, 200, 10)))
    assert (found.width, found.height) == (30, 20)
    (thing,) = found
    assert thing.box == (0.0, 0.0, 30.0, 20.0)
    assert thing.label == "green"
    assert [n.label for n in thing.neighbours] == ["green", "blue", "red"]
    assert [n.id for n in thing.neighbours] == [2, 3, 1]
    assert thing.score == thing.neighbours[0].score == pytest.approx(0.99875, abs=1e-4)
    assert set(found.timings_ms) == {"read", "embed", "search"}
    assert repr(found) == "<array 30x20>: green 1.00"


def test_below_the_threshold_it_is_unknown(shelf: Gallery) -> None:
    recognize = Recognizer(shelf, ColourEmbedder())
    grey = plain((90, 90, 90))  # 0.577 from each
    assert recognize(grey).objects[0].label is not None
    unknown = recognize(grey, threshold=0.6).objects[0]
    assert unknown.label is None
    assert unknown.score == pytest.approx(0.57735, abs=1e-4)
    assert len(unknown.neighbours) == 3
    assert recognize(grey, threshold=unknown.score).objects[0].label is not None  # at least
    assert DEFAULT_THRESHOLD == 0.5


def test_top_limits_the_neighbours(shelf: Gallery) -> None:
    recognize = Recognizer(shelf, ColourEmbedder())
    assert len(recognize(plain((1, 2, 3)), top=2).objects[0].neighbours) == 2
    assert len(recognize(plain((1, 2, 3)), top=50).objects[0].neighbours) == 3


def test_an_empty_gallery_and_an_empty_vector_name_nothing(shelf: Gallery, tmp_path: Path) -> None:
    with create_gallery(tmp_path / "empty", ColourEmbedder()) as empty:
        nothing = Recognizer(empty, ColourEmbedder())(plain((9, 9, 9))).objects[0]
    black = list(Recognizer(shelf, ColourEmbedder()).many([plain((0, 0, 0)), plain((9, 0, 0))]))
    for thing in (nothing, black[0].objects[0]):
        assert (thing.label, thing.score, thing.neighbours) == (None, 0.0, ())
    assert black[1].objects[0].label == "red"


def test_a_stream_keeps_the_order_and_goes_past_bad_pictures(
    shelf: Gallery, tmp_path: Path
) -> None:
    names = ["red", "blue", "green", "red", "green"]
    pictures: list[object] = [plain(COLOURS[name]) for name in names]
    pictures.insert(2, tmp_path / "missing.jpg")
    pictures.append(b"no picture")
    answers = list(Recognizer(shelf, ColourEmbedder()).many(iter(pictures), batch=3))
    assert str(answers[2]).startswith("no such file")
    assert isinstance(answers[2], Failed)
    assert isinstance(answers[6], Failed)
    assert [a.objects[0].label for a in answers if isinstance(a, Recognized)] == names
    one = Recognizer(shelf, ColourEmbedder())(pictures[0])
    assert one == answers[0]


def test_what_is_added_meanwhile_is_known_at_once(shelf: Gallery) -> None:
    recognize = Recognizer(shelf, ColourEmbedder())
    white = plain((255, 255, 255))
    assert recognize(white, threshold=0.9).objects[0].label is None
    with Gallery.open(shelf.place) as other:
        vector = np.full(3, 3**-0.5, np.float32)
        other.add([NewItem("white", vector, "w")], fingerprint=ColourEmbedder.fingerprint)
    assert recognize(white, threshold=0.9).objects[0].label == "white"


def test_many_threads_share_one(shelf: Gallery) -> None:
    recognize = Recognizer(shelf, ColourEmbedder())
    names = list(COLOURS) * 20
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda name: recognize(plain(COLOURS[name])), names))
    assert [answer.objects[0].label for answer in answers] == names


def test_bad_arguments(shelf: Gallery, tmp_path: Path) -> None:
    recognize = Recognizer(shelf, ColourEmbedder())
    red = plain(COLOURS["red"])
    for options in ({"top": 0}, {"threshold": 1.5}, {"threshold": float("nan")}):
        with pytest.raises(OptionError):
            recognize(red, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        recognize.many([red], batch=0)
    with pytest.raises(OptionError, match="one picture"):
        recognize.many("photo.jpg")  # type: ignore[arg-type]
    with pytest.raises(ImageError):
        recognize(tmp_path / "missing.jpg")
    with pytest.raises(GalleryError, match="does not exist"):
        Recognizer(tmp_path / "nowhere")


def test_another_model_is_refused(shelf: Gallery) -> None:
    other = ColourEmbedder()
    other.fingerprint = "d" * 64
    with pytest.raises(GalleryError, match=r"was made with the model .*use --model"):
        Recognizer(shelf, other)


# --- With real model files ---


def test_the_gallery_s_own_model_is_found(toy_classifier: Path, tmp_path: Path) -> None:
    embedder = Embedder(toy_classifier, threads=1)
    with create_gallery(tmp_path / "g", embedder) as shelf:
        pictures = [plain(colour) for colour in COLOURS.values()]
        vectors = embedder.batch(pictures)
        items = [NewItem(n, v, n) for n, v in zip(COLOURS, vectors, strict=True)]
        shelf.add(items, fingerprint=embedder.fingerprint)
    recognize = Recognizer(tmp_path / "g", threads=1)  # a place, and no model given
    for name, picture in zip(COLOURS, pictures, strict=True):
        assert recognize(picture).objects[0].label == name
    other = write_toy_classifier(tmp_path / "other.onnx", seed=1)
    with pytest.raises(GalleryError, match="cannot be compared"):
        Recognizer(tmp_path / "g", other)
    toy_classifier.rename(tmp_path / "moved.onnx")
    with pytest.raises(GalleryError, match="not found; say where it is with --model"):
        open_embedder(recognize.gallery)
    assert open_embedder(recognize.gallery, tmp_path / "moved.onnx").dim == 8
    recognize.gallery.close()


def test_looking_without_a_gallery_gives_the_class(toy_classifier: Path, tmp_path: Path) -> None:
    look = Looker(model=toy_classifier, threads=1)
    seen = look(plain(COLOURS["blue"]))
    assert (seen.width, seen.height) == (30, 20)
    assert seen.objects[0].label == "blue"
    assert seen.objects[0].box == (0.0, 0.0, 30.0, 20.0)
    assert seen.objects[0].neighbours == ()
    assert seen.lines == ()
    answers = list(look.many([plain(COLOURS["red"]), tmp_path / "missing.jpg"]))
    assert isinstance(answers[0], Look)
    assert isinstance(answers[1], Failed)


def test_looking_with_a_gallery_recognises(toy_classifier: Path, tmp_path: Path) -> None:
    embedder = Embedder(toy_classifier, threads=1)
    red = plain(COLOURS["red"])
    with create_gallery(tmp_path / "g", embedder) as shelf:
        items = [NewItem("crimson", embedder.batch([red])[0], "c")]
        shelf.add(items, fingerprint=embedder.fingerprint)
        look = Looker(shelf, threads=1)
        seen = look(red)
        assert seen.objects == Recognizer(shelf, embedder)(red).objects
        assert seen.objects[0].label == "crimson"
        answers = list(look.many([red, tmp_path / "missing.jpg"], threshold=1.0))
    assert isinstance(answers[0], Look)
    assert isinstance(answers[1], Failed)


def test_the_example_runs(toy_classifier: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "recognize.py"), str(toy_classifier)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("24 pictures, labels: corn flakes, green apple, lemon,")
    assert len(lines) == 9


# --- Results ---

THING = RecognizedObject((0.0, 1.0, 2.0, 3.5), "a\nb", 0.75, (Neighbour(7, "a\nb", 0.75),))
NOBODY = RecognizedObject((0.0, 0.0, 9.0, 9.0), None, 0.25)


@pytest.mark.parametrize("kind", [Recognized, Look])
@pytest.mark.parametrize("objects", [(), (THING, NOBODY)])
def test_results_round_trip_through_json(
    kind: type[Recognized] | type[Look], objects: tuple[RecognizedObject, ...]
) -> None:
    result = kind("p.jpg", 9, 8, objects, {"read": 1.5})
    text = json.dumps(result.to_dict())
    again = kind.from_dict(json.loads(text))
    assert again == result
    assert again.timings_ms == {"read": 1.5}
    keys = ["image", "width", "height", "objects", "lines", "timings_ms"]
    assert list(result.to_dict()) == [k for k in keys if kind is Look or k != "lines"]


def test_results_print_and_refuse_nonsense() -> None:
    assert repr(Recognized("p", 1, 1, (NOBODY,))) == "p: unknown 0.25"
    assert repr(Look("p", 1, 1, ())) == "p: nothing"
    with pytest.raises(OptionError, match="lacks the key"):
        Recognized.from_dict({"image": "p"})
    with pytest.raises(OptionError, match="lacks the key 'polygon'"):
        Look.from_dict({**Look("p", 1, 1, ()).to_dict(), "lines": [{"text": "x"}]})


def test_drawing_changes_a_copy(shelf: Gallery) -> None:
    picture = plain((0, 200, 10), 120, 200)
    before = picture.copy()
    drawn = Recognizer(shelf, ColourEmbedder())(picture).draw(picture)
    assert drawn.shape == picture.shape
    assert (drawn != picture).any()
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(Recognized("p", 200, 120, ()).draw(picture), picture)
