from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saccade.errors import ModelFileError
from saccade.modelfile import fingerprint, has_card, read_card, verify, write_card
from saccade.modelfile.file import CARD_KEY
from saccade.modelfile.wire import encode_entry
from saccade.runtime import open_session
from toymodel import toy_card, toy_graph, write_toy_classifier


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "bare.onnx"
    path.write_bytes(toy_graph().SerializeToString())
    return path


def test_a_card_is_written_and_read(bare: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    written = write_card(bare, target, toy_card())
    assert not has_card(bare)
    assert has_card(target)
    assert read_card(target) == written
    assert written.fingerprint == fingerprint(bare) == fingerprint(target)


def test_onnx_and_its_runtime_read_the_same_entry(bare: Path) -> None:
    onnx = pytest.importorskip("onnx")
    write_card(bare, bare, toy_card())
    model = onnx.load(bare)
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == [CARD_KEY]
    assert model.metadata_props[0].value == read_card(bare).to_json()
    model.metadata_props.clear()
    assert model.SerializeToString() == toy_graph().SerializeToString()


def test_other_metadata_is_kept_and_counts(bare: Path) -> None:
    onnx = pytest.importorskip("onnx")
    before = fingerprint(bare)
    bare.write_bytes(bare.read_bytes() + encode_entry("author", "someone"))
    assert fingerprint(bare) != before
    write_card(bare, bare, toy_card())
    write_card(bare, bare, toy_card(notes="second"))
    assert {entry.key for entry in onnx.load(bare).metadata_props} == {"author", CARD_KEY}
    assert read_card(bare).notes == "second"


def test_another_card_leaves_the_fingerprint_another_weight_changes_it(tmp_path: Path) -> None:
    one = write_toy_classifier(tmp_path / "one.onnx")
    other = write_toy_classifier(tmp_path / "other.onnx", seed=1)
    before = fingerprint(one)
    write_card(one, one, toy_card(notes="changed"))
    assert fingerprint(one) == before
    assert fingerprint(other) != before


def test_a_model_with_a_card_still_runs(toy_classifier: Path) -> None:
    outputs = open_session(toy_classifier).run(np.zeros((1, 32, 32, 3), np.uint8))
    assert outputs["probabilities"].shape == (1, 3)


BAD = {
    "empty": (b"", "is empty"),
    "page": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
    "checkpoint": (b"PK\x03\x04" + b"\0" * 60, "zip archive"),
    "text": (b"hello, this is no model at all", "not an ONNX model"),
    "fields": (b"\x08\x08\x12\x03abc", "holds no graph"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_of_other_kinds_are_one_line_with_a_remedy(kind: str, tmp_path: Path) -> None:
    content, message = BAD[kind]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    for function in (read_card, fingerprint, has_card):
        with pytest.raises(ModelFileError, match=message) as caught:
            function(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder"):
        read_card(tmp_path)
    with pytest.raises(ModelFileError, match="no such file"):
        read_card(tmp_path / "none.onnx")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_card("a\0b")


def test_a_model_without_a_card_is_foreign(bare: Path) -> None:
    with pytest.raises(ModelFileError, match="without a Saccade card; use a file made by"):
        read_card(bare)


def test_two_cards_are_refused(toy_classifier: Path) -> None:
    entry = encode_entry(CARD_KEY, read_card(toy_classifier).to_json())
    toy_classifier.write_bytes(toy_classifier.read_bytes() + entry)
    with pytest.raises(ModelFileError, match="2 Saccade cards"):
        read_card(toy_classifier)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_toy_classifier(tmp_path_factory.mktemp("whole") / "toy.onnx").read_bytes()


def test_every_truncation_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_card(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_raises_nothing_else(
    whole: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=12))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
    for function in (read_card, fingerprint):
        try:
            function(path)
        except ModelFileError as error:
            assert "\n" not in str(error)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=300))
def test_random_files_raise_nothing_else(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(junk)
    with pytest.raises(ModelFileError):
        read_card(path)


def test_writing_is_all_or_nothing(toy_classifier: Path, tmp_path: Path) -> None:
    before = toy_classifier.read_bytes()
    with pytest.raises(ModelFileError):
        write_card(toy_classifier, toy_classifier, toy_card(labels=(1, 2)))
    with pytest.raises(ModelFileError, match="cannot be written"):
        write_card(toy_classifier, tmp_path / "no" / "such" / "place.onnx", toy_card())
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelFileError, match="cannot be written"):
        write_card(toy_classifier, tmp_path / "folder.onnx", toy_card())
    assert toy_classifier.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx", "toy.onnx"]


@pytest.mark.skipif(os.name != "posix", reason="rights are a matter of POSIX")
def test_a_new_file_has_the_rights_of_any_new_file(toy_classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_card(toy_classifier, tmp_path / "new.onnx", toy_card())
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "new.onnx").stat().st_mode) == usual
    toy_classifier.chmod(0o640)
    write_card(toy_classifier, toy_classifier, toy_card())
    assert stat.S_IMODE(toy_classifier.stat().st_mode) == 0o640


def test_verify_passes_a_sound_file(toy_classifier: Path) -> None:
    report = verify(toy_classifier, threads=1)
    assert report.passed
    assert report.problems == ()
    assert set(report.errors) == {"probabilities", "embedding"}


def test_verify_finds_a_changed_weight(toy_classifier: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(toy_classifier)
    conv = next(t for t in model.graph.initializer if t.name == "conv")
    values = onnx.numpy_helper.to_array(conv) * np.float32(1.05)
    conv.CopyFrom(onnx.numpy_helper.from_array(values, "conv"))
    onnx.save(model, toy_classifier)
    report = verify(toy_classifier, threads=1)
    assert not report.passed
    assert not report.fingerprint_matches
    assert report.self_test == "failed"
    assert report.errors["embedding"] == pytest.approx(0.05, rel=0.05)
    assert len(report.problems) == 2


def test_verify_finds_another_number_of_outputs(toy_classifier: Path) -> None:
    card = read_card(toy_classifier)
    wrong = {"probabilities": (99.0, *card.self_test.digest["probabilities"][1:]), "boxes": (1.0,)}
    test = type(card.self_test)(seed=0, shape=(2, 32, 32, 3), digest=wrong)
    write_card(toy_classifier, toy_classifier, toy_card(self_test=test))
    report = verify(toy_classifier, threads=1)
    assert report.errors == {"probabilities": float("inf"), "boxes": float("inf")}
    assert report.fingerprint_matches
    assert report.to_dict()["errors"] == {"probabilities": None, "boxes": None}


def test_verify_wants_a_self_test(toy_classifier: Path) -> None:
    write_card(toy_classifier, toy_classifier, toy_card(self_test=None))
    report = verify(toy_classifier, threads=1)
    assert not report.passed
    assert "no self-test" in report.problems[0]
