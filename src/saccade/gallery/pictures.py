"""From pictures to a gallery: which pictures, under which labels, and adding them."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from saccade import zoo
from saccade.errors import ImageError, OptionError, Problem
from saccade.gallery.gallery import Gallery
from saccade.gallery.items import NewItem
from saccade.gallery.kinds import AUTO
from saccade.imaging.read import list_images, read_image

__all__ = [
    "AddReport",
    "Picture",
    "PictureEmbedder",
    "Pictures",
    "add_pictures",
    "content_hash",
    "create_gallery",
    "labelled_folder",
    "model_name",
    "with_label",
]


class PictureEmbedder(Protocol):
    """What turns pictures into vectors; :class:`saccade.tasks.embed.Embedder` is one."""

    @property
    def name(self) -> str:
        """Name of the model, for messages."""
        ...

    @property
    def path(self) -> Path:
        """File of the model."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of the model; vectors of equal fingerprint are comparable."""
        ...

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        ...

    def batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Vectors of N pictures.

        Args:
            images: uint8 RGB (H, W, 3) each, of any size.

        Returns:
            float32 (N, dim), each row of unit length, or of zeros where the model sees nothing.
        """
        ...


@dataclass(frozen=True)
class Picture:
    """A picture file and what it shows."""

    path: Path
    label: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures that were found, and what had to be left out."""

    found: tuple[Picture, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Pictures) -> Pictures:
        return Pictures(self.found + other.found, self.problems + other.problems)


@dataclass
class AddReport:
    """What :func:`add_pictures` did: new items, pictures known before, and pictures left out."""

    added: int = 0
    duplicates: int = 0
    problems: list[Problem] = field(default_factory=list)


def labelled_folder(root: str | os.PathLike[str]) -> Pictures:
    """The pictures of a folder whose subfolders' names are the labels.

    Pictures further down belong to the first subfolder; pictures beside the subfolders are
    problems.

    Raises:
        OptionError: It is not a folder, or it has no subfolders.
    """
    folder = Path(root)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        remedy = "; say what it shows with --label" if folder.exists() else ""
        raise OptionError(f"{root} {what}; expected a folder whose subfolders are labels{remedy}")
    try:
        inside = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise OptionError(f"{root} cannot be listed: {error.strerror or error}") from error
    subfolders = [entry for entry in inside if entry.is_dir()]
    if not subfolders:
        raise OptionError(
            f"{root} has no subfolders whose names could be labels; say what it shows with --label,"
            " or give the folder above it"
        )
    result = Pictures()
    for subfolder in subfolders:
        # macOS writes names decomposed; "é" must be one label wherever the folder was made.
        label = unicodedata.normalize("NFC", subfolder.name)
        result += with_label([subfolder], label)
    strays = [path for path in inside if path.is_file()]
    return result + Pictures(
        problems=tuple(
            Problem(str(path), "lies in no label's folder; move it into one") for path in strays
        )
    )


def with_label(paths: Iterable[str | os.PathLike[str]], label: str) -> Pictures:
    """All pictures of some files and folders under one label; what cannot be read is a problem."""
    result = Pictures()
    for path in paths:
        try:
            files = list_images([Path(path)])
        except ImageError as error:
            result += Pictures(problems=(Problem(str(path), str(error)),))
            continue
        result += Pictures(found=tuple(Picture(file, label) for file in files))
    return result


def model_name(embedder: PictureEmbedder) -> str:
    """How a gallery remembers a model: a shipped one by name, any other by its file's place."""
    shipped = embedder.path.parent == zoo.MODELS
    return embedder.name if shipped else str(embedder.path.absolute())


def create_gallery(
    place: str | os.PathLike[str], embedder: PictureEmbedder, *, index: str = AUTO
) -> Gallery:
    """Make an empty gallery for the vectors of a model, and open it.

    A model that is shipped with Saccade is remembered by its name, any other by the place of its
    file. A model that hashes (its attribute ``hashes`` is true) gets a gallery of bits.

    Args:
        place: A folder that does not exist yet.
        embedder: The model.
        index: Kind of index, see :mod:`saccade.gallery.kinds`.

    Raises:
        GalleryError: The place exists, or cannot be written.
        OptionError: No such kind of index.
    """
    return Gallery.create(
        place,
        model=model_name(embedder),
        fingerprint=embedder.fingerprint,
        dim=embedder.dim,
        index=index,
        storage="bits" if getattr(embedder, "hashes", False) else None,
    )


def content_hash(content: bytes) -> str:
    """The hash by which a gallery tells pictures apart: SHA-256 of the file's bytes, in hex.

    Of the bytes and not of the pixels: decoders differ by a bit between versions, and a picture
    that is known need not be decoded.
    """
    return hashlib.sha256(content).hexdigest()


def add_pictures(
    gallery: Gallery,
    embedder: PictureEmbedder,
    pictures: Iterable[Picture],
    *,
    batch: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> AddReport:
    """Embed pictures and add them, batch by batch; each batch is safe on disk when it is reported.

    Pictures that are there already are recognised before they are decoded, so that an interrupted
    call is resumed by making it again.

    Args:
        gallery: Where to.
        embedder: The gallery's model.
        pictures: What to add.
        batch: Pictures embedded and committed at a time.
        on_progress: Called after each batch with the number of pictures it dealt with.

    Returns:
        The counts, and the pictures that had to be left out, with the reason.

    Raises:
        GalleryError: The model is not the gallery's, or the gallery cannot be written.
    """
    gallery.check_model(embedder.fingerprint, embedder.name)
    report = AddReport()
    stream = iter(pictures)
    while some := list(islice(stream, batch)):
        known: list[tuple[Picture, str]] = []
        images: list[npt.NDArray[np.uint8]] = []
        for picture, content, image in _decoded(gallery, some, report):
            known.append((picture, content))
            images.append(image)
        if images:
            vectors = embedder.batch(images)
            items: list[NewItem] = []
            for (picture, content), vector in zip(known, vectors, strict=True):
                if vector.any():
                    # Absolute, so that a re-embedding finds the picture from anywhere.
                    source = os.path.abspath(picture.path)  # noqa: PTH100  (resolves no links)
                    items.append(NewItem(picture.label, vector, content, source, picture.metadata))
                else:
                    reason = "the model sees nothing in it; use another picture"
                    report.problems.append(Problem(str(picture.path), reason))
            added = gallery.add(items, fingerprint=embedder.fingerprint)
            report.added += len(added.ids)
            report.duplicates += added.duplicates
        if on_progress is not None:
            on_progress(len(some))
    return report


def _decoded(
    gallery: Gallery, pictures: list[Picture], report: AddReport
) -> Iterator[tuple[Picture, str, npt.NDArray[np.uint8]]]:
    """The new, readable pictures with content hash and pixels; the rest is reported."""
    for picture in pictures:
        where = str(picture.path)
        try:
            _check_texts(picture)
            if picture.path.exists() and not picture.path.is_file():
                raise ImageError(f"{where} is not a file; give the path of a picture")
            data = picture.path.read_bytes()
            content = content_hash(data)
            if gallery.contains(picture.label, content):
                report.duplicates += 1
                continue
            yield picture, content, read_image(data, name=where)
        except OSError as error:
            report.problems.append(Problem(where, error.strerror or str(error)))
        except ImageError as error:
            report.problems.append(Problem(where, str(error)))


def _check_texts(picture: Picture) -> None:
    """Refuse names that are not text (bytes of another encoding), and blank labels."""
    for text in (picture.label, str(picture.path)):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ImageError("its name is not valid UTF-8; rename it") from None
    try:
        json.dumps(dict(picture.metadata), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ImageError(f"its metadata is not JSON ({error})") from None
    if not picture.label.strip():
        raise ImageError("its label is blank; give it a name")
