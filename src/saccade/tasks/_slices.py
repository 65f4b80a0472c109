"""Looking at a large picture in tiles, so that small objects are large enough to be seen.

The picture is looked at as a whole too, for objects that are larger than a tile. Two kinds of boxes
yield to better ones: what ends at a seam is perhaps a part of something only, and counts where
nothing whole covers it; what is a few pixels small in the look at the whole is framed coarsely, and
counts where no tile shows it. Slicing by tiles with overlap is known as SAHI (Akyon et al., arXiv
2202.06934); the rules of yielding are our own, its merging of parts into hulls is not done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade.geometry.boxes import area, clip
from saccade.geometry.suppression import nms
from saccade.imaging.prepare import Prepare
from saccade.imaging.tiles import cut_tiles, touches_seam
from saccade.tasks._candidates import Candidates, join

__all__ = ["Slices", "inside_tile", "merge_looks", "plan_tiles"]

_SMALLEST = 16
_SEAM = 0.02  # of a tile's side: a box that comes so near to a seam counts as touching it
_COVERED = 0.6  # of the area of a part inside a whole box, or of the smaller of two
_COARSE = 16  # pixels of the network: a box of the whole picture with a smaller side is coarse
_MOST_OF_A_TILE = 300
_REACH = 1.5  # pixels of the network by which a box of the whole picture may end too early
_CHUNK = 256


@dataclass(frozen=True)
class Slices:
    """How a picture is cut into tiles.

    Attributes:
        size: Longer side of a tile in pixels of the picture; the other follows the proportions of
            the model's input. None takes the model's input, so that nothing is made smaller.
        overlap: Part of a tile that neighbours share at least, 0 to 0.9. Objects that are smaller
            than the overlap are whole in one tile.
    """

    size: int | None = None
    overlap: float = 0.2

    def __post_init__(self) -> None:
        size = self.size
        if size is not None and (
            isinstance(size, bool) or not isinstance(size, int) or size < _SMALLEST
        ):
            raise OptionError(
                f"the size of a slice is {size!r}, expected a whole number of pixels, at least "
                f"{_SMALLEST}"
            )
        if not 0 <= self.overlap <= 0.9:
            raise OptionError(f"overlap is {self.overlap!r}, expected 0 to 0.9 of a slice")

    @classmethod
    def of(cls, given: Slices | int | bool | None) -> Slices | None:
        """Read the option ``slices``: a size, True for the model's, None or False for no slices."""
        if given is None or given is False:
            return None
        if given is True:
            return cls()
        return given if isinstance(given, Slices) else cls(size=given)


def plan_tiles(size: tuple[int, int], slices: Slices, prepare: Prepare) -> NDArray[np.int64]:
    """The whole picture and its tiles.

    Args:
        size: (height, width) of the picture.
        slices: How to cut it.
        prepare: Of the model; the tiles have the proportions of its input.

    Returns:
        ``(1 + T, 4)``, xyxy, the whole picture first; alone when it fits a tile.

    Raises:
        OptionError: Too many tiles.
    """
    longest = max(prepare.height, prepare.width)
    factor = (slices.size or longest) / longest
    tile = max(1, round(prepare.height * factor)), max(1, round(prepare.width * factor))
    whole = np.array([[0, 0, size[1], size[0]]], np.int64)
    tiles = cut_tiles(size, tile, slices.overlap)
    return whole if len(tiles) == 1 else np.concatenate([whole, tiles])


def inside_tile(
    found: Candidates, tile: NDArray[np.int64], size: tuple[int, int], *, iou: float
) -> tuple[Candidates, NDArray[np.bool_]]:
    """Thin out what was found in a tile, cut it at the borders of the tile, and mark parts.

    Args:
        found: In pixels of the picture.
        tile: ``(4,)`` xyxy.
        size: (height, width) of the picture.
        iou: For hard NMS within the tile.

    Returns:
        The candidates, and bool ``(K,)``: which may be parts, since they end at a seam.
    """
    found = found.pick(nms(found.boxes, found.scores, found.classes, iou=iou, keep=_MOST_OF_A_TILE))
    x1, y1, x2, y2 = (int(value) for value in tile)
    corner = np.array([x1, y1, x1, y1], np.float32)
    boxes = clip(found.boxes - corner, (y2 - y1, x2 - x1)) + corner
    found = Candidates(boxes, found.scores, found.classes, found.broken, found.rows)
    margin = _SEAM * (y2 - y1), _SEAM * (x2 - x1)
    return found, touches_seam(boxes, tile, size, margin)


def merge_looks(
    looks: Sequence[tuple[Candidates, NDArray[np.bool_]]],
    size: tuple[int, int],
    prepare: Prepare,
) -> Candidates:
    """Put what was found in the whole picture and in its tiles together.

    Args:
        looks: Candidates, and which of them end at a seam; the whole picture first.
        size: (height, width) of the picture.
        prepare: Of the model.

    Returns:
        Without those that yield to better ones; overlapping boxes are not suppressed yet.
    """
    afar = looks[0][0]
    near = join([found for found, _ in looks[1:]])
    ends = np.concatenate([seams for _, seams in looks[1:]])
    whole, parts = near.pick(~ends), near.pick(ends)
    # What a pixel of the network is in the look at the whole.
    pixel = np.array([size[1] / prepare.width, size[0] / prepare.height], np.float32)
    coarse = (afar.boxes[:, 2:] - afar.boxes[:, :2] < _COARSE * pixel).any(axis=1)
    afar = afar.pick(~(coarse & _covered(afar, whole, of_smaller=True)))
    # A box from afar ends somewhere within such a pixel, beyond which a strip of it may show.
    reach = (np.concatenate([-pixel, pixel]) * _REACH).astype(np.float32)
    grown = replace(afar, boxes=afar.boxes + reach)
    parts = parts.pick(~_covered(parts, join([whole, grown])))
    joined = join([whole, parts, afar])
    return Candidates(
        *(joined.boxes, joined.scores, joined.classes),
        broken=sum(found.broken for found, _ in looks),
        rows=sum(found.rows for found, _ in looks),
    )


def _covered(
    boxes: Candidates, others: Candidates, *, of_smaller: bool = False
) -> NDArray[np.bool_]:
    """Which boxes lie, for the most, in another of their class.

    Args:
        boxes: N boxes.
        others: What may cover them.
        of_smaller: Whether the smaller of the two decides what the most is, not the covered one.
    """
    covered = np.zeros(len(boxes.scores), np.bool_)
    for first in range(0, len(covered), _CHUNK):  # thousands times thousands are a lot at once
        some = slice(first, first + _CHUNK)
        mine, other = boxes.boxes[some, None], others.boxes[None]
        low = np.maximum(mine[..., :2], other[..., :2])
        high = np.minimum(mine[..., 2:], other[..., 2:])
        sides = np.maximum(high - low, 0)
        limit = area(mine)
        if of_smaller:
            limit = np.minimum(limit, area(other))
        inside = sides[..., 0] * sides[..., 1] >= _COVERED * limit
        alike = boxes.classes[some, None] == others.classes[None]
        covered[some] = (inside & alike).any(axis=1)
    return covered
