"""What a network gives when it is deployed, from normalised planes and from raw pixels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from saccade_train.export.fold import (
    first_convolution,
    fold_batch_norms,
    fold_branches,
    fold_dropout,
    fold_pixels,
    pixel_mean,
)
from saccade_train.heads.picodet import decode_boxes
from saccade_train.models.classifier import Classifier
from saccade_train.models.detector import PicoDet
from saccade_train.models.embedder import Embedder
from saccade_train.models.text_detector import TextDetector
from saccade_train.models.text_direction import TextDirection
from saccade_train.models.text_recogniser import TextRecogniser

__all__ = ["Network", "PixelNetwork", "deployed_outputs", "output_names"]

Network = Classifier | Embedder | PicoDet | TextDetector | TextDirection | TextRecogniser


def output_names(model: Network) -> tuple[str, ...]:
    """Name what :func:`deployed_outputs` gives of a network, in its order."""
    if isinstance(model, Classifier):
        return "probabilities", "embedding"
    if isinstance(model, Embedder):
        return ("bits",) if model.hashes else ("embedding",)
    if isinstance(model, PicoDet):
        return "boxes", "scores"
    return ("probability",) if isinstance(model, TextDetector) else ("probabilities",)


def deployed_outputs(model: Network, x: Tensor) -> Mapping[str, Tensor]:
    """Compute what an exported file gives.

    Args:
        model: in evaluation mode.
        x: normalised pictures (N, 3, H, W).

    Returns:
        Of a classifier ``probabilities`` (N, C) and ``embedding`` (N, D), rows of unit length; of
        a detector ``boxes`` (N, P, 4) xyxy in pixels of x, and ``scores`` (N, P, C); of a text
        detector ``probability`` (N, H, W); of a direction classifier ``probabilities``
        (N, C); of a recogniser ``probabilities`` (N, T, C); of an embedder ``embedding`` (N, D),
        rows of unit length, or of one that makes codes ``bits`` (N, D), numbers in -1..1.
    """
    if isinstance(model, Classifier):
        vector = model.forward_embedding(x)
        probabilities = model.head.fc(vector).softmax(dim=1)
        return {"probabilities": probabilities, "embedding": _unit(vector)}
    if isinstance(model, Embedder):
        vector = model(x)
        return {"bits": vector} if model.hashes else {"embedding": _unit(vector)}
    if isinstance(model, PicoDet):
        output = model(x)
        return {"boxes": decode_boxes(output), "scores": output.scores}
    if isinstance(model, TextDetector):
        return {"probability": model.probability(x).squeeze(1)}
    if isinstance(model, TextRecogniser):
        return {"probabilities": model.probabilities(x)}
    return {"probabilities": model(x).softmax(dim=1)}


def _unit(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-12)
    unit: Tensor = vectors / length
    return unit


class PixelNetwork(nn.Module):
    """A network that takes pixels, its constants folded; see :mod:`saccade_train.export.fold`.

    Args:
        model: copied; in evaluation mode.
        mean: of each channel on the scale 0..1.
        std: likewise.
        size: (height, width) of the pictures, or an example of it.
        any_width: take pictures of any width.
    """

    mean: Tensor

    def __init__(
        self,
        model: Network,
        mean: Sequence[float],
        std: Sequence[float],
        size: tuple[int, int],
        *,
        any_width: bool = False,
    ) -> None:
        super().__init__()
        self.net = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        fold_batch_norms(self.net)
        fold_branches(self.net)
        if isinstance(self.net, Classifier):
            fold_dropout(self.net)
        first = first_convolution(self.net, *size)
        conv = self.net.get_submodule(first)
        assert isinstance(conv, nn.Conv2d)
        self.net.set_submodule(first, fold_pixels(conv, std))
        if len(set(mean)) == 1:  # one number fits every width
            self.register_buffer("mean", pixel_mean(mean, 1)[..., :1])
        else:
            self.register_buffer("mean", pixel_mean(mean, 1 if any_width else size[1]))
        self.repeat = any_width and len(set(mean)) > 1

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map uint8 (N, H, W, 3) to the outputs of :func:`deployed_outputs`."""
        mean = self.mean
        if self.repeat:
            mean = mean.expand(1, 1, image.shape[2], 3).flatten(2).unsqueeze(1)
        pixels = image.flatten(2).unsqueeze(1).float() - mean
        return tuple(deployed_outputs(self.net, pixels).values())
