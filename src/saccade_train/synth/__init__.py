"""Synthetic text: lines and whole pages with exact labels, from the fonts of this machine.

NumPy, Pillow and OpenCV only. A sample is a function of options, fonts, seed and its number.
"""

from .alphabets import ASCII, LATIN, read_alphabet, write_alphabet
from .fonts import Font, FontSet, find_fonts
from .lines import Line, LineSource, Word
from .options import PRESETS, SynthOptions, preset
from .pages import Page, PageLine, PageSource
from .texts import Lexicon, read_lexicon

__all__ = [
    "ASCII",
    "LATIN",
    "PRESETS",
    "Font",
    "FontSet",
    "Lexicon",
    "Line",
    "LineSource",
    "Page",
    "PageLine",
    "PageSource",
    "SynthOptions",
    "Word",
    "find_fonts",
    "preset",
    "read_alphabet",
    "read_lexicon",
    "write_alphabet",
]
