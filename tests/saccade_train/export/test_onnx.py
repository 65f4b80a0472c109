from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import saccade_train.export.onnx as exporting
from saccade.errors import (
    ModelError,
    ModelFileError,
    OptionError,
    ParityError,
    SaccadeError,
    TrainingError,
)
from saccade.imaging.prepare import Prepare
from saccade.modelfile import read_card, verify
from saccade.runtime import open_session
from saccade_train.export.eager import open_eager
from saccade_train.export.load import load_run
from saccade_train.export.onnx import export_graph, export_model
from saccade_train.export.parity import torch_outputs
from saccade_train.export.run import export_run
from saccade_train.models.classifier import build_classifier

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
Export = Callable[[str], Any]


@pytest.fixture(scope="module")
def tiny() -> Any:
    torch.manual_seed(0)
    return build_classifier("lcnet_x0_25", 3).eval()


@pytest.fixture(scope="module")
def tiny_graph(tiny: Any) -> Any:
    return export_graph(tiny, MEAN, STD, 32, 32)


@pytest.fixture
def traced(tiny_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing takes seconds; tests of what comes before and after it share one graph."""
    monkeypatch.setattr(exporting, "export_graph", lambda *_, **__: copy.deepcopy(tiny_graph))


def export_tiny(model: Any, out: Path, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "labels": ["a", "b", "c"],
        "prepare": Prepare(32, 32, short=36),
        "mean": MEAN,
        "std": STD,
    }
    return export_model(model, out, **{**options, **changes})


@pytest.mark.parametrize("name", ["lcnet", "mobilenet_small", "resnet_vd", "hs_resnet"])
def test_the_graph_is_clean(export_once: Export, name: str) -> None:
    made = export_once(name)
    model = onnx.load(str(made.path))
    ops = Counter(node.op_type for node in model.graph.node)
    needed = {"Conv", "HardSwish", "Relu", "HardSigmoid", "GlobalAveragePool", "Mul", "Add"}
    needed |= {"AveragePool", "MaxPool", "Split", "Concat", "Gemm", "Softmax"}
    needed |= {"Reshape", "Unsqueeze", "Cast", "Sub", "ReduceL2", "Clip", "Div"}
    assert set(ops) <= needed
    assert ops["Reshape"] == 2  # packing the rows, and flattening the pooled map
    assert ops["Unsqueeze"] == ops["Cast"] == ops["Sub"] == ops["Gemm"] == ops["Softmax"] == 1
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert [entry.key for entry in model.metadata_props] == ["saccade_card"]
    assert model.producer_name == "saccade"
    convolutions = [
        module for module in made.model.modules() if isinstance(module, torch.nn.Conv2d)
    ]
    assert ops["Conv"] == len(convolutions)


def test_hard_sigmoids_keep_their_slope(export_once: Export) -> None:
    for name, slope, count in (("lcnet", 1 / 6, 2), ("mobilenet_small", 0.2, 9)):
        graph = onnx.load(str(export_once(name).path)).graph
        gates = [node for node in graph.node if node.op_type == "HardSigmoid"]
        assert len(gates) == count
        for gate in gates:
            values = {one.name: onnx.helper.get_attribute_value(one) for one in gate.attribute}
            assert values["alpha"] == pytest.approx(slope, rel=1e-6)
            assert values.get("beta", 0.5) == 0.5


def test_the_file_is_complete(export_once: Export) -> None:
    made = export_once("lcnet_paddle")
    card = read_card(made.path)
    assert card == made.report.card
    assert (card.task, card.architecture) == ("classify", "lcnet_x0_25")
    assert card.prepare == Prepare(made.height, made.width, "stretch")
    assert card.labels == tuple(f"class {number}" for number in range(7))
    assert card.outputs == ("probabilities", "embedding")
    assert card.mean == MEAN
    assert card.std == STD
    assert card.embedding_dim == 1280
    assert card.created.endswith("+00:00")
    assert verify(made.path).passed
    assert made.report.bytes == made.path.stat().st_size
    session = open_session(made.path)
    assert session.input_name == "image"
    for count in (1, 3):
        outputs = session.run(made.noise(count))
        assert outputs["probabilities"].shape == (count, 7)
        assert outputs["embedding"].shape == (count, 1280)


def test_an_export_repeats_and_leaves_the_model_as_it_was(tiny: Any, tiny_graph: Any) -> None:
    model = copy.deepcopy(tiny).train()
    again = export_graph(model, MEAN, STD, 32, 32)
    assert again.SerializeToString(True) == tiny_graph.SerializeToString(True)
    assert model.training
    before = tiny.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_graph_of_any_size(tiny: Any, tmp_path: Path) -> None:
    report = export_tiny(tiny, tmp_path / "any.onnx", dynamic_size=True)
    session = open_session(report.path)
    for size in ((32, 32), (45, 70)):
        batch = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        want = torch_outputs(tiny, batch, MEAN, STD)
        for name, got in session.run(batch).items():
            np.testing.assert_allclose(got, want[name], rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("traced")
def test_real_pictures_are_prepared_and_compared(tiny: Any, tmp_path: Path) -> None:
    pictures = [np.full((50, 40, 3), shade, np.uint8) for shade in (0, 90, 255)]
    report = export_tiny(tiny, tmp_path / "model.onnx", pictures=pictures)
    assert report.parity[0].pictures == 5  # and two of noise
    assert report.parity[0].same_answer == 5
    assert report.to_dict()["parity"][0]["runtime"] == "onnxruntime"


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": ["a", "b"]}, OptionError, "2 labels for a model of 3 classes"),
        ({"std": (0.2, 0.0, 0.2)}, OptionError, "above 0"),
        ({"tolerance": 0.0}, OptionError, "tolerance is 0.0"),
        ({"tolerance": float("nan")}, OptionError, "tolerance is nan"),
        ({"tolerance": 1e-12}, ParityError, "differs from PyTorch"),
        ({"runtimes": ("onnxruntime", "tensorrt")}, OptionError, "tensorrt"),
        ({"scores": {"top1": float("nan")}}, ModelFileError, "card"),
    ],
)
def test_a_failed_export_leaves_nothing_behind(
    tiny: Any, tmp_path: Path, changes: dict[str, Any], error: type[SaccadeError], message: str
) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the older one")
    with pytest.raises(error, match=message) as caught:
        export_tiny(tiny, out, **changes)
    assert "\n" not in str(caught.value)
    assert out.read_bytes() == b"the older one"
    assert list(tmp_path.iterdir()) == [out]


def test_places_that_cannot_be_written(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        export_tiny(tiny, tmp_path / "no" / "model.onnx")
    with pytest.raises(ModelFileError, match="is a folder"):
        export_tiny(tiny, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_export_is_one_line(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise torch.onnx.errors.OnnxExporterError("no such operator\nand a page of advice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ModelError, match=r"lcnet_x0_25 cannot be exported: no such operator$"):
        export_tiny(tiny, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_eager_by_name() -> None:
    classify = open_eager("lcnet_x0_25", threads=1)
    scores = classify(np.zeros((2, 32, 32, 3), np.uint8))
    assert scores.shape == (2, 1000)
    with pytest.raises(OptionError, match="lcnet_x0_25"):
        open_eager("lcnet_x0_26", threads=1)


def _truncate(run: Path) -> None:
    weights = run / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _more_classes(run: Path) -> None:
    (run / "classes.txt").write_text("a\nb\nc\nd\n")


def _other_network(run: Path) -> None:
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("lcnet_x0_25", "lcnet_x0_5"))


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _more_classes,
        _other_network,
        lambda run: (run / "classes.txt").unlink(),
        lambda run: (run / "classes.txt").write_bytes(b"\xff\xfe\x00"),
        lambda run: (run / "recipe.yaml").write_text("model: {arhc: x}"),
        lambda run: (run / "recipe.yaml").unlink(),
        lambda run: (run / "best" / "state.json").write_text("{"),
        lambda run: (run / "best" / "state.json").unlink(),
    ],
)
def test_a_damaged_run_folder_is_one_line(
    make_run: Callable[..., Path], damage: Callable[[Path], object]
) -> None:
    run = make_run()
    damage(run)
    with pytest.raises(SaccadeError) as caught:
        load_run(run)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such run folder"):
        load_run(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="is a file"):
        load_run(tmp_path / "file")


def test_the_card_does_not_tell_where_the_first_weights_lay(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run()
    recipe = run / "recipe.yaml"
    recipe.write_text(
        recipe.read_text("utf-8").replace("init: null", "init: /home/me/secret/first")
    )
    assert "/home/me/secret" in recipe.read_text("utf-8")
    card = export_run(run, tmp_path / "model.onnx").card
    assert "init: first" in card.recipe
    assert "secret" not in card.recipe
