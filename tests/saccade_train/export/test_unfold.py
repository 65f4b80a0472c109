"""An exported file gives back weights: the same network in evaluation mode, and one that trains."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from saccade.errors import ModelFileError, TrainingError
from saccade.imaging.prepare import Prepare
from saccade_train.export.detect import export_detector
from saccade_train.export.embed import export_embedder
from saccade_train.export.network import deployed_outputs
from saccade_train.export.onnx import export_model
from saccade_train.export.text import (
    export_text_detector,
    export_text_direction,
    export_text_recogniser,
)
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.models.classifier import build_classifier
from saccade_train.models.detector import build_detector
from saccade_train.models.embedder import build_embedder
from saccade_train.models.text_detector import build_text_detector
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.training.initial import load_initial
from text_networks import ALPHABET, settled

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Build = Callable[[], nn.Module]


def paddle_classifier() -> nn.Module:
    return build_classifier("lcnet_x0_25", 4, paddle_compat=True, dropout=0.2)


BUILDS: dict[str, tuple[Build, tuple[int, int]]] = {
    "classifier": (paddle_classifier, (64, 64)),
    "embedder": (
        partial(
            build_embedder, "resnet18_vd", 5, neck="bn", embedding_dim=128, options={"width": 0.25}
        ),
        (64, 64),
    ),
    "embedder of few numbers": (
        partial(build_embedder, "lcnet_x0_25", 5, neck="bn", embedding_dim=24),
        (64, 64),
    ),
    "detector": (partial(build_detector, "picodet_xs", 2, neck_channels=32), (64, 96)),
    "text_detector": (partial(build_text_detector, "db_lcnet_x0_25", neck_channels=24), (64, 96)),
    "direction": (build_text_direction, (48, 192)),
    "recogniser": (
        partial(
            build_text_recogniser, "crnn_lcnet_x0_25", len(ALPHABET) + 1, hidden=12, features=16
        ),
        (32, 96),
    ),
}


def export(name: str, model: nn.Module, size: tuple[int, int], out: Path) -> None:
    rule = Prepare(*size, "stretch")
    common = {"mean": MEAN, "std": STD}
    if name == "classifier":
        export_model(model, out, labels=list("abcd"), prepare=rule, **common)
    elif name.startswith("embedder"):
        export_embedder(model, out, prepare=rule, **common)
    elif name == "detector":
        export_detector(model, out, labels=["x", "y"], prepare=rule, tolerance=1, **common)
    elif name == "text_detector":
        export_text_detector(model, out, tolerance=1, **common)
    elif name == "direction":
        export_text_direction(model, out)
    else:
        export_text_recogniser(model, out, alphabet=ALPHABET)


def difference(want: dict[str, Tensor], got: dict[str, Tensor]) -> float:
    return max(float((want[k] - got[k]).abs().max() / want[k].abs().max()) for k in want)


@pytest.mark.parametrize("name", BUILDS)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    build, size = BUILDS[name]
    torch.manual_seed(1)
    model = build()
    settled(model, *size)
    file = tmp_path / "model.onnx"
    export(name, model, size, file)

    torch.manual_seed(2)
    back = build()
    x = torch.randn(6, 3, *size)
    with torch.no_grad():
        want = deployed_outputs(model, x)
        assert difference(want, deployed_outputs(back.eval(), x)) > 0.01  # it is another one
        said = load_initial(back, file)
        # The margins of an embedder and a branch of text detectors serve their training alone.
        fresh = {"embedder": "head.weight", "text_detector": "of the head"}
        assert fresh.get(name.partition(" ")[0], "all") in said
        assert difference(want, deployed_outputs(back.eval(), x)) < 1e-4

        def look() -> None:
            kept = copy.deepcopy(back.state_dict())
            back.train()(x)
            back.load_state_dict(kept)

        load_initial(back, file, look)
        assert difference(want, deployed_outputs(back.eval(), x)) < 1e-4
    norms = {
        name: norm
        for name, norm in back.named_modules()
        if isinstance(norm, nn.BatchNorm2d) and not name.startswith("head.thresh")
    }
    assert norms
    # Statistics of what they see, not the ones of a fresh network.
    assert [name for name, norm in norms.items() if torch.all(norm.running_mean == 0)] == []


def test_a_settled_network_answers_alike_while_it_trains(tmp_path: Path) -> None:
    build, size = BUILDS["direction"]
    torch.manual_seed(1)
    model = build()
    settled(model, *size)
    file = tmp_path / "model.onnx"
    export("direction", model, size, file)
    x = torch.randn(16, 3, *size)
    plain, ready = build(), build()
    load_initial(plain, file)
    load_initial(ready, file, lambda: ready.train()(x))
    with torch.no_grad():
        want = model.eval()(x)
        assert float((ready.train()(x) - want).abs().max()) < 1e-3 * float(want.abs().max())
        assert float((plain.train()(x) - want).abs().max()) > 0.1 * float(want.abs().max())


def test_another_number_of_classes_renews_the_head(tmp_path: Path) -> None:
    build, size = BUILDS["classifier"]
    model = build()
    settled(model, *size)
    export("classifier", model, size, tmp_path / "model.onnx")
    other = build_classifier("lcnet_x0_25", 9, paddle_compat=True)
    head = copy.deepcopy(other.head.fc.state_dict())
    assert "fresh: head.fc.weight, head.fc.bias" in load_initial(other, tmp_path / "model.onnx")
    assert all(torch.equal(other.head.fc.state_dict()[name], head[name]) for name in head)


def test_what_is_not_ours_is_refused_in_one_line(tmp_path: Path) -> None:
    build, size = BUILDS["classifier"]
    export("classifier", build().eval(), size, tmp_path / "model.onnx")
    with pytest.raises(TrainingError, match=r"set model\.arch to lcnet_x0_25"):
        load_initial(build_classifier("lcnet_x0_5", 4), tmp_path / "model.onnx")
    bare = onnx.load(tmp_path / "model.onnx")
    del bare.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    with pytest.raises(ModelFileError, match="without a Saccade card"):
        load_initial(build(), tmp_path / "bare.onnx")
    with pytest.raises(ModelFileError):
        load_initial(build(), tmp_path / "nowhere.onnx")
    with pytest.raises(TrainingError, match="did you mean 'lcnet_x1_0_shop91'"):
        load_initial(build(), "lcnet_x1_0_shop")


def test_paddles_dropout_is_taken_out_again(tmp_path: Path) -> None:
    model = paddle_classifier().eval()
    assert isinstance(model.head.dropout, DownscaleInInfer)
    export("classifier", model, (64, 64), tmp_path / "model.onnx")
    back = paddle_classifier()
    load_initial(back, tmp_path / "model.onnx")
    torch.testing.assert_close(back.head.fc.weight, model.head.fc.weight)


def test_a_shipped_model_by_name() -> None:
    model = build_classifier("lcnet_x1_0", 91)
    said = load_initial(model, "lcnet_x1_0_shop91")
    assert "lcnet_x1_0_shop91.onnx: all" in said
