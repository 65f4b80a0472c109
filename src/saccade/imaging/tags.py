"""Labels on a picture: letters on a ground of one colour, and where to put them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from saccade.imaging.fonts import render_text

__all__ = ["SMALLEST_FONT", "Anchor", "Color", "Tag", "contrast", "place_labels"]

Color: TypeAlias = tuple[int, int, int]

Anchor: TypeAlias = tuple[int, int, int, int]
"""What a label belongs to: left, top, right, bottom in whole pixels."""

SMALLEST_FONT = 11
"""Letters below this are hard to read."""

_SQUEEZED_FONT = 9  # only to get a long label into a narrow picture
_LONGEST_TEXT = 500  # nobody reads more; rendering first and cutting later would take memory


class Tag:
    """A label as it will be pasted: letters on a ground of one colour."""

    def __init__(self, text: str, size: int, room: int) -> None:
        self.pad = max(1, round(size * 0.25))
        self.mask = _fit(text, size, max(1, room - 2 * self.pad))
        self.height = self.mask.shape[0] + 2 * (self.pad // 2)
        self.width = self.mask.shape[1] + 2 * self.pad

    def inside(self, canvas: np.ndarray, left: int, top: int) -> tuple[int, int]:
        """Move a position so that the tag lies inside the picture, if it is large enough."""
        height, width = canvas.shape[:2]
        return (
            max(0, min(left, width - self.width)),
            max(0, min(top, height - self.height)),
        )

    def paste(self, canvas: np.ndarray, left: int, top: int, color: Color) -> None:
        """Put the tag onto a picture, in place; what lies outside is cut off."""
        ground = np.empty((self.height, self.width, 3), np.float32)
        ground[:] = color
        rows = slice(self.pad // 2, self.pad // 2 + self.mask.shape[0])
        columns = slice(self.pad, self.pad + self.mask.shape[1])
        ink = self.mask[:, :, None].astype(np.float32) / 255
        ground[rows, columns] += ink * (
            np.array(contrast(color), np.float32) - ground[rows, columns]
        )
        spot = canvas[top : top + self.height, left : left + self.width]
        spot[:] = np.rint(ground[: spot.shape[0], : spot.shape[1]]).astype(np.uint8)


def _fit(text: str, size: int, room: int) -> np.ndarray:
    """Render a text no wider than the room: smaller letters first, then an ellipsis."""
    text = text[:_LONGEST_TEXT]
    mask = render_text(text, size)
    if mask.shape[1] <= room:
        return mask
    size = max(_SQUEEZED_FONT, min(size, int(size * 0.7)))
    mask = render_text(text, size)
    while mask.shape[1] > room and len(text) > 1:
        keep = min(len(text) - 1, max(1, int(len(text) * room / mask.shape[1])))
        text = text[:keep].rstrip(" …")
        mask = render_text(text + "…", size)
        if not text:
            break
    return mask


def place_labels(
    canvas: np.ndarray,
    anchors: Sequence[Anchor | None],
    texts: Sequence[str],
    paints: Sequence[Color],
    size: int,
    *,
    fixed: int | None = None,
    avoid: Sequence[Anchor] = (),
) -> None:
    """Put each label at its shape, in place: above, else inside, else below; off other labels.

    Args:
        canvas: uint8 RGB (H, W, 3), drawn on.
        anchors: N shapes; None leaves the label out.
        texts: N lines; an empty one is left out.
        paints: N colours of the ground.
        size: of the font in pixels; smaller for shapes that are less than twice as high.
        fixed: a size for all, in place of that rule.
        avoid: places that the labels keep off where they can.
    """
    taken = list(avoid)
    for anchor, text, color in zip(anchors, texts, paints, strict=True):
        if anchor is None or not text:
            continue
        left, top, right, bottom = anchor
        fitted = min(size, max(SMALLEST_FONT, (bottom - top) // 2))
        tag = Tag(text, fixed or fitted, canvas.shape[1])
        wishes = [
            (left, top - tag.height),
            (left, top),
            (left, bottom),
            (left, bottom - tag.height),
            (right - tag.width, top - tag.height),
            (right - tag.width, bottom),
        ]
        height = canvas.shape[0]
        fitting = [w for w in wishes if w[1] >= 0 and w[1] + tag.height <= height] or wishes[1:2]
        spots = [tag.inside(canvas, *wish) for wish in fitting]
        spot = next((s for s in spots if not _hits(s, tag, taken)), spots[0])
        taken.append((spot[0], spot[1], spot[0] + tag.width, spot[1] + tag.height))
        tag.paste(canvas, *spot, color)


def _hits(spot: tuple[int, int], tag: Tag, taken: Sequence[Anchor]) -> bool:
    left, top = spot
    return any(
        left < x2 and x1 < left + tag.width and top < y2 and y1 < top + tag.height
        for x1, y1, x2, y2 in taken
    )


def contrast(color: Color) -> Color:
    """Black or white, whichever stands out more (relative luminance of WCAG 2.1)."""
    linear = [
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The contrast ratios against white and black are equal at about 0.179.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
