"""The model card: what a predictor must know about an ``.onnx`` file, kept inside that file.

A card is one JSON object under the metadata key ``saccade_card``. It is read strictly: a key of
the wrong type, a missing key and an unknown key are errors that name the key, since a card that is
half understood would give answers that are quietly wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError, SaccadeError, nearest
from saccade.imaging.prepare import Prepare

__all__ = ["FORMAT_VERSION", "ModelCard", "SelfTest", "digest", "make_self_test"]

FORMAT_VERSION = 1

_SAMPLES = 16


@dataclass(frozen=True)
class SelfTest:
    """A question with a known answer, for ``saccade verify``.

    The input is drawn anew from the seed (:meth:`make_input`); of each output a few numbers are
    kept (:func:`digest`).

    Attributes:
        seed: Seed of the input.
        shape: Shape of the input, ``(N, H, W, 3)``.
        digest: For each output name, the numbers of :func:`digest`.
        tolerance: Largest difference allowed, relative to the largest number of a digest.
    """

    seed: int
    shape: tuple[int, ...]
    digest: dict[str, tuple[float, ...]]
    tolerance: float = 1e-3

    def make_input(self) -> NDArray[np.uint8]:
        """Draw the input: uint8 noise of ``shape``, the same on every machine."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        return generator.integers(0, 256, self.shape, dtype=np.uint8)


@dataclass(frozen=True)
class ModelCard:
    """What a model is, how its input is prepared, and what its outputs mean.

    Attributes:
        task: What it does: ``"classify"``, ...
        architecture: Name of the network, for example ``"lcnet_x1_0"``.
        prepare: How a picture becomes the input of the graph.
        labels: Name of each class, in the order of the scores.
        outputs: Names of the outputs of the graph.
        input_name: Name of the input of the graph: uint8 RGB, ``(N, H, W, 3)``.
        thresholds: Score limits that belong to the model, by name.
        mean: Mean of each channel, subtracted inside the graph (0..1 scale).
        std: Deviation of each channel, divided by inside the graph (0..1 scale).
        licence: Licence of the weights.
        training_data: What it was trained on, with the licence of the data.
        recipe: Name of the recipe that made it, or the text of it.
        scores: What it reached, by the name of the metric.
        notes: Anything a user should know before relying on it.
        created: Date and time of the export, ISO 8601.
        saccade_version: Version of Saccade that wrote the file.
        embedding_dim: Length of the output ``"embedding"``, or bits of the output ``"bits"``; None
            without such an output.
        fingerprint: SHA-256 (hex) over the file without its card; stamped when it is written.
        self_test: A question with a known answer; None when there is none.
        format_version: Version of this schema.
    """

    task: str
    architecture: str
    prepare: Prepare
    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    input_name: str = "image"
    thresholds: dict[str, float] = field(default_factory=dict)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    licence: str = ""
    training_data: str = ""
    recipe: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    notes: str = ""
    created: str = ""
    saccade_version: str = ""
    embedding_dim: int | None = None
    fingerprint: str = ""
    self_test: SelfTest | None = None
    format_version: int = FORMAT_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["prepare"] = self.prepare.to_dict()
        plain["self_test"] = None if self.self_test is None else asdict(self.self_test)
        return plain

    def to_json(self) -> str:
        """The card as JSON text, keys in the order of the class.

        Raises:
            ModelFileError: A value of the card has the wrong type or is not a finite number; the
                text that would result could not be read back.
        """
        try:
            text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"the model card cannot be written: {error}") from error
        ModelCard.from_json(text, where="the model card")
        return text

    @classmethod
    def from_json(cls, text: str, where: str = "model card") -> ModelCard:
        """Read a card from JSON text.

        Args:
            text: The JSON.
            where: Name of the file, for messages.

        Raises:
            ModelFileError: Not JSON, of a newer format, or with a wrong, missing or unknown key.
        """
        try:
            plain = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(f"{where}: the card is not JSON ({error}); {_REMEDY}") from error
        return cls.from_dict(plain, where)

    @classmethod
    def from_dict(cls, plain: object, where: str = "model card") -> ModelCard:
        """Read a card from plain JSON values; see :meth:`from_json`."""
        if not isinstance(plain, dict):
            raise ModelFileError(f"{where}: the card is not a JSON object; {_REMEDY}")
        version = plain.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ModelFileError(
                f"{where}: the card has format {version}, this Saccade reads up to "
                f"{FORMAT_VERSION}; upgrade Saccade (pip install -U saccade)"
            )
        try:
            return cls(**_read_keys(plain, _CARD_KEYS, ""))
        except _BadKeyError as error:
            raise ModelFileError(f"{where}: {error}") from error


def digest(output: NDArray[Any]) -> tuple[float, ...]:
    """A few numbers that tell one output from another.

    Args:
        output: An array of any shape, of numbers.

    Returns:
        The count of its elements, their mean and root mean square, and up to 16 of them at even
        distances from the first to the last.
    """
    flat = np.asarray(output, dtype=np.float64).ravel()
    if flat.size == 0:
        return (0.0,)
    picks = np.linspace(0, flat.size - 1, min(_SAMPLES, flat.size)).round().astype(np.int64)
    numbers = [flat.size, flat.mean(), math.sqrt(float(np.mean(flat**2))), *flat[picks]]
    # Nine digits keep the card short; the tolerance is thousands of times coarser.
    return tuple(float(f"{number:.9g}") for number in numbers)


def make_self_test(
    run: Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]],
    shape: tuple[int, ...],
    *,
    seed: int = 0,
    tolerance: float = 1e-3,
) -> SelfTest:
    """Ask a model a question and keep the answer.

    Args:
        run: Takes a uint8 batch of ``shape`` and returns the outputs by name.
        shape: ``(N, H, W, 3)``.
        seed: Seed of the input.
        tolerance: See :class:`SelfTest`.
    """
    blank = SelfTest(seed=seed, shape=shape, digest={}, tolerance=tolerance)
    answers = {name: digest(output) for name, output in run(blank.make_input()).items()}
    return SelfTest(seed=seed, shape=shape, digest=answers, tolerance=tolerance)


# Reading: one small function for each type of value, and one table for each object.

_REMEDY = "export the model again (saccade export)"


class _WrongTypeError(ValueError):
    """Says what was expected."""


class _BadKeyError(ValueError):
    """Names the key, what is wrong with it, and the remedy."""


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongTypeError("a text")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _WrongTypeError("a whole number")
    return value


def _number(value: object) -> float:
    # A long integer of JSON need not fit a float, hence OverflowError.
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _WrongTypeError("a number")
        if not math.isfinite(value):
            raise _WrongTypeError("a finite number")
        return float(value)
    except OverflowError:
        raise _WrongTypeError("a finite number") from None


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise _WrongTypeError("a list of texts")
    return tuple(value)


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise _WrongTypeError("a list of numbers")
    return tuple(_number(item) for item in value)


def _three_numbers(value: object) -> tuple[float, ...]:
    numbers = _numbers(value)
    if len(numbers) != 3:
        raise _WrongTypeError("a list of 3 numbers")
    return numbers


def _named_numbers(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _WrongTypeError("an object of numbers")
    return {str(name): _number(number) for name, number in value.items()}


def _dimension(value: object) -> int | None:
    if value is None:
        return None
    if (number := _integer(value)) < 1:
        raise _WrongTypeError("null or a number above 0")
    return number


def _seed(value: object) -> int:
    if (number := _integer(value)) < 0:
        raise _WrongTypeError("a number of at least 0")
    return number


def _shape(value: object) -> tuple[int, ...]:
    sides = _numbers(value)
    # 2**28 bytes: a card must not be able to ask for more memory than any real self-test.
    if len(sides) != 4 or min(sides) < 1 or sides[3] != 3 or math.prod(sides) > 1 << 28:
        raise _WrongTypeError("a list of 4 sizes (N, H, W, 3)")
    return tuple(int(side) for side in sides)


def _digests(value: object) -> dict[str, tuple[float, ...]]:
    if not isinstance(value, dict):
        raise _WrongTypeError("an object of lists of numbers")
    return {str(name): _numbers(numbers) for name, numbers in value.items()}


def _prepare(value: object) -> Prepare:
    if not isinstance(value, dict):
        raise _WrongTypeError("an object")
    try:
        return Prepare.from_dict(value)
    except (SaccadeError, TypeError, ValueError, KeyError) as error:
        raise _WrongTypeError(f"a valid preparation ({error})") from error


def _self_test(value: object) -> SelfTest | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _WrongTypeError("null or an object")
    return SelfTest(**_read_keys(value, _SELF_TEST_KEYS, "self_test."))


_SELF_TEST_KEYS: dict[str, Callable[[object], Any]] = {
    "seed": _seed,
    "shape": _shape,
    "digest": _digests,
    "tolerance": _number,
}

_CARD_KEYS: dict[str, Callable[[object], Any]] = {
    "task": _string,
    "architecture": _string,
    "prepare": _prepare,
    "labels": _strings,
    "outputs": _strings,
    "input_name": _string,
    "thresholds": _named_numbers,
    "mean": _three_numbers,
    "std": _three_numbers,
    "licence": _string,
    "training_data": _string,
    "recipe": _string,
    "scores": _named_numbers,
    "notes": _string,
    "created": _string,
    "saccade_version": _string,
    "embedding_dim": _dimension,
    "fingerprint": _string,
    "self_test": _self_test,
    "format_version": _integer,
}


def _read_keys(
    plain: dict[str, Any], readers: Mapping[str, Callable[[object], Any]], prefix: str
) -> dict[str, Any]:
    """Read every key of an object with its reader."""
    for key in plain:
        if key not in readers:
            hint = nearest(key, readers, count=1)
            raise _BadKeyError(f"the card has an unknown key {prefix + key!r}; {hint}")
    values = {}
    for key, reader in readers.items():
        if key not in plain:
            raise _BadKeyError(f"the card lacks the key {prefix + key!r}; {_REMEDY}")
        try:
            values[key] = reader(plain[key])
        except _WrongTypeError as error:
            shown = _shorten(repr(plain[key]))
            raise _BadKeyError(
                f"the key {prefix + key!r} of the card is {shown}, expected {error}; {_REMEDY}"
            ) from error
    return values


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
