"""From PaddleOCR's weights to model files, through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from paddle_files import paddle_text_tensors, write_pdparams
from saccade.cli.app import main
from saccade.errors import OptionError
from saccade.modelfile import read_card
from saccade.runtime import open_session
from saccade_train.models.text_detector import TextDetector, build_text_detector
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.paddle.text_files import convert_paddle_text, read_alphabet
from text_networks import calmed, settled, small_direction

torch.set_num_threads(1)

MOBILE, CRNN = "db_mobilenet_v3_large_x0_5", "crnn_lcnet_x1_0"
DIRECTION = "direction_mobilenet_v3_small_x0_35"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def bgr(pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """What PaddleOCR feeds: the channels turned round, and the means in their old order."""
    planes = torch.from_numpy(pixels[..., ::-1].transpose(0, 3, 1, 2).copy()) / 255
    shape = (1, 3, 1, 1)
    return (planes - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)


def mobile(seed: int) -> TextDetector:
    torch.manual_seed(seed)
    model = build_text_detector(MOBILE)
    settled(model, 64, 96)
    calmed(model)
    return model


def test_the_students_of_a_distillation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    students = {"Student": mobile(1), "Student2": mobile(2)}
    tensors = {
        name: value
        for part, model in students.items()
        for name, value in paddle_text_tensors(model, f"{part}.").items()
    }
    path = write_pdparams(tmp_path / "cml.pdparams", tensors)
    pixels = noise(1, 64, 96)
    for part, words in (("Student", []), ("Student2", ["--part", "Student2"])):
        out = tmp_path / f"{part}.onnx"
        assert main(["import", str(path), "--arch", MOBILE, "-o", str(out), *words]) == 0
        with torch.no_grad():
            want = students[part].probability(bgr(pixels, MEAN, STD))[:, 0].numpy()
        np.testing.assert_allclose(open_session(out).run(pixels)["probability"], want, atol=1e-4)
    card = read_card(out)
    assert (card.task, card.architecture) == ("text_detect", MOBILE)
    assert card.mean == MEAN[::-1]  # of red, green, blue
    assert "cml.pdparams" in card.notes
    assert f"{MOBILE}, 2." in capsys.readouterr().err


def test_a_direction_classifier(tmp_path: Path) -> None:
    model = small_direction()
    path = write_pdparams(tmp_path / "cls.pdparams", paddle_text_tensors(model))
    out = tmp_path / "cls.onnx"
    assert main(["import", str(path), "--arch", DIRECTION, "-o", str(out)]) == 0
    pixels = noise(2, 48, 192)
    half = (0.5, 0.5, 0.5)
    with torch.no_grad():
        want = model(bgr(pixels, half, half)).softmax(1).numpy()
    np.testing.assert_allclose(open_session(out).run(pixels)["probabilities"], want, atol=1e-4)


def test_a_recogniser_with_its_dictionary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    model = build_text_recogniser(CRNN, 6)
    settled(model, 32, 64)
    path = write_pdparams(tmp_path / "rec.pdparams", paddle_text_tensors(model, "Student."))
    keys, out = tmp_path / "keys.txt", tmp_path / "rec.onnx"
    keys.write_bytes("a\r\n\u2028\n\u3000\nд\n".encode())
    words = ["import", str(path), "--arch", CRNN, "-o", str(out)]
    assert main([*words, "--labels", str(keys)]) == 0
    assert read_card(out).labels == ("a", "\u2028", "\u3000", "д", " ")
    assert "5 characters" in capsys.readouterr().err
    pixels = noise(2, 32, 101)
    half = (0.5, 0.5, 0.5)
    with torch.no_grad():
        want = model.probabilities(bgr(pixels, half, half)).numpy()
    np.testing.assert_allclose(open_session(out).run(pixels)["probabilities"], want, atol=1e-4)

    before = out.read_bytes()
    for extra, message in (
        ([], "give the dictionary"),
        (["--labels", str(keys), "--size", "64"], "--size belongs to classifiers"),
        (["--labels", str(keys), "--part", "student"], "did you mean 'Student'"),
        (["--labels", str(keys), "--part", "Teacher"], "has no 'Teacher.head.fc2.bias'"),
        (["--labels", str(tmp_path / "none.txt")], "cannot be read"),
    ):
        assert main([*words, *extra]) == 1
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1
        assert message in shown
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arch", "dictionary", "message"),
    [
        ("crnn_lcnet_x0_5", "keys.txt", "PaddleOCR has no recogniser crnn_lcnet_x0_5"),
        (MOBILE, "keys.txt", "has no alphabet"),
        ("db_lcnet_x1_0", None, "no detector like db_lcnet_x1_0"),
        ("db_mobilenet", None, "unknown text detector"),
    ],
)
def test_refusals(tmp_path: Path, arch: str, dictionary: str | None, message: str) -> None:
    path = write_pdparams(tmp_path / "x.pdparams", {"neck.x": np.zeros(3, np.float32)})
    with pytest.raises(OptionError, match=message):
        convert_paddle_text(path, arch, tmp_path / "x.onnx", dictionary=dictionary)


@pytest.mark.parametrize(
    ("content", "classes", "message"),
    [
        (b"a\n\nb\n", 4, "line 2 is empty"),
        (b"a\nb\n", 7, "2 lines, but the recogniser has 7 classes; expected 6"),
        (b"\xff\xfe", 3, "not text in UTF-8"),
    ],
)
def test_bad_dictionaries(tmp_path: Path, content: bytes, classes: int, message: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=message):
        read_alphabet(path, classes)


def test_classifiers_have_no_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import", "x.pdparams", "--arch", "lcnet_x1_0", "-o", str(tmp_path / "x.onnx")]
    assert main([*words, "--part", "Student"]) == 1
    assert "--part belongs to text networks" in capsys.readouterr().err
