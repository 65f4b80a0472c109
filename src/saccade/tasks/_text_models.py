"""The first stages of reading, usable alone: find lines, see which way up they are.

Each runs one of our models or a PP-OCR network of others, see :mod:`saccade.tasks._text_graphs`.
All are immutable; any number of threads may share one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError
from saccade.tasks._text_graphs import open_text_graph
from saccade.text.batches import fill
from saccade.text.db_decode import DBOptions, Quads, decode_quads
from saccade.text.ink import fit_to_ink
from saccade.text.rotation import sides
from saccade.text.sizes import resized_width
from saccade.text.tiling import OVERLAP, stitch

__all__ = ["TextDetector", "TextDirection"]

# Detection
_LIMIT = 960
_MAX_REGIONS = 20_000
_MARGIN = 8  # pixels around the picture, so that text that touches its border is text like any
_COARSEST = 0.5  # a picture is made smaller by at most this; what is still larger goes in tiles
_FINEST = 2.0
_SMALL_TEXT = 12.0  # lines lower than this, as the network sees them, are looked at again,
_GOOD_TEXT = 20.0  # enlarged to this
_WORTH_IT = 1.2
_FLAT = 24  # a picture whose values differ by less is blank
_MOST_SECOND_LOOK = 24_000_000  # pixels
_MOST_PIXELS = 200_000_000
# Tighter than RapidOCR's (1.6 after a dilation): at our scale its boxes come out too large. With
# PP-OCRv6 small on ten receipts of SROIE, detection hmean is 0.93 so and 0.80 with RapidOCR's.
_FOREIGN_OPTIONS = DBOptions(
    threshold=0.3, box_threshold=0.5, unclip_ratio=1.4, max_candidates=_MAX_REGIONS
)

# Direction
_DIRECTION_SIZE = (48, 192)
_DIRECTION_BATCH = 32


class TextDetector:
    """Finds lines of text.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._graph = open_text_graph(
            model, task="text_detect", output="probability", runtime=runtime, threads=threads
        )
        shape = self._graph.session.input_shape
        if any(
            side is not None for side in (shape[2:] if self._graph.card is None else shape[1:3])
        ):
            raise ModelFileError(
                f"{self._graph.path}: takes pictures of {shape} only; expected a text detector "
                "that takes any height and width"
            )
        self._limit, self._least = _LIMIT, 0.0
        self._gap, self._margin = 0.0, 0.0
        self._options = _FOREIGN_OPTIONS
        if self._graph.card is not None:
            values = self._graph.card.thresholds
            self._limit = max(2 * OVERLAP, int(values.get("limit", _LIMIT)) // 32 * 32)
            self._least = values.get("least", 0.0)
            self._gap, self._margin = values.get("gap", 0.0), values.get("margin", 0.0)
            self._options = DBOptions(
                threshold=values.get("threshold", 0.3),
                box_threshold=values.get("box_threshold", 0.6),
                unclip_ratio=values.get("unclip_ratio", 1.5),
                max_candidates=_MAX_REGIONS,
            )

    def find(self, image: NDArray[np.uint8]) -> Quads:
        """Find the lines of a picture.

        It is made smaller until it fits the limit of the model, but at most to a half; what is
        larger is looked at in tiles. Where the model asks for a shorter side of at least so many
        pixels, a smaller picture is enlarged, up to twice. Where the lines that come out are too
        low to be seen well, it is looked at again, larger. Where the model names a gap, lines are
        fitted to their ink at last.

        Args:
            image: uint8 RGB ``(H, W, 3)`` of any size.

        Returns:
            Quads in pixels of the picture, from top left clockwise, and their scores.
        """
        height, width = image.shape[:2]
        inner = self._limit - 2 * _MARGIN
        scale = min(1.0, max(inner / max(height, width), _COARSEST))
        scale = max(scale, min(self._least / min(height, width), _FINEST))
        scale = min(scale, math.sqrt(_MOST_PIXELS / (height * width)))
        found = self._look(image, scale)
        if not len(found.quads) and int(image.max()) - int(image.min()) < _FLAT:
            return found
        finer = self._finer(found, scale, height, width)
        if finer >= _WORTH_IT * scale:
            found = self._look(image, finer)
        if not self._gap:
            return found
        fitted = fit_to_ink(image, found.quads, gap=self._gap, margin=self._margin)
        return Quads(fitted.quads, found.scores[fitted.origins])

    def probability(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The plain map, of a picture whose sides are multiples of 32, float32 ``(H, W)``."""
        given = self._graph.run(image[None])
        plane: NDArray[np.float32] = given[0, 0] if given.ndim == 4 else given[0]
        if plane.shape != image.shape[:2]:
            raise ModelFileError(
                f"{self._graph.path}: gives a map of {given.shape} for a picture {image.shape}; "
                "expected a text detector"
            )
        return plane

    def __repr__(self) -> str:
        return f"TextDetector({str(self._graph.path)!r})"

    def _look(self, image: NDArray[np.uint8], scale: float) -> Quads:
        height, width = image.shape[:2]
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        small = image
        if (rows, columns) != (height, width):
            way = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
            small = np.asarray(cv2.resize(image, (columns, rows), interpolation=way), np.uint8)
        padded = _pad(small)
        seen = stitch(padded, self._limit, self.probability)
        quads, scores = decode_quads(seen, seen.shape[:2], self._options)
        if not len(quads):
            return Quads(quads, scores)
        quads = (quads - _MARGIN) * np.array([width / columns, height / rows], np.float32)
        quads = np.clip(quads, 0, np.array([width, height], np.float32))
        across, down = sides(quads)
        kept = (across >= 2) & (down >= 2)
        return Quads(quads[kept], scores[kept])

    def _finer(self, found: Quads, scale: float, height: int, width: int) -> float:
        """The scale at which a second look would see better."""
        most = min(_FINEST, math.sqrt(_MOST_SECOND_LOOK / (height * width)))
        if not len(found.quads):
            # Small pictures are worth a second look; for large ones it would take too long.
            return min(most, 2 * scale, self._limit / math.sqrt(height * width))
        across, down = sides(found.quads)
        lower = float(np.median(np.minimum(across, down))) * scale
        return min(most, scale * _GOOD_TEXT / lower) if lower < _SMALL_TEXT else scale


class TextDirection:
    """Says which lines stand on their heads.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._graph = open_text_graph(
            model, task="text_direction", output="probabilities", runtime=runtime, threads=threads
        )
        shape, card = self._graph.session.input_shape, self._graph.card
        first = 2 if card is None else 1
        rows, columns = shape[first], shape[first + 1]
        self._size = rows or _DIRECTION_SIZE[0], columns or _DIRECTION_SIZE[1]
        self.threshold = 0.9 if card is None else card.thresholds.get("threshold", 0.9)

    def classify(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See which way up lines are.

        Args:
            crops: uint8 RGB ``(h, w, 3)`` each.

        Returns:
            float32 ``(N,)``, the probability that a line must be turned by 180 degrees; believe
            it above :attr:`threshold`.
        """
        height, width = self._size
        turned = np.empty(len(crops), np.float32)
        for start in range(0, len(crops), _DIRECTION_BATCH):
            part = crops[start : start + _DIRECTION_BATCH]
            widths = [resized_width(crop.shape[:2], width, height) for crop in part]
            given = self._graph.run(fill(part, widths, height, width))
            if given.shape != (len(part), 2):
                raise ModelFileError(
                    f"{self._graph.path}: gives {given.shape} for {len(part)} lines; expected a "
                    "direction classifier, which gives two numbers a line"
                )
            turned[start : start + len(part)] = given[:, 1]
        return turned

    def __repr__(self) -> str:
        return f"TextDirection({str(self._graph.path)!r})"


def _pad(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a margin around a picture, in the colour of its rim; sides become multiples of 32."""
    height, width = image.shape[:2]
    below, right = (-(side + 2 * _MARGIN) % 32 + _MARGIN for side in (height, width))
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    color = [int(value) for value in np.median(rim, axis=0)]
    return np.asarray(
        cv2.copyMakeBorder(image, _MARGIN, below, _MARGIN, right, cv2.BORDER_CONSTANT, value=color),
        np.uint8,
    )
