"""One detector's graph: from a picture of any size to candidates in its pixels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError
from saccade.imaging.resize import letterbox
from saccade.modelfile import ModelCard
from saccade.tasks._candidates import Candidates, check_outputs, read_candidates
from saccade.tasks._pictures import load_model, milliseconds
from saccade.tasks._slices import Slices, inside_tile, merge_looks, plan_tiles

__all__ = ["IOU", "KEEP", "SCORE", "DetectorGraph"]

# Where a card says nothing: the limits of PicoDet's deploy script and of the NMS of its models.
SCORE = 0.4
IOU = 0.6
KEEP = 100

_BATCH = 4  # tiles that go through the network at once, where the graph allows it


class DetectorGraph:
    """A detector ready to run. Immutable; any number of threads may share one.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self, model: str | os.PathLike[str] | None, *, runtime: str, threads: int | None
    ) -> None:
        loaded = load_model(model, task="detect", output="boxes", runtime=runtime, threads=threads)
        self.path: Path = loaded.path
        self.card: ModelCard = loaded.card
        self._session = loaded.session
        if "scores" not in self._session.output_names:
            raise ModelFileError(
                f"{self.path}: its graph gives {', '.join(self._session.output_names)}; a detector "
                "gives boxes and scores; export the model again (saccade export)"
            )
        if not self.card.labels:
            raise ModelFileError(
                f"{self.path}: the card names no labels; export it again (saccade export)"
            )
        if self.card.prepare.mode == "short_crop":
            raise ModelFileError(
                f"{self.path}: the card prepares pictures by 'short_crop', which cuts objects at "
                "the sides away; a detector is prepared by 'stretch' or 'letterbox'; export it "
                "again (saccade export)"
            )

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The plain numbers of a prepared batch, uint8 ``(N, height, width, 3)``, by name.

        Raises:
            OptionError: The batch has another type or shape.
            ModelFileError: The graph is not what its card says.
        """
        outputs = self._session.run(batch)
        check_outputs(outputs, len(batch), len(self.card.labels), str(self.path))
        return outputs

    def see(
        self,
        image: NDArray[np.uint8],
        *,
        score: float,
        iou: float,
        wanted: NDArray[np.bool_] | None = None,
        slices: Slices | None = None,
    ) -> tuple[Candidates, dict[str, float]]:
        """Look at a picture, and at parts of it.

        Args:
            image: uint8 RGB ``(H, W, 3)``.
            score: Candidates score more than this.
            iou: What overlaps more is thinned out within each tile.
            wanted: bool ``(C,)``: which classes count; None for all.
            slices: How to cut it; None for the whole picture only.

        Returns:
            Candidates in pixels of the picture, not suppressed yet and not clipped to it; and
            milliseconds of preparing, of the network and of choosing candidates.
        """
        size = image.shape[0], image.shape[1]
        prepare = self.card.prepare
        whole = np.array([[0, 0, size[1], size[0]]], np.int64)
        tiles = whole if slices is None else plan_tiles(size, slices, prepare)
        spent = {"prepare": 0.0, "infer": 0.0, "decode": 0.0}
        looks: list[tuple[Candidates, NDArray[np.bool_]]] = []
        step = _BATCH if self._session.input_shape[0] is None else 1
        for first in range(0, len(tiles), step):
            group = tiles[first : first + step]
            outputs, back = self._run_tiles(image, group, spent)
            start = time.perf_counter()
            for row, tile in enumerate(group):
                found = read_candidates(
                    outputs, row, score=score, classes=len(self.card.labels), wanted=wanted
                )
                boxes = back[row](found.boxes) + np.tile(tile[:2], 2).astype(np.float32)
                found = replace(found, boxes=boxes)
                if len(tiles) == 1:
                    looks.append((found, np.zeros(len(boxes), np.bool_)))
                else:
                    looks.append(inside_tile(found, tile, size, iou=iou))
            spent["decode"] += time.perf_counter() - start
        start = time.perf_counter()
        joined = looks[0][0] if len(looks) == 1 else merge_looks(looks, size, prepare)
        spent["decode"] += time.perf_counter() - start
        return joined, {name: milliseconds(seconds) for name, seconds in spent.items()}

    def _run_tiles(
        self, image: NDArray[np.uint8], tiles: NDArray[np.int64], spent: dict[str, float]
    ) -> tuple[dict[str, NDArray[np.float32]], Sequence[_Back]]:
        start = time.perf_counter()
        ready = [
            self._prepare(np.ascontiguousarray(image[y1:y2, x1:x2])) for x1, y1, x2, y2 in tiles
        ]
        batch = np.stack([pixels for pixels, _ in ready])
        prepared = time.perf_counter()
        outputs = self.run(batch)
        spent["prepare"] += prepared - start
        spent["infer"] += time.perf_counter() - prepared
        return outputs, [back for _, back in ready]

    def _prepare(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], _Back]:
        """The input of the network, and the way back from its pixels to those of the picture."""
        prepare = self.card.prepare
        if prepare.mode == "letterbox":
            pixels, place = letterbox(
                image, (prepare.height, prepare.width), interpolation=prepare.interpolation
            )
            return pixels, place.to_source
        across, down = image.shape[1] / prepare.width, image.shape[0] / prepare.height
        scale = np.array([across, down, across, down], np.float32)
        return prepare(image), lambda boxes: boxes * scale


_Back = Callable[[NDArray[np.float32]], NDArray[np.float32]]
