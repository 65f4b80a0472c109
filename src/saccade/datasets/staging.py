"""Datasets written whole or not at all: they grow in a hidden folder, which takes their place."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from saccade.datasets.layout import is_picture
from saccade.errors import DatasetError

__all__ = ["refuse_taken", "staging"]


def refuse_taken(target: Path, packed: bool) -> None:
    """Refuse a place where something is already; an empty folder may be there.

    Raises:
        DatasetError: something is there.
    """
    empty = not packed and target.is_dir() and not target.is_symlink()
    if os.path.lexists(target) and not (empty and not any(target.iterdir())):
        raise DatasetError(f"{target} is there already; choose another place, or remove it first")


@contextmanager
def staging(target: Path, packed: bool) -> Iterator[Path]:
    """A folder that takes the place of the target when all is written, and vanishes otherwise.

    Args:
        target: the folder to make, or a ``.zip``.
        packed: whether it is a ``.zip``.

    Raises:
        DatasetError: the place is taken or can't be written.
    """
    part = target.absolute().parent / f".{target.name}.{secrets.token_hex(4)}.part"
    pack = part.with_name(f"{part.name}.zip")
    try:
        part.mkdir(parents=True)
        yield part
        refuse_taken(target, packed)
        if packed:
            _pack(part, pack)
            pack.rename(target)
        else:
            with suppress(FileNotFoundError):
                target.rmdir()
            part.rename(target)
    except OSError as error:
        raise DatasetError(
            f"{target} cannot be written ({error.strerror or error}); check the place, its "
            "permissions and the space left"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            pack.unlink()


def _pack(folder: Path, pack: Path) -> None:
    """Put a folder into a ``.zip``; pictures are stored, since they are compressed already."""
    with zipfile.ZipFile(pack, "x", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                stored = is_picture(path.name)
                kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                archive.write(path, path.relative_to(folder).as_posix(), kind)
