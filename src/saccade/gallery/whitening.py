"""PCA whitening: a rotation after which no direction of the vectors dominates.

Jegou and Chum, "Negative evidences and co-occurrences in image retrieval" (2012), with the power of
`naver/deep-image-retrieval`; the landmark entry of 2019 (arXiv 1906.03990) reduces fused
descriptors to 512 numbers with it (secondary source). The covariance divides by N.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import GalleryError, OptionError
from saccade.gallery._vectors import check_whole, unit_rows, vector_array

__all__ = ["Whitening", "fit_whitening"]

_FORMAT = 1
# Directions whose variance is below this share of the largest are rounding errors; to scale them up
# would fill the vectors with noise.
_LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Whitening:
    """How vectors are centred, rotated, scaled and cut.

    Attributes:
        mean: float32 (D,).
        projection: float32 (D, d): the kept directions, already scaled.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.projection.shape[:1] != self.mean.shape:
            raise OptionError(
                f"mean has shape {self.mean.shape} and projection {self.projection.shape}; "
                "expected (D,) and (D, d)"
            )

    @property
    def dim(self) -> int:
        """Length of the vectors that come out."""
        return int(self.projection.shape[1])

    def project(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """Whiten (N, D) to float32 (N, d), without scaling to unit length.

        Raises:
            OptionError: vectors of another length.
        """
        array = vector_array(vectors, "vectors")
        if array.shape[1] != len(self.mean):
            raise OptionError(
                f"vectors have {array.shape[1]} numbers each; this whitening was fitted on "
                f"{len(self.mean)}"
            )
        return np.asarray((array - self.mean) @ self.projection, np.float32)

    def __call__(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """Whiten (N, D) to float32 (N, d) of unit length."""
        return unit_rows(self.project(vectors))

    def to_bytes(self) -> bytes:
        """The whitening as an ``.npz``, without pickle."""
        stream = io.BytesIO()
        np.savez(stream, format=np.int64(_FORMAT), mean=self.mean, projection=self.projection)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Whitening:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            GalleryError: It is something else, or of a newer format.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as parts:
                number = int(parts["format"])
                mean, projection = parts["mean"], parts["projection"]
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise GalleryError(f"these bytes hold no whitening ({error}); fit it again") from error
        if number != _FORMAT:
            raise GalleryError(
                f"the whitening is of format {number}, this version reads {_FORMAT}; update saccade"
            )
        if not all(p.dtype == np.float32 and np.isfinite(p).all() for p in (mean, projection)):
            raise GalleryError("the whitening is no finite float32; fit it again")
        try:
            return cls(mean, projection)
        except OptionError as error:
            raise GalleryError(f"the whitening is damaged ({error}); fit it again") from error


def fit_whitening(vectors: ArrayLike, *, dim: int | None = 512, power: float = 0.5) -> Whitening:
    """Fit a whitening: eigenvectors of the covariance, scaled by ``eigenvalue ** -power``.

    Args:
        vectors: (N, D); many more than D of them, as unlike as what will be searched.
        dim: Keep at most so many directions, those of the largest variance; None keeps all.
            Directions without variance are dropped in any case.
        power: 0 rotates and cuts only, 0.5 whitens fully; between, it is damped.

    Raises:
        OptionError: an option outside its range.
        GalleryError: fewer than two different vectors.
    """
    array = vector_array(vectors, "vectors").astype(np.float64)
    if dim is not None:
        check_whole(dim, "dim", 1)
    if not 0 <= power <= 1:
        raise OptionError(f"power is {power!r}; expected a number from 0 to 1")
    mean = array.mean(axis=0) if len(array) else np.zeros(array.shape[1])
    centred = array - mean
    values, directions = np.linalg.eigh(centred.T @ centred / max(len(array), 1))
    values, directions = values[::-1], directions[:, ::-1]
    largest = float(values[0]) if len(values) else 0.0
    # Vectors of length about 1 are known to about 1e-7, their variances to the square of it.
    if len(array) < 2 or largest < 1e-12 * max(1.0, float((array**2).sum(axis=1).max())):
        raise GalleryError(
            f"a whitening needs two different vectors or more; {len(array)} given, all alike"
        )
    kept = min(int((values > _LEAST * largest).sum()), dim or len(values))
    directions = directions[:, :kept]
    # An eigenvector's sign is arbitrary: the largest number of each becomes positive.
    peaks = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[peaks, np.arange(kept)])
    scaled = directions * values[:kept] ** -power
    return Whitening(mean.astype(np.float32), scaled.astype(np.float32))
