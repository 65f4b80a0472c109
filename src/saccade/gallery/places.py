"""Making something appear at its place whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from saccade.errors import GalleryError

__all__ = ["new_place"]


@contextlib.contextmanager
def new_place(place: str | os.PathLike[str], remedy: str = "") -> Iterator[Path]:
    """A folder that gets its name when the block ends well, and is removed otherwise.

    Args:
        place: The name; must not exist yet.
        remedy: What to do if it does; empty for that of a new gallery.

    Raises:
        GalleryError: The place exists, or cannot be written.
    """
    target = Path(place).absolute()
    remedy = remedy or (
        f"give a new place, or add to it with: saccade gallery add {place} PICTURES..."
    )
    if os.path.lexists(target):
        raise GalleryError(f"{place} exists already; {remedy}")
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir()
        yield temporary
        if os.path.lexists(target):  # an empty folder would be replaced without a word
            raise GalleryError(f"{place} exists already; {remedy}")
        temporary.rename(target)
    except OSError as error:
        raise GalleryError(f"{place} cannot be created: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
