"""Arithmetic that is done once, at export, so that the graph does not repeat it for every picture.

Three foldings, each exact but for the rounding of the new weights (they are computed in float64):

- BatchNorm in evaluation mode is y = gamma * (x - mean) / sqrt(var + eps) + beta, a scale and a
  shift of each channel, which the convolution before it takes over (:func:`fold_batch_norm`).
- The factors 1 / 255 and 1 / std of the input are part of the first convolution's weights
  (:func:`fold_pixels`). The subtraction of the mean is not: a convolution pads with zeros, and zero
  means "the mean colour" only after the subtraction. As a bias it would be wrong along the border.
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
from typing import Literal

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.conv import ConvBN
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.models.classifier import Classifier

__all__ = [
    "Layout",
    "check_mean_std",
    "first_convolution",
    "fold_batch_norm",
    "fold_batch_norms",
    "fold_dropout",
    "fold_pixels",
    "pixel_mean",
]

Layout = Literal["packed", "planar"]
"""How the first convolution sees a picture: (1, H, 3W) as it is stored, or (3, H, W)."""


def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Make one convolution that does what ``norm(conv(x))`` does in evaluation mode.

    Args:
        conv: with or without bias; left as it is.
        norm: with running statistics; left as it is.

    Returns:
        A new convolution with bias.
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
    weight = conv.weight.detach().double() * factor.view(-1, 1, 1, 1)
    return _convolution(conv, weight, bias)


def fold_batch_norms(model: nn.Module) -> dict[str, str]:
    """Fold the BatchNorm of every :class:`ConvBN` of a model, in place.

    Returns:
        Name of each convolution -> name of the BatchNorm that it now contains.
    """
    folded = {}
    for name, module in model.named_modules():
        if isinstance(module, ConvBN) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = fold_batch_norm(module.conv, module.bn)
            module.bn = nn.Identity()  # type: ignore[assignment]
            prefix = f"{name}." if name else ""
            folded[f"{prefix}conv"] = f"{prefix}bn"
    return folded


def fold_dropout(model: Classifier) -> None:
    """Move the factor of :class:`DownscaleInInfer` into the linear layer behind it, in place.

    The embedding loses the factor, which its normalisation to unit length would undo anyway.
    """
    dropout = model.head.dropout
    if isinstance(dropout, DownscaleInInfer):
        with torch.no_grad():
            model.head.fc.weight.mul_(1.0 - dropout.p)
        model.head.dropout = nn.Identity()


def fold_pixels(conv: nn.Conv2d, std: Sequence[float], layout: Layout) -> nn.Conv2d:
    """Make a first convolution that takes pixel values minus their mean, both in 0..255.

    Args:
        conv: takes (N, 3, H, W), divided by 255, minus the mean, divided by ``std``; left as it is.
        std: deviation of each channel on the scale 0..1.
        layout: ``"planar"``: the new one takes (N, 3, H, W); ``"packed"``: (N, 1, H, 3W).

    Raises:
        ValueError: the convolution has groups, or other than three input channels, or
            (packed only) dilation, or another padding than zeros.
    """
    if conv.in_channels != 3 or conv.groups != 1:
        raise ValueError(f"expected a convolution of 3 channels without groups, got {conv}")
    scale = 1.0 / (255.0 * torch.tensor(std, dtype=torch.float64))
    weight = conv.weight.detach().double() * scale.view(1, 3, 1, 1)
    bias = None if conv.bias is None else conv.bias.detach().double()
    if layout == "planar":
        return _convolution(conv, weight, bias)
    if conv.dilation != (1, 1) or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ValueError(f"cannot read packed pixels with {conv}")
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
    return _fill(packed, rows, bias)


def pixel_mean(mean: Sequence[float], layout: Layout, width: int) -> Tensor:
    """Make what is subtracted from the pixels before the first convolution.

    Args:
        mean: of each channel on the scale 0..1.
        layout: see :func:`fold_pixels`.
        width: of the picture.

    Returns:
        float32, (1, 1, 1, 3 * width) or (1, 3, 1, 1), on the scale 0..255.
    """
    channels = torch.tensor(mean, dtype=torch.float64).mul(255.0).float()
    return (
        channels.repeat(width).view(1, 1, 1, -1)
        if layout == "packed"
        else channels.view(1, 3, 1, 1)
    )


def first_convolution(model: nn.Module) -> str:
    """Name the convolution that takes the picture itself.

    Args:
        model: takes (N, 3, H, W); its first step must be a convolution.

    Raises:
        ValueError: it is not.
    """
    probe = torch.zeros(1, 3, 64, 64)
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


def _convolution(like: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    conv = nn.Conv2d(
        like.in_channels,
        like.out_channels,
        like.kernel_size,  # type: ignore[arg-type]
        stride=like.stride,  # type: ignore[arg-type]
        padding=like.padding,  # type: ignore[arg-type]
        dilation=like.dilation,  # type: ignore[arg-type]
        groups=like.groups,
        bias=bias is not None,
        padding_mode=like.padding_mode,
    )
    return _fill(conv, weight, bias)


def _fill(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    with torch.no_grad():
        conv.weight.copy_(weight)
        if conv.bias is not None and bias is not None:
            conv.bias.copy_(bias)
    return conv.eval()
