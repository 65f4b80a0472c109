"""Counts, shapes and behaviour of the text networks, as the reference publishes them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.activation import HardSigmoid
from saccade_train.layers.macs import count_macs, count_parameters, count_state
from saccade_train.models.text_detector import (
    TEXT_DETECTORS,
    TextDetector,
    build_text_detector,
)
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import (
    TEXT_RECOGNISERS,
    build_text_recogniser,
)

torch.set_num_threads(1)

MOBILE = "db_mobilenet_v3_large_x0_5"
CRNN = "crnn_lcnet_x1_0"


class Deployed(nn.Module):
    def __init__(self, detector: TextDetector) -> None:
        super().__init__()
        self.detector = detector
        del detector.head.thresh

    def forward(self, x: Tensor) -> Tensor:
        return self.detector.probability(x)


def parts(model: nn.Module) -> list[int]:
    return [count_parameters(part) for part in model.children()]


@pytest.mark.parametrize(
    ("name", "trainable", "state", "split", "tensors"),
    [
        (MOBILE, 583_234, 595_794, [398_480, 138_240, 46_514], 269),
        ("db_resnet18_vd", 12_364_386, 12_374_754, [11_199_968, 835_584, 328_834], 149),
        ("db_resnet50_vd", 25_428_962, 25_482_722, [23_527_264, 1_572_864, 328_834], None),
    ],
)
def test_detector_counts(
    name: str, trainable: int, state: int, split: list[int], tensors: int | None
) -> None:
    with torch.device("meta"):
        model = build_text_detector(name)
    assert (count_parameters(model), count_state(model)) == (trainable, state)
    assert parts(model) == split
    named = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    assert tensors is None or len(named) == tensors


@pytest.mark.parametrize(
    ("name", "side", "trainable", "state", "macs"),
    [
        (MOBILE, 960, 559_977, 572_441, 4.30e9),
        ("db_resnet18_vd", 640, 12_199_969, 12_210_081, 26.9e9),
        ("db_resnet50_vd", 640, 25_264_545, 25_318_049, 47.7e9),
    ],
)
@pytest.mark.usefixtures("shapes_only")
def test_deployed_detector(name: str, side: int, trainable: int, state: int, macs: float) -> None:
    with torch.device("meta"):
        deployed = Deployed(build_text_detector(name))
    assert (count_parameters(deployed), count_state(deployed)) == (trainable, state)
    assert count_macs(deployed, side, side) == pytest.approx(macs, rel=2e-3)


def test_direction_counts() -> None:
    model = build_text_direction()
    assert (count_parameters(model), count_state(model)) == (129_356, 133_628)
    assert parts(model) == [128_954, 402]
    named = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    assert len(named) == 213
    assert count_macs(model, 48, 192) == pytest.approx(16.3e6, rel=2e-3)


@pytest.mark.parametrize(
    ("classes", "trainable", "state", "head", "macs"),
    [(6625, 2_066_433, 2_077_377, 655_009, 0.522e9), (97, 1_433_217, 1_444_161, 21_793, 0.472e9)],
)
def test_recogniser_counts(
    classes: int, trainable: int, state: int, head: int, macs: float
) -> None:
    model = build_text_recogniser(CRNN, classes)
    assert (count_parameters(model), count_state(model)) == (trainable, state)
    assert parts(model) == [1_016_160, 395_264, head]
    assert count_macs(model, 32, 320) == pytest.approx(macs, rel=2e-3)
    named = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    assert len(named) == 179 - 16  # Paddle lists the LSTM's 16 tensors twice


@torch.no_grad()
def test_detector_shapes() -> None:
    model = build_text_detector(MOBILE).eval()
    x = torch.randn(1, 3, 640, 640)
    features = model.backbone.forward_features(x)
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 160, 160),
        (24, 80, 80),
        (56, 40, 40),
        (480, 20, 20),
    ]
    assert model.neck(features).shape == (1, 96, 160, 160)
    maps = model(x[..., :64, :96])
    assert all(one.shape == (1, 1, 64, 96) and one.dtype == torch.float32 for one in maps)
    torch.testing.assert_close(maps.shrink, model.probability(x[..., :64, :96]))
    torch.testing.assert_close(
        maps.binary, 1 / (1 + torch.exp(-50 * (maps.shrink - maps.threshold)))
    )


def test_forward_gives_the_same_tensors_in_training_and_evaluation() -> None:
    for model, x in (
        (build_text_detector("db_lcnet_x0_25"), torch.randn(2, 3, 64, 64)),
        (build_text_recogniser("crnn_lcnet_x0_25", 7), torch.randn(2, 3, 32, 40)),
    ):
        training = [tuple(y.shape) for y in model.train()(x)]
        assert [tuple(y.shape) for y in model.eval()(x)] == training
        assert len(training) == 3


def test_the_pyramid_joins_coarse_to_fine() -> None:
    neck = build_text_detector("db_lcnet_x0_25").neck
    features = [torch.randn(1, neck_in, 64 // s, 64 // s) for neck_in, s in
                zip((16, 32, 64, 128), (1, 2, 4, 8), strict=True)]  # fmt: skip
    joined = neck(tuple(features))
    in5 = neck.in5_conv(features[3])
    torch.testing.assert_close(
        joined[:, :24], neck.p5_conv(in5).repeat_interleave(8, 2).repeat_interleave(8, 3)
    )
    out4 = neck.in4_conv(features[2]) + in5.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(
        joined[:, 24:48], neck.p4_conv(out4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    )
    # The last quarter is made of the finest map, but depends on the coarsest too.
    assert joined[:, 72:].shape == (1, 24, 64, 64)
    moved = neck((*features[:3], features[3] + 1))
    assert not torch.allclose(moved[:, 72:], joined[:, 72:])


def test_the_head_starts_as_the_reference_does() -> None:
    head = build_text_detector(MOBILE).head
    for branch in (head.binarize, head.thresh):
        assert torch.all(branch.conv_bn1.bias == 1e-4)
        assert torch.all(branch.conv_bn2.bias == 1e-4)
        for deconv in (branch.conv2, branch.conv3):
            assert deconv.bias.abs().max() <= 24**-0.5
            bound = (6 / (deconv.weight.shape[1] * 4)) ** 0.5
            assert 0.8 * bound < deconv.weight.abs().max() <= bound


@torch.no_grad()
def test_direction_shapes_and_slope() -> None:
    model = build_text_direction().eval()
    x = torch.randn(2, 3, 48, 192)
    assert model.backbone(x).shape == (2, 200, 2, 96)  # 200x1x48 behind the pool
    assert model(x).shape == (2, 2)
    slopes = {m.slope for m in model.modules() if isinstance(m, HardSigmoid)}
    assert slopes == {0.2}
    recogniser = build_text_recogniser(CRNN, 5)
    assert {m.slope for m in recogniser.modules() if isinstance(m, HardSigmoid)} == {1 / 6}


@torch.no_grad()
@pytest.mark.parametrize(
    ("width", "steps"), [(100, 25), (320, 80), (333, 83), (533, 133), (641, 160), (960, 240)]
)
def test_recogniser_steps(width: int, steps: int) -> None:
    model = build_text_recogniser(CRNN, 97).eval()
    out = model(torch.zeros(1, 3, 32, width))
    assert out.columns.shape == (1, 512, 1, steps)
    assert out.features.shape == (1, steps, 96)
    assert out.logits.shape == (1, steps, 97)
    torch.testing.assert_close(out.logits, model.head.fc2(out.features))
    chances = model.probabilities(torch.zeros(1, 3, 32, width))
    torch.testing.assert_close(chances.sum(2), torch.ones(1, steps))


def test_a_line_of_another_height_is_refused() -> None:
    with pytest.raises(OptionError, match="3 pixels high"):
        build_text_recogniser("crnn_lcnet_x0_25", 5)(torch.zeros(1, 3, 96, 64))


@pytest.mark.parametrize("name", ["db_lcnet_x0_25", MOBILE])
def test_every_parameter_of_a_detector_gets_a_gradient(name: str) -> None:
    model = build_text_detector(name)
    maps = model(torch.randn(2, 3, 64, 64))
    (maps.shrink.mean() + maps.threshold.mean() + maps.binary.mean()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_every_parameter_of_the_line_networks_gets_a_gradient() -> None:
    recogniser = build_text_recogniser("crnn_lcnet_x0_25", 5)
    recogniser(torch.randn(2, 3, 32, 48)).logits.square().mean().backward()
    direction = build_text_direction()
    direction(torch.randn(2, 3, 48, 64)).square().mean().backward()
    for model in (recogniser, direction):
        assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", TEXT_DETECTORS)
def test_all_detectors_build(name: str) -> None:
    with torch.device("meta"):
        assert build_text_detector(name).architecture == name


@pytest.mark.parametrize("name", TEXT_RECOGNISERS)
def test_all_recognisers_build(name: str) -> None:
    assert build_text_recogniser(name, 9, hidden=16, features=24).num_classes == 9


def test_bad_names_and_widths() -> None:
    with pytest.raises(OptionError, match="db_resnet18_vd"):
        build_text_detector("db_resnet18")
    with pytest.raises(OptionError, match="multiple of 4"):
        build_text_detector(MOBILE, neck_channels=30)
    with pytest.raises(OptionError, match="crnn_lcnet_x1_0"):
        build_text_recogniser("crnn_lcnet_x1", 9)
    with pytest.raises(OptionError, match="number of classes"):
        build_text_recogniser(CRNN, 1)
