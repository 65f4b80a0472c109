"""Outputs of the reference networks for weights drawn by rule (original Paddle code, CPU, fp32)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from drawn_weights import draw_weights, drawn_input
from saccade_train.models.classifier import Classifier, build_classifier

torch.set_num_threads(1)

LCNET = {
    "lcnet_x0_25": (49, -0.003282, 0.107615, -0.056951, -0.024036, 0.126497, 0.002320, -0.156055),
    "lcnet_x0_35": (729, -0.004645, 0.105420, -0.108090, -0.089894, 0.109498, -0.033402, -0.173508),
    "lcnet_x0_5": (71, -0.007758, 0.106147, -0.034984, 0.004484, 0.231948, 0.091671, -0.120514),
    "lcnet_x1_0": (534, -0.002353, 0.103995, -0.127490, 0.042504, 0.120345, 0.061437, -0.226980),
    "lcnet_x2_5": (534, -0.004761, 0.138508, 0.090245, 0.046220, 0.345934, 0.085733, -0.294875),
}
LCNET_STAGES = {
    "lcnet_x0_25": [
        *[(0.201474, 0.689307), (0.308053, 1.114976), (0.119943, 0.399646)],
        *[(0.024027, 0.230812), (0.005351, 0.120217), (0.018435, 0.088083)],
    ],
    "lcnet_x1_0": [
        *[(0.235348, 0.729395), (0.302694, 0.928586), (0.190775, 0.556967)],
        *[(0.073302, 0.300040), (-0.004144, 0.112195), (0.009442, 0.080868)],
    ],
    "lcnet_x2_5": [
        *[(0.322841, 0.907920), (0.372610, 0.966321), (0.388066, 1.028438)],
        *[(0.472026, 1.149143), (0.370827, 1.022486), (0.037620, 0.233644)],
    ],
}
RESNET50_VD = {
    224: (673, 0.51352, 9.63836, -0.886620, -0.083191, -28.692326, -0.369600),
    225: (673, 0.50397, 9.22181, -0.736404, 0.117877, -27.128696, -0.647265),
    97: (673, 0.37812, 7.68300, -0.811866, 1.440105, -21.217651, -0.445944),
}


@torch.no_grad()
def logits_of(model: Classifier, x: Tensor) -> np.ndarray:
    return model.eval()(x)[0].numpy()


def assert_golden(logits: np.ndarray, golden: tuple[float, ...]) -> None:
    """Relative to the spread of the logits; the tables round to six digits."""
    argmax, mean, std, *first = golden
    tolerance = 1e-4 * std
    assert logits.argmax() == argmax
    assert logits.mean() == pytest.approx(mean, abs=tolerance)
    assert logits.std() == pytest.approx(std, abs=tolerance)
    assert logits[: len(first)] == pytest.approx(first, abs=tolerance)


@pytest.mark.parametrize("name", LCNET)
def test_lcnet(name: str) -> None:
    model = build_classifier(name, 1000, paddle_compat=True)
    assert draw_weights(model) == 146
    stages: list[tuple[float, float]] = []
    for stage in model.backbone.children():
        stage.register_forward_hook(
            lambda _module, _inputs, y: stages.append((float(y.mean()), float(y.numpy().std())))
        )
    logits = logits_of(model, drawn_input(224))
    assert_golden(logits, LCNET[name])
    for found, golden in zip(stages, LCNET_STAGES.get(name, stages), strict=True):
        assert found == pytest.approx(golden, abs=1e-4 * golden[1])


def test_lcnet_without_the_dropout_factor_is_another_function() -> None:
    model = build_classifier("lcnet_x1_0", 1000)  # PyTorch's dropout: no factor
    draw_weights(model)
    logits = logits_of(model, drawn_input(224))
    with pytest.raises(AssertionError):
        assert_golden(logits, LCNET["lcnet_x1_0"])
    with torch.no_grad():
        model.head.fc.weight.mul_(0.8)
    folded = logits_of(model, drawn_input(224))
    assert_golden(folded, LCNET["lcnet_x1_0"])
    assert np.abs(folded - logits).max() == pytest.approx(0.0377, abs=1e-4)


@pytest.fixture(scope="module")
def resnet50_vd() -> Classifier:
    model = build_classifier("resnet50_vd", 1000)
    assert draw_weights(model) == 277
    with torch.no_grad():
        for block in model.backbone.blocks:
            block.conv2.bn.weight.mul_(0.3)
    return model


@pytest.mark.parametrize("side", RESNET50_VD)
def test_resnet50_vd(resnet50_vd: Classifier, side: int) -> None:
    assert_golden(logits_of(resnet50_vd, drawn_input(side)), RESNET50_VD[side])
