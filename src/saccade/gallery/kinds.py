"""The kinds of index, which one serves which size, and what FAISS makes of them.

The rule of ``auto`` (:func:`chosen`), and why:

- **flat** up to 100,000 vectors: exact, built as fast as it is read, and one query of 512 numbers
  takes some 10 ms there.
- **hnsw** up to 2 million: a query takes a few milliseconds at any size and needs no training, so
  that it also stays right when the gallery drifts. It costs minutes to build, and 256 bytes a
  vector.
- **ivf-pq** above: a vector costs D/8 bytes in memory instead of 4 D; 2 million of 512 numbers are
  4 GB, which is where a small server ends. Its candidates are ranked anew by the exact vectors.
- Of bits, **binary-flat** up to 2 million (a query of 256 bits reads 64 MB there), then
  **binary-hnsw**.

**ivf** is only built when told: it is built several times faster than hnsw, and answers slower.
"""

from __future__ import annotations

import math
from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError, OptionError, nearest

__all__ = [
    "AUTO",
    "BIT_KINDS",
    "KINDS",
    "MIN_TRAINED",
    "build",
    "check_kind",
    "chosen",
    "is_flat",
    "needs_training",
    "training_size",
]

faiss: Any = _faiss  # its type stubs lack most classes

AUTO = "auto"
FLOAT_KINDS = ("flat", "hnsw", "ivf", "ivf-pq")
BIT_KINDS = ("binary-flat", "binary-hnsw")
KINDS = (*FLOAT_KINDS, *BIT_KINDS)

FLAT_UP_TO = 100_000
HNSW_UP_TO = 2_000_000
BINARY_FLAT_UP_TO = 2_000_000

# Below this there is too little to train on, and flat is fast.
MIN_TRAINED = 1024

# HNSW32 is the PP-ShiTu default (deploy/python/build_gallery.py). FAISS's own beams, 40 and 16,
# lose more of the true neighbours than a gallery of people's pictures should.
_LINKS = 32
_CONSTRUCTION_BEAM = 64
_SEARCH_BEAM = 128
# Trained kinds: 4 sqrt(N) lists, of which a 32nd (and 8 at least) are looked through.
_PROBED_SHARE = 32
_PROBED_LEAST = 8
_POINTS_PER_LIST = 39  # what FAISS asks for
_TRAIN_PER_LIST = 64


def check_kind(kind: str, storage: str) -> str:
    """A kind that fits what the gallery keeps, or ``auto``.

    Raises:
        OptionError: No such kind.
        GalleryError: It is a kind for bits and the gallery keeps floats, or the reverse.
    """
    if kind != AUTO and kind not in KINDS:
        raise OptionError(f"no kind of index {kind!r}: {nearest(kind, (AUTO, *KINDS))}")
    fitting = BIT_KINDS if storage == "bits" else FLOAT_KINDS
    if kind != AUTO and kind not in fitting:
        raise GalleryError(
            f"the index {kind} does not fit a gallery that keeps {storage}; choose one of"
            f" {', '.join((AUTO, *fitting))}, or create another gallery with --index {kind}"
        )
    return kind


def chosen(kind: str, storage: str, count: int) -> str:
    """The kind to build: the one that was told, or by the size; see the rule above.

    Args:
        kind: What was told; ``auto`` for nothing.
        storage: ``"float"`` or ``"bits"``.
        count: Number of vectors.
    """
    if kind == AUTO:
        if storage == "bits":
            return "binary-flat" if count <= BINARY_FLAT_UP_TO else "binary-hnsw"
        if count <= FLAT_UP_TO:
            return "flat"
        return "hnsw" if count <= HNSW_UP_TO else "ivf-pq"
    if kind.startswith("ivf") and count < MIN_TRAINED:
        return "flat"
    return kind


def is_flat(kind: str) -> bool:
    """Whether the kind is exact, and extended by copying."""
    return kind in ("flat", "binary-flat")


def build(kind: str, dim: int, sample: npt.NDArray[Any] | None = None) -> Any:
    """An empty FAISS index, trained where its kind needs it.

    Args:
        kind: One of :data:`KINDS`.
        dim: Length of the vectors.
        sample: Rows to train on, (N, dim) float32; only for ivf and ivf-pq.
    """
    match kind:
        case "flat":
            return faiss.IndexFlatIP(dim)
        case "binary-flat":
            return faiss.IndexBinaryFlat(dim)
        case "hnsw" | "binary-hnsw":
            if kind == "hnsw":
                index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
            else:
                index = faiss.IndexBinaryHNSW(dim, _LINKS)
            index.hnsw.efConstruction = _CONSTRUCTION_BEAM
            index.hnsw.efSearch = _SEARCH_BEAM
            return index
        case _:
            assert sample is not None
            return _trained(kind, dim, sample)


def training_size(count: int) -> int:
    """How many of N vectors a trained kind is trained on."""
    return min(count, _TRAIN_PER_LIST * _lists(count))


def needs_training(index: Any, kind: str, count: int) -> bool:
    """Whether a trained index should be trained anew: the gallery has grown fourfold since."""
    return kind.startswith("ivf") and _lists(count) > 2 * int(index.nlist)


def _lists(count: int) -> int:
    return max(1, min(int(4 * math.sqrt(count)), count // _POINTS_PER_LIST))


def _trained(kind: str, dim: int, sample: npt.NDArray[np.float32]) -> Any:
    # The sample has 64 rows a list, or is everything.
    lists = max(1, len(sample) // _TRAIN_PER_LIST)
    coarse = faiss.IndexFlatIP(dim)
    if kind == "ivf":
        index = faiss.IndexIVFFlat(coarse, dim, lists, faiss.METRIC_INNER_PRODUCT)
    else:
        parts = max(part for part in range(1, max(1, dim // 8) + 1) if dim % part == 0)
        index = faiss.IndexIVFPQ(coarse, dim, lists, parts, 8, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1  # else FAISS prints a warning
    index.cp.min_points_per_centroid = 1
    index.train(sample)
    index.nprobe = min(lists, max(_PROBED_LEAST, lists // _PROBED_SHARE))
    return index
