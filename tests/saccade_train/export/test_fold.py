from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from drawn_weights import draw_weights
from saccade.errors import OptionError
from saccade_train.export.fold import (
    check_mean_std,
    first_convolution,
    fold_batch_norm,
    fold_batch_norms,
    fold_branches,
    fold_dropout,
    fold_pixels,
    pixel_mean,
)
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.layers.rep_depthwise import RepDepthwiseSeparable
from saccade_train.models.classifier import build_classifier

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@torch.inference_mode()
def relative(want: torch.Tensor, got: torch.Tensor) -> float:
    return float((want - got).abs().max() / want.abs().max())


def lively_norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, affine=affine)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.1, 4)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm.eval()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_folded_batch_norm_is_exact(bias: bool, affine: bool, groups: int) -> None:
    torch.manual_seed(1)
    conv = nn.Conv2d(4, 8, (3, 5), stride=(2, 1), padding=(1, 2), groups=groups, bias=bias)
    norm = lively_norm(8, affine)
    x = torch.randn(2, 4, 9, 11)
    before = copy.deepcopy(conv.state_dict())
    folded = fold_batch_norm(conv, norm)
    assert relative(norm(conv(x)), folded(x)) < 2e-6
    assert all(torch.equal(value, before[name]) for name, value in conv.state_dict().items())
    # In float64 nothing but the rounding of the new weights is left.
    want = norm.double()(conv.double()(x.double()))
    assert relative(want, folded.double()(x.double())) < 2e-7


@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_parallel_kernels_become_one(stride: int) -> None:
    torch.manual_seed(1)
    block = RepDepthwiseSeparable(8, 8, 5, stride, rep=True, split=True, se=True, shortcut=True)
    sides = [branch.conv.kernel_size[0] for branch in block.dw_conv_list]
    assert sides == ([5, 3, 1] if stride == 1 else [5, 3])
    assert block.shortcut == (stride == 1)
    draw_weights(block)
    block.eval()
    x = torch.randn(2, 8, 9, 11)
    want = block(x)
    fold_batch_norms(block)
    fold_branches(block)
    assert len(block.dw_conv_list) == 1
    assert block(x).shape == (2, 8, -(-9 // stride), -(-11 // stride))
    assert relative(want, block(x)) < 5e-6


def test_a_batch_norm_behind_a_transposed_convolution() -> None:
    torch.manual_seed(1)
    conv = nn.ConvTranspose2d(4, 6, 2, stride=2)
    norm = lively_norm(6)
    x = torch.randn(2, 4, 5, 7)
    folded = fold_batch_norm(conv, norm)
    assert isinstance(folded, nn.ConvTranspose2d)
    assert relative(norm(conv(x)), folded(x)) < 2e-6
    with pytest.raises(ValueError, match="transposed convolution with groups"):
        fold_batch_norm(nn.ConvTranspose2d(4, 6, 2, groups=2), norm)


def test_a_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="running statistics"):
        fold_batch_norm(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, track_running_stats=False))


@pytest.mark.parametrize("architecture", ["lcnet_x0_25", "mobilenet_v3_small_x0_35", "resnet18_vd"])
def test_no_batch_norm_is_left_and_the_answers_stay(architecture: str) -> None:
    torch.manual_seed(2)
    model = build_classifier(architecture, 5).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, 0, 0.1)
    folded = copy.deepcopy(model)
    names = fold_batch_norms(folded)
    norms = {name for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d)}
    assert set(names.values()) == norms
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    x = torch.randn(2, 3, 40, 33)
    assert relative(model(x), folded(x)) < 2e-5


def test_the_dropout_factor_moves_into_the_linear_layer() -> None:
    torch.manual_seed(3)
    model = build_classifier("lcnet_x0_25", 5, paddle_compat=True).eval()
    folded = copy.deepcopy(model)
    fold_dropout(folded)
    x = torch.randn(2, 3, 32, 32)
    assert relative(model(x), folded(x)) < 1e-5
    assert not any(isinstance(part, DownscaleInInfer) for part in folded.modules())
    assert relative(model.forward_embedding(x), 0.8 * folded.forward_embedding(x)) < 1e-6


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "bias"),
    [
        (3, 2, 1, True),
        (7, 2, 3, False),
        (3, 1, 1, True),
        (3, (2, 1), (0, 1), True),
        (1, 1, 0, True),
    ],
)
@pytest.mark.parametrize("size", [(12, 16), (13, 7)])
def test_pixels_are_convolved_as_normalised_planes_are(
    kernel: int, stride: object, padding: object, bias: bool, size: tuple[int, int]
) -> None:
    torch.manual_seed(4)
    conv = nn.Conv2d(3, 6, kernel, stride=stride, padding=padding, bias=bias)  # type: ignore[arg-type]
    image = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
    planes = image.permute(0, 3, 1, 2).double() / 255
    shape = (1, 3, 1, 1)
    planes = (planes - torch.tensor(MEAN).double().view(shape)) / torch.tensor(STD).view(shape)
    want = conv.double()(planes)
    folded = fold_pixels(conv, STD).double()
    got = folded(image.reshape(2, 1, size[0], -1).double() - pixel_mean(MEAN, size[1]).double())
    # The border too, where a mean folded into the bias would be wrong by whole units.
    assert got.shape == want.shape
    assert relative(want, got) < 5e-7


def test_what_cannot_be_folded_is_refused() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        fold_pixels(nn.Conv2d(4, 8, 3), STD)
    with pytest.raises(ValueError, match="packed"):
        fold_pixels(nn.Conv2d(3, 8, 3, dilation=2), STD)
    with pytest.raises(ValueError, match="packed"):
        fold_pixels(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), STD)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("lcnet_x0_25", "backbone.conv1.conv"),
        ("resnet18_vd", "backbone.stem.0.conv"),
        ("mobilenet_v3_small_x0_35", "backbone.conv.conv"),
    ],
)
def test_the_first_convolution_is_found(architecture: str, name: str) -> None:
    assert first_convolution(build_classifier(architecture, 2).eval()) == name


def test_a_model_that_does_not_begin_with_a_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="one convolution"):
        first_convolution(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1)))


def test_bad_means_are_refused() -> None:
    check_mean_std(MEAN, STD)
    with pytest.raises(OptionError, match="above 0"):
        check_mean_std(MEAN, (0.2, 0.0, 0.2))
    with pytest.raises(OptionError, match="three"):
        check_mean_std((0.5,), STD)
