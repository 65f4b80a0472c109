"""Cards in and out of ``.onnx`` files, and the fingerprint of the rest of such a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from saccade._files import whole_file
from saccade.errors import ModelFileError
from saccade.modelfile.card import ModelCard
from saccade.modelfile.wire import (
    GRAPH,
    METADATA,
    Field,
    WireError,
    decode_entry,
    encode_entry,
    iter_fields,
)

__all__ = [
    "CARD_KEY",
    "fingerprint",
    "has_card",
    "read_card",
    "read_metadata",
    "write_card",
]

CARD_KEY = "saccade_card"

_CHUNK = 1 << 20
# A card is a few kilobytes, with ten thousands of labels a megabyte; more is not a card.
_MAX_CARD = 64 << 20


def read_card(path: str | os.PathLike[str]) -> ModelCard:
    """Read the card of a model file, without loading the model.

    Raises:
        ModelFileError: The file is missing, no ONNX model, without a card, or its card is bad.
    """
    with _open(Path(path)) as (stream, found):
        cards = [field for field in found if _is_card(stream, field)]
        if not cards:
            raise ModelFileError(
                f"{path}: an ONNX model without a Saccade card; "
                "use a file made by 'saccade export' or 'saccade import'"
            )
        if len(cards) > 1:
            raise ModelFileError(
                f"{path}: holds {len(cards)} Saccade cards, expected one; "
                "export the model again (saccade export)"
            )
        text = decode_entry(_content(stream, cards[0]))[1]
    return ModelCard.from_json(text, where=str(path))


def has_card(path: str | os.PathLike[str]) -> bool:
    """Whether an ONNX file carries a Saccade card, be it good or bad.

    Raises:
        ModelFileError: The file is missing or no ONNX model.
    """
    with _open(Path(path)) as (stream, found):
        return any(_is_card(stream, field) for field in found)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the metadata that the maker of an ONNX file put in, without loading the model.

    Raises:
        ModelFileError: The file is missing or no ONNX model.
    """
    with _open(Path(path)) as (stream, found):
        entries = [field for field in found if field.number == METADATA and field.is_bytes]
        return dict(decode_entry(_content(stream, field)) for field in entries)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Tell one model from another, whatever its card says.

    Returns:
        SHA-256, as 64 hex digits, over the outermost fields of the file in their order, but for
        the card. Another card leaves it as it is; another weight changes it.

    Raises:
        ModelFileError: The file is missing or no ONNX model.
    """
    with _open(Path(path)) as (stream, found):
        return _fingerprint(stream, found)


def write_card(
    path_in: str | os.PathLike[str], path_out: str | os.PathLike[str], card: ModelCard
) -> ModelCard:
    """Write a model file with a card, in place of the one that it may hold.

    The new file appears whole or not at all. ``path_in`` and ``path_out`` may be the same.

    Args:
        path_in: An ONNX file.
        path_out: Where the file with the card goes; the folder must exist.
        card: The card; its fingerprint is stamped here.

    Returns:
        The card as written, with its fingerprint.

    Raises:
        ModelFileError: ``path_in`` is missing or no ONNX model, the card holds a value of a wrong
            type, or ``path_out`` cannot be written.
    """
    target = Path(path_out)
    with _open(Path(path_in)) as (stream, found):
        stamped = replace(card, fingerprint=_fingerprint(stream, found))
        entry = encode_entry(CARD_KEY, stamped.to_json())
        with _atomic(target) as out:
            out.writelines(_without_card(stream, found))
            out.write(entry)
    return stamped


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[BinaryIO, list[Field]]]:
    """Open a model file and find its outermost fields; every failure is one ModelFileError."""
    try:
        if path.is_dir():
            raise ModelFileError(f"{path}: is a folder, expected an .onnx file")
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                raise ModelFileError(f"{path}: is empty; copy, download or export it again")
            try:
                found = list(iter_fields(stream, size))
                if not any(field.number == GRAPH and field.is_bytes for field in found):
                    raise WireError("it holds no graph")
                yield stream, found
            except WireError as error:
                raise ModelFileError(f"{path}: {_diagnose(stream, error)}") from error
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise ModelFileError(f"{path}: may not be read; check its permissions") from error
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero byte in it.
        raise ModelFileError(f"{path}: cannot be read ({error})") from error


def _diagnose(stream: BinaryIO, error: WireError) -> str:
    """Say what a file is that is not ONNX, as far as its first bytes tell."""
    stream.seek(0)
    head = stream.read(256).lstrip()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the model itself; run: git lfs pull"
    if head[:1] == b"<":
        return "is a web page or XML, not an ONNX model; download the file itself"
    if head.startswith(b"PK\x03\x04"):
        return "is a zip archive (a torch checkpoint?), not an ONNX model; export it to ONNX"
    return f"is not an ONNX model or is damaged ({error}); copy, download or export it again"


def _is_card(stream: BinaryIO, field: Field) -> bool:
    if field.number != METADATA or not field.is_bytes:
        return False
    # An entry begins with its key, so long values of other entries need not be read whole.
    if field.end - field.body > _MAX_CARD:
        return False
    return decode_entry(_content(stream, field))[0] == CARD_KEY


def _content(stream: BinaryIO, field: Field) -> bytes:
    stream.seek(field.body)
    return stream.read(field.end - field.body)


def _fingerprint(stream: BinaryIO, found: list[Field]) -> str:
    state = hashlib.sha256()
    for chunk in _without_card(stream, found):
        state.update(chunk)
    return state.hexdigest()


def _without_card(stream: BinaryIO, found: list[Field]) -> Iterator[bytes]:
    """All bytes of the file but for the card, in pieces."""
    for field in [field for field in found if not _is_card(stream, field)]:
        stream.seek(field.start)
        left = field.end - field.start
        while left > 0:
            chunk = stream.read(min(_CHUNK, left))
            if not chunk:
                raise WireError("the file became shorter while it was read")
            left -= len(chunk)
            yield chunk


@contextlib.contextmanager
def _atomic(target: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``target`` when all is written, and vanishes otherwise."""
    try:
        with whole_file(target) as beside:
            with beside.open("xb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            if target.exists():
                shutil.copymode(target, beside)
    except OSError as error:
        raise ModelFileError(f"{target}: cannot be written ({error.strerror or error})") from error
