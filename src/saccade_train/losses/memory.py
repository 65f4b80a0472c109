"""Cross-batch memory (XBM, arXiv 1912.06798): vectors of earlier batches to compare with.

A ring: the newest vectors replace the oldest. How full it is is counted; the reference infers it
from the last label not being 0. It is a module of buffers, so checkpoints hold it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade_train.layers.check import check_whole

__all__ = ["CrossBatchMemory"]


class CrossBatchMemory(nn.Module):
    """Remembers the newest vectors and their labels.

    Args:
        size: how many.
        features: length of a vector.

    Attributes:
        vectors: float32 (size, features), a buffer.
        labels: int64 (size,), a buffer.
        seen: int64 scalar, a buffer: how many were ever put in.
        batches: int64 scalar, a buffer: how many times.
    """

    vectors: Tensor
    labels: Tensor
    seen: Tensor
    batches: Tensor

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        check_whole("memory size", size, at_least=1)
        self.register_buffer("vectors", torch.zeros(size, features))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def put(self, vectors: Tensor, labels: Tensor) -> None:
        """Remember (N, features) and their labels (N,), the last rows being the newest."""
        size = len(self.labels)
        kept, known = vectors.detach().float()[-size:], labels[-size:]
        first = int(self.seen) + len(vectors) - len(kept)
        places = (torch.arange(len(kept), device=self.labels.device) + first) % size
        self.vectors[places] = kept
        self.labels[places] = known
        self.seen += len(vectors)
        self.batches += 1

    def content(self) -> tuple[Tensor, Tensor]:
        """All that is remembered: float32 (M, features) and int64 (M,), copies, in no order."""
        count = min(int(self.seen), len(self.labels))
        return self.vectors[:count].clone(), self.labels[:count].clone()
