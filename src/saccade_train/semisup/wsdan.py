"""WS-DAN's parts: attention that looks closer (arXiv 1901.09891), as pure functions.

A 1x1 convolution makes M attention maps A_k out of the last feature map F. Pooling F under each of
them gives a part a vector; cropping and dropping by an attention map makes new training pictures;
the centres of the classes pull the parts together. Facts follow ``GuYuc/WS-DAN.PyTorch``, whose
crop leaves out the last row and column of its box; here they belong to it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "CropBox",
    "attention_crop",
    "attention_drop",
    "bilinear_attention_pool",
    "center_loss",
    "crop_box",
    "mean_attention",
    "moved_centers",
]


class CropBox(NamedTuple):
    """A part of a picture in whole pixels; ``bottom`` and ``right`` are the first outside."""

    top: int
    left: int
    bottom: int
    right: int


def bilinear_attention_pool(features: Tensor, attention: Tensor, *, eps: float = 1e-12) -> Tensor:
    """Bilinear attention pooling, equations 2 to 4, attention-major.

    The part vector is the mean over the positions of ``A_k * F``; then ``sign(x) sqrt(|x| + eps)``
    and unit length over all M * C numbers. The reference feeds 100 times this to its classifier.

    Args:
        features: F, (N, C, H, W).
        attention: A, (N, M, H, W), not negative.
        eps: Under the root.

    Returns:
        (N, M * C).
    """
    positions = features.shape[2] * features.shape[3]
    parts = torch.einsum("nmhw,nchw->nmc", attention, features) / positions
    rooted = parts.sign() * (parts.abs() + eps).sqrt()
    return F.normalize(rooted.flatten(1), dim=1)


def mean_attention(attention: Tensor) -> Tensor:
    """Where the network looks on the whole, for the test crop: (N, M, H, W) -> (N, H, W)."""
    return attention.mean(1)


def crop_box(attention: Tensor, threshold: float) -> CropBox:
    """The box around all that reaches ``threshold`` times the greatest attention.

    Args:
        attention: One map at the size of the picture, (H, W).
        threshold: 0 to 1.
    """
    # Not below, rather than above: so a map of NaN gives the whole picture, and the loss tells.
    reached = ~(attention < threshold * attention.max())
    rows, columns = torch.nonzero(reached, as_tuple=True)
    return CropBox(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)


def attention_crop(images: Tensor, attention: Tensor, thresholds: Tensor | float) -> Tensor:
    """Cut each picture to where its attention is, and enlarge that to the picture's size.

    Args:
        images: (N, 3, H, W).
        attention: One map a picture, (N, h, w), of any size.
        thresholds: Of the greatest attention, one for all or (N,). In training the paper draws them
            from .4 to .6 and the map at random; at test it takes .1 and the mean map.

    Returns:
        (N, 3, H, W), without gradient to the attention.
    """
    size = images.shape[2:]
    maps = _upsampled(attention, images)
    limits = torch.as_tensor(thresholds).expand(len(images)).tolist()
    crops = []
    for image, one, limit in zip(images, maps, limits, strict=True):
        box = crop_box(one, limit)
        part = image[None, :, box.top : box.bottom, box.left : box.right]
        crops.append(F.interpolate(part, size=size, mode="bilinear", align_corners=False))
    return torch.cat(crops)


def attention_drop(images: Tensor, attention: Tensor, thresholds: Tensor | float) -> Tensor:
    """Blank the part that the attention is on, so that the network learns to look elsewhere.

    Args:
        images: (N, 3, H, W).
        attention: One map a picture, (N, h, w).
        thresholds: As in :func:`attention_crop`; the paper draws them from .2 to .5.

    Returns:
        (N, 3, H, W): 0 wherever the attention reaches the threshold. A map of zeros drops nothing;
        in the reference it blanks the picture.
    """
    maps = _upsampled(attention, images)
    limits = torch.as_tensor(thresholds, dtype=maps.dtype, device=maps.device).expand(len(images))
    highest = maps.amax((1, 2), keepdim=True)
    kept = (maps < limits[:, None, None] * highest) | (highest <= 0)
    return images * kept[:, None]


def center_loss(parts: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Attention regularisation, equation 5: mean squared distance to the class's unit centre.

    Args:
        parts: Of :func:`bilinear_attention_pool`, (N, D).
        labels: int64 (N,).
        centers: (C, D), of any length; they get no gradient.
    """
    return F.mse_loss(parts, F.normalize(centers.detach()[labels], dim=1))


def moved_centers(centers: Tensor, parts: Tensor, labels: Tensor, rate: float = 0.05) -> Tensor:
    """Move each centre towards its pictures: ``c += rate * (f - c)``, equation 6.

    Several pictures of a class move its centre by the mean of their steps; in the reference's
    indexed assignment only the last of them counts. The reference also steps from the centre at
    unit length while it keeps the short one: started at 0, that is ``rate`` times the newest
    vector for ever and remembers nothing. Here it is the paper's moving average, and only
    :func:`center_loss` looks at unit length. The rate .05 is *unverified* (general knowledge).

    Args:
        centers: (C, D); left as they are.
        parts: (N, D).
        labels: int64 (N,).
        rate: beta.

    Returns:
        New centres (C, D), without gradient.
    """
    before = centers.detach()
    steps = torch.zeros_like(before).index_add(0, labels, parts.detach() - before[labels])
    counts = torch.bincount(labels, minlength=len(centers)).clamp_min(1)
    return before + rate * steps / counts[:, None]


def _upsampled(attention: Tensor, images: Tensor) -> Tensor:
    """Maps (N, h, w) at the size of the pictures."""
    maps = attention.detach()[:, None]
    if maps.shape[2:] != images.shape[2:]:
        maps = F.interpolate(maps, size=images.shape[2:], mode="bilinear", align_corners=False)
    return maps[:, 0]
