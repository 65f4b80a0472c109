from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.modelfile.wire import (
    METADATA,
    WireError,
    decode_entry,
    encode_entry,
    iter_fields,
)


def fields_of(data: bytes) -> list[tuple[int, bytes]]:
    found = iter_fields(io.BytesIO(data), len(data))
    return [(field.number, data[field.body : field.end]) for field in found]


def test_every_kind_of_value_is_walked() -> None:
    data = (
        b"\x08\x96\x01"  # field 1, varint 150
        b"\x12\x03abc"  # field 2, three bytes
        b"\x1d\x01\x02\x03\x04"  # field 3, fixed32
        b"\x21\x01\x02\x03\x04\x05\x06\x07\x08"  # field 4, fixed64
    )
    assert [number for number, _ in fields_of(data)] == [1, 2, 3, 4]
    assert fields_of(data)[1][1] == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",  # field number 0
        b"\x0b",  # a group, which protobuf gave up
        b"\x0f",  # wire type 7
        b"\x12\x05abc",  # a length beyond the end
        b"\x08" + b"\xff" * 11,  # a number of too many bytes
        b"\x08",  # a tag without a value
        b"\x1d\x01",  # half a fixed32
    ],
)
def test_broken_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        fields_of(data)


def test_a_file_of_endless_small_fields_is_refused() -> None:
    with pytest.raises(WireError, match="more than"):
        fields_of(b"\x08\x01" * 100_001)


@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    try:
        found = list(iter_fields(io.BytesIO(data), len(data)))
    except WireError:
        return
    # What is accepted tiles the data without gaps.
    assert [field.start for field in found] + [len(data)] == [0] + [field.end for field in found]


@given(st.binary(max_size=60))
def test_random_entries_raise_nothing_but_wire_errors(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_entry(data)


@given(st.text(max_size=300), st.text(max_size=3000))
def test_entries_round_trip(key: str, value: str) -> None:
    ((number, entry),) = fields_of(encode_entry(key, value))
    assert number == METADATA
    assert decode_entry(entry) == (key, value)
