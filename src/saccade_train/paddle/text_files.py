"""From PaddleOCR's weights of a text network to a model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from saccade.errors import OptionError, nearest
from saccade_train.export.fold import swap_channels
from saccade_train.export.text import (
    export_text_detector,
    export_text_direction,
    export_text_recogniser,
)
from saccade_train.export.write import ExportOptions, ExportReport
from saccade_train.models.text_recogniser import LINE_HEIGHT, TEXT_RECOGNISERS
from saccade_train.paddle.text import (
    DIRECTION,
    import_text_detector,
    import_text_direction,
    import_text_recogniser,
)

__all__ = ["PARTS", "convert_paddle_text", "read_alphabet"]

PARTS = ("Student", "Student2", "Teacher")
"""The networks in a file of a distillation."""

RECOGNISER = "crnn_lcnet_x1_0"

# Subtracted from the channels as they came, and those were B, G, R: the reference's slip, which
# its weights have learnt to live with.
_DETECTOR_MEAN = (0.485, 0.456, 0.406)
_DETECTOR_STD = (0.229, 0.224, 0.225)


def convert_paddle_text(
    path: str | Path,
    architecture: str,
    out: str | Path,
    *,
    part: str | None = None,
    dictionary: str | Path | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Make a model file of PaddleOCR's ``.pdparams``.

    The weights saw BGR pictures; the file takes RGB, as all of ours, by the order of the first
    convolution's weights.

    Args:
        path: the file, of one network or of a distillation.
        architecture: a name of :data:`saccade_train.paddle.text.TEXT_ARCHITECTURES`.
        out: the model file.
        part: which network of a distillation, one of :data:`PARTS`. By default the one that fits, a
            student before a teacher.
        dictionary: of a recogniser: see :func:`read_alphabet`.
        options: see :class:`ExportOptions`.

    Raises:
        OptionError: an unknown name; a recogniser without a dictionary, or the other way round.
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
        SaccadeError: see :func:`saccade_train.export.write.write_network`.
    """
    if part is not None and part not in PARTS:
        raise OptionError(f"unknown part {part!r} of a distillation; {nearest(part, PARTS)}")
    prefix = None if part is None else f"{part}."
    if architecture in TEXT_RECOGNISERS:
        return _recogniser(path, architecture, out, prefix, dictionary, options)
    if dictionary is not None:
        raise OptionError(f"{architecture} has no alphabet; leave out the labels {dictionary}")
    if architecture == DIRECTION:
        direction = import_text_direction(path, prefix=prefix)
        swap_channels(direction)
        return export_text_direction(direction, out, **options)
    detector = import_text_detector(path, architecture, prefix=prefix)
    swap_channels(detector)
    mean, std = _DETECTOR_MEAN[::-1], _DETECTOR_STD[::-1]
    return export_text_detector(detector, out, mean=mean, std=std, **options)


def read_alphabet(path: str | Path, classes: int) -> list[str]:
    """Read PaddleOCR's dictionary: a character on each line, in the order of the classes.

    Spaces count as they stand. One character less than the classes need is completed by a space at
    the end, which is how the reference's ``use_space_char`` has it, also where there is one before.

    Args:
        path: the file, in UTF-8.
        classes: of the recogniser, with the blank.

    Raises:
        OptionError: the file can't be read, has an empty line, or another number of lines.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OptionError(f"labels {path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise OptionError(f"labels {path}: is not text in UTF-8") from None
    # Only a line feed ends a line: dictionaries hold other characters that break lines.
    characters = [line.removesuffix("\r") for line in text.split("\n")]
    while characters and not characters[-1]:
        characters.pop()
    if "" in characters:
        raise OptionError(
            f"labels {path}: line {characters.index('') + 1} is empty; give one character a line"
        )
    if len(characters) == classes - 2:
        characters.append(" ")
    if len(characters) != classes - 1:
        raise OptionError(
            f"labels {path}: {len(characters)} lines, but the recogniser has {classes} classes; "
            f"expected {classes - 1} characters, or {classes - 2} and the space"
        )
    return characters


def _recogniser(
    path: str | Path,
    architecture: str,
    out: str | Path,
    prefix: str | None,
    dictionary: str | Path | None,
    options: ExportOptions,
) -> ExportReport:
    if architecture != RECOGNISER:
        raise OptionError(f"PaddleOCR has no recogniser {architecture}, only {RECOGNISER}")
    if dictionary is None:
        raise OptionError(
            f"the alphabet of {architecture} is not in its weights; give the dictionary that it "
            "was trained with (--labels FILE, a character a line)"
        )
    recogniser = import_text_recogniser(path, prefix=prefix)
    alphabet: Sequence[str] = read_alphabet(dictionary, recogniser.num_classes)
    swap_channels(recogniser, LINE_HEIGHT)
    return export_text_recogniser(recogniser, out, alphabet=alphabet, **options)
