"""The few bytes of protobuf that a model card needs, read without the ``onnx`` package.

An ``.onnx`` file is one protobuf ``ModelProto``: a sequence of fields, each a tag
(``number << 3 | wire type``, a varint) and a value (protobuf encoding guide, "Message structure").
Only the outermost level is walked: the graph is one long field that is skipped over, so a card is
found in a file of any size with a few small reads.

The card is one entry of ``metadata_props`` (field 14 of ``ModelProto``, a
``StringStringEntryProto`` with key = 1 and value = 2). The order of fields carries no meaning in
protobuf, so an entry can be taken out, and a new one put at the end, without touching the rest.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = [
    "GRAPH",
    "METADATA",
    "Field",
    "WireError",
    "decode_entry",
    "encode_entry",
    "iter_fields",
]

GRAPH = 7
METADATA = 14

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
# Real models have a few dozen outermost fields, models with local functions some hundreds.
_MAX_FIELDS = 100_000


class WireError(ValueError):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True)
class Field:
    """Where one field of a message lies in its stream.

    Attributes:
        number: The field number.
        start: Offset of the first byte of the tag.
        body: Offset of the first byte of the value (behind the length, if there is one).
        end: Offset behind the last byte.
        is_bytes: Whether the value has a length and bytes (a string or a message).
    """

    number: int
    start: int
    body: int
    end: int
    is_bytes: bool


def iter_fields(stream: BinaryIO, size: int) -> Iterator[Field]:
    """Walk the outermost fields of a message, without reading long values.

    Args:
        stream: A seekable binary stream; the message begins at its offset 0.
        size: Length of the message in bytes.

    Yields:
        The fields, in the order of the stream.

    Raises:
        WireError: A tag, a length or a value breaks the protobuf encoding or overruns the end.
    """
    offset = 0
    count = 0
    while offset < size:
        count += 1
        if count > _MAX_FIELDS:
            raise WireError(f"more than {_MAX_FIELDS} fields")
        stream.seek(offset)
        # A tag takes up to 5 bytes and a length or number up to 10: one small read holds both.
        head = stream.read(min(2 * _MAX_VARINT_BYTES, size - offset))
        tag, used = _read_varint(head, 0)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"byte {offset} holds no field")
        if kind == _VARINT:
            _, used = _read_varint(head, used)
            body = end = offset + used
        elif kind == _BYTES:
            length, used = _read_varint(head, used)
            body = offset + used
            end = body + length
        elif kind in (_FIXED64, _FIXED32):
            body = offset + used
            end = body + (8 if kind == _FIXED64 else 4)
        else:
            raise WireError(f"byte {offset} holds no field")
        if end > size:
            raise WireError(f"the file ends {end - size} bytes early")
        yield Field(number, offset, body, end, kind == _BYTES)
        offset = end


def decode_entry(entry: bytes) -> tuple[str, str]:
    """Read one ``StringStringEntryProto``.

    Args:
        entry: The bytes of the message.

    Returns:
        Its key and its value; an absent one is the empty string.

    Raises:
        WireError: The bytes are no such message, or the texts are not UTF-8.
    """
    texts = {1: "", 2: ""}
    for field in iter_fields(io.BytesIO(entry), len(entry)):
        if field.number in texts and field.is_bytes:
            try:
                texts[field.number] = entry[field.body : field.end].decode("utf-8")
            except UnicodeDecodeError as error:
                raise WireError("a metadata entry is not UTF-8") from error
    return texts[1], texts[2]


def encode_entry(key: str, value: str) -> bytes:
    """Write one ``metadata_props`` field of a ``ModelProto``: tag, length and entry."""
    entry = _bytes_field(1, key.encode("utf-8")) + _bytes_field(2, value.encode("utf-8"))
    return _bytes_field(METADATA, entry)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Read a varint; returns it and the offset behind it."""
    value = 0
    for offset in range(start, min(start + _MAX_VARINT_BYTES, len(data))):
        value |= (data[offset] & 0x7F) << 7 * (offset - start)
        if data[offset] < 0x80:
            return value, offset + 1
    raise WireError("the file ends within a number, or the number is too long")
