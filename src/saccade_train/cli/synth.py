"""``saccade synth``: pictures of text, made from fonts, and of things, made from cut-outs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from saccade_train.synth import FontSet, Lexicon, SynthOptions

__all__ = ["app"]

app = typer.Typer(
    help="Make labelled pictures of text, for OCR, and of things, for detectors.",
    epilog="""\
\b
Examples:
  saccade synth lines lines/ --count 100000 --preset mixed --workers 4
  saccade synth lines words/ --count 50000 --length 1 12 --height 32
  saccade synth pages receipts/ --count 2000 --preset receipt --crops
  saccade synth objects products/ pasted/ --count 2000 --grounds photos/
  saccade synth lines russian/ --count 10000 --alphabet cyrillic.txt --text novel.txt

Everything about a verb: saccade synth lines --help
""",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


class _Format(StrEnum):
    JPG = "jpg"
    PNG = "png"


class _Level(StrEnum):
    LINE = "line"
    WORD = "word"
    CHARACTER = "character"


class _Fonts(StrEnum):
    ALL = "all"
    TRAIN = "train"
    HELD_OUT = "held-out"


_Out = Annotated[
    Path,
    typer.Argument(
        metavar="OUT", help="Folder for pictures and label files. A stopped work is gone on with."
    ),
]
_Count = Annotated[int, typer.Option(min=1, max=99_999_999, help="Samples.")]
_Preset = Annotated[str, typer.Option(help="document, receipt, scene, or mixed: all three.")]
_Seed = Annotated[int, typer.Option(min=0, help="Another one gives other samples.")]
_FontPlaces = Annotated[
    list[Path] | None,
    typer.Option(
        "--fonts", metavar="PLACE", help="Font or folder of fonts; several may be given. Without "
        "it: the fonts of the system.",
    ),
]  # fmt: skip
_Split = Annotated[
    _Fonts,
    typer.Option(
        "--split",
        help="Which font families to use: all, or one side of a fixed split, so that tests run on "
        "designs that were never trained on.",
    ),
]
_HeldOut = Annotated[float, typer.Option(help="Share of the families that --split holds out.")]
_Text = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Text in UTF-8, or one word a line, to write instead of the built-in words. Numbers, "
        "prices, dates and random strings are still mixed in.",
    ),
]
_Alphabet = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Dictionary file, one character a line. Without it: Western Latin script, as far as "
        "the fonts have it.",
    ),
]
_FormatOption = Annotated[_Format, typer.Option("--format", help="Of the pictures.")]
_Workers = Annotated[
    int, typer.Option(min=1, max=256, help="Processes. The samples don't depend on it.")
]


@app.command("lines")
def lines(
    out: _Out,
    count: _Count = 1000,
    preset: _Preset = "mixed",
    seed: _Seed = 0,
    height: Annotated[
        int, typer.Option(min=0, max=512, help="Of the pictures; 0 leaves each at its own height.")
    ] = 32,
    length: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="FEWEST MOST", help="Characters of a line. Without it: as the preset has it."
        ),
    ] = None,
    fonts: _FontPlaces = None,
    split: _Split = _Fonts.ALL,
    held_out: _HeldOut = 0.2,
    text: _Text = None,
    alphabet: _Alphabet = None,
    format: _FormatOption = _Format.JPG,
    workers: _Workers = 1,
) -> None:
    """Pictures of single lines, and rec.txt: PATH<TAB>TEXT.

    Examples:

      saccade synth lines lines/ --count 100000 --preset mixed --workers 4

      saccade synth lines words/ --count 50000 --length 1 12

      saccade synth lines test/ --count 2000 --seed 1 --split held-out
    """  # noqa: D412
    from saccade_train.synth import LineSource
    from saccade_train.synth.writing import Work

    changes: dict[str, Any] = {"height": height or None}
    if length is not None:
        changes["length"] = length
    options, found, lexicon = _settle(preset, changes, fonts, split, held_out, text, alphabet)
    source = LineSource(options, seed, fonts=found, lexicon=lexicon)
    _run(Work(source, out, count, f".{format.value}"), workers, "lines")


@app.command("pages")
def pages(
    out: _Out,
    count: _Count = 100,
    preset: _Preset = "mixed",
    seed: _Seed = 0,
    side: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="LEAST MOST",
            help="Longer side of a page in pixels. Without it: as the preset has it.",
        ),
    ] = None,
    level: Annotated[
        _Level, typer.Option(help="What a box of det.txt holds: line, word or character.")
    ] = _Level.LINE,
    crops: Annotated[
        bool, typer.Option("--crops", help="Also cut all lines out, for recognition: rec.txt.")
    ] = False,
    fonts: _FontPlaces = None,
    split: _Split = _Fonts.ALL,
    held_out: _HeldOut = 0.2,
    text: _Text = None,
    alphabet: _Alphabet = None,
    format: _FormatOption = _Format.JPG,
    workers: _Workers = 1,
) -> None:
    """Pictures of whole pages, and det.txt: PATH<TAB>[{"transcription", "points"}].

    Examples:

      saccade synth pages receipts/ --count 2000 --preset receipt --crops

      saccade synth pages signs/ --count 500 --preset scene --level word
    """  # noqa: D412
    from saccade_train.synth import PageSource
    from saccade_train.synth.writing import Work

    changes: dict[str, Any] = {} if side is None else {"page": side}
    options, found, lexicon = _settle(preset, changes, fonts, split, held_out, text, alphabet)
    source = PageSource(options, seed, fonts=found, lexicon=lexicon)
    work = Work(source, out, count, f".{format.value}", level.value, crops)
    _run(work, workers, "pages")


@app.command("objects")
def objects(
    cutouts: Annotated[
        Path,
        typer.Argument(
            metavar="CUTOUTS",
            help="Folder of pictures of single things on plain grounds, such as studio pictures. "
            "A thing is called as the folder that its picture lies in, or as the picture.",
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to make, or a .zip; COCO.")
    ],
    count: _Count = 1000,
    seed: _Seed = 0,
    photographs: Annotated[
        list[Path] | None,
        typer.Option(
            "--grounds",
            metavar="PLACE",
            help="Pictures to cut grounds from, which should not show such things; several may be "
            "given. Half of the grounds are drawn, without this option all.",
        ),
    ] = None,
    side: Annotated[int, typer.Option(min=32, max=4096, help="Of the pictures, in pixels.")] = 352,
    most: Annotated[int, typer.Option(min=1, max=100, help="Things in a picture.")] = 5,
    packages: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of things that are packages drawn from nothing, with the cut-outs for "
            "prints, so that a print is not taken for a thing. They are called 'package'.",
        ),
    ] = 0.0,
    tolerance: Annotated[
        int,
        typer.Option(min=0, max=255, help="How far a plain ground may differ from its colour."),
    ] = 7,
    split: Annotated[str, typer.Option("--split", help="Name of the split.")] = "train",
) -> None:
    """Things cut out and pasted on varied grounds, with their boxes, as COCO.

    Examples:

      saccade synth objects products/ pasted/ --count 2000

      saccade synth objects products/ pasted.zip --grounds photos/ --most 8
    """  # noqa: D412
    from saccade.cli.common import complain, progress
    from saccade_train.synth import ObjectSource, read_cutouts, read_photographs, write_objects

    things, problems = read_cutouts([cutouts], tolerance=tolerance)
    found, more = read_photographs(photographs or [])
    for problem in problems + more:
        complain(problem)
    source = ObjectSource(things, found, side=side, most=most, packages=packages, seed=seed)
    for _ in progress(write_objects(source, out, count, split=split), count, "Pasting"):
        pass
    left_out = f", {len(problems)} left out" if problems else ""
    typer.echo(f"{out}: {count} pictures of {len(things)} cut-outs{left_out}", err=True)


def _settle(
    name: str,
    changes: dict[str, Any],
    places: list[Path] | None,
    split: _Fonts,
    held_out: float,
    text: Path | None,
    alphabet: Path | None,
) -> tuple[tuple[SynthOptions, ...], FontSet, Lexicon | None]:
    """Options, fonts and words of a call; says on stderr what had to be left out."""
    from saccade.cli.common import complain
    from saccade_train.synth import LATIN, find_fonts, preset, read_alphabet, read_lexicon

    letters = LATIN if alphabet is None else read_alphabet(alphabet)
    preset(name, alphabet=letters, **changes)  # what is wrong with the options comes first
    lexicon = None if text is None else read_lexicon(text, letters)
    fonts = find_fonts(letters, places)
    for problem in fonts.problems:
        complain(problem)
    if split is not _Fonts.ALL:
        fonts = fonts.split(held_out)[split is _Fonts.HELD_OUT]
    missing = fonts.missing(letters) if len(fonts) else ""
    if missing and alphabet is None:
        complain(
            f"no font has {len(missing)} of the {len(LATIN)} characters, left out: {missing}; "
            "install more fonts for them"
        )
        letters = "".join(character for character in LATIN if character not in missing)
    return preset(name, alphabet=letters, **changes), fonts, lexicon


def _run(work: Any, workers: int, what: str) -> None:
    from saccade.cli.common import progress
    from saccade_train.synth.writing import write_samples

    for _ in progress(write_samples(work, workers), work.count, f"Making {what}"):
        pass
    typer.echo(f"{work.out}: {work.count} {what}, {len(work.source.fonts)} fonts", err=True)
