"""Dropout as Paddle's released classifiers have it.

Paddle's mode ``downscale_in_infer`` multiplies by a 0/1 mask in training, without the usual
1 / (1 - p), and by (1 - p) in evaluation. PyTorch's dropout scales in training and does nothing in
evaluation. In both the expectation is the same in training and evaluation, so both train correctly,
and they express the same functions up to the scale of the next layer. The difference matters in
three places: released weights need the factor (1 - p) somewhere, embeddings taken behind the
dropout come out smaller, and an exported graph carries one more multiplication.

Networks trained here use PyTorch's form. ``paddle_compat=True`` keeps Paddle's, to go on training
from released weights as the reference would.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DownscaleInInfer", "dropout"]


class DownscaleInInfer(nn.Module):
    """x * mask in training, x * (1 - p) in evaluation."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        if self.training:
            return x * torch.empty_like(x).bernoulli_(1.0 - self.p)
        return x * (1.0 - self.p)

    def extra_repr(self) -> str:
        """Show the rate when printed."""
        return f"p={self.p:g}"


def dropout(p: float, *, paddle_compat: bool = False) -> nn.Module:
    """Make a dropout with rate ``p`` in [0, 1); a rate of 0 passes its input through."""
    if p == 0.0:
        return nn.Identity()
    return DownscaleInInfer(p) if paddle_compat else nn.Dropout(p)
