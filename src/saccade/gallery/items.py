"""What goes into a gallery, and what it answers: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Added", "Found", "Item", "NewItem", "Renamed"]


@dataclass(frozen=True, eq=False)
class NewItem:
    """What is added to a gallery.

    Attributes:
        label: What it shows; any text that is not blank.
        vector: (D,) float32 of unit length, from the gallery's model.
        content: Hash of the picture's content; the same content under the same label is one item.
        source: Where the picture came from.
        metadata: Anything that JSON can say.
    """

    label: str
    vector: npt.NDArray[np.float32]
    content: str
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One picture of a gallery, without its vector.

    Attributes:
        id: The number that it keeps for life; never given to another item.
        label: What the picture shows.
        source: Where the picture came from (a path, or whatever the adder said).
        content: Hash of the picture's content; with the label it makes an item unique.
        metadata: Whatever JSON the adder attached.
        added_at: When it was added, UTC, ISO 8601.
    """

    id: int
    label: str
    source: str
    content: str
    metadata: dict[str, Any]
    added_at: str

    def to_dict(self) -> dict[str, Any]:
        """The item as JSON-ready values."""
        return {
            "id": self.id,
            "label": self.label,
            "source": self.source,
            "content": self.content,
            "metadata": self.metadata,
            "added_at": self.added_at,
        }


@dataclass(frozen=True)
class Added:
    """What an ``add`` did.

    Attributes:
        ids: The new items' ids, in order.
        duplicates: How many were there already and were left as they are.
    """

    ids: tuple[int, ...]
    duplicates: int


@dataclass(frozen=True)
class Renamed:
    """What a ``rename`` did.

    Attributes:
        renamed: Items that have the new label now.
        merged: Items that were there under the new label already (the same content), and of which
            the copy under the old label was removed.
    """

    renamed: int
    merged: int


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a search: for each of Q queries the k nearest items, best first.

    Attributes:
        ids: (Q, k) int64; -1 where the gallery had no more.
        scores: (Q, k) float32 in [-1, 1], the cosine similarity (of bits: 1 - 2h/D with h the
            Hamming distance, which is the same thing); -inf beside an id of -1.
        labels: Q tuples of k labels; None beside an id of -1.
    """

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    labels: tuple[tuple[str | None, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)
