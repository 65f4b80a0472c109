"""From a picture to a vector: near vectors show alike things."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.errors import ModelFileError
from saccade.imaging.read import ImageSource
from saccade.modelfile import ModelCard, fingerprint, read_card
from saccade.results import Failed
from saccade.tasks._pictures import (
    MAX_BATCH,
    Ready,
    check_count,
    check_images,
    load_model,
    read_batches,
    read_picture,
)

__all__ = ["Embedder"]

_OUTPUT = "embedding"
_BITS = "bits"  # of a hashing model: float32 (N, dim) in -1..1, whose signs are the bits


class Embedder:
    """Turns pictures into unit vectors. Immutable; any number of threads may share one.

    ::

        embed = saccade.Embedder()
        likeness = embed("a.jpg") @ embed("b.jpg")

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        UnknownModel: No such model.
        ModelFileError: The file is damaged or its graph gives no embedding.
        OptionError: An unknown runtime or a bad number of threads.
        MissingExtra: The runtime is not installed.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        path = zoo.default("embed") if model is None else zoo.find(model)
        self._output = _BITS if _BITS in read_card(path).outputs else _OUTPUT
        self._model = load_model(
            path, task="embed", output=self._output, runtime=runtime, threads=threads
        )
        dim = self._model.card.embedding_dim
        if dim is None:
            raise ModelFileError(
                f"{self._model.path}: the card does not say the length of the embedding; "
                "export it again (saccade export)"
            )
        self._dim = dim

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._model.card

    @property
    def name(self) -> str:
        """Name of the model: that of its file without ``.onnx``."""
        return self._model.path.stem

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._model.path

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._dim

    @property
    def hashes(self) -> bool:
        """Whether the model gives bits; the vectors are then ``±1 / sqrt(dim)``."""
        return self._output == _BITS

    @cached_property
    def fingerprint(self) -> str:
        """Of the model; only vectors of equal fingerprint may be compared.

        It is taken from the graph itself, not from the card, which other tools keep as it is while
        they change the graph.
        """
        return fingerprint(self._model.path)

    def __call__(self, image: ImageSource) -> NDArray[np.float32]:
        """Embed one picture.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.

        Returns:
            float32 ``(dim,)`` of length 1.

        Raises:
            ImageError: The picture cannot be read.
        """
        pixels = read_picture(image, self.card.prepare).pixels
        vector: NDArray[np.float32] = self._embed([pixels])[0]
        return vector

    def batch(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed pictures that are already read.

        Args:
            images: uint8 RGB ``(H, W, 3)`` each, of any size.

        Returns:
            float32 ``(N, dim)``, every row of length 1.
        """
        return self._embed([self.card.prepare(image) for image in images])

    def many(
        self, images: Iterable[ImageSource], *, batch: int = 8
    ) -> Iterator[NDArray[np.float32] | Failed]:
        """Embed many pictures, reading them while others go through the network.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            batch: Pictures that go through the network at once.

        Returns:
            An iterator in input order: float32 ``(dim,)`` of length 1, or a ``Failed`` for a
            picture that cannot be read.

        Raises:
            OptionError: ``batch`` is out of range, or ``images`` is one picture.
        """
        check_count(batch, "batch", MAX_BATCH)
        return self._stream(check_images(images), batch)

    def __repr__(self) -> str:
        return f"Embedder({str(self._model.path)!r}, {self.dim} numbers)"

    def _stream(
        self, images: Iterable[ImageSource], batch: int
    ) -> Iterator[NDArray[np.float32] | Failed]:
        for group in read_batches(images, self.card.prepare, batch):
            vectors = iter(self._embed([i.pixels for i in group if isinstance(i, Ready)]))
            for item in group:
                yield item if isinstance(item, Failed) else next(vectors)

    def _embed(self, pixels: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if not pixels:
            return np.empty((0, self.dim), np.float32)
        vectors = self._model.session.run(np.stack(pixels))[self._output]
        if vectors.shape != (len(pixels), self.dim):
            raise ModelFileError(
                f"{self._model.path}: the graph gives embeddings of shape {vectors.shape} for "
                f"{len(pixels)} pictures, the card says {self.dim} numbers each; "
                "export the model again (saccade export)"
            )
        if self.hashes:
            # The sign is the bit (`bits.py`); a picture always has one.
            vectors = np.where(vectors > 0, np.float32(1), np.float32(-1))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # A vector of zeros stays one: it is like nothing, not a division by zero.
        unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit
