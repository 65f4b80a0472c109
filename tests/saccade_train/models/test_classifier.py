from __future__ import annotations

import pytest
import torch

from saccade.errors import OptionError
from saccade_train.models.classifier import ARCHITECTURES, build_classifier

torch.set_num_threads(1)

SMALL = ["lcnet_x0_25", "mobilenet_v3_small_x0_35"]


def test_all_names() -> None:
    scales = ("x0_25", "x0_35", "x0_5", "x0_75", "x1_0", "x1_5", "x2_0", "x2_5")
    mobile = ("x0_35", "x0_5", "x0_75", "x1_0", "x1_25")
    assert set(ARCHITECTURES) == {
        *(f"lcnet_{scale}" for scale in scales),
        *(f"lcnet_v2_{size}" for size in ("small", "base", "large")),
        *(f"mobilenet_v3_{size}_{scale}" for size in ("small", "large") for scale in mobile),
        *(
            f"resnet{depth}{form}"
            for depth in (10, 18, 26, 34, 50, 101, 152, 200)
            for form in ("", "_vd")
        ),
        *(f"hs_resnet{depth}" for depth in (26, 50, 101, 152, 200)),
    }


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.usefixtures("shapes_only")
def test_every_architecture_classifies(name: str) -> None:
    with torch.device("meta"):
        model = build_classifier(name, 7).eval()
        x = torch.zeros(1, 3, 64, 64)
        assert model(x).shape == (1, 7)
        assert model.forward_embedding(x).shape == (1, model.embedding_dim)
    assert (model.architecture, model.num_classes) == (name, 7)


@pytest.mark.parametrize("name", [*SMALL, "resnet18_vd", "hs_resnet26"])
def test_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    options = {"width": 0.125} if "resnet" in name else {"dropout": 0.0}
    model = build_classifier(name, 5, **options)
    # The first and last logit, so that the mean of the softmax gradient is not zero.
    model(torch.randn(4, 3, 64, 64)).square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(parameter.grad.abs().sum() > 0), parameter_name


@pytest.mark.parametrize("name", SMALL)
def test_logits_come_from_the_embedding(name: str) -> None:
    model = build_classifier(name, 5).eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model(x), model.head.fc(model.forward_embedding(x)))
    assert len(model.forward_features(x)) == 4


def test_reset_classifier_keeps_all_else() -> None:
    model = build_classifier("lcnet_x0_25", 5).eval()
    x = torch.randn(2, 3, 64, 64)
    before = model.forward_embedding(x)
    model.reset_classifier(11)
    assert model.num_classes == 11
    assert model(x).shape == (2, 11)
    torch.testing.assert_close(model.forward_embedding(x), before)


def test_parameter_stages_end_with_the_head() -> None:
    model = build_classifier("lcnet_x0_25", 5)
    stages = model.parameter_stages()
    assert list(stages)[-1] == "head"
    assert sum(len(group) for group in stages.values()) == len(list(model.parameters()))
    assert not model.decay_norm
    assert build_classifier("resnet18_vd", 5, width=0.125).decay_norm


def test_lcnet_options_switch_the_ingredients_off() -> None:
    narrow = build_classifier("lcnet_x0_25", 5, last_conv=False)
    assert narrow.embedding_dim == 128
    assert build_classifier("lcnet_x0_25", 5, class_expand=256).embedding_dim == 256
    plain = build_classifier("lcnet_x0_25", 5, act="relu", se=False, large_kernel=False)
    kinds = {type(module).__name__ for module in plain.modules()}
    assert not kinds & {"Hardswish", "SqueezeExcite", "HardSigmoid"}
    assert sum(p.numel() for p in plain.parameters()) < sum(
        p.numel() for p in build_classifier("lcnet_x0_25", 5).parameters()
    )


def test_small_pictures_keep_more_with_other_strides() -> None:
    model = build_classifier("resnet26_vd", 10, width=0.125, strides=[1, 1, 2, 2, 2]).eval()
    assert model.forward_features(torch.zeros(1, 3, 32, 32))[-1].shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": "half"}, "width 'half': expected a number"),
        ({"hs_splits": 0}, "hs_splits 0: expected a whole number, at least 2"),
        ({"hs_width": 2.5}, "hs_width 2.5: expected a whole number"),
        ({"hs_mode": "plain"}, "unknown hs_mode 'plain'"),
    ],
)
def test_bad_hs_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build_classifier("hs_resnet26", 5, **options)


def test_hs_width_follows_the_width_of_the_network() -> None:
    with torch.device("meta"):
        net = build_classifier("hs_resnet50", 10, width=0.5, hs_splits=4).backbone
    assert net.blocks[1].conv1.width == 8  # 4 groups of 8: as wide as the plain bottleneck


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lcnet_x0_26", "did you mean 'lcnet_x0_25'"),
        ("resnet50vd", "did you mean 'resnet50_vd'"),
        ("vgg", "known: "),
    ],
)
def test_unknown_architecture(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build_classifier(name, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"large_kernels": True}, "no option 'large_kernels'; did you mean 'large_kernel'"),
        ({"scale": 1.0}, "no option 'scale'"),
        ({"num_classes": 3}, "no option 'num_classes'"),
        ({"act": "gelu"}, "unknown activation 'gelu'"),
        ({"architecture": "lcnet_x1_0"}, "no option 'architecture'"),
        ({"dropout": 2.0}, "dropout 2.0"),
        ({"dropout": "none"}, "dropout 'none'"),
        ({"last_conv": "no"}, "last_conv 'no': expected true or false"),
        ({"class_expand": 0.5}, "class_expand 0.5: expected a whole number"),
        ({"strides": [2]}, "5 entries"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build_classifier("lcnet_x0_25", 5, **options)
