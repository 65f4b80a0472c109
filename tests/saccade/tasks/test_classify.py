from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import saccade
from saccade.errors import ImageError, ModelFileError, OptionError, UnknownModel
from saccade.imaging.read import read_image
from saccade.modelfile import write_card
from saccade.results import Classes, Failed
from toymodel import toy_card, toy_graph

COLOURS = {"red": (220, 20, 10), "green": (10, 200, 30), "blue": (5, 15, 240)}


@pytest.fixture
def classify(toy_classifier: Path) -> saccade.Classifier:
    return saccade.Classifier(toy_classifier, threads=1)


def plain(colour: str, height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


def test_every_kind_of_source_has_its_answer(classify: saccade.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    Image.fromarray(plain("green")).save(path)
    sources = [path, str(path), path.read_bytes(), Image.open(path), plain("green")]
    answers = [classify(source) for source in sources]
    assert [answer.labels[0] for answer in answers] == ["green"] * 5
    assert len({answer.scores for answer in answers}) == 1
    assert answers[0].image == str(path)
    assert set(answers[0].timings_ms) == {"read", "prepare", "infer"}


@pytest.mark.parametrize("colour", COLOURS)
def test_scores_are_sorted_probabilities(classify: saccade.Classifier, colour: str) -> None:
    found = classify(plain(colour))
    assert found.labels[0] == colour
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert sum(found.scores) == pytest.approx(1, abs=1e-5)


def test_top_is_an_option_of_one_call(classify: saccade.Classifier) -> None:
    assert len(classify(plain("red"), top=1)) == 1
    assert len(classify(plain("red"))) == 3
    assert len(classify(plain("red"), top=2)) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (900, 700)])
def test_odd_sizes(classify: saccade.Classifier, shape: tuple[int, int]) -> None:
    assert classify(plain("blue", *shape)).labels[0] == "blue"


def test_equal_scores_keep_the_order_of_the_labels(classify: saccade.Classifier) -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    assert classify(grey).labels == ("red", "green", "blue")


def test_many_equals_one_by_one_in_input_order(classify: saccade.Classifier) -> None:
    rng = np.random.default_rng(0)
    pictures = [plain(str(rng.choice(list(COLOURS))), *rng.integers(1, 90, 2)) for _ in range(45)]
    for batch in (1, 7, 64):
        found = list(classify.many(pictures, batch=batch))
        assert [f.labels for f in found] == [classify(p).labels for p in pictures]


def test_a_bad_picture_fails_alone(classify: saccade.Classifier, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    sources = [plain("red"), "none.jpg", plain("blue"), empty, b"no picture", plain("green")]
    found = list(classify.many(sources, batch=2))
    assert [type(item) for item in found] == [Classes, Failed, Classes, Failed, Failed, Classes]
    assert [item.labels[0] for item in found if isinstance(item, Classes)] == [
        "red",
        "blue",
        "green",
    ]
    for item, source in ((found[1], "none.jpg"), (found[3], str(empty))):
        assert isinstance(item, Failed)
        assert item.image == source
        assert source in item.reason
    with pytest.raises(ImageError):
        classify("none.jpg")


def test_only_bad_pictures_and_none_at_all(classify: saccade.Classifier) -> None:
    assert [type(item) for item in classify.many(["x.jpg"] * 5, batch=2)] == [Failed] * 5
    assert list(classify.many([])) == []


def test_many_takes_its_pictures_as_it_needs_them(classify: saccade.Classifier) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield plain("red")

    stream = classify.many(endless(), batch=4)
    for _ in range(10):
        next(stream)
    assert taken <= 10 + 2 * 4
    stream.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("saccade-read")]


def test_an_error_of_the_callers_own_iterable_arrives(classify: saccade.Classifier) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield plain("red")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(classify.many(broken()))


def test_options_are_checked_before_the_first_picture(classify: saccade.Classifier) -> None:
    for options in ({"top": 0}, {"batch": 0}, {"batch": 5000}, {"batch": 1.5}):
        with pytest.raises(OptionError, match=next(iter(options))):
            classify.many([], **options)
    with pytest.raises(OptionError, match="pass a list"):
        classify.many("photo.jpg")
    with pytest.raises(OptionError, match="top"):
        classify(plain("red"), top=0)


def test_many_threads_share_one_classifier(classify: saccade.Classifier) -> None:
    names = list(COLOURS) * 40
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda name: classify(plain(name), top=1 + len(name) % 3), names))
    assert [f.labels[0] for f in found] == names
    assert [len(f) for f in found] == [1 + len(name) % 3 for name in names]


def test_the_picture_is_left_alone(classify: saccade.Classifier) -> None:
    picture = plain("red", 32, 32)
    picture.setflags(write=False)
    classify(picture)


def test_models_that_cannot_classify(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        saccade.Classifier("no_such_model")
    path = tmp_path / "detector.onnx"
    path.write_bytes(toy_graph().SerializeToString())
    write_card(path, path, toy_card(task="detect", outputs=("boxes",)))
    with pytest.raises(ModelFileError, match=r"a model to detect .* 'probabilities' is needed"):
        saccade.Classifier(path)
    write_card(path, path, toy_card(input_name="pixels"))
    with pytest.raises(ModelFileError, match="the card does not fit the graph"):
        saccade.Classifier(path)
    write_card(path, path, toy_card(labels=()))
    with pytest.raises(ModelFileError, match="names no labels"):
        saccade.Classifier(path)
    write_card(path, path, toy_card(labels=("a", "b")))
    with pytest.raises(ModelFileError, match="the card names 2 labels"):
        saccade.Classifier(path)(plain("red"))


def test_probabilities_are_the_plain_numbers(classify: saccade.Classifier) -> None:
    batch = classify.card.prepare.batch([read_image(plain(name)) for name in COLOURS])
    scores = classify.probabilities(batch)
    assert scores.shape == (3, 3)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]
