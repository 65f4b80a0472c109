"""Near-copies by SIFT, as SSLD removes pictures of the validation set from its pool.

SSLD matches its pool against the validation pictures by the similarity of SIFT features
(`PaddlePaddle/PaddleClas:docs/en/advanced_tutorials/distillation/distillation_en.md`, 2.2; 4,511
pictures were dropped). How many features, and which threshold, is **unverified**: what follows is
our own choice, tried on copies that were resized, saved anew, cropped and made brighter
(``benchmarks/near_duplicates.py``).

* Features: the strongest :data:`MOST_FEATURES` of the picture in grey, longer side :data:`SIDE`.
* Candidates: each feature votes for the pictures that hold the features nearest to it.
* Matches: Lowe's ratio test, one to one.
* Proof: RANSAC; near-copies differ by an affine map, and its inliers are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

__all__ = ["Features", "SiftIndex", "Sifter", "count_inliers", "is_copy"]

faiss: Any = _faiss

SIDE = 256
MOST_FEATURES = 128
RATIO = 0.8
LEAST_INLIERS = 10
LEAST_SHARE = 0.25
"""Of the features of the picture that has fewer: of one thing seen twice fewer agree."""

_LEAST_CONTRAST = 0.02  # SIFT's own 0.04 leaves soft pictures without features
_PIXELS = 3.0  # RANSAC's tolerance
_NEIGHBOURS, _CANDIDATES = 3, 3

# Up to so many features are compared one by one; more are first sorted into cells.
_MOST_FLAT = 200_000
_CELLS_SEARCHED = 16


@dataclass(frozen=True)
class Features:
    """The SIFT features of one picture.

    Attributes:
        points: float32 (N, 2), x and y in a picture whose longer side is :data:`SIDE`.
        descriptors: uint8 (N, 128); OpenCV's descriptors are whole numbers up to 255.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.points)


class Sifter:
    """Finds features; one for each thread, since OpenCV's detector keeps state."""

    def __init__(self) -> None:
        self._detector = cv2.SIFT_create(  # type: ignore[attr-defined]
            nfeatures=MOST_FEATURES, contrastThreshold=_LEAST_CONTRAST
        )

    def __call__(self, image: NDArray[np.uint8]) -> Features:
        """Find the strongest features of a picture.

        Args:
            image: uint8 RGB (H, W, 3).
        """
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        grey = cv2.resize(grey, size, interpolation=method)
        found, descriptors = self._detector.detectAndCompute(grey, None)
        if descriptors is None:
            return Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))
        points = np.array([one.pt for one in found[:MOST_FEATURES]], np.float32)
        return Features(points, descriptors[:MOST_FEATURES].astype(np.uint8))


def count_inliers(one: Features, other: Features) -> int:
    """Count the matches of two pictures that agree on one affine map; 0 where there are few."""
    if min(len(one), len(other)) < LEAST_INLIERS:
        return 0
    left, right = (f.descriptors.astype(np.float32) for f in (one, other))
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
    rows = np.arange(len(left))
    best = squares.argmin(1)
    nearest = squares[rows, best]
    second = squares.copy()
    second[rows, best] = np.inf
    good = (nearest < RATIO**2 * second.min(1)) & (squares.argmin(0)[best] == rows)
    if good.sum() < LEAST_INLIERS:
        return 0
    _, inside = cv2.estimateAffine2D(
        one.points[good],
        other.points[best[good]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_PIXELS,
    )
    return 0 if inside is None else int(inside.sum())


def is_copy(one: Features, other: Features) -> int:
    """Whether two pictures are near-copies: the number of matches that agree, or 0 if they aren't.

    At least :data:`LEAST_INLIERS` matches must agree, and :data:`LEAST_SHARE` of the features of
    the picture that has fewer: two photographs of one thing also have matches.
    """
    inliers = count_inliers(one, other)
    enough = max(LEAST_INLIERS, LEAST_SHARE * min(len(one), len(other)))
    return inliers if inliers >= enough else 0


class SiftIndex:
    """The features of many pictures, to find near-copies of any of them.

    All features are held in memory, 17 kilobytes a picture, and in an index (64 kilobytes a
    picture, or 16 where there are more than some 1,500 pictures).

    Args:
        pictures: their features.
        threads: that a search may use.
    """

    def __init__(self, pictures: list[Features], threads: int = 1) -> None:
        self._pictures = pictures
        self._threads = threads
        self._owner = np.repeat(np.arange(len(pictures)), [len(one) for one in pictures])
        self._index = self._build()

    def find(self, features: Features) -> tuple[int, int] | None:
        """Find the picture that another is a near-copy of.

        Returns:
            Its number and how many matches agree; None if there is none.
        """
        if len(features) < LEAST_INLIERS or not len(self._owner):
            return None
        faiss.omp_set_num_threads(self._threads)
        queries = features.descriptors.astype(np.float32)
        _, nearest = self._index.search(queries, min(_NEIGHBOURS, len(self._owner)))
        # A picture gets one vote of each feature, however often its texture repeats.
        owners = np.where(nearest >= 0, self._owner[nearest], -1)
        votes: dict[int, int] = {}
        for row in owners.tolist():
            for owner in set(row) - {-1}:
                votes[owner] = votes.get(owner, 0) + 1
        ranked = sorted(votes, key=lambda owner: (-votes[owner], owner))[:_CANDIDATES]
        proofs = [(is_copy(features, self._pictures[owner]), owner) for owner in ranked]
        inliers, owner = max(proofs, key=lambda proof: proof[0], default=(0, -1))
        return (owner, inliers) if inliers else None

    def _build(self) -> Any:
        total = len(self._owner)
        if total <= _MOST_FLAT:
            index = faiss.IndexFlatL2(128)
        else:
            cells = round(4 * total**0.5)
            kind = faiss.ScalarQuantizer.QT_8bit_direct
            self._quantizer = faiss.IndexFlatL2(128)
            index = faiss.IndexIVFScalarQuantizer(self._quantizer, 128, cells, kind)
            index.nprobe = min(_CELLS_SEARCHED, cells)
            step = max(1, total // (64 * cells))
            faiss.omp_set_num_threads(self._threads)
            index.train(
                np.concatenate([one.descriptors for one in self._pictures])[::step].astype(
                    np.float32
                )
            )
        for one in self._pictures:
            if len(one):
                index.add(one.descriptors.astype(np.float32))
        return index
