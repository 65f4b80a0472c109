"""The graph of a peer, made exactly as the exporter makes that of a detector of ours."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import torch
from torch import Tensor, nn

from saccade_train.export.graph import trace
from saccade_train.export.network import PixelNetwork

__all__ = ["peer_graph"]


class PeerPixels(PixelNetwork):
    """A peer that takes pixels, BatchNorm and the normalisation folded."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map uint8 (N, H, W, 3) to what the peer gives."""
        pixels = image.flatten(2).unsqueeze(1).float() - self.mean
        return tuple(self.net(pixels))


def peer_graph(
    model: nn.Module, name: str, mean: Sequence[float], std: Sequence[float], size: tuple[int, int]
) -> onnx.ModelProto:
    """Trace a peer: uint8 (N, H, W, 3) to ``boxes`` (N, P, 4) and ``scores`` (N, P, C).

    Args:
        model: left as it is.
        name: for messages.
        mean: of each channel on the scale 0..1.
        std: likewise.
        size: (height, width) of the pictures.
    """
    wrapped = PeerPixels(model, mean, std, size)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    return trace(wrapped, example, {0: ("batch", 1)}, name=name, outputs=("boxes", "scores"))
