"""Detectors: torch against the exported file, with and without NMS in the graph."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from saccade.errors import OptionError, ParityError
from saccade.geometry.suppression import nms
from saccade.imaging.prepare import Prepare
from saccade.modelfile import read_card, verify
from saccade.runtime import open_session
from saccade_train.export.detect import export_detector
from saccade_train.export.parity import normalise, rendered_pictures
from saccade_train.export.suppress import Suppression, append_nms, check_nms
from saccade_train.export.write import ExportReport
from saccade_train.heads.picodet import decode_boxes
from saccade_train.models.detector import PicoDet, build_detector

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RUNTIMES = ["onnxruntime"] + ["openvino"] * (importlib.util.find_spec("openvino") is not None)
SIZE = (64, 96)
RULE = Prepare(*SIZE, "stretch")


@dataclass(frozen=True)
class Made:
    model: PicoDet
    report: ExportReport

    @property
    def path(self) -> Path:
        return self.report.path


def lively_detector(classes: int = 3) -> PicoDet:
    """Its scores differ from point to point, as a trained one's do."""
    torch.manual_seed(0)
    model = build_detector("picodet_xs", classes, neck_channels=32)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.normal_(module.bias, 0, 0.3)
    for level in model.head.levels:
        nn.init.normal_(level.classes.weight, 0, 0.5)
        nn.init.constant_(level.classes.bias, -1.0)
        nn.init.normal_(level.sides.weight, 0, 0.5)
    return model.eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    model = lively_detector()
    report = export_detector(
        model, tmp_path_factory.mktemp("det") / "det.onnx", labels=["a", "b", "c"], prepare=RULE,
        mean=MEAN, std=STD, thresholds={"score": 0.3}, runtimes=RUNTIMES,
        pictures=[rendered_pictures(1, 50, 40)[0]], licence="CC0-1.0", scores={"map": 0.5},
    )  # fmt: skip
    return Made(model, report)


def test_the_file_keeps_the_contract(made: Made) -> None:
    card = read_card(made.path)
    assert (card.task, card.architecture) == ("detect", "picodet_xs")
    assert (card.labels, card.outputs) == (("a", "b", "c"), ("boxes", "scores"))
    assert card.prepare == RULE
    assert card.thresholds == {"score": 0.3, "iou": 0.6, "keep": 100.0}
    assert (card.licence, card.scores) == ("CC0-1.0", {"map": 0.5})
    assert {report.runtime for report in made.report.parity} == set(RUNTIMES)
    assert all(report.worst < 1e-4 for report in made.report.parity)
    graph = onnx.load(str(made.path)).graph
    assert not any(node.op_type == "BatchNormalization" for node in graph.node)
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 3])
def test_it_computes_what_torch_computes(made: Made, count: int, runtime: str) -> None:
    batch = rendered_pictures(count, *SIZE, seed=4)
    got = open_session(made.path, runtime=runtime).run(batch)
    with torch.inference_mode():
        output = made.model(normalise(batch, MEAN, STD))
        boxes, scores = decode_boxes(output).numpy(), output.scores.numpy()
    points = 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2
    assert got["boxes"].shape == (count, points, 4)
    assert got["scores"].shape == (count, points, 3)
    assert scores.std() > 0.05  # the comparison means something
    np.testing.assert_allclose(got["boxes"], boxes, atol=1e-2)
    np.testing.assert_allclose(got["scores"], scores, atol=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_its_self_test_passes(made: Made, runtime: str) -> None:
    assert verify(made.path, runtime).passed


def test_nms_in_the_graph(made: Made, tmp_path: Path) -> None:
    options = Suppression(0.3, 0.5, 20)
    ended = tmp_path / "ended.onnx"
    onnx.save(append_nms(onnx.load(str(made.path)), options), str(ended))
    pictures = [rendered_pictures(3, *SIZE, seed=9)]
    for runtime in RUNTIMES:
        agreed, total = check_nms(made.path, ended, pictures, options, runtime)
        assert total > 20
        assert agreed >= 0.99 * total
        got = open_session(ended, runtime=runtime).run(pictures[0])
        shapes = {name: value.shape for name, value in got.items()}
        assert shapes == {"boxes": (3, 20, 4), "scores": (3, 20), "labels": (3, 20)}
    with pytest.raises(ParityError, match=r"agrees with our own on .* boxes only"):
        check_nms(made.path, ended, pictures, Suppression(0.3, 0.05, 20))


def _graph(points: int, classes: int, options: Suppression) -> onnxruntime.InferenceSession:
    """Only the suppression, of whatever boxes and scores are given."""

    def value(name: str, *shape: object) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    graph = helper.make_graph(
        [helper.make_node("Identity", [f"given_{n}"], [n]) for n in ("boxes", "scores")],
        "bare",
        [value("given_boxes", points, 4), value("given_scores", points, classes)],
        [value("boxes", points, 4), value("scores", points, classes)],
    )
    bare = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    ended = append_nms(bare, options)
    return onnxruntime.InferenceSession(ended.SerializeToString())


def test_suppression_equals_ours_on_ties_and_nothing() -> None:
    options = Suppression(0.3, 0.5, 6)
    session = _graph(12, 3, options)
    rng = np.random.default_rng(0)
    for _ in range(50):
        corner = rng.integers(0, 30, (2, 12, 2))
        boxes = np.concatenate([corner, corner + rng.integers(0, 20, (2, 12, 2))], 2)
        boxes = boxes.astype(np.float32)
        scores = (rng.integers(0, 9, (2, 12, 3)) / 10).astype(np.float32)
        scores[1, :, 1] = 0
        if rng.random() < 0.2:
            scores[:] = 0.1  # nothing is left
        found = session.run(None, {"given_boxes": boxes, "given_scores": scores})
        for row in range(2):
            got_boxes, got_scores, got_labels = (part[row] for part in found)
            points, labels = np.nonzero(scores[row] > np.float32(0.3))
            values = scores[row][points, labels]
            kept = nms(boxes[row][points], values, labels, iou=0.5, keep=6)
            real = got_scores > 0
            assert real.sum() == len(kept)
            assert not got_boxes[~real].any()
            assert not got_labels[~real].any()
            np.testing.assert_array_equal(got_scores[real], values[kept])
            # Which of two that score alike comes last of all is open.
            sure = values[kept] > values[kept].min(initial=1)
            have = {(label, *box) for label, box in zip(
                got_labels[real][sure], got_boxes[real][sure].tolist(), strict=True
            ) for box in [tuple(box)]}  # fmt: skip
            want = {(label, *tuple(box)) for label, box in zip(
                labels[kept][sure], boxes[row][points[kept]][sure].tolist(), strict=True
            )}  # fmt: skip
            assert have == want


def test_a_picture_gives_no_more_boxes_than_it_has_scores() -> None:
    session = _graph(2, 1, Suppression(0.0, 0.5, 100))
    boxes = np.array([[[0, 0, 1, 1], [5, 5, 9, 9]]], np.float32)
    found = session.run(
        None, {"given_boxes": boxes, "given_scores": np.array([[[0.2], [0.7]]], np.float32)}
    )
    assert [part.shape for part in found] == [(1, 2, 4), (1, 2), (1, 2)]
    np.testing.assert_array_equal(found[0][0], boxes[0][::-1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ["a"]}, "1 labels for a model of 3 classes"),
        ({"prepare": Prepare(100, 96, "stretch")}, "100 x 96 pixels; both sides must be multiples"),
        ({"thresholds": {"scor": 0.3}}, "unknown threshold 'scor'; did you mean 'score'"),
        ({"thresholds": {"iou": 2.0}}, "iou is 2; expected 0 to 1"),
        ({"thresholds": {"body": 1.5}}, "body is 1.5; expected 0 to 1"),
        ({"thresholds": {"keep": 1.5}}, "keep is 1.5; expected a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    given = {"labels": ["a", "b", "c"], "prepare": RULE, **changes}
    with pytest.raises(OptionError, match=said):
        export_detector(lively_detector(), tmp_path / "x.onnx", mean=MEAN, std=STD, **given)  # type: ignore[arg-type]
    assert not (tmp_path / "x.onnx").exists()
