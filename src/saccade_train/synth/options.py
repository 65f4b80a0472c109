"""How synthetic text looks: one dataclass, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from saccade.errors import OptionError, nearest

from .alphabets import LATIN
from .glyphs import check_alphabet
from .layouts import LAYOUTS
from .texts import KINDS

__all__ = ["PRESETS", "SynthOptions", "preset"]

Range = tuple[float, float]

_MOST_CHARACTERS = 400


@dataclass(frozen=True)
class SynthOptions:
    """What is written, in what type, and what happens to it.

    Plain numbers from 0 to 1 are chances, drawn anew for each line or page; pairs are the least and
    the largest value of something drawn uniformly in between, if nothing else is said.
    """

    weight: float = 1.0
    """How often these options are taken, where several are mixed."""

    alphabet: str = LATIN
    """All characters that may be written."""
    kinds: tuple[tuple[str, float], ...] = (("sentence", 1.0),)
    """What lines say: names of `texts.KINDS` and their weights."""
    length: tuple[int, int] = (1, 60)
    """Fewest and most characters of a line; longer texts are cut between words where possible."""
    layout: str = "document"
    """How pages are laid out: a name of `layouts.LAYOUTS`."""

    height: int | None = 32
    """Height of line pictures in pixels; None leaves each at the size it was photographed in."""
    native: tuple[int, int] = (18, 48)
    """Height of a line's crop as photographed, before it is brought to ``height``; small values
    come more often."""
    page: tuple[int, int] = (720, 1100)
    """Longer side of page pictures, in pixels."""
    on_table: float = 0.2
    """A page is photographed on a table, in perspective, rather than scanned."""
    colour: float = 0.0
    """Ground and ink have colours, rather than greys."""

    mono: float = 0.2
    """The font is monospaced."""
    stretch: Range = (0.85, 1.15)
    """Width of letters, as a factor."""
    spacing: Range = (-0.01, 0.06)
    """Room added between letters, in ems; most lines have next to none."""
    loose_words: Range = (0.9, 1.6)
    """Width of blanks, as a factor: justified text has wide ones."""
    wide_gaps: float = 0.03
    """One blank of the line is several times as wide."""
    bold: float = 0.12
    """Strokes are thickened."""
    thin: float = 0.05
    """Strokes are thinned."""
    underline: float = 0.03
    """A rule runs below the line."""
    typewriter: float = 0.0
    """A monospaced face whose letters jump up and down and differ in strength."""

    press: float = 0.0
    """Ink spreads or breaks, with ragged edges, as from a printing press or an old ribbon."""
    pixelate: float = 0.0
    """Letters are made of square dots."""
    dot_matrix: float = 0.0
    """Letters are made of round dots with gaps."""
    fade: float = 0.0
    """Ink is pale in bands and blotches, as on thermal paper."""
    speckle: float = 0.0
    """Spots of dirt, and holes in letters."""
    scratch: float = 0.0
    """Hairs, pen strokes and scanner lines."""
    outlined: float = 0.0
    """Letters have an outline in another colour."""
    drop_shadow: float = 0.0
    """Letters throw a shadow on the ground."""

    neighbours: float = 0.2
    """Parts of the lines above and below show at the edges of a crop."""
    beside: float = 0.0
    """Likewise of the words to the left and right."""
    margin_x: Range = (0.0, 0.4)
    """Room left and right of the ink, as a share of its height; negative cuts into letters."""
    margin_y: Range = (-0.03, 0.3)
    """Room above and below the ink."""
    rotation: float = 1.0
    """Degrees that a line leans, deviation of a normal draw."""
    slant: float = 0.02
    """Shear of letters, deviation of a normal draw."""
    perspective: float = 0.05
    """How far corners move, as a share of the line's height, deviation of a normal draw."""
    oblique: float = 0.0
    """Seen from the side, as a sign along a street: letters are narrow, and the line climbs or
    falls through an upright crop."""
    arc: float = 0.02
    """The line runs along a part of a circle."""
    bend: float = 0.05
    """The line waves a little, as on paper that doesn't lie flat."""

    ground: Range = (190.0, 255.0)
    """Brightness of grey grounds."""
    contrast: Range = (90.0, 250.0)
    """Difference of brightness between ground and ink, as far as the ground allows."""
    dull: float = 0.1
    """The ground is grey rather than white, 70 to 200, and the contrast half as large."""
    inverted: float = 0.02
    """Bright ink on a dark ground."""
    paper: Range = (0.0, 25.0)
    """Swing of the texture of the ground, in grey levels."""
    texture: float = 0.0
    """The ground is a gradient or a scene rather than paper, with up to half the contrast."""

    low_resolution: float = 0.1
    """Shrunk and enlarged again."""
    blur: float = 0.35
    """Out of focus."""
    motion_blur: float = 0.05
    """Smeared by a moving camera."""
    shadow: float = 0.1
    """A soft-edged shadow."""
    glow: float = 0.2
    """Uneven light."""
    bloom: float = 0.0
    """What is bright bleeds into what is dark, as lit letters do at night."""
    folds: float = 0.0
    """Creases."""
    exposure: float = 0.2
    """Brightness, contrast and gamma are off."""
    sharpen: float = 0.1
    """Edges overshoot, as scanners make them."""
    noise: float = 0.4
    """Sensor noise."""
    salt: float = 0.02
    """Single white and black pixels."""
    jpeg: float = 0.5
    """Artefacts of JPEG."""

    def __post_init__(self) -> None:
        for name in _CHANCES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise OptionError(f"{name} {value}: expected a chance from 0 to 1")
        for name in _RANGES:
            low, high = getattr(self, name)
            if not low <= high:
                raise OptionError(f"{name} {low}, {high}: expected the smaller number first")
        if not self.alphabet.strip():
            raise OptionError("alphabet: holds no visible character")
        if len(set(self.alphabet)) < len(self.alphabet):
            raise OptionError("alphabet: a character comes twice; give each once")
        check_alphabet(self.alphabet)
        if not 1 <= self.length[0] <= self.length[1] <= _MOST_CHARACTERS:
            raise OptionError(
                f"length {self.length}: expected two numbers from 1 to {_MOST_CHARACTERS}"
            )
        if self.height is not None and not 8 <= self.height <= 512:
            raise OptionError(f"height {self.height}: expected 8 to 512 pixels")
        if not 8 <= self.native[0] <= self.native[1] <= 512:
            raise OptionError(f"native {self.native}: expected heights from 8 to 512 pixels")
        if not 128 <= self.page[0] <= self.page[1] <= 8192:
            raise OptionError(f"page {self.page}: expected sides from 128 to 8192 pixels")
        if self.weight <= 0:
            raise OptionError(f"weight {self.weight}: expected more than 0")
        if not self.kinds or any(weight <= 0 for _, weight in self.kinds):
            raise OptionError("kinds: expected at least one, with weights above 0")
        for kind, _ in self.kinds:
            if kind not in KINDS:
                raise OptionError(f"kinds: no kind of text {kind!r}; {nearest(kind, KINDS)}")
        if self.layout not in LAYOUTS:
            raise OptionError(f"layout {self.layout!r}: unknown; {nearest(self.layout, LAYOUTS)}")


_CHANCES = tuple(
    field.name
    for field in fields(SynthOptions)
    if field.type == "float" and field.name not in ("weight", "rotation", "slant", "perspective")
)
_RANGES = tuple(
    field.name
    for field in fields(SynthOptions)
    if field.type == "Range" or field.name in ("length", "native", "page")
)

_DOCUMENT = SynthOptions(
    kinds=(
        ("sentence", 6.0),
        ("heading", 1.0),
        ("words", 1.0),
        ("given", 3.0),
        ("date", 0.3),
        ("number", 0.4),
        ("address", 0.5),
        ("web", 0.2),
        ("code", 0.2),
        ("random", 0.7),
        ("pseudo", 0.5),
        ("price", 0.2),
    ),
    length=(1, 90),
    native=(18, 44),
    mono=0.3,
    typewriter=0.22,
    press=0.4,
    speckle=0.08,
    scratch=0.05,
    neighbours=0.35,
    wide_gaps=0.05,
    dull=0.25,
    bend=0.08,
)
_RECEIPT = SynthOptions(
    kinds=(
        ("receipt", 7.0),
        ("price", 1.5),
        ("code", 0.6),
        ("date", 0.6),
        ("time", 0.2),
        ("phone", 0.5),
        ("address", 0.9),
        ("number", 0.6),
        ("words", 0.5),
        ("sentence", 0.5),
        ("web", 0.2),
        ("random", 0.6),
        ("given", 0.3),
    ),
    length=(1, 48),
    layout="receipt",
    on_table=0.25,
    native=(16, 44),
    mono=0.6,
    stretch=(0.55, 1.4),
    spacing=(-0.02, 0.16),
    loose_words=(0.8, 1.4),
    bold=0.15,
    thin=0.15,
    press=0.15,
    pixelate=0.25,
    dot_matrix=0.12,
    fade=0.4,
    speckle=0.06,
    scratch=0.04,
    neighbours=0.12,
    ground=(222.0, 255.0),
    contrast=(80.0, 250.0),
    dull=0.1,
    paper=(0.0, 14.0),
    margin_y=(-0.05, 0.25),
    exposure=0.3,
    sharpen=0.35,
    folds=0.08,
    blur=0.3,
)
_SCENE = SynthOptions(
    kinds=(
        ("word", 8.0),
        ("words", 1.2),
        ("heading", 0.6),
        ("number", 0.5),
        ("price", 0.4),
        ("phone", 0.2),
        ("web", 0.2),
        ("pseudo", 0.5),
        ("random", 0.4),
        ("time", 0.1),
        ("given", 0.4),
    ),
    length=(1, 28),
    layout="sign",
    native=(13, 60),
    colour=0.9,
    mono=0.06,
    stretch=(0.5, 1.35),
    spacing=(-0.04, 0.25),
    bold=0.5,
    thin=0.03,
    outlined=0.08,
    drop_shadow=0.14,
    fade=0.05,
    scratch=0.03,
    neighbours=0.2,
    beside=0.15,
    margin_x=(-0.06, 0.4),
    margin_y=(-0.06, 0.4),
    rotation=8.0,
    slant=0.16,
    perspective=0.25,
    oblique=0.3,
    arc=0.12,
    bend=0.04,
    contrast=(40.0, 245.0),
    paper=(0.0, 30.0),
    texture=0.45,
    low_resolution=0.3,
    blur=0.4,
    motion_blur=0.12,
    shadow=0.15,
    glow=0.35,
    bloom=0.2,
    exposure=0.5,
    sharpen=0.3,
    noise=0.5,
)
PRESETS: dict[str, tuple[SynthOptions, ...]] = {
    "document": (_DOCUMENT,),
    "receipt": (_RECEIPT,),
    "scene": (_SCENE,),
    "mixed": (
        replace(_DOCUMENT, weight=0.4),
        replace(_RECEIPT, weight=0.35),
        replace(_SCENE, weight=0.25),
    ),
}
"""Documents (books, typed and laser-printed pages), receipts, signs and packages, and all three."""


def preset(name: str, **changes: object) -> tuple[SynthOptions, ...]:
    """The options of a preset, one for each part that it mixes.

    Args:
        name: document, receipt, scene or mixed.
        changes: Fields that are the same in all parts.

    Raises:
        OptionError: There is no preset or field of that name, or a value is out of its range.

    Example:
        >>> [options.height for options in preset("mixed", height=48)]
        [48, 48, 48]
    """
    if name not in PRESETS:
        raise OptionError(f"no preset {name!r}; {nearest(name, PRESETS)}")
    known = {field.name for field in fields(SynthOptions)}
    for change in changes:
        if change not in known:
            raise OptionError(f"no option {change!r}; {nearest(change, known)}")
    return tuple(replace(options, **changes) for options in PRESETS[name])  # type: ignore[arg-type]
