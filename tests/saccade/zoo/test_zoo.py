from __future__ import annotations

from pathlib import Path

import pytest

from saccade import zoo
from saccade.errors import ModelFileError, UnknownModel
from saccade.modelfile import verify
from toymodel import write_toy_classifier


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of two toys."""
    folder = tmp_path / "models"
    folder.mkdir()
    for seed, name in enumerate(("toy_small", "toy_large")):
        write_toy_classifier(folder / f"{name}.onnx", seed=seed)
    monkeypatch.setattr(zoo, "MODELS", folder)
    monkeypatch.setattr(zoo, "DEFAULT", {"classify": "toy_small", "embed": "gone"})
    return folder


def test_names_and_cards(shelf: Path) -> None:
    assert zoo.names() == ["toy_large", "toy_small"]
    assert {name: card.architecture for name, card in zoo.cards().items()} == {
        "toy_large": "toy",
        "toy_small": "toy",
    }


def test_find_by_name_or_file(shelf: Path, tmp_path: Path) -> None:
    assert zoo.find("toy_small") == shelf / "toy_small.onnx"
    own = write_toy_classifier(tmp_path / "own.onnx")
    assert zoo.find(own) == own
    assert zoo.find(str(own)) == own


def test_a_mistyped_name_is_answered_with_the_nearest(shelf: Path) -> None:
    with pytest.raises(UnknownModel, match="did you mean 'toy_small'"):
        zoo.find("toy_smal")


@pytest.mark.parametrize("name", ["", "a\0b", "no/such/file.onnx"])
def test_odd_names_are_unknown(shelf: Path, name: str) -> None:
    with pytest.raises(UnknownModel):
        zoo.find(name)


def test_defaults(shelf: Path) -> None:
    assert zoo.default("classify") == shelf / "toy_small.onnx"
    for task in ("embed", "levitate"):
        with pytest.raises(UnknownModel, match=f"no model to {task}"):
            zoo.default(task)


def test_a_damaged_model_is_named(shelf: Path) -> None:
    (shelf / "toy_small.onnx").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"toy_small\.onnx: is empty"):
        zoo.cards()


@pytest.mark.parametrize("name", zoo.names())
def test_every_shipped_model_is_what_it_says(name: str) -> None:
    report = verify(zoo.find(name))
    assert report.passed, report.problems
    assert report.card.licence
    assert report.card.training_data
    assert report.card.scores


@pytest.mark.skipif(not zoo.names(), reason="no model is shipped yet")
@pytest.mark.parametrize("task", zoo.DEFAULT)
def test_every_default_is_shipped(task: str) -> None:
    assert zoo.default(task).is_file()
