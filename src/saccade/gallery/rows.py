"""From what is to be added to what is written, and whether vectors fit a gallery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError
from saccade.gallery.codec import Codec
from saccade.gallery.items import NewItem
from saccade.gallery.store import Row

__all__ = ["checked", "new_row"]

_UNIT_TOLERANCE = 1e-3


def new_row(item: NewItem, codec: Codec, place: Path) -> Row:
    """The row of a new item.

    Raises:
        GalleryError: The item does not fit; the message names it.
    """
    if not item.label.strip():
        raise GalleryError(f"the label of {item.source or 'an item'} is blank; give it a name")
    vector = checked(np.asarray(item.vector)[None], codec, place)
    try:
        metadata = json.dumps(dict(item.metadata), ensure_ascii=False, allow_nan=False)
        for text in (item.label, item.source, item.content, metadata):
            text.encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise GalleryError(
            f"{item.label!r} cannot be added: its texts must be UTF-8 and its metadata JSON"
            f" ({error})"
        ) from error
    return Row(item.label, item.source, item.content, metadata, codec.rows(vector)[0].tobytes())


def checked(vectors: npt.NDArray[Any], codec: Codec, place: Path) -> npt.NDArray[np.float32]:
    """Vectors (N, D) as float32 of unit length.

    Raises:
        GalleryError: They are of another shape or length.
    """
    if vectors.ndim != 2 or vectors.shape[1] != codec.dim:
        raise GalleryError(
            f"vectors of shape {vectors.shape} do not fit the gallery {place};"
            f" expected (N, {codec.dim}) from the gallery's model"
        )
    values = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(values, axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE)  # catches NaN too
    if wrong.any():
        raise GalleryError(
            f"a vector has length {lengths[wrong][0]:.4g}; expected 1: divide it by its norm"
        )
    return values
