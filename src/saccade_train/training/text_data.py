"""What the trainings of reading share: fonts, alphabets, and opening the labelled places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saccade.datasets.text import LineSample, TextLineSet, open_text_lines
from saccade.errors import DatasetError, OptionError, Problem
from saccade_train._types import Image
from saccade_train.augment.text_lines import LineAugment
from saccade_train.recipes import TextDetectRecipe, TextDirectionRecipe, TextRecogniseRecipe
from saccade_train.recipes.schema_text import LineAugmentOptions, SynthPart
from saccade_train.synth import (
    ASCII,
    LATIN,
    FontSet,
    Lexicon,
    LineSource,
    SynthOptions,
    find_fonts,
    preset,
    read_alphabet,
    read_lexicon,
)
from saccade_train.text.lines import LineSamples, RealLines

from .data import Places, place_list
from .evaluate import normaliser
from .report import Report

__all__ = [
    "alphabet_of",
    "digest",
    "find_training_fonts",
    "held_out_source",
    "is_case_free",
    "lexicon_of",
    "line_augment",
    "normalised",
    "open_lines",
    "recipe_fonts",
    "synth_options",
    "training_lines",
]

_TextRecipe = TextDetectRecipe | TextDirectionRecipe | TextRecogniseRecipe

_HELD_OUT = 0.2
_VAL_SEED = 2**40
"""Drawn samples for evaluation come from seeds that no training uses."""


def alphabet_of(name: str) -> str:
    """The characters of a recipe's ``data.alphabet``.

    Raises:
        DatasetError: A dictionary file that cannot be read, or with something else in it.
    """
    shipped = {"latin": LATIN, "ascii": ASCII}
    return shipped[name] if name in shipped else read_alphabet(Path(name))


def lexicon_of(text: str | None, alphabet: str) -> Lexicon | None:
    """The words of a recipe's ``data.text``; None for those of the toolkit.

    Raises:
        DatasetError: A file that cannot be read, or without words.
    """
    return None if text is None else read_lexicon(Path(text), alphabet)


def find_training_fonts(alphabet: str, *, held_out: bool, report: Report) -> FontSet:
    """The fonts of this machine: those for training, or the ones that are set aside.

    Raises:
        OptionError: There are none.
    """
    fonts = find_fonts(alphabet)
    sides = fonts.split(_HELD_OUT)
    chosen = sides[1] if held_out else sides[0]
    if not len(chosen):
        raise OptionError(
            "no font for drawing text is installed; install some (Debian: apt-get install "
            "fonts-dejavu fonts-liberation fonts-noto-core), or set data.real=1"
        )
    report.say(f"{len(chosen)} fonts{' held out' if held_out else ''}")
    return chosen


def recipe_fonts(which: str, alphabet: str, *, report: Report) -> FontSet:
    """The fonts of a recipe's ``data.fonts``: ``train`` or ``all``."""
    if which == "train":
        return find_training_fonts(alphabet, held_out=False, report=report)
    return find_fonts(alphabet)


def normalised(recipe: _TextRecipe, images: Image, device: torch.device) -> Tensor:
    """What a network eats: float32 (N, 3, H, W) of uint8 (N, H, W, 3), on the device."""
    data = recipe.data
    change = normaliser(data.mean, data.std, device, channels_last=recipe.channels_last)
    return change(torch.from_numpy(images).to(device, non_blocking=True))


def synth_options(
    parts: Iterable[SynthPart], alphabet: str, **changes: Any
) -> tuple[SynthOptions, ...]:
    """The options of a recipe's ``data.synth``."""
    found: list[SynthOptions] = []
    for part in parts:
        if part.weight > 0:
            extra = {"length": part.length, "page": part.page}
            given = {key: value for key, value in extra.items() if value is not None}
            found += preset(part.preset, alphabet=alphabet, weight=part.weight, **given, **changes)
    return tuple(found)


def line_augment(options: LineAugmentOptions) -> LineAugment:
    """The steps of a recipe's ``augment``."""
    return LineAugment(**options.model_dump(exclude={"synthetic"}))


def open_lines(
    places: Places, split: str, alphabet: str, *, report: Report
) -> tuple[list[tuple[Path, TextLineSet]], list[Problem]]:
    """Open labelled lines; those with characters outside the alphabet are left out and counted.

    Raises:
        DatasetError: A place is missing, or nothing usable is left of it.
    """
    letters = frozenset(alphabet) | {" "}
    opened: list[tuple[Path, TextLineSet]] = []
    problems: list[Problem] = []
    for place in place_list(places):
        lines = open_text_lines(place, split)
        kept: list[LineSample] = []
        for sample in lines.samples:
            odd = sorted(set(sample.text) - letters)
            if odd:
                problems.append(Problem(sample.path, f"{''.join(odd)!r} is not in the alphabet"))
            else:
                kept.append(sample)
        if not kept:
            raise DatasetError(f"{place}: no line of {split} can be written in the alphabet")
        problems += lines.problems
        left_out = len(lines) - len(kept) + len(lines.problems)
        note = f", {left_out} left out" if left_out else ""
        report.say(f"{place.name}: {len(kept)} lines of {split}{note}")
        opened.append((place, TextLineSet(tuple(kept), (), lines.place)))
    return opened, problems


def training_lines(
    recipe: TextRecogniseRecipe | TextDirectionRecipe,
    data: Places,
    alphabet: str,
    *,
    height: int,
    report: Report,
) -> tuple[LineSamples, list[Problem]]:
    """The lines of a recipe: drawn ones and those of the places."""
    options = recipe.data
    if options.real > 0 and not place_list(data):
        raise DatasetError(
            f"data.real={options.real:g} asks for labelled lines; name them with --data, or set "
            "data.real=0"
        )
    opened, problems = (
        open_lines(data, "train", alphabet, report=report) if options.real > 0 else ([], [])
    )
    real = tuple(
        RealLines(lines, is_case_free(place, options.case_free)) for place, lines in opened
    )
    source = None
    if options.real < 1:
        fonts = recipe_fonts(options.fonts, alphabet, report=report)
        drawn = synth_options(options.synth, alphabet, height=height)
        lexicon = lexicon_of(options.text, alphabet)
        source = LineSource(drawn, recipe.seed, fonts=fonts, lexicon=lexicon)
    lines = LineSamples(
        source,
        real,
        options.real,
        line_augment(recipe.augment),
        recipe.augment.synthetic,
        recipe.seed,
    )
    return lines, problems


def is_case_free(place: Path, names: Sequence[str]) -> bool:
    """Whether a place is among those whose labels don't keep case."""
    return place.name in names or place.stem in names


def held_out_source(
    parts: Iterable[SynthPart], alphabet: str, *, height: int, report: Report
) -> LineSource:
    """Drawn lines in fonts that are never trained on, the same ones every time."""
    fonts = find_training_fonts(alphabet, held_out=True, report=report)
    return LineSource(synth_options(parts, alphabet, height=height), _VAL_SEED, fonts=fonts)


def digest(*parts: object) -> str:
    """A fingerprint of what a training sees."""
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()
