"""Margin heads: the numbers of the reference, gradients, and what they give after training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.heads.margin import (
    HEADS,
    AdaMargin,
    ada_margin,
    arc_margin,
    build_head,
    circle_margin,
    cos_margin,
)
from saccade_train.models.embedder import build_embedder
from saccade_train.necks.embedding import build_neck

F64 = torch.float64
COSINES = torch.tensor([[0.8, 0.3, -0.2]], dtype=F64)
FAR = torch.tensor([[-0.99, 0.3, 0.1]], dtype=F64)
FIRST = torch.tensor([0])


@pytest.mark.parametrize(
    ("logits", "wanted", "entropy"),
    [
        (arc_margin(COSINES, FIRST, 0.2, 30), (19.945545, 9, -6), 1.763626e-5),
        (arc_margin(COSINES, FIRST, 0.15, 32), (22.443323, 9.6, -6.4), 2.643717e-6),
        (arc_margin(COSINES, FIRST, 0.5, 80), (33.152826, 24, -16), 1.059144e-4),
        (arc_margin(FAR, FIRST, 0.2, 30), (-30.892016, 9, 3), 39.894492),
        (cos_margin(COSINES, FIRST, 0.35, 64), (28.8, 19.2, -12.8), 6.772644e-5),
        (cos_margin(COSINES, FIRST, 0.2, 30), (18, 9, -6), 1.234022e-4),
        (circle_margin(COSINES, FIRST, 0.35, 64), (5.28, -2.08, -5.28), 6.619121e-4),
        (circle_margin(COSINES, FIRST, 0.25, 256), (5.76, 7.04, -5.76), 1.525328),
    ],
)
def test_numbers_of_the_reference(
    logits: torch.Tensor, wanted: tuple[float, ...], entropy: float
) -> None:
    assert logits[0].tolist() == pytest.approx(wanted, abs=1e-5)
    assert float(F.cross_entropy(logits, FIRST)) == pytest.approx(entropy, rel=1e-5)


def test_arc_switches_where_the_angle_would_pass_pi() -> None:
    margin = 0.2
    assert -math.cos(margin) == pytest.approx(-0.980067, abs=1e-6)
    assert margin * math.sin(margin) == pytest.approx(0.039734, abs=1e-6)
    for cosine in (-0.9801, -0.98):
        given = torch.tensor([[cosine, 0.0]], dtype=F64)
        found = float(arc_margin(given, FIRST, margin, 1)[0, 0])
        angle = math.cos(math.acos(cosine) + margin)
        wanted = angle if cosine > -0.980067 else cosine - margin * math.sin(margin)
        assert found == pytest.approx(wanted, abs=1e-5)
    easy = arc_margin(torch.tensor([[-0.1, 0.0]], dtype=F64), FIRST, margin, 1, easy=True)
    assert float(easy[0, 0]) == pytest.approx(-0.1)


def test_ada_margin_follows_the_norms() -> None:
    norms = torch.tensor([10.0, 20.0, 30.0], dtype=F64)
    cosines = COSINES.repeat(3, 1)
    labels = torch.zeros(3, dtype=torch.int64)
    logits = ada_margin(cosines, labels, norms, norms.mean(), norms.std())
    assert logits[:, 0].tolist() == pytest.approx((28.571246, 25.6, 21.721874), abs=1e-5)
    head = AdaMargin(4, 3, rate=1.0)
    rows = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    head(rows * norms.float()[:, None], labels)
    assert float(head.mean) == pytest.approx(20, abs=1e-4)
    assert float(head.deviation) == pytest.approx(10, abs=1e-4)
    slow = AdaMargin(4, 3)
    slow(rows * norms.float()[:, None], labels)
    assert float(slow.deviation) == pytest.approx(0.99 * 100 + 0.01 * 10, abs=1e-4)


@pytest.mark.parametrize("name", HEADS)
def test_every_head(name: str) -> None:
    torch.manual_seed(0)
    head = build_head(name, 6, 4)
    rows = torch.randn(5, 6)
    labels = torch.tensor([0, 3, 1, 2, 2])
    logits = head(rows, labels)
    assert logits.shape == (5, 4)
    F.cross_entropy(logits, labels).backward()
    for parameter in head.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0
    head.eval()
    plain = head(rows, labels)
    if name == "fc":
        torch.testing.assert_close(plain, head(rows))
        return
    for row in range(5):
        for number in range(4):
            wanted = F.cosine_similarity(rows[row], head.weight[number], dim=0)  # type: ignore[index]
            torch.testing.assert_close(plain[row, number], wanted, atol=1e-6, rtol=1e-5)
    aimed = head.weight.detach()[labels]  # type: ignore[index]
    head.train()
    assert torch.isfinite(head(aimed, labels)).all()  # cosine 1: the sine is 0 there


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ark", {}, "did you mean 'arc'"),
        ("arc", {"scal": 3}, "did you mean 'scale'"),
        ("arc", {"margin": -1}, "margin -1"),
        ("cos", {"scale": 0}, "scale 0"),
        ("ada", {"rate": 2}, "rate 2"),
    ],
)
def test_wrong_heads(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        build_head(name, 4, 3, **options)


def test_sizes_of_pp_shitu() -> None:
    with torch.device("meta"):
        model = build_embedder("lcnet_x2_5", 185_341)
        second = build_head("fc", 512, 192_612, bias=False)
    assert sum(p.numel() for p in model.neck.parameters()) == 655_872
    assert sum(p.numel() for p in model.head.parameters()) == 94_894_592
    assert sum(p.numel() for p in second.parameters()) == 98_617_344
    assert model.embedding_dim == 512
    neck = build_neck("bn", 512, 512)
    assert sum(p.numel() for p in neck.parameters()) == 1024
    assert not neck.bn.bias.requires_grad  # type: ignore[union-attr]


def test_necks() -> None:
    rows = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)) * 9
    for name in ("fc", "bn", "hash", "none"):
        neck = build_neck(name, 10, 16)
        assert neck(rows).shape == (6, 10 if name == "none" else 16)
    assert build_neck("hash", 10, 16)(rows).abs().max() <= 1
    assert torch.allclose(build_neck("bn", 10, 16)(rows).mean(0), torch.zeros(16), atol=1e-5)
    with pytest.raises(OptionError, match="multiple of 8"):
        build_neck("hash", 10, 12)
    with pytest.raises(OptionError, match="unknown neck 'f'"):
        build_neck("f", 10, 12)
