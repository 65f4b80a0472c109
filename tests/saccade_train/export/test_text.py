"""Text networks: torch against the exported file, at every size that the contract allows."""

from __future__ import annotations

import importlib.util
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import saccade_train.export.run as running
import saccade_train.export.text as exporting
from saccade.errors import OptionError, ParityError, SaccadeError
from saccade.modelfile import read_card, verify
from saccade.runtime import open_session
from saccade.text.sizes import time_steps
from saccade_train.export.fold import swap_channels
from saccade_train.export.network import PixelNetwork
from saccade_train.export.parity import check_parity, normalise
from saccade_train.export.text import (
    export_text_detector,
    export_text_direction,
    export_text_recogniser,
)
from saccade_train.export.tidy import layer_outputs
from saccade_train.export.write import ExportReport
from saccade_train.recipes import parse_recipe
from text_networks import ALPHABET, small_detector, small_direction, small_recogniser

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
RUNTIMES = ["onnxruntime"] + ["openvino"] * (importlib.util.find_spec("openvino") is not None)


@dataclass(frozen=True)
class Made:
    model: Any
    report: ExportReport

    @property
    def path(self) -> Path:
        return self.report.path


def noise(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Made:
    model = small_detector()
    out = tmp_path_factory.mktemp("det") / "det.onnx"
    page = noise(70, 150, seed=8)
    report = export_text_detector(
        model, out, mean=MEAN, std=STD, thresholds={"box_threshold": 0.5, "limit": 128},
        pictures=[page], runtimes=RUNTIMES, licence="CC-BY-4.0", scores={"hmean": 0.5},
    )  # fmt: skip
    return Made(model, report)


@pytest.fixture(scope="module")
def direction(tmp_path_factory: pytest.TempPathFactory) -> Made:
    model = small_direction()
    out = tmp_path_factory.mktemp("cls") / "cls.onnx"
    report = export_text_direction(model, out, pictures=[noise(20, 30)], runtimes=RUNTIMES)
    return Made(model, report)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Made:
    model = small_recogniser()
    out = tmp_path_factory.mktemp("rec") / "rec.onnx"
    lines = [noise(20, 133), noise(90, 5)]
    report = export_text_recogniser(
        model, out, alphabet=ALPHABET, pictures=lines, runtimes=RUNTIMES
    )
    return Made(model, report)


@torch.inference_mode()
def wanted(made: Made, batch: np.ndarray) -> np.ndarray:
    """The deployed function as the models say it, from plainly normalised planes."""
    if made.report.card.task == "text_detect":
        return made.model.probability(normalise(batch, MEAN, STD))[:, 0].numpy()
    planes = normalise(batch, HALF, HALF)
    if made.report.card.task == "text_direction":
        return made.model(planes).softmax(1).numpy()
    return made.model(planes).logits.softmax(2).numpy()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 96, 64), (1, 64, 224), (3, 32, 160)])
def test_the_detector_at_any_multiples_of_32(
    detector: Made, shape: tuple[int, ...], runtime: str
) -> None:
    batch = noise(*shape)
    (got,) = open_session(detector.path, runtime=runtime).run(batch).values()
    assert got.shape == shape
    assert got.std() > 0.01  # the comparison means something
    np.testing.assert_allclose(got, wanted(detector, batch), atol=1e-4 * got.max())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("width", [8, 9, 101, 320, 1600])
def test_the_recogniser_at_any_width(
    recogniser: Made, count: int, width: int, runtime: str
) -> None:
    batch = noise(count, 32, width)
    (got,) = open_session(recogniser.path, runtime=runtime).run(batch).values()
    assert got.shape == (count, time_steps(width), len(ALPHABET) + 1)
    np.testing.assert_allclose(got, wanted(recogniser, batch), atol=1e-4 * got.max())


def test_the_direction_classifier(direction: Made) -> None:
    for count in (1, 5):
        batch = noise(count, 48, 192)
        (got,) = open_session(direction.path).run(batch).values()
        np.testing.assert_allclose(got, wanted(direction, batch), atol=1e-4)


def test_the_files_keep_the_contract(detector: Made, direction: Made, recogniser: Made) -> None:
    card = read_card(detector.path)
    assert (card.task, card.architecture) == ("text_detect", "db_lcnet_x0_25")
    assert (card.outputs, card.labels) == (("probability",), ())
    assert (card.prepare.height, card.prepare.width, card.prepare.mode) == (640, 640, "stretch")
    assert card.thresholds == {
        "threshold": 0.3,
        "box_threshold": 0.5,
        "unclip_ratio": 1.5,
        "limit": 128.0,
        "least": 0.0,
        "gap": 0.0,
        "margin": 0.2,
    }
    assert (card.mean, card.licence, card.scores) == (MEAN, "CC-BY-4.0", {"hmean": 0.5})
    assert card.self_test is not None
    assert card.self_test.shape == (1, 640, 640, 3)

    card = read_card(direction.path)
    assert (card.task, card.labels) == ("text_direction", ("0", "180"))
    assert (card.prepare.height, card.prepare.width) == (48, 192)
    assert (card.outputs, card.thresholds) == (("probabilities",), {"threshold": 0.9})

    card = read_card(recogniser.path)
    assert (card.task, card.labels) == ("text_recognise", ALPHABET)
    assert (card.prepare.height, card.prepare.width) == (32, 320)
    assert card.outputs == ("probabilities",)
    assert card.thresholds == {"drop_score": 0.5, "narrow": 0.0, "sure": 0.0}
    for made in (detector, direction, recogniser):
        assert verify(made.path).passed
        assert len(made.report.parity) == len(RUNTIMES)
        assert all(report.same_answer == report.pictures for report in made.report.parity)
    assert detector.report.parity[0].pictures == 5
    assert recogniser.report.parity[0].pictures == 11


def test_the_graphs_are_clean(detector: Made, recogniser: Made) -> None:
    ops = Counter(node.op_type for node in onnx.load(str(recogniser.path)).graph.node)
    assert ops["LSTM"] == 2
    assert ops["Reshape"] == 3  # packing the rows; after each LSTM
    assert not {"Loop", "Scan", "Slice", "Concat", "Shape", "BatchNormalization"} & set(ops)
    ops = Counter(node.op_type for node in onnx.load(str(detector.path)).graph.node)
    assert "BatchNormalization" not in ops
    assert ops["ConvTranspose"] == 2  # of one branch: the threshold map is left out
    assert ops["Concat"] == 2  # the pyramid; the shape of the row of means
    assert ops["Transpose"] == 0


def sabotage(source: Path, target: Path, value: str, amount: float = 0.1) -> Path:
    model = onnx.load(str(source))
    tensor = next(one for one in model.graph.initializer if one.name == value)
    numbers = numpy_helper.to_array(tensor)
    noise = np.random.default_rng(0).normal(0, amount * np.abs(numbers).max(), numbers.shape)
    tensor.CopyFrom(numpy_helper.from_array((numbers + noise).astype(np.float32), value))
    onnx.save(model, str(target))
    return target


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("backbone.conv1.conv.weight", "backbone.conv1.bn"),
        ("neck.in3_conv.weight", "neck.in3_conv"),
        ("head.binarize.conv1.bias", "head.binarize.conv_bn1"),
        ("head.binarize.conv2.weight", "head.binarize.conv_bn2"),
        ("head.binarize.conv3.weight", "head.binarize.conv3"),
    ],
)
def test_the_first_differing_layer_of_a_detector(
    detector: Made, tmp_path: Path, weight: str, layer: str
) -> None:
    bad = sabotage(detector.path, tmp_path / "bad.onnx", weight)
    with pytest.raises(ParityError, match="first layer that differs") as caught:
        check_parity(detector.model, bad, noise(1, 64, 64), mean=MEAN, std=STD)
    assert repr(layer) in str(caught.value)


@pytest.mark.parametrize(("kind", "slot", "layer"), [("LSTM", 1, "neck"), ("MatMul", 1, "head.fc")])
def test_the_first_differing_layer_of_a_recogniser(
    recogniser: Made, tmp_path: Path, kind: str, slot: int, layer: str
) -> None:
    nodes = onnx.load(str(recogniser.path)).graph.node
    weight = next(node for node in nodes if node.op_type == kind).input[slot]
    bad = sabotage(recogniser.path, tmp_path / "bad.onnx", weight)
    batches = [noise(2, 32, 40), noise(1, 32, 64)]
    with pytest.raises(ParityError, match=r"on 3 pictures; the first layer") as caught:
        check_parity(recogniser.model, bad, batches, mean=HALF, std=HALF)
    assert f"'{layer}" in str(caught.value)


def test_every_layer_with_weights_can_be_blamed(detector: Made, recogniser: Made) -> None:
    for made, skip in ((detector, "head.thresh."), (recogniser, "neck.lstm")):
        values = layer_outputs(onnx.load(str(made.path)).graph)
        modules = dict(made.model.named_modules())
        assert set(values) <= set(modules)
        kinds = torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear
        weighted = {name for name, module in modules.items() if isinstance(module, kinds)}
        assert {name for name in weighted if not name.startswith(skip)} <= set(values)


@pytest.mark.parametrize("size", [(64, 96), (96, 32)])
def test_any_width_has_the_mean_of_its_channels(size: tuple[int, int]) -> None:
    model = small_detector()
    any_width = PixelNetwork(model, MEAN, STD, (64, 64), any_width=True)
    fixed = PixelNetwork(model, MEAN, STD, size)
    batch = torch.from_numpy(noise(2, *size))
    torch.testing.assert_close(any_width(batch)[0], fixed(batch)[0])


@torch.inference_mode()
def test_swapped_channels() -> None:
    bgr = small_recogniser()
    rgb = small_recogniser()
    swap_channels(rgb, 32)
    planes = torch.randn(1, 3, 32, 40)
    got = rgb.probabilities(planes)
    torch.testing.assert_close(got, bgr.probabilities(planes.flip(1)))
    assert not torch.allclose(got, bgr.probabilities(planes), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alphabet": ALPHABET[:-1]}, "alphabet of 9 characters for a model of 11 classes"),
        ({"alphabet": (*ALPHABET[:-1], "")}, "character 10 of the alphabet is empty"),
        ({"thresholds": {"drop_scor": 0.4}}, "did you mean 'drop_score'"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"std": (0.5, 0.5, 0.0)}, "above 0"),
        ({"runtimes": ("onnxruntim",)}, "did you mean 'onnxruntime'"),
        ({"tolerance": 1e-12}, "differs from PyTorch"),
    ],
)
def test_refusals(
    recogniser: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    message: str,
) -> None:
    graph = onnx.load(str(recogniser.path))
    del graph.metadata_props[:]
    monkeypatch.setattr(exporting, "graph_of", lambda *_, **__: graph)
    options: dict[str, Any] = {"alphabet": ALPHABET, **changes}
    with pytest.raises(SaccadeError, match=message) as caught:
        export_text_recogniser(recogniser.model, tmp_path / "rec.onnx", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"threshold": 1.5}, "expected a probability"),
        ({"unclip_ratio": 0}, "above 0"),
        ({"limit": 8}, "at least 32"),
        ({"limit": 96, "least": 128}, "least is 128"),
        ({"gap": -1}, "gap is -1; expected 0 to 100"),
        ({"drop_score": 0.5}, "unknown threshold 'drop_score'"),
    ],
)
def test_thresholds_of_a_detector(
    tmp_path: Path, thresholds: dict[str, float], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        export_text_detector(
            small_detector(), tmp_path / "d.onnx", mean=MEAN, std=STD, thresholds=thresholds
        )


def test_a_direction_classifier_of_quarter_turns_is_refused(tmp_path: Path) -> None:
    from saccade_train.models.text_direction import build_text_direction

    with pytest.raises(OptionError, match="4 classes; expected two"):
        export_text_direction(build_text_direction(4), tmp_path / "d.onnx")


@pytest.mark.parametrize("task", ["text_detect", "text_direction", "text_recognise"])
def test_a_run_folder_is_exported_by_its_task(
    detector: Made,
    direction: Made,
    recogniser: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    made = {"text_detect": detector, "text_direction": direction, "text_recognise": recogniser}[
        task
    ]
    card = made.report.card
    data = SimpleNamespace(
        mean=card.mean,
        std=card.std,
        limit=640,
        threshold=0.3,
        unclip=1.7,
        box_threshold=0.5,
        narrow=64.0,
    )
    recipe = SimpleNamespace(task=task, init=None, data=data)
    trained = SimpleNamespace(
        model=made.model, recipe=recipe, classes=card.labels, scores={"hmean": 0.25}
    )
    graph = onnx.load(str(made.path))
    del graph.metadata_props[:]
    monkeypatch.setattr(exporting, "graph_of", lambda *_, **__: graph)
    monkeypatch.setattr(running, "load_run", lambda _: trained)
    monkeypatch.setattr(running, "dump_recipe", lambda recipe: f"task: {recipe.task}")
    name = next(iter(card.thresholds))
    report = running.export_run(tmp_path, tmp_path / "m.onnx", thresholds={name: 0.4}, notes="n")
    assert report.card.task == task
    assert report.card.labels == card.labels
    assert report.card.thresholds[name] == 0.4
    if task == "text_detect":  # what isn't given is the recipe's
        assert report.card.thresholds["unclip_ratio"] == 1.7
        assert report.card.thresholds["limit"] == 640
    if task == "text_recognise":
        assert report.card.thresholds["narrow"] == 64.0
    assert set(report.card.thresholds) == set(card.thresholds)
    assert (report.card.recipe, report.card.scores) == (f"task: {task}", {"hmean": 0.25})
    assert report.card.notes == "n"


def test_a_card_names_what_it_was_taught_with_but_not_where_that_lay(
    recogniser: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = recogniser.report.card
    recipe = parse_recipe(
        {
            "task": "text_recognise",
            "model": {"arch": "crnn_resnet10_vd_x0_5"},
            "init": "/home/someone/runs/words",
            "data": {"text": "/home/someone/novel.txt", "mean": card.mean, "std": card.std},
        }
    )
    trained = SimpleNamespace(
        model=recogniser.model, recipe=recipe, classes=card.labels, scores={"score": 0.5}
    )
    monkeypatch.setattr(running, "load_run", lambda _: trained)
    report = running.export_run(tmp_path, tmp_path / "m.onnx")
    said = report.card.recipe
    assert "someone" not in said
    assert "novel.txt" in said and "init: words" in said
    assert recipe.data.text == "/home/someone/novel.txt"  # what was given stays
