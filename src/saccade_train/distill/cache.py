"""Soft labels on disk, so that a teacher is asked once about each picture.

::

    FOLDER/teacher.json                whose answers these are, and how pictures were prepared
    FOLDER/0123456789abcdef/00000.safetensors    logits of the first pictures of one set of them
    FOLDER/0123456789abcdef/00001.safetensors    of the next, and so on

Each file appears whole or not at all, so a pass that was stopped goes on where it was. A folder
with the answers of another teacher is refused; other pictures are another folder inside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from saccade.errors import TrainingError
from saccade.imaging.prepare import Prepare
from saccade_train._types import Image

from .teacher import Teacher

__all__ = ["answer_key", "soft_labels"]

PART = 512
"""Pictures of one file."""

_FORMAT = 1


def answer_key(teacher: Teacher, prepare: Prepare) -> str:
    """A digest of all that a teacher's answers depend on, pictures aside."""
    parts = [teacher.fingerprint, teacher.mean, teacher.std, prepare.to_dict()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def soft_labels(
    folder: Path,
    teacher: Teacher,
    prepare: Prepare,
    read: Callable[[int], Image],
    count: int,
    pictures: str,
    *,
    normalise: Callable[[Tensor], Tensor],
    device: torch.device,
    batch_size: int = 64,
    done: Callable[[int], None] = lambda count: None,
) -> Tensor:
    """A teacher's logits of some pictures: those on disk, and the others asked for now.

    Args:
        folder: Where they are kept; made if it is missing.
        teacher: Who is asked, with batch-norm by what was learnt.
        prepare: How pictures are prepared; ``read`` does it.
        read: Gives picture ``0 .. count - 1``, uint8 (H, W, 3), all of one size.
        count: How many.
        pictures: Fingerprint of the pictures, in their order.
        normalise: From uint8 (N, H, W, 3) to what the teacher eats.
        device: Where it runs.
        batch_size: Pictures that it sees at once.
        done: Told the number of pictures done, from time to time.

    Returns:
        float32 (count, C), on the CPU.

    Raises:
        TrainingError: The folder holds answers of another teacher, or cannot be written.
    """
    key = answer_key(teacher, prepare)
    _claim(folder, teacher, key, prepare)
    place = folder / pictures[:16]
    _made(place)
    logits = torch.empty(count, teacher.num_classes)
    for number, start in enumerate(range(0, count, PART)):
        stop = min(start + PART, count)
        file = place / f"{number:05}.safetensors"
        part = _read(file, stop - start, teacher.num_classes)
        if part is None:
            answers: list[Tensor] = []
            for first in range(start, stop, batch_size):
                images = np.stack([read(n) for n in range(first, min(first + batch_size, stop))])
                view = normalise(torch.from_numpy(images).to(device))
                answers.append(teacher.look(view).logits.cpu())
                done(first + len(images))
            part = torch.cat(answers)
            _write(file, save({"logits": part.contiguous()}))
        logits[start:stop] = part
        done(stop)
    return logits


def _claim(folder: Path, teacher: Teacher, key: str, prepare: Prepare) -> None:
    """See that a folder is this teacher's; an empty one becomes so."""
    file = folder / "teacher.json"
    _made(folder)
    if not file.exists():
        if any(folder.iterdir()):
            raise TrainingError(
                f"{folder}: is no cache of soft labels (it holds other files); give another cache"
            )
        content: dict[str, Any] = {
            "format": _FORMAT,
            "key": key,
            "source": teacher.source,
            "teacher": teacher.fingerprint,
            "classes": teacher.num_classes,
            "prepare": prepare.to_dict(),
        }
        _write(file, json.dumps(content, indent=1).encode())
        return
    try:
        found = json.loads(file.read_text("utf-8"))
        same, source = found["key"] == key, str(found["source"])
        before = f"{found['teacher'][:12]}, at {found['prepare']['height']} pixels"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{file}: is damaged ({error}); remove {folder} to ask the teacher again"
        ) from None
    if not same:
        raise TrainingError(
            f"{folder}: holds soft labels of another teacher ({source}, {before}), not of "
            f"{teacher.source} ({teacher.fingerprint[:12]}, at {prepare.height} pixels); give "
            "another cache, or remove that folder"
        )


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot hold soft labels ({error.strerror or error}); give another cache"
        ) from None


def _read(file: Path, rows: int, classes: int) -> Tensor | None:
    """The logits of a file; None if it is missing or damaged."""
    if not file.is_file():
        return None
    try:
        part = load_file(file)["logits"]
    except (OSError, KeyError, safetensors.SafetensorError):
        return None
    return part if tuple(part.shape) == (rows, classes) else None


def _write(file: Path, content: bytes) -> None:
    beside = file.with_name(file.name + ".new")
    try:
        beside.write_bytes(content)
        beside.replace(file)
    except OSError as error:
        raise TrainingError(
            f"{file}: soft labels cannot be written ({error.strerror or error})"
        ) from None
