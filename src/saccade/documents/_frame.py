"""Lines of text as turned rectangles, and pages turned upright."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from saccade.results import Page, Polygon

__all__ = ["DESCENT", "Box", "Frame", "bounds", "frame_of", "round_out", "union", "upright"]

DESCENT = 0.2
"""Part of a line's height that lies below its baseline, as in most Latin faces."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Frame:
    """A turned rectangle: where a line stands and which way it runs.

    Attributes:
        centre: x, y in pixels, y downwards.
        along: Unit vector in the direction of reading.
        width: Along it, in pixels.
        height: Across it.
    """

    centre: tuple[float, float]
    along: tuple[float, float]
    width: float
    height: float

    @property
    def angle(self) -> float:
        """Degrees by which the text is turned counterclockwise, above -180 up to 180."""
        return 0.0 - math.degrees(math.atan2(self.along[1], self.along[0]))

    @property
    def quarter(self) -> int:
        """The angle in whole quarter turns: 0, 90, 180 or 270."""
        return round(self.angle / 90) % 4 * 90

    def at(self, along: float, down: float) -> tuple[float, float]:
        """The point so many pixels along and below the centre, as the text is read."""
        x, y = self.along
        return self.centre[0] + along * x - down * y, self.centre[1] + along * y + down * x

    def span(self, polygon: Polygon) -> tuple[float, float]:
        """From where to where a polygon reaches along this frame, seen from its centre."""
        (x0, y0), (x, y) = self.centre, self.along
        reached = [(px - x0) * x + (py - y0) * y for px, py in polygon] or [0.0]
        return min(reached), max(reached)

    def baseline(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Both ends of the line on which the letters stand."""
        down = self.height * (0.5 - DESCENT)
        return self.at(-self.width / 2, down), self.at(self.width / 2, down)


def frame_of(polygon: Polygon) -> Frame:
    """Turn a polygon of a line or word into the rectangle that comes closest.

    Args:
        polygon: Corners clockwise from the top left of the text. Of more than four, the first half
            are taken for the upper edge and the others for the lower one.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = _quad(polygon)
    right, down = (x1 + x2 - x0 - x3) / 2, (y1 + y2 - y0 - y3) / 2
    width = math.hypot(right, down)
    along = (right / width, down / width) if width > 0 else (1.0, 0.0)
    across = (x2 + x3 - x0 - x1) / 2 * -along[1] + (y2 + y3 - y0 - y1) / 2 * along[0]
    centre = (x0 + x1 + x2 + x3) / 4, (y0 + y1 + y2 + y3) / 4
    return Frame(centre, along, width, abs(across))


def _quad(polygon: Polygon) -> Polygon:
    if len(polygon) == 4:
        return polygon
    if len(polygon) > 4 and len(polygon) % 2 == 0:
        half = len(polygon) // 2
        return polygon[0], polygon[half - 1], polygon[half], polygon[-1]
    left, top, right, bottom = bounds(polygon)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def bounds(polygon: Polygon) -> Box:
    """The upright box around a polygon; of one without corners, an empty box."""
    if not polygon:
        return 0.0, 0.0, 0.0, 0.0
    xs, ys = zip(*polygon, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def union(boxes: Iterable[Box]) -> Box:
    """The box around boxes; of none, an empty box."""
    sides = list(zip(*boxes, strict=True))
    if not sides:
        return 0.0, 0.0, 0.0, 0.0
    return min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])


def round_out(box: Box, page: Page) -> tuple[int, int, int, int]:
    """A box in whole pixels that holds the given one, cut to the page."""
    left, top = math.floor(box[0]), math.floor(box[1])
    right, bottom = math.ceil(box[2]), math.ceil(box[3])
    left, right = (min(max(x, 0), page.width) for x in (left, right))
    top, bottom = (min(max(y, 0), page.height) for y in (top, bottom))
    return left, top, right, bottom


def upright(polygon: Polygon, page: Page) -> Polygon:
    """A polygon in pixels of the page turned by its ``rotation``."""
    width, height = page.width, page.height
    match page.rotation:
        case 90:
            return tuple((height - y, x) for x, y in polygon)
        case 180:
            return tuple((width - x, height - y) for x, y in polygon)
        case 270:
            return tuple((y, width - x) for x, y in polygon)
        case _:
            return polygon
