"""Things cut out of their plain grounds: studio pictures of products, scans of stickers.

What can be reached from the border through pixels of the border's colour is ground; the rest is the
thing. So a white label on a box stays, and the hole of a ring is taken for a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import DatasetError

from ._types import Picture

__all__ = ["Cutout", "cut_out"]

_RING = 2
_PLAIN = 0.75
_LEAST, _MOST = 0.02, 0.95
_RIM, _MIXED = 3, 60
"""A rim of at most so many pixels is a mixture of thing and ground where it is so near to it."""


@dataclass(frozen=True)
class Cutout:
    """A thing without its ground, trimmed to its outline.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        cover: uint8 (H, W), 255 on the thing, 0 beside it, between at its rim.
        label: what it is.
    """

    image: Picture
    cover: Picture
    label: str = ""


def cut_out(image: Picture, label: str = "", *, tolerance: int = 7) -> Cutout:
    """Cut the thing out of a picture with a plain ground.

    Args:
        image: uint8 (H, W, 3), RGB; at least 16 pixels high and wide.
        label: what it is.
        tolerance: how far the ground may differ from the border's median colour in any channel.

    Raises:
        DatasetError: the ground is not plain, or there is nothing, or nothing else, on it.
    """
    if min(image.shape[:2]) < 16:
        raise DatasetError(f"{image.shape[1]} x {image.shape[0]} pixels: too small to cut out of")
    far = _distance(image)
    plain = far <= tolerance
    ring = np.ones(plain.shape, bool)
    ring[_RING:-_RING, _RING:-_RING] = False
    if plain[ring].mean() < _PLAIN:
        raise DatasetError(
            f"the ground is not plain: {plain[ring].mean():.0%} of the border have its colour, "
            f"{_PLAIN:.0%} are needed"
        )
    _, parts = cv2.connectedComponents(plain.astype(np.uint8), connectivity=4)
    outside = np.unique(parts[ring & plain])
    thing = _without_specks(~np.isin(parts, outside[outside > 0]))
    share = float(thing.mean())
    if not _LEAST <= share <= _MOST:
        raise DatasetError(
            f"{share:.0%} of the picture differ from its border; a thing takes {_LEAST:.0%} to "
            f"{_MOST:.0%}"
        )
    core = _without_rim(thing, far).astype(np.uint8) * 255
    cover = np.asarray(cv2.GaussianBlur(core, (0, 0), 0.6), np.uint8)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Cutout(image[window].copy(), cover[window].copy(), label)


def _distance(image: Picture) -> NDArray[np.int16]:
    """Of each pixel from the border's median colour: the largest of the three channels."""
    edges = (image[:_RING], image[-_RING:], image[:, :_RING], image[:, -_RING:])
    border = np.concatenate([edge.reshape(-1, 3) for edge in edges])
    colour = np.median(border, axis=0).astype(np.int16)
    distance: NDArray[np.int16] = np.abs(image.astype(np.int16) - colour).max(axis=2)
    return distance


def _without_specks(thing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only parts of some size: dust and noise of JPEG go."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(thing.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    large = [n for n in range(1, count) if areas[n] >= 0.02 * areas[1:].max()]
    kept: NDArray[np.bool_] = np.isin(parts, large)
    return kept


def _without_rim(thing: NDArray[np.bool_], far: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Peel off what is a mixture of both colours, which elsewhere would look like a halo."""
    kernel = np.ones((3, 3), np.uint8)
    core = cv2.erode(thing.astype(np.uint8), kernel, borderValue=0).astype(bool)
    for _ in range(_RIM - 1):
        inner = cv2.erode(core.astype(np.uint8), kernel, borderValue=0).astype(bool)
        core &= inner | (far > _MIXED)
    return core if core.any() else thing
