"""Scores of a classifier over prepared pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from saccade.metrics.classify import top_k_accuracy
from saccade_train._types import Image

__all__ = ["classify_scores", "evaluate", "normaliser", "predict"]

Normalise = Callable[[Tensor], Tensor]


def normaliser(
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    device: torch.device,
    *,
    channels_last: bool,
) -> Normalise:
    """The step from stored pictures to what networks eat.

    Returns:
        A function from uint8 (N, H, W, 3) to float32 (N, 3, H, W), ``(x / 255 - mean) / std``.
    """
    scale = torch.tensor([1 / (255 * s) for s in std], device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)

    def normalise(images: Tensor) -> Tensor:
        # Arithmetic first, in NHWC: the view below is then channels_last for free.
        planes = torch.addcmul(shift, images.float(), scale).permute(0, 3, 1, 2)
        return planes if channels_last else planes.contiguous()

    return normalise


@torch.inference_mode()
def predict(
    fabric: Fabric,
    model: nn.Module,
    read: Callable[[int], Image],
    count: int,
    normalise: Normalise,
    *,
    batch_size: int = 64,
) -> NDArray[np.float32]:
    """Logits of all pictures; the processes share the work, and each gets all logits.

    Args:
        fabric: Device, precision, processes.
        model: Maps (N, 3, H, W) to logits (N, C); left in the mode that it is in.
        read: Gives picture ``0 .. count - 1``, all uint8 (H, W, 3) of one size.
        count: How many.
        normalise: See :func:`normaliser`.
        batch_size: Pictures of a forward pass.

    Returns:
        float32 (count, C).
    """
    mine = list(range(fabric.global_rank, count, fabric.world_size))
    parts: list[Tensor] = []
    for start in range(0, len(mine), batch_size):
        images = np.stack([read(number) for number in mine[start : start + batch_size]])
        with fabric.autocast():
            logits = model(normalise(torch.from_numpy(images).to(fabric.device)))
        parts.append(logits.float())
    if fabric.world_size == 1:
        return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)
    # Each process fills in its rows of a table of zeros; the sum over processes is the whole table.
    width = torch.tensor(parts[0].shape[1] if parts else 0, device=fabric.device)
    classes = int(torch.as_tensor(fabric.all_reduce(width, reduce_op="max")))
    table = torch.zeros(count, classes, device=fabric.device)
    if parts:
        table[mine] = torch.cat(parts)
    total = torch.as_tensor(fabric.all_reduce(table, reduce_op="sum"))
    return np.asarray(total.cpu().numpy(), np.float32)


def classify_scores(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """top1, top5 (where there are more than five classes) and the mean cross entropy.

    Args:
        logits: float32 (N, C).
        labels: int64 (N,).
    """
    scores = {"top1": float(top_k_accuracy(logits, labels, 1))}
    if logits.shape[1] > 5:
        scores["top5"] = float(top_k_accuracy(logits, labels, 5))
    peak = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - peak).sum(axis=1, dtype=np.float64)) + peak[:, 0]
    scores["loss"] = float(np.mean(log_sum - logits[np.arange(len(labels)), labels]))
    return scores


def evaluate(
    fabric: Fabric,
    model: nn.Module,
    read: Callable[[int], Image],
    labels: NDArray[np.int64],
    normalise: Normalise,
    *,
    batch_size: int = 64,
) -> dict[str, float]:
    """Scores of a model in evaluation mode; its mode is put back afterwards."""
    was_training = model.training
    model.eval()
    try:
        logits = predict(fabric, model, read, len(labels), normalise, batch_size=batch_size)
    finally:
        model.train(was_training)
    return classify_scores(logits, labels)
