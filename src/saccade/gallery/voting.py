"""A name from several neighbours instead of the best one alone."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.errors import OptionError
from saccade.gallery._vectors import check_whole

__all__ = ["soft_vote"]

_CAP = 70


def soft_vote(
    labels: Sequence[str],
    similarities: Sequence[float],
    inliers: Sequence[int] | None = None,
    *,
    n: int = 3,
) -> list[tuple[str, float]]:
    """Soft voting as in `lyakaap/Landmark2019-1st-and-3rd-Place-Solution`.

    Each of the n nearest adds ``(1 - d) + min(70, inliers) / 70`` to its label, with d the squared
    distance ``2 - 2 similarity``. (What the second place voted with is not public.)

    >>> soft_vote(["a", "b", "b"], [0.85, 0.825, 0.8], [35, 0, 14])
    [('b', 1.45), ('a', 1.2)]

    Args:
        labels: Of the neighbours, best first.
        similarities: Cosines, one each.
        inliers: Matches of local features that a verification confirmed; None for none.
        n: How many neighbours vote.

    Returns:
        Labels with their votes, most first; equal ones in the order of the neighbours.

    Raises:
        OptionError: counts that do not fit, or n below 1.
    """
    check_whole(n, "n", 1)
    confirmed = [0] * len(labels) if inliers is None else list(inliers)
    if not len(labels) == len(similarities) == len(confirmed):
        raise OptionError(
            f"{len(labels)} labels, {len(similarities)} similarities and {len(confirmed)} inliers; "
            "expected as many"
        )
    votes: dict[str, float] = {}
    nearest = zip(labels[:n], similarities[:n], confirmed[:n], strict=True)
    for label, similarity, count in nearest:
        votes[label] = votes.get(label, 0.0) + 2 * similarity - 1 + min(_CAP, count) / _CAP
    ranked = sorted(votes.items(), key=lambda vote: -vote[1])
    return [(label, round(vote, 9)) for label, vote in ranked]
