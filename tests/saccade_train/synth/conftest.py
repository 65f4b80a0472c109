from __future__ import annotations

import io
from pathlib import Path

import cv2
import pytest
from PIL import ImageFont

from saccade.imaging.fonts import font_folders
from saccade_train.synth import LATIN, FontSet, find_fonts

cv2.setNumThreads(1)

# Families that have all of Western Latin script, wherever they are installed.
WELL_KNOWN = ("DejaVuS", "LiberationS", "LiberationM", "FreeSans", "NotoSans-R", "arial", "Arial")


@pytest.fixture(scope="session")
def font_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Latin font inside Pillow, as a file: it is there on every machine."""
    face = ImageFont.load_default(12)
    assert isinstance(face, ImageFont.FreeTypeFont)
    assert isinstance(face.path, io.BytesIO)
    path = tmp_path_factory.mktemp("fonts") / "Aileron.otf"
    path.write_bytes(face.path.getvalue())
    return path


@pytest.fixture(scope="session")
def aileron(font_file: Path) -> FontSet:
    return find_fonts(LATIN, [font_file])


@pytest.fixture(scope="session")
def letters(aileron: FontSet) -> str:
    """What every machine can write: nearly all of ASCII."""
    missing = aileron.missing(LATIN)
    return "".join(c for c in LATIN if c not in missing)


@pytest.fixture(scope="session")
def system_fonts(font_file: Path) -> FontSet:
    """Some fonts of this machine, and always the one inside Pillow."""
    files = [p for folder in font_folders() for p in sorted(folder.rglob("*.[to]tf"))]
    known = [p for p in files if p.name.startswith(WELL_KNOWN)][:30]
    return find_fonts(LATIN, [*known, font_file])
