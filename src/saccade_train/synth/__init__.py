"""Labelled pictures that are made: lines and pages of text from fonts, and things from cut-outs.

NumPy, Pillow and OpenCV only. A sample is a function of options, fonts, seed and its number.
"""

from .alphabets import ASCII, LATIN, read_alphabet, write_alphabet
from .cutouts import Cutout, cut_out
from .fonts import Font, FontSet, find_fonts
from .lines import Line, LineSource, Word
from .object_writing import read_cutouts, read_photographs, write_objects
from .objects import ObjectPicture, ObjectSource
from .options import PRESETS, SynthOptions, preset
from .pages import Page, PageLine, PageSource
from .texts import Lexicon, read_lexicon

__all__ = [
    "ASCII",
    "LATIN",
    "PRESETS",
    "Cutout",
    "Font",
    "FontSet",
    "Lexicon",
    "Line",
    "LineSource",
    "ObjectPicture",
    "ObjectSource",
    "Page",
    "PageLine",
    "PageSource",
    "SynthOptions",
    "Word",
    "cut_out",
    "find_fonts",
    "preset",
    "read_alphabet",
    "read_cutouts",
    "read_lexicon",
    "read_photographs",
    "write_alphabet",
    "write_objects",
]
