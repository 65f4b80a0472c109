"""What learns in a semi-supervised training: the classifier, and what its thresholds remember."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade_train.models.classifier import Classifier
from saccade_train.recipes.schema_semi import SemiOptions
from saccade_train.semisup import thresholds as ssl

__all__ = ["SemiLearner"]


class SemiLearner(nn.Module):
    """A classifier with the state of its thresholds in buffers, so that checkpoints hold it.

    Args:
        student: The classifier.
        options: Which method.
        unlabelled: Pictures of the pool.
    """

    def __init__(self, student: Classifier, options: SemiOptions, unlabelled: int) -> None:
        super().__init__()
        self.student = student
        self.options = options
        self._fields: tuple[str, ...] = ()
        match options.method:
            case "flexmatch":
                self.register_buffer("latest", torch.full((unlabelled,), -1))
            case "softmatch":
                self._remember(ssl.SoftMatchState.start(student.num_classes))
            case "freematch":
                self._remember(ssl.FreeMatchState.start(student.num_classes))

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.student.decay_norm

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to logits (N, C)."""
        logits: Tensor = self.student(x)
        return logits

    @torch.no_grad()
    def judge(self, weak: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Name the pictures of a batch, say how much each name counts, and remember.

        Args:
            weak: Logits of the weak views, float32 (N, C).
            numbers: Which pictures of the pool they are of, int64 (N,).

        Returns:
            Pseudo labels int64 (N,), and weights from 0 to 1, float32 (N,).
        """
        options = self.options
        probabilities = weak.softmax(1)
        confidence, labels = probabilities.max(1)
        everyone = _gathered(probabilities)
        mine = _my_part(len(probabilities))
        match options.method:
            case "fixmatch":
                return labels, ssl.confident(confidence, options.threshold)
            case "flexmatch":
                # The status before this batch decides about it.
                latest: Tensor = self.latest  # type: ignore[assignment]
                classes = probabilities.shape[1]
                status = ssl.flexmatch_status(latest, classes, warmup=options.warmup)
                each = ssl.flexmatch_thresholds(status, options.threshold)
                sure, named = everyone.max(1)
                latest.copy_(
                    ssl.flexmatch_latest(latest, _gathered(numbers), named, sure, options.threshold)
                )
                return labels, ssl.confident(confidence, each[labels])
            case "softmatch":
                soft = ssl.SoftMatchState(*self._state())
                soft, aligned = ssl.moved_softmatch(soft, everyone, options.momentum)
                self._keep(soft)
                weights = ssl.softmatch_weights(
                    aligned[mine], soft.mean, soft.variance, options.sigmas
                )
                return labels, weights
            case "freematch":
                free = ssl.FreeMatchState(*self._state())
                free = ssl.moved_freematch(free, everyone, options.momentum)
                self._keep(free)
                each = ssl.freematch_thresholds(free.tau, free.marginal)
                return labels, ssl.confident(confidence, each[labels])

    def fairness(self, strong: Tensor, weights: Tensor) -> Tensor:
        """FreeMatch's fairness term for a batch that was judged; see there."""
        return ssl.fairness(strong, weights, ssl.FreeMatchState(*self._state()))

    def _remember(self, state: ssl.SoftMatchState | ssl.FreeMatchState) -> None:
        self._fields = state._fields
        self._keep(state)

    def _state(self) -> list[Tensor]:
        return [self.get_buffer(name).clone() for name in self._fields]

    def _keep(self, state: ssl.SoftMatchState | ssl.FreeMatchState) -> None:
        for name, value in zip(self._fields, state, strict=True):
            if name in self._buffers:
                self.get_buffer(name).copy_(value)
            else:
                self.register_buffer(name, value.clone())


def _gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, so that each remembers the same."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    parts = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def _my_part(count: int) -> slice:
    """Where the rows of this process are among those of all."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return slice(0, count)
    rank = torch.distributed.get_rank()
    return slice(rank * count, (rank + 1) * count)
