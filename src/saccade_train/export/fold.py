"""Arithmetic that is done once, at export, so that the graph does not repeat it for every picture.

Four foldings, each exact but for the rounding of the new weights (they are computed in float64):

- BatchNorm in evaluation mode is y = gamma * (x - mean) / sqrt(var + eps) + beta, a scale and a
  shift of each channel, which the convolution before it takes over (:func:`fold_batch_norm`).
- The factors 1 / 255 and 1 / std of the input are part of the first convolution's weights
  (:func:`fold_pixels`). The subtraction of the mean is not: a convolution pads with zeros, and zero
  means "the mean colour" only after the subtraction. As a bias it would be wrong along the border.
- Kernels in parallel on one input become one (:func:`fold_branches`).
- The factor 1 - p of Paddle's dropout becomes part of the linear layer behind it
  (:func:`fold_dropout`).

:func:`fold_pixels` has a second trick. Pixels come as (H, W, 3), convolutions want (3, H, W), and
the transposition in between costs as much as all other work on the pixels. But a k x k convolution
of a picture (H, W, 3) with stride s is also a k x 3k convolution of the one-channel picture
(H, 3W), with stride (s, 3s) and three times the padding: the same products in the same windows. So
the packed pixels are convolved as they are, and nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.layers.rep_depthwise import RepDepthwiseSeparable, joined_branches
from saccade_train.models.classifier import Classifier

__all__ = [
    "check_mean_std",
    "first_convolution",
    "fold_batch_norm",
    "fold_batch_norms",
    "fold_branches",
    "fold_dropout",
    "fold_pixels",
    "norm_names",
    "pixel_mean",
    "swap_channels",
]

Convolution = nn.Conv2d | nn.ConvTranspose2d

_PAIRS = {"bn": "conv", "conv_bn1": "conv1", "conv_bn2": "conv2"}
"""Name of a BatchNorm -> name of the convolution before it: of ConvBN, and of DBHead's branches."""


def fold_batch_norm(conv: Convolution, norm: nn.BatchNorm2d) -> Convolution:
    """Make one convolution that does what ``norm(conv(x))`` does in evaluation mode.

    Args:
        conv: with or without bias, transposed or not; left as it is.
        norm: with running statistics; left as it is.

    Returns:
        A new convolution of the same kind, with bias.

    Raises:
        ValueError: the BatchNorm has no statistics, or the convolution is transposed and grouped.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a BatchNorm without running statistics cannot be folded")
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        factor = factor * norm.weight.detach().double()
    bias = -norm.running_mean.double()
    if conv.bias is not None:
        bias = bias + conv.bias.detach().double()
    bias = bias * factor
    if norm.affine:
        bias = bias + norm.bias.detach().double()
    if isinstance(conv, nn.ConvTranspose2d) and conv.groups != 1:
        raise ValueError(f"cannot fold into a transposed convolution with groups, {conv}")
    # The output channels are the first axis of a weight, and the second of a transposed one.
    channels = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    weight = conv.weight.detach().double() * factor.view(channels)
    return _convolution(conv, weight, bias)


def norm_names(model: nn.Module) -> dict[str, str]:
    """Name of each convolution that a BatchNorm follows -> name of that BatchNorm."""
    return {
        f"{name}.{conv}".removeprefix("."): f"{name}.{norm}".removeprefix(".")
        for name, module in model.named_modules()
        for norm, conv in _PAIRS.items()
        if isinstance(getattr(module, norm, None), nn.BatchNorm2d)
    }


def fold_batch_norms(model: nn.Module) -> dict[str, str]:
    """Fold every BatchNorm behind a convolution into it, in place.

    Returns:
        Name of each convolution -> name of the BatchNorm that it now contains.
    """
    folded = {}
    for conv, norm in norm_names(model).items():
        before, after = model.get_submodule(conv), model.get_submodule(norm)
        assert isinstance(before, nn.Conv2d | nn.ConvTranspose2d)
        assert isinstance(after, nn.BatchNorm2d)
        model.set_submodule(conv, fold_batch_norm(before, after))
        model.set_submodule(norm, nn.Identity())
        folded[conv] = norm
    return folded


def fold_branches(model: nn.Module) -> None:
    """Make one depthwise kernel of PP-LCNetV2's parallel ones, in place.

    Their BatchNorms must have been folded before.
    """
    for block in model.modules():
        if isinstance(block, RepDepthwiseSeparable) and block.rep:
            branches = list(block.dw_conv_list)
            convs = [branch.get_submodule("conv") for branch in branches]
            first = branches[0]
            first.set_submodule("conv", joined_branches(convs))  # type: ignore[arg-type]
            block.dw_conv_list = nn.ModuleList([first])


def fold_dropout(model: Classifier) -> None:
    """Move the factor of :class:`DownscaleInInfer` into the linear layer behind it, in place.

    The embedding loses the factor, which its normalisation to unit length would undo anyway.
    """
    dropout = model.head.dropout
    if isinstance(dropout, DownscaleInInfer):
        with torch.no_grad():
            model.head.fc.weight.mul_(1.0 - dropout.p)
        model.head.dropout = nn.Identity()


def fold_pixels(conv: nn.Conv2d, std: Sequence[float]) -> nn.Conv2d:
    """Make a first convolution that takes packed pixel values minus their mean, both in 0..255.

    Args:
        conv: takes (N, 3, H, W), divided by 255, minus the mean, divided by ``std``; left as it is.
        std: deviation of each channel on the scale 0..1.

    Returns:
        A convolution of (N, 1, H, 3W).

    Raises:
        ValueError: the convolution has groups, other than three input channels, dilation, or
            another padding than zeros.
    """
    if conv.in_channels != 3 or conv.groups != 1:
        raise ValueError(f"expected a convolution of 3 channels without groups, got {conv}")
    if conv.dilation != (1, 1) or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ValueError(f"cannot read packed pixels with {conv}")
    scale = 1.0 / (255.0 * torch.tensor(std, dtype=torch.float64))
    weight = conv.weight.detach().double() * scale.view(1, 3, 1, 1)
    bias = None if conv.bias is None else conv.bias.detach().double()
    (height, width), (down, right) = conv.kernel_size, conv.stride
    packed = nn.Conv2d(
        1,
        conv.out_channels,
        (height, 3 * width),
        stride=(down, 3 * right),
        padding=(conv.padding[0], 3 * conv.padding[1]),
        bias=bias is not None,
    )
    # (O, 3, k, k) -> (O, k, k, 3) -> (O, 1, k, 3k): the order of the pixels in memory.
    rows = weight.permute(0, 2, 3, 1).reshape(conv.out_channels, 1, height, 3 * width)
    _fill(packed, rows, bias)
    return packed


def pixel_mean(mean: Sequence[float], width: int) -> Tensor:
    """Make what is subtracted from packed pixels before the first convolution.

    Args:
        mean: of each channel on the scale 0..1.
        width: of the picture.

    Returns:
        float32 (1, 1, 1, 3 * width), on the scale 0..255.
    """
    channels = torch.tensor(mean, dtype=torch.float64).mul(255.0).float()
    return channels.repeat(width).view(1, 1, 1, -1)


def swap_channels(model: nn.Module, height: int = 64, width: int = 64) -> None:
    """Turn a network that takes BGR pictures into the same one for RGB, or back, in place.

    Mean and deviation of the channels must be turned round with it.

    Args:
        model: see :func:`first_convolution`, as for the rest.
        height: of the pictures that it is tried on.
        width: likewise.
    """
    conv = model.get_submodule(first_convolution(model, height, width))
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.flip(1))


def first_convolution(model: nn.Module, height: int = 64, width: int = 64) -> str:
    """Name the convolution that takes the picture itself.

    Args:
        model: takes (N, 3, H, W); its first step must be a convolution.
        height: of the pictures that it is tried on.
        width: likewise.

    Raises:
        ValueError: it is not.
    """
    probe = torch.zeros(1, 3, height, width)
    found: list[str] = []
    hooks = [
        module.register_forward_hook(
            lambda _module, inputs, _output, name=name: (
                found.append(name) if inputs[0] is probe else None
            )
        )
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        with torch.inference_mode():
            model(probe)
    finally:
        for hook in hooks:
            hook.remove()
    if len(found) != 1:
        raise ValueError(f"expected one convolution on the input of the model, found {found}")
    return found[0]


def check_mean_std(mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse a mean or deviation that no input can be normalised with.

    Raises:
        OptionError: not three numbers, or a deviation of 0 or below.
    """
    if len(mean) != 3 or len(std) != 3:
        raise OptionError(f"mean {list(mean)} and std {list(std)}: expected three numbers each")
    if min(std) <= 0:
        raise OptionError(f"std {list(std)}: expected numbers above 0")


def _convolution(like: Convolution, weight: Tensor, bias: Tensor) -> Convolution:
    """A convolution of the same options, with a bias and new values."""
    kind = nn.ConvTranspose2d if isinstance(like, nn.ConvTranspose2d) else nn.Conv2d
    conv: Convolution = kind(
        like.in_channels,
        like.out_channels,
        like.kernel_size,  # type: ignore[arg-type]
        stride=like.stride,  # type: ignore[arg-type]
        padding=like.padding,  # type: ignore[arg-type]
        dilation=like.dilation,  # type: ignore[arg-type]
        groups=like.groups,
        padding_mode=like.padding_mode,
    )
    _fill(conv, weight, bias)
    return conv


def _fill(conv: Convolution, weight: Tensor, bias: Tensor | None) -> None:
    conv.eval()
    with torch.no_grad():
        conv.weight.copy_(weight)
        if conv.bias is not None and bias is not None:
            conv.bias.copy_(bias)
