from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from drawn_weights import draw_weights
from paddle_files import paddle_detector_tensors, paddle_tensors, write_pdparams
from saccade.cli.app import main
from saccade.errors import OptionError
from saccade.modelfile import read_card
from saccade.runtime import open_session
from saccade_train.cli.import_ import read_labels
from saccade_train.heads.picodet import decode_boxes
from saccade_train.models.classifier import build_classifier
from saccade_train.models.detector import build_detector

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = build_classifier("lcnet_x0_25", 3)
    draw_weights(model)
    place = tmp_path_factory.mktemp("weights") / "PPLCNet_x0_25_pretrained.pdparams"
    return write_pdparams(place, paddle_tensors(model))


def test_from_paddle_weights_to_a_model_file(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, out = tmp_path / "labels.txt", tmp_path / "lcnet.onnx"
    labels.write_text("0 red fox\n1 blue jay\n2 cod\n")
    words = ["--arch", "lcnet_x0_25", "-o", str(out), "--labels", str(labels), "--size", "64"]
    assert main(["import", str(weights), *words]) == 0
    assert "lcnet_x0_25, 3 classes" in capsys.readouterr().err

    card = read_card(out)
    assert card.labels == ("red fox", "blue jay", "cod")
    assert (card.prepare.height, card.prepare.short) == (64, 73)
    assert (card.prepare.mode, card.prepare.interpolation) == ("short_crop", "linear")
    assert "PPLCNet_x0_25_pretrained.pdparams" in card.notes

    # The file answers as Paddle would: with the factor 0.8 before the last layer.
    reference = build_classifier("lcnet_x0_25", 3, paddle_compat=True).eval()
    draw_weights(reference)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = reference(normalised).softmax(dim=1).numpy()
    found = open_session(out).run(pixels)["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "arch", "message"),
    [
        ("missing.pdparams", "lcnet_x0_25", "cannot be read"),
        ("hostile.pdparams", "lcnet_x0_25", "refers to posix.system"),
        ("truncated.pdparams", "lcnet_x0_25", "truncated or damaged"),
        ("good.pdparams", "lcnet_x0_35", "does not fit lcnet_x0_35"),
        ("good.pdparams", "lcnet_x025", "did you mean 'lcnet_x0_25'"),
        ("good.txt", "lcnet_x0_25", "unknown kind of file"),
    ],
)
def test_a_bad_file_costs_one_line_and_leaves_nothing(
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    arch: str,
    message: str,
) -> None:
    whole = weights.read_bytes()
    (tmp_path / "good.pdparams").write_bytes(whole)
    (tmp_path / "good.txt").write_bytes(whole)
    (tmp_path / "truncated.pdparams").write_bytes(whole[: len(whole) // 2])
    proof = tmp_path / "proof"

    class Command:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {proof}",)

    (tmp_path / "hostile.pdparams").write_bytes(pickle.dumps({"fc.bias": Command()}))
    out = tmp_path / "out" / "model.onnx"
    out.parent.mkdir()
    assert main(["import", str(tmp_path / file), "--arch", arch, "-o", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not proof.exists()
    assert list(out.parent.iterdir()) == []


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    assert read_labels(None, 3) == ["0", "1", "2"]
    path.write_text("\ufeffcat\n\nblack dog\n", encoding="utf-8")
    assert read_labels(path, 2) == ["cat", "black dog"]
    path.write_text("0 cat\n1 black dog\n")
    assert read_labels(path, 2) == ["cat", "black dog"]
    path.write_text("0 cat\n7 dwarfs\n")  # no numbering: the second line has another number
    assert read_labels(path, 2) == ["0 cat", "7 dwarfs"]


@pytest.mark.parametrize("content", [b"a\nb\n", b"\xff\xfe\x00", None])
def test_bad_labels(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=r"labels .*labels.txt"):
        read_labels(path, 3)


def test_from_paddle_weights_to_a_detector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = build_detector("picodet_xs", 2).eval()
    draw_weights(reference)
    file = write_pdparams(tmp_path / "xs.pdparams", paddle_detector_tensors(reference))
    labels, out = tmp_path / "labels.txt", tmp_path / "xs.onnx"
    labels.write_text("apple\npear\n")
    words = ["import", str(file), "--arch", "picodet_xs", "-o", str(out)]
    assert main([*words, "--labels", str(labels), "--size", "64"]) == 0
    assert "picodet_xs, 2 classes" in capsys.readouterr().err

    card = read_card(out)
    assert (card.task, card.labels) == ("detect", ("apple", "pear"))
    assert (card.prepare.height, card.prepare.width, card.prepare.mode) == (64, 64, "stretch")
    assert card.prepare.interpolation == "cubic"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        output = reference(((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2))
    found = open_session(out).run(pixels)
    np.testing.assert_allclose(found["scores"], output.scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(found["boxes"], decode_boxes(output).numpy(), atol=0.05)

    for extra, message in ((["--size", "100"], "multiples of 32"), (["--part", "Student"], "none")):
        assert main([*words, *extra]) == 1
        assert message in capsys.readouterr().err
