"""WS-DAN's classifier and DCL's heads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from saccade.errors import OptionError
from saccade_train.models.classifier import build_classifier
from saccade_train.models.fine_grained import (
    ClosePair,
    DclHeads,
    build_wsdan,
    look,
)
from saccade_train.semisup.wsdan import attention_crop, bilinear_attention_pool


def test_a_wsdan_classifier_is_a_classifier() -> None:
    torch.manual_seed(0)
    model = build_wsdan("lcnet_x0_25", 5, maps=3).eval()
    images = torch.randn(2, 3, 64, 64)
    seen = look(model, images)
    features = model.backbone(images)
    maps = model.head.attention(features)
    parts = bilinear_attention_pool(features, maps)
    assert model.embedding_dim == parts.shape[1] == 3 * model.backbone.out_channels
    assert seen.maps.shape == (2, 3, 2, 2)
    assert seen.maps.min() >= 0
    assert torch.allclose(seen.logits, model.head.fc(100 * parts), atol=1e-4)
    assert torch.allclose(model(images), seen.logits, atol=1e-4)
    assert torch.allclose(model.forward_embedding(images), 100 * seen.parts, atol=1e-4)
    model.reset_classifier(7)
    assert model(images).shape == (2, 7)


def test_sizes_of_the_specification() -> None:
    with torch.device("meta"):
        model = build_wsdan("resnet50", 200, maps=32)
        plain = build_classifier("resnet50", 200)
        heads, by_class = DclHeads(plain, 7), DclHeads(plain, 7, by_class=True)
        features = plain.eval().backbone(torch.zeros(1, 3, 448, 448))
        whole, positions = heads(features, plain.head.embed(features))
    assert model.embedding_dim == 65_536
    assert model.head.fc.weight.numel() == 13_107_200
    assert features.shape[2:] == (14, 14)
    assert (whole.shape, positions.shape) == ((1, 2), (1, 49))
    assert by_class.whole.out_features == 400


def test_positions_are_means_of_the_map() -> None:
    torch.manual_seed(0)
    heads = DclHeads(build_classifier("lcnet_x0_25", 2), 2)
    features = torch.randn(1, heads.align.in_channels, 4, 4)
    _, found = heads(features, torch.zeros(1, heads.whole.in_features))
    weight, bias = heads.align.weight[0, :, 0, 0], heads.align.bias
    one_by_one = torch.einsum("c,chw->hw", weight, features[0]) + bias
    expected = [one_by_one[r : r + 2, c : c + 2].mean().tanh() for r in (0, 2) for c in (0, 2)]
    assert torch.allclose(found[0], torch.stack(expected), atol=1e-5)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = build_wsdan("resnet10_vd", 3, maps=4, width=0.25)
    nn.functional.cross_entropy(model(torch.randn(4, 3, 64, 64)), torch.arange(4) % 3).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_two_looks() -> None:
    torch.manual_seed(0)
    model = build_wsdan("lcnet_x0_25", 5, maps=3).eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        attention = look(model, images).maps.mean(1)
        closer = model(attention_crop(images, attention, 0.7))
        pair = ClosePair(model, 0.7)
        assert torch.allclose(pair(images), (model(images) + closer) / 2, atol=1e-5)
        assert not torch.allclose(closer, model(images), atol=1e-3)
        # At threshold 0 the second look sees the same.
        assert torch.allclose(ClosePair(model, 0.0)(images), model(images), atol=1e-3)
    assert not pair.training
    assert ClosePair(model.train(), 0.1).training


def test_bad_options() -> None:
    with pytest.raises(OptionError, match="maps"):
        build_wsdan("lcnet_x0_25", 5, maps=0)
    with pytest.raises(OptionError, match="did you mean"):
        build_wsdan("lcnet_x0_26", 5, maps=2)
    with pytest.raises(OptionError, match=r"parts\.method=wsdan"):
        look(build_classifier("lcnet_x0_25", 2), torch.zeros(1, 3, 32, 32))
