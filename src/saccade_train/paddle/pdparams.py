"""Reading Paddle's ``.pdparams`` without Paddle, and without running anything from the file.

A ``.pdparams`` file is one Python pickle: a dict from names to NumPy arrays
(``python/paddle/framework/io.py`` of Paddle). Loading a pickle normally means letting it call
functions. Here it is *read* instead: a small interpreter walks over the opcodes that such files
consist of and builds dicts, tuples, numbers, strings and arrays. The few functions that an honest
file refers to are words with a fixed meaning; there is no way to call anything, and any other word
or opcode ends the reading.

Objects may be shared through the pickle's memo, so a small file can describe an enormous one. Hence
nothing here prints, hashes, compares or copies a value before its type is known, and what is copied
is charged to a budget of the file's size.
"""

from __future__ import annotations

import math
import os
import pickletools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np

from saccade.errors import ModelFileError

__all__ = ["MAX_FILE_BYTES", "read_pdparams"]

MAX_FILE_BYTES = 4 * 1024**3
"""Files above this are refused; the largest network of this package is 0.3 GB."""

_MAX_OPCODES = 4_000_000  # an honest file has some thirty a tensor
_MAX_DIMENSIONS = 8

_NAME_TABLE = "StructuredToParameterName@@"
_BIG_PARAMETERS = "UnpackBigParamInfor@@"

# The functions that an honest file refers to, under the module names that NumPy 1 and 2, Python 2
# and 3 write, and the word by which the interpreter below knows them.
_WORDS = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "dict",
    ("builtins", "bytes"): "bytes",  # how protocol 2 says b"", the data of an empty array
    ("__builtin__", "bytes"): "bytes",
    ("builtins", "tuple"): "tuple",
    ("__builtin__", "tuple"): "tuple",
}


class _RefusedError(Exception):
    """The file says something that no weights file says."""


@dataclass(frozen=True)
class _Word:
    """A function that the file refers to; never called."""

    meaning: str


@dataclass(eq=False)
class _Dtype:
    """A NumPy number type, before and after its byte order is known."""

    code: str
    order: str = "<"


@dataclass(eq=False)
class _Array:
    """An array, before and after its contents are known."""

    value: np.ndarray | None = None


_MARK = object()


def read_pdparams(path: str | Path, *, max_bytes: int = MAX_FILE_BYTES) -> dict[str, np.ndarray]:
    """Read the tensors of a ``.pdparams`` file.

    bfloat16 tensors, which Paddle stores as 16 bits of a uint16, come back as float32; tensors that
    old pickle protocols split are put together again; Paddle's tables of internal names are left
    out.

    Args:
        path: the file.
        max_bytes: larger files are refused.

    Returns:
        Name -> array (float, int, uint or bool), in the order of the file. The arrays are
        read-only views of what was read.

    Raises:
        ModelFileError: the file is missing, too large, truncated, or holds anything but tensors.

    Examples:
        >>> tensors = read_pdparams("PPLCNet_x1_0_pretrained.pdparams")  # doctest: +SKIP
        >>> tensors["conv1.conv.weight"].shape  # doctest: +SKIP
        (16, 3, 3, 3)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise ModelFileError(f"{path}: {size} bytes, more than the limit of {max_bytes}")
            start = file.read(2)
            file.seek(0)
            if start[:1] != b"\x80":
                raise ModelFileError(f"{path}: {_guess(start)}; expected Paddle's .pdparams")
            with warnings.catch_warnings():
                # pickletools decodes the texts of damaged files, and warns of odd escapes in them.
                warnings.simplefilter("ignore", DeprecationWarning)
                content = _interpret(_Source(file, size), size)
            return _tensors(content, size)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _RefusedError as refusal:
        raise ModelFileError(
            f"{path}: {refusal}; not a plain Paddle weights file, refused (nothing in it was run)"
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        # pickletools and NumPy answer damaged bytes with any of these.
        raise ModelFileError(
            f"{path}: truncated or damaged ({type(error).__name__}: {_one_line(error)})"
        ) from None


def _guess(start: bytes) -> str:
    if not start:
        return "an empty file"
    if start == b"PK":
        return "a zip archive (PyTorch's .pth?)"
    return f"not a pickle (starts with {start!r})"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 120 else text[:117] + "..."


# --- the interpreter ------------------------------------------------------------------------------


class _Source:
    """A file that is never asked for more bytes than it has, whatever length the pickle claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, count: int) -> bytes:
        return self._file.read(min(count, self._size))

    def readline(self) -> bytes:
        return self._file.readline(1024)


def _interpret(source: _Source, size: int) -> Any:
    """Walk over the opcodes and give the object they describe.

    Memory stays within a small multiple of the file: a string or buffer is never longer than what
    follows in the file (pickletools checks), memo numbers are keys of a dict, all arrays together
    can't be larger than the file, and neither can all encoded strings.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    arrays, encoded = _Budget(size), _Budget(size)
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], source))):
        if count > _MAX_OPCODES:
            raise _RefusedError(f"more than {_MAX_OPCODES} pickle instructions")
        match opcode.name:
            case "PROTO":
                if argument > 4:
                    raise _RefusedError(f"pickle protocol {argument}")
            case "FRAME":
                pass
            case "STOP":
                if len(stack) != 1:
                    raise ValueError(f"{len(stack)} objects at the end")
                return stack[0]
            case (
                "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8"
                | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8"
                | "BINSTRING" | "SHORT_BINSTRING"
            ):  # fmt: skip
                stack.append(argument)
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                stack.append(_MARK)
            case "TUPLE":
                stack.append(tuple(_pop_to_mark(stack)))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(_pop(stack, int(opcode.name[-1]))))
            case "APPEND":
                (item,) = _pop(stack, 1)
                _top(stack, list).append(item)
            case "APPENDS":
                items = _pop_to_mark(stack)
                _top(stack, list).extend(items)
            case "SETITEM":
                _set_items(stack, _pop(stack, 2))
            case "SETITEMS":
                _set_items(stack, _pop_to_mark(stack))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = _top(stack, object)
            case "MEMOIZE":
                memo[len(memo)] = _top(stack, object)
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                module, _, name = argument.partition(" ")
                stack.append(_word(module, name))
            case "STACK_GLOBAL":
                module, name = _pop(stack, 2)
                stack.append(_word(module, name))
            case "REDUCE":
                word, arguments = _pop(stack, 2)
                stack.append(_reduce(word, arguments, encoded))
            case "BUILD":
                (state,) = _pop(stack, 1)
                _build(_top(stack, object), state, arrays)
            case other:
                raise _RefusedError(f"holds the pickle instruction {other}")
    raise ValueError("no end")


class _Budget:
    """How many bytes may still come."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _RefusedError("describes more bytes than the file has")


def _pop(stack: list[Any], count: int) -> list[Any]:
    items = stack[-count:]
    if len(items) < count or any(item is _MARK for item in items):
        raise ValueError("stack underflow")
    del stack[-count:]
    return items


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise ValueError("no mark")
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _top(stack: list[Any], kind: type) -> Any:
    if not stack or stack[-1] is _MARK or not isinstance(stack[-1], kind):
        raise ValueError(f"expected a {kind.__name__}")
    return stack[-1]


def _set_items(stack: list[Any], items: list[Any]) -> None:
    target = _top(stack, dict)
    if len(items) % 2:
        raise ValueError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is not str:
            raise _RefusedError(f"holds a dict key of type {type(key).__name__}")
        target[key] = value


def _word(module: Any, name: Any) -> _Word:
    meaning = _WORDS.get((module, name)) if type(module) is type(name) is str else None
    if meaning is None:
        said = [word[:60] if type(word) is str else "?" for word in (module, name)]
        raise _RefusedError(f"refers to {'.'.join(said)}")
    return _Word(meaning)


def _reduce(word: Any, arguments: Any, encoded: _Budget) -> Any:
    """Understand "call this with these": one meaning a word, arguments checked."""
    match word, arguments:
        case _Word("array"), (_Word("ndarray"), (0,), _):
            return _Array()
        case _Word("dtype"), (str() as code, _, _) | (str() as code,):
            return _Dtype(code)
        case _Word("encode"), (str() as text, "latin1" | "latin-1"):
            encoded.take(len(text))
            return text.encode("latin-1")
        case _Word("dict"), ():
            return {}
        case _Word("bytes"), ():
            return b""
        case _Word("tuple"), (tuple() | list() as items,) if len(items) <= _MAX_DIMENSIONS:
            return tuple(items)
    raise _RefusedError("asks for a call that no weights file makes")


def _build(target: Any, state: Any, budget: _Budget) -> None:
    """Understand "give this object its state"."""
    match target, state:
        case _Dtype(), (_, "<" | ">" | "|" | "=" as order, None, None, None, *_):
            target.order = order
        case _Array(value=None), (_, tuple() as shape, _Dtype() as dtype, bool() | 0 | 1, data):
            target.value = _array(shape, dtype, bool(state[3]), data, budget)
        case _:
            raise _RefusedError("gives a state to something that has none")


def _array(
    shape: tuple[Any, ...], dtype: _Dtype, fortran: bool, data: Any, budget: _Budget
) -> np.ndarray:
    if dtype.code[:1] not in ("f", "i", "u", "b") or dtype.code[1:] not in ("1", "2", "4", "8"):
        raise _RefusedError(f"holds an array of type {dtype.code[:20]!r}")
    kind = np.dtype(dtype.order + dtype.code)
    _check_shape(shape)
    if not isinstance(data, bytes | str):
        raise _RefusedError("holds an array without bytes")
    if math.prod(shape) * kind.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} with {len(data)} bytes")
    budget.take(len(data))
    if isinstance(data, str):  # written by Python 2
        data = data.encode("latin-1")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    if kind.kind == "u" and kind.itemsize == 2:
        return (array.astype(np.uint32) << 16).view(np.float32)  # bfloat16
    return array


def _check_shape(shape: tuple[Any, ...]) -> None:
    if len(shape) > _MAX_DIMENSIONS:
        raise _RefusedError(f"holds an array of {len(shape)} dimensions")
    if not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise _RefusedError("holds an array of an impossible shape")


# --- from the object to tensors -------------------------------------------------------------------


def _tensors(content: Any, size: int) -> dict[str, np.ndarray]:
    if type(content) is not dict:
        kind = "tensor" if isinstance(content, _Array) else type(content).__name__
        raise _RefusedError(f"holds a single {kind}, not a dict of tensors")
    content.pop(_NAME_TABLE, None)
    big = content.pop(_BIG_PARAMETERS, {})
    tensors = {name: _tensor(name, value) for name, value in content.items()}
    return _join(tensors, big, _Budget(2 * size))  # twice, because bfloat16 has doubled


def _tensor(name: str, value: Any) -> np.ndarray:
    match value:  # in a dict that mixes tensors and other things, each is (internal name, tensor)
        case (str(), _Array() as inner):
            value = inner
    if not isinstance(value, _Array) or value.value is None:
        raise _RefusedError(f"{name[:80]!r} is no tensor")
    return value.value


def _join(tensors: dict[str, np.ndarray], big: Any, budget: _Budget) -> dict[str, np.ndarray]:
    """Put split tensors together: name -> {"OriginShape": shape, "slices": names of the parts}."""
    if type(big) is not dict:
        raise _RefusedError("has a malformed table of split tensors")
    for name, entry in big.items():
        match entry:
            case {"OriginShape": tuple() as shape, "slices": list() | tuple() as parts}:
                _check_shape(shape)
            case _:
                raise _RefusedError(f"has a malformed table of split tensors at {name[:80]!r}")
        if not parts or not all(type(part) is str and part in tensors for part in parts):
            raise _RefusedError(f"lacks parts of the split tensor {name[:80]!r}")
        slices = [tensors.pop(part).reshape(-1) for part in dict.fromkeys(parts)]
        budget.take(sum(piece.nbytes for piece in slices))
        tensors[name] = np.concatenate(slices).reshape(shape)
    return tensors
