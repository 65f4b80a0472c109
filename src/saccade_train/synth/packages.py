"""Packages drawn from nothing: boxes, cans, jars and bottles with prints all over.

A detector that has only seen things pasted on grounds takes a picture that is printed on a box for
a thing of its own. Here prints are part of a thing: panels, rays, words, and cut-outs of others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from . import grounds
from ._types import Picture
from .cutouts import Cutout
from .draws import pick, whole

__all__ = ["PACKAGE", "draw_package"]

PACKAGE = "package"
"""What they are called."""

_CANVAS = 256
_EYE = 4.0
"""Distance of the eye, in half lengths of the longest side."""
_FACES = {
    "front": ((0, 0, 1), ((-1, 1, 1), (1, 1, 1), (1, -1, 1), (-1, -1, 1)), (0, 1)),
    "right": ((1, 0, 0), ((1, 1, 1), (1, 1, -1), (1, -1, -1), (1, -1, 1)), (2, 1)),
    "left": ((-1, 0, 0), ((-1, 1, -1), (-1, 1, 1), (-1, -1, 1), (-1, -1, -1)), (2, 1)),
    "top": ((0, 1, 0), ((-1, 1, -1), (1, 1, -1), (1, 1, 1), (-1, 1, 1)), (0, 2)),
}
"""Of a cuboid: outward normal; corners from the top left one on, clockwise; which of its three
lengths are the face's width and height. x goes right, y up, z to the eye."""
_SYLLABLES = ("ka", "lo", "mi", "ne", "su", "ta", "ri", "bo", "del", "fin", "gar", "pol", "ven")


def draw_package(rng: np.random.Generator, prints: Sequence[Cutout] = ()) -> Cutout:
    """Draw one package, called :data:`PACKAGE`.

    Args:
        rng: Source of randomness.
        prints: What may be printed on it.
    """
    box = rng.random() < 0.5
    image, cover = (_cuboid if box else _revolved)(rng, prints)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.6), np.uint8)
    return Cutout(image[window].copy(), soft[window].copy(), PACKAGE)


def _cuboid(rng: np.random.Generator, prints: Sequence[Cutout]) -> tuple[Picture, Picture]:
    """A box, turned and seen somewhat from above, in perspective."""
    lengths = np.array([0.4 + 0.6 * rng.random(), 1.0, 0.15 + 0.6 * rng.random()])
    if rng.random() < 0.3:  # lying or low
        lengths = lengths[[1, 0, 2]]
    yaw, pitch = math.radians(110 * (rng.random() - 0.5)), math.radians(40 * rng.random())
    turn = _turned(yaw, pitch)
    design = _Design(rng, prints)
    image = np.zeros((_CANVAS, _CANVAS, 3), np.float32)
    cover = np.zeros((_CANVAS, _CANVAS), np.uint8)
    light = np.array([rng.random() - 0.5, 0.6, 1.0])
    light /= np.linalg.norm(light)
    for name, (normal, corners, sides) in _FACES.items():
        points = (np.array(corners) * lengths / 2) @ turn.T
        facing = turn @ np.array(normal, float)
        # Seen if it looks to the eye, which is at (0, 0, _EYE / 2).
        if facing @ (np.array([0, 0, _EYE / 2]) - points.mean(axis=0)) <= 0.02:
            continue
        flat = points[:, :2] / (1 - points[:, 2:] * 2 / _EYE)
        quad = (flat * [1, -1] * 0.55 + 0.5) * _CANVAS
        width, height = (max(16, round(180 * float(lengths[side]))) for side in sides)
        face = design.face(width, height, busy=name != "top")
        shade = np.float32(0.55 + 0.5 * max(0.0, float(facing @ light)))
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, quad.astype(np.float32))
        size = (_CANVAS, _CANVAS)
        warped = cv2.warpPerspective(face, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        inside = np.zeros_like(cover)
        cv2.fillConvexPoly(inside, quad.round().astype(np.int32), 255)
        image[inside > 0] = warped[inside > 0] * shade
        cover |= inside
    return np.clip(image, 0, 255).astype(np.uint8), cover


def _turned(yaw: float, pitch: float) -> NDArray[np.float64]:
    """A rotation about the upright axis, then towards the eye."""
    c, s = math.cos(yaw), math.sin(yaw)
    about = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = math.cos(pitch), math.sin(pitch)
    return np.asarray(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ about, np.float64)


def _revolved(rng: np.random.Generator, prints: Sequence[Cutout]) -> tuple[Picture, Picture]:
    """A can, jar, cup or bottle: a printed sheet around an upright axis, and a lid."""
    height = 200
    radius = height * (0.18 + 0.3 * rng.random())
    profile = _profile(rng, height) * radius
    bulge = radius * math.sin(math.radians(5 + 30 * rng.random()))
    x = np.arange(_CANVAS, dtype=np.float32) - _CANVAS / 2
    y = np.arange(_CANVAS, dtype=np.float32)[:, None] - (_CANVAS - height) / 2
    across = np.sqrt(np.clip(1 - (x / radius) ** 2, 0, 1))
    down = y + 0.5 * bulge - bulge * across[None]
    row = np.clip(down, 0, height - 1).astype(np.int32)
    reach = profile[row]
    share = x[None] / np.maximum(reach, 1)
    inside = (np.abs(share) <= 1) & (down >= 0) & (down < height)
    angle = np.arcsin(np.clip(share, -1, 1))
    design = _Design(rng, prints)
    sheet = design.face(round(math.pi * radius), height)
    lid = whole(rng, 0, height // 3)
    if lid > 12:  # a lid or a cap of another colour
        sheet[:lid] = design.face(sheet.shape[1], lid, busy=False)
    across_sheet = ((angle / math.pi + 0.5) * (sheet.shape[1] - 1)).astype(np.float32)
    image = cv2.remap(sheet, across_sheet, down.astype(np.float32), cv2.INTER_LINEAR)
    lit = 0.45 + 0.6 * np.cos(angle - 1.2 * (rng.random() - 0.5))
    image = image * lit[..., None].astype(np.float32)
    cover = inside.astype(np.uint8) * 255
    # The rim: an ellipse whose nearer half the sheet's upper edge follows.
    opening = min(1.0, float(profile[0]) / radius)
    edge = math.sqrt(1 - opening**2)
    top = (_CANVAS // 2, round((_CANVAS - height) / 2 + bulge * (edge - 0.5)))
    axes = (max(1, round(float(profile[0]))), max(1, round(bulge * (1 - edge))))
    colour = (design.second * np.float32(0.7 + 0.4 * rng.random())).tolist()
    cv2.ellipse(image, top, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    cv2.ellipse(cover, top, axes, 0, 0, 360, 255, -1)
    return np.clip(image, 0, 255).astype(np.uint8), cover


def _profile(rng: np.random.Generator, height: int) -> NDArray[np.float32]:
    """The radius at each row from the top, at most 1: straight, tapered, or with a neck."""
    rows = np.linspace(0, 1, height, dtype=np.float32)
    drawn = rng.random()
    if drawn < 0.4:
        return np.ones(height, np.float32)
    if drawn < 0.6:
        return 1 - np.float32(0.35 * rng.random()) * (rows if rng.random() < 0.5 else 1 - rows)
    neck, shoulder = 0.25 + 0.4 * rng.random(), 0.1 + 0.4 * rng.random()
    rise = np.clip((rows - shoulder) / (0.08 + 0.2 * rng.random()), 0, 1)
    smooth = rise * rise * (3 - 2 * rise)
    return np.asarray(neck + (1 - neck) * smooth, np.float32)


class _Design:
    """The colours and prints that the faces of a package share."""

    def __init__(self, rng: np.random.Generator, prints: Sequence[Cutout]) -> None:
        self._rng, self._prints = rng, prints
        self.first, self.second = grounds.two_colours(rng, (20.0, 200.0))
        self.third = np.asarray(255 * rng.random(3), np.float32)
        self._words = [
            "".join(pick(rng, _SYLLABLES) for _ in range(whole(rng, 1, 3))) for _ in range(3)
        ]

    def face(self, width: int, height: int, *, busy: bool = True) -> NDArray[np.float32]:
        """One printed face, float32 (height, width, 3)."""
        rng = self._rng
        face = np.empty((height, width, 3), np.float32)
        face[:] = self.first
        if rng.random() < 0.3:
            _rays(face, self.second, rng)
        elif rng.random() < 0.3:
            field = grounds.scene(rng, height, width)
            face += field[..., None] * (self.second - self.first) * np.float32(0.5)
        if not busy:
            return face
        for _ in range(whole(rng, 1, 3)):
            self._panel(face)
        for _ in range(whole(rng, 0, 2) if self._prints else 0):
            self._print(face)
        for word in self._words[: whole(rng, 0, 3)]:
            self._word(face, word)
        return face

    def _panel(self, face: NDArray[np.float32]) -> None:
        rng, (height, width) = self._rng, face.shape[:2]
        colour = pick(rng, (self.second, self.third, np.full(3, 245, np.float32))).tolist()
        x, y = width * rng.random(), height * rng.random()
        across, down = width * (0.15 + 0.5 * rng.random()), height * (0.08 + 0.35 * rng.random())
        if rng.random() < 0.35:  # a band all around
            x, across = width / 2, width
        low = (round(x - across / 2), round(y - down / 2))
        high = (round(x + across / 2), round(y + down / 2))
        if rng.random() < 0.6:
            cv2.rectangle(face, low, high, colour, -1)
        else:
            axes = (max(1, round(across / 2)), max(1, round(down / 2)))
            cv2.ellipse(face, (round(x), round(y)), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    def _print(self, face: NDArray[np.float32]) -> None:
        rng, (height, width) = self._rng, face.shape[:2]
        thing = pick(rng, self._prints)
        scale = min(width, height) * (0.3 + 0.5 * rng.random()) / max(thing.cover.shape)
        size = tuple(max(4, round(side * scale)) for side in thing.cover.shape[::-1])
        image = cv2.resize(thing.image, size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(thing.cover, size, interpolation=cv2.INTER_AREA) / np.float32(255)
        left, top = whole(rng, 0, max(0, width - size[0])), whole(rng, 0, max(0, height - size[1]))
        part = face[top : top + size[1], left : left + size[0]]
        rows, columns = part.shape[:2]
        part += cover[:rows, :columns, None] * (image[:rows, :columns] - part)

    def _word(self, face: NDArray[np.float32], word: str) -> None:
        rng, (height, width) = self._rng, face.shape[:2]
        text = word.upper() if rng.random() < 0.7 else word.title()
        font = pick(rng, (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX))
        (length, rise), _ = cv2.getTextSize(text, font, 1.0, 2)
        scale = width * (0.3 + 0.6 * rng.random()) / length
        left = round((width - length * scale) * rng.random())
        base = round(rise * scale + (height - rise * scale) * rng.random())
        plain = (np.zeros(3, np.float32), np.full(3, 255, np.float32))
        colour = pick(rng, (self.third, self.second, *plain))
        thick = max(1, round(scale * (1 + 2 * rng.random())))
        mask = np.zeros((height, width), np.uint8)
        cv2.putText(mask, text, (left, base), font, scale, 255, thick, cv2.LINE_AA)
        face += (mask / np.float32(255))[..., None] * (colour - face)


def _rays(face: NDArray[np.float32], colour: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Rays of a sun, from some place of the face."""
    height, width = face.shape[:2]
    y = np.arange(height, dtype=np.float32)[:, None] - height * np.float32(rng.random())
    x = np.arange(width, dtype=np.float32)[None] - width * np.float32(rng.random())
    face[np.sin(np.arctan2(y, x) * whole(rng, 6, 20)) > 0] = colour
