from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_files import write_pdparams
from saccade.errors import ModelFileError
from saccade_train.paddle.pdparams import read_pdparams

TENSORS = {
    "conv1.conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "fc.weight": np.linspace(-1, 1, 6).reshape(3, 2),
    "half": np.array([0.5, -2.0], np.float16),
    "count": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "bytes": np.arange(5, dtype=np.uint8),
    "empty": np.zeros((0, 3), np.float32),
}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        np.testing.assert_array_equal(found[name], value, strict=True)


# --- what Paddle writes ---------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_round_trip(tmp_path: Path, protocol: int) -> None:
    assert_same(read_pdparams(write_pdparams(tmp_path / "a.pdparams", TENSORS, protocol)), TENSORS)


@pytest.mark.parametrize("protocol", [2, 3])
def test_split_tensors_are_joined(tmp_path: Path, protocol: int) -> None:
    path = write_pdparams(tmp_path / "a.pdparams", TENSORS, protocol, split=5)
    found = read_pdparams(path)
    assert sorted(found) == sorted(TENSORS)
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_written_under_numpy_1(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    for protocol in (2, 3):
        content = pickle.dumps(TENSORS, protocol=protocol)
        assert b"cnumpy._core.multiarray\n" in content
        path.write_bytes(content.replace(b"cnumpy._core.", b"cnumpy.core."))
        assert_same(read_pdparams(path), TENSORS)


def test_ordered_dict_and_fortran_order_and_big_endian(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    tensors = {"f": np.asfortranarray(TENSORS["fc.weight"]), "b": np.arange(3, dtype=">f4")}
    for protocol in (2, 3, 4):
        path.write_bytes(pickle.dumps(OrderedDict(tensors), protocol=protocol))
        assert_same(read_pdparams(path), tensors)


def test_bfloat16_comes_as_float32(tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC020, 0x0000], np.uint16)  # 1, -2.5, 0
    path = write_pdparams(tmp_path / "a.pdparams", {"w": bits})
    found = read_pdparams(path)["w"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, -2.5, 0.0]


class Named:
    """As Paddle reduces a tensor inside a dict that isn't a pure state dict."""

    def __init__(self, name: str, value: np.ndarray) -> None:
        self.content = (name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self.content,)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_mixed_dict_has_named_tensors(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"w": Named("linear_0.w_0", np.ones(3))}, protocol=protocol))
    assert_same(read_pdparams(path), {"w": np.ones(3)})


def test_python_2_wrote_strings(tmp_path: Path) -> None:
    data = np.array([1.0, -2.0], np.float32).tobytes()
    parts = [
        *(b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"),
        *(b"K\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"),
        *(b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08" + data + b"tbs."),
    ]
    path = tmp_path / "a.pdparams"
    path.write_bytes(bytes(parts))
    assert pickle.loads(path.read_bytes(), encoding="latin1")["w"].tolist() == [1.0, -2.0]
    assert_same(read_pdparams(path), {"w": np.array([1.0, -2.0], np.float32)})


# --- what nobody should write ---------------------------------------------------------------------


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def read_bytes(tmp_path: Path, content: bytes) -> dict[str, np.ndarray]:
    path = tmp_path / "hostile.pdparams"
    path.write_bytes(content)
    return read_pdparams(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("nested", [False, True])
def test_commands_are_not_run(tmp_path: Path, protocol: int, nested: bool) -> None:
    proof = tmp_path / "proof"
    bad: Any = Call(os.system, f"touch {proof}")
    content = pickle.dumps({"w": np.ones(2), "x": [bad]} if nested else bad, protocol=protocol)
    with pytest.raises(ModelFileError):
        read_bytes(tmp_path, content)
    assert not proof.exists()
    if protocol == 4:
        pickle.loads(content)  # the test can fail: this pickle does run its command
        assert proof.exists()


FUNCTIONS = {
    "eval of a DenseTensor": Call(eval, "data", {"data": np.ones(2)}),
    "exec": Call(exec, "raise SystemExit"),
    "getattr": Call(getattr, "x", "format"),
    "open": Call(open, "/etc/passwd"),
    "numpy.load": Call(np.load, "x.npy"),
    "bytearray of any length": Call(bytearray, 10**12),
    "range": Call(range, 10**9),
    "a type": Call(type, "T", (), {}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_functions_are_refused_by_name(tmp_path: Path, name: str, protocol: int) -> None:
    content = pickle.dumps({"w": FUNCTIONS[name]}, protocol=protocol)
    with pytest.raises(ModelFileError, match=r"refers to .*refused \(nothing in it was run\)"):
        read_bytes(tmp_path, content)


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def word(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"


HEAD = b"\x80\x04"
NDARRAY = word("numpy", "ndarray")
F4 = word("numpy", "dtype") + short("f4") + b"\x89\x88\x87R"
EMPTY_ARRAY = (
    word("numpy.core.multiarray", "_reconstruct") + NDARRAY + b"K\x00\x85" + b"C\x01b\x87R"
)


def array(shape: bytes, data: bytes, dtype: bytes = F4) -> bytes:
    return EMPTY_ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def named(value: bytes) -> bytes:
    return HEAD + b"}" + short("w") + value + b"s."


def test_the_building_blocks_are_right(tmp_path: Path) -> None:
    content = named(array(b"K\x02\x85", b"C\x08" + bytes(8)))
    assert_same(read_bytes(tmp_path, content), {"w": np.zeros(2, np.float32)})


LAUGHS = (
    b")"
    + b"\x94h\x00h\x00\x86"
    + b"".join(b"\x94h" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(1, 60))
)

HOSTILE = {
    "codec of any name": named(word("_codecs", "encode") + short("x") + short("bz2") + b"\x86R"),
    "codec without a name": named(word("_codecs", "encode") + short("x") + b"\x85R"),
    "decode": named(word("_codecs", "decode") + short("x") + short("latin1") + b"\x86R"),
    "bytes of any length": named(word("builtins", "bytes") + b"J\xff\xff\xff\x7f\x85R"),
    "call of an array": named(EMPTY_ARRAY + b")R"),
    "call of a text": named(short("eval") + short("1") + b"\x85R"),
    "ndarray called": named(NDARRAY + b"K\x02\x85R"),
    "array of another class": named(
        word("numpy.core.multiarray", "_reconstruct")
        + word("numpy", "dtype")
        + b"K\x00\x85C\x01b\x87R"
    ),
    "state for a function": named(word("numpy", "dtype") + b"}b"),
    "state for a dict": named(b"}}b"),
    "state twice": named(
        array(b"K\x01\x85", b"C\x04abcd") + b"(K\x01K\x01\x85" + F4 + b"\x89C\x04abcdtb"
    ),
    "class instance": named(b"(" + b"ios\nsystem\n"),
    "new object": named(word("builtins", "tuple") + b")\x81"),
    "persistent id": named(short("x") + b"Q"),
    "nested persistent id": named(b"(Px\nPy\nt" + b"Q"),
    "extension registry": named(b"\x82\x01"),
    "out-of-band buffer": b"\x80\x05}" + short("w") + b"\x97s.",
    "text of protocol 0": named(b"S'x'\n"),
    "long of 2 GB": named(b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "object array": named(array(b"K\x01\x85", b"C\x08" + bytes(8), F4.replace(b"f4", b"O8"))),
    "text array": named(array(b"K\x01\x85", b"C\x04abcd", F4.replace(b"f4", b"U1"))),
    "date array": named(array(b"K\x01\x85", b"C\x08" + bytes(8), F4.replace(b"f4", b"M8"))),
    "complex array": named(array(b"K\x01\x85", b"C\x08" + bytes(8), F4.replace(b"f4", b"c8"))),
    "record dtype": named(
        array(b"K\x01\x85", b"C\x04abcd", F4 + b"(K\x03" + short("<") + b")}NtbN\x85")
    ),
    "negative side": named(array(b"J\xff\xff\xff\xff\x85", b"C\x00")),
    "sides that are no numbers": named(array(short("x") + b"\x85", b"C\x00")),
    "nine dimensions": named(array(b"(" + b"K\x01" * 9 + b"t", b"C\x04abcd")),
    "shape of laughs": named(array(LAUGHS, b"C\x04abcd")),
    "function named by laughs": named(LAUGHS + short("x") + b"\x93"),
    "key of laughs": HEAD + b"}" + LAUGHS + b"Ns.",
    "parts of laughs": HEAD + b"}" + short("UnpackBigParamInfor@@") + b"}" + short("w")
    + b"}" + short("OriginShape") + b")s" + short("slices") + LAUGHS + b"ssss.",
    "value of laughs": named(LAUGHS),
    "data of laughs": named(array(b"K\x01\x85", LAUGHS)),
    "no data": named(array(b"K\x01\x85", b"N")),
    "shape bigger than the data": named(
        array(b"\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85", b"C\x04abcd")
    ),
    "bytes bigger than the file": named(b"B" + struct.pack("<I", 2**32 - 1) + b"abc"),
    "bytes of 4 EB": named(b"\x8e" + struct.pack("<Q", 2**62) + b"abc"),
    "text of 4 EB": named(b"\x8d" + struct.pack("<Q", 2**62) + b"abc"),
    "frame of 4 EB": HEAD + b"\x95" + struct.pack("<Q", 2**62) + b"}",
    "memo number 2^32 - 1 not there": named(b"j\xff\xff\xff\xff"),
    "a number": HEAD + b"K\x01.",
    "a list": HEAD + b"].",
    "a bare tensor": HEAD + array(b"K\x01\x85", b"C\x04abcd") + b".",
    "a number in the dict": named(b"K\x01"),
    "an unfinished array": named(EMPTY_ARRAY),
    "a number as a key": HEAD + b"}K\x01Ns.",
    "two objects at the end": HEAD + b"}}.",
    "nothing at the end": HEAD + b".",
    "pop without a mark": HEAD + b"t.",
    "marks only": HEAD + b"(((" + b"\x86.",
    "put on a mark": HEAD + b"(\x94.",
    "append to a dict": HEAD + b"}Na.",
    "items to a list": HEAD + b"](NNu.",
    "a key without a value": HEAD + b"}(" + short("w") + b"u.",
    "bad UTF-8": HEAD + b"\x8c\x02\xff\xfe.",
    "protocol 200": b"\x80\xc8}.",
    "malformed split table": HEAD + b"}" + short("UnpackBigParamInfor@@") + b"K\x01s.",
    "split tensor without parts": HEAD + b"}" + short("UnpackBigParamInfor@@") + b"}" + short("w")
    + b"}" + short("OriginShape") + b")s" + short("slices") + b"]sss.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused_cheaply(tmp_path: Path, name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError) as caught:
            read_bytes(tmp_path, HOSTILE[name])
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "hostile.pdparams"))
    assert "\n" not in message
    assert len(message) < 400


def test_a_huge_memo_number_costs_nothing(tmp_path: Path) -> None:
    tracemalloc.start()
    content = named(array(b"K\x01\x85", b"C\x04" + bytes(4)) + b"r\xff\xff\xff\x7f")
    assert_same(read_bytes(tmp_path, content), {"w": np.zeros(1, np.float32)})
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_one_buffer_cannot_be_many_arrays(tmp_path: Path) -> None:
    buffer = b"B" + struct.pack("<I", 40_000) + bytes(40_000) + b"\x94"
    shared = array(b"M\x10\x27\x85", b"h\x00")
    items = b"".join(short(f"w{n}") + shared + b"s" for n in range(50))
    with pytest.raises(ModelFileError, match="more bytes than the file has"):
        read_bytes(tmp_path, HEAD + buffer + b"\x85" + b"}" + items + b"\x86.")


def test_one_text_cannot_be_many_buffers(tmp_path: Path) -> None:
    text = b"X" + struct.pack("<I", 40_000) + b"a" * 40_000 + b"\x94"
    encoded = word("_codecs", "encode") + b"h\x00" + short("latin1") + b"\x86R"
    with pytest.raises(ModelFileError, match="more bytes than the file has"):
        read_bytes(tmp_path, HEAD + b"(" + text + encoded * 50 + b"t.")


def test_one_array_cannot_be_joined_many_times(tmp_path: Path) -> None:
    one = np.zeros(10_000, np.float32)
    names = [f"w{n}" for n in range(50)]
    table = {"w": {"OriginShape": (500_000,), "slices": names}}
    content = {**dict.fromkeys(names, one), "UnpackBigParamInfor@@": table}
    with pytest.raises(ModelFileError, match="more bytes than the file has"):
        read_bytes(tmp_path, pickle.dumps(content, protocol=2))


def test_deeply_nested_lists(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no tensor"):
        read_bytes(tmp_path, named(b"]" * 100_000 + b"a" * 99_999))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"hello", "not a pickle"),
        (b"\x08\x05\x10\x04", "not a pickle"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_bytes(tmp_path, content)


def test_unreadable_places(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_pdparams(tmp_path / "missing.pdparams")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_pdparams(tmp_path)


def test_size_limit(tmp_path: Path) -> None:
    path = write_pdparams(tmp_path / "a.pdparams", TENSORS)
    with pytest.raises(ModelFileError, match="more than the limit of 100"):
        read_pdparams(path, max_bytes=100)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_truncation_is_an_error(tmp_path: Path, protocol: int) -> None:
    small = {"a": np.arange(3, dtype=np.float32), "b": np.array([0x3F80], np.uint16)}
    whole = write_pdparams(tmp_path / "a.pdparams", small, protocol).read_bytes()
    for length in range(len(whole)):
        with pytest.raises(ModelFileError):
            read_bytes(tmp_path, whole[:length])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_or_refuse(place: Path, content: bytes) -> None:
    path = place / "fuzz.pdparams"
    path.write_bytes(content)
    try:
        found = read_pdparams(path)
    except ModelFileError:
        return
    for name, value in found.items():
        assert type(name) is str
        assert type(value) is np.ndarray
        assert value.dtype.kind in "fiub"
        assert value.nbytes <= 2 * len(content)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), protocol=st.sampled_from([2, 3, 4]))
def test_damaged_files_are_read_or_refused(place: Path, data: st.DataObject, protocol: int) -> None:
    content = bytearray(write_pdparams(place / "a", TENSORS, protocol, split=7).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(1, len(content) - 1))
        new = data.draw(st.binary(max_size=3))
        content[at : at + data.draw(st.integers(0, 3))] = new
    read_or_refuse(place, bytes(content))


_PIECES = st.one_of(
    st.sampled_from([bytes([code]) for code in range(256)]),
    st.sampled_from(
        [
            *(short("w"), EMPTY_ARRAY, F4, NDARRAY, word("os", "system")),
            *(word("builtins", "tuple"), array(b"K\x01\x85", b"C\x04abcd"), b"K\x01", b"h\x00"),
            *(b"\x94", b"}", b"(", b"s", b"R"),
        ]
    ),
    st.binary(max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=25))
def test_random_programs_are_read_or_refused(place: Path, pieces: list[bytes]) -> None:
    read_or_refuse(place, HEAD + b"}" + b"".join(pieces) + b".")
