from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade_train.synth import ASCII, LATIN, Font, FontSet, find_fonts
from saccade_train.synth import fonts as fonts_module
from saccade_train.synth.glyphs import open_face


def font(family: str, style: str = "Regular", *, mono: bool = False, has: str = "abc") -> Font:
    return Font(f"/{family}/{style}", 0, family, style, mono, frozenset(has))


def test_the_font_inside_pillow_is_always_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_module, "font_folders", list)
    found = find_fonts(LATIN)
    assert [f.family for f in found.fonts] == ["Aileron"]
    assert found.missing(ASCII) == ""
    assert "ß" in found.missing(LATIN)


def test_every_character_is_drawn_by_some_font(system_fonts: FontSet) -> None:
    """And each font draws every character that it says it has, as something of its own."""
    if len(system_fonts) > 1:
        assert system_fonts.missing(LATIN) == ""
    for face in system_fonts.fonts:
        shapes: dict[tuple[object, ...], str] = {}
        for character in sorted(face.characters):
            glyph = open_face(face, 32).draw(character)
            assert glyph.mask.any(), (face.name, character)
            key = (glyph.mask.shape, glyph.mask.tobytes(), glyph.left, glyph.top)
            twin = shapes.setdefault(key, character)
            assert twin == character or character.isascii(), (face.name, twin, character)


def test_a_file_twice_counts_once(tmp_path: Path, font_file: Path) -> None:
    (tmp_path / "copy.otf").write_bytes(font_file.read_bytes())
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    (tmp_path / "notes.txt").write_text("not looked at")
    found = find_fonts(ASCII, [font_file, tmp_path])
    assert len(found) == 1
    assert [Path(p.where).name for p in found.problems] == ["broken.ttf"]


def test_bad_places(tmp_path: Path, font_file: Path) -> None:
    with pytest.raises(OptionError, match="no such file"):
        find_fonts(ASCII, [tmp_path / "missing"])
    with pytest.raises(OptionError, match="covers half of the alphabet"):
        find_fonts(ASCII, [tmp_path])
    with pytest.raises(OptionError, match="covers half of the alphabet"):
        find_fonts("абвгд", [font_file])


def test_a_split_keeps_families_together_and_stays() -> None:
    names = [f"Family{n}" for n in range(200)]
    whole = FontSet(tuple(font(n, s) for n in names for s in ("Regular", "Bold")))
    train, held_out = whole.split(0.25)
    assert {f.root for f in train.fonts}.isdisjoint(f.root for f in held_out.fonts)
    assert len(train) + len(held_out) == 400
    assert 60 <= len(held_out) <= 140
    # Other fonts beside it do not move a family to the other side.
    part = FontSet(whole.fonts[:100]).split(0.25)[1]
    assert part.fonts == tuple(f for f in held_out.fonts if f in whole.fonts[:100])
    assert whole.split(0.0)[1].fonts == ()
    with pytest.raises(OptionError, match="share from 0 to 1"):
        whole.split(1.5)


def test_sister_families_fall_on_one_side() -> None:
    assert font("DejaVu Sans Mono").root == font("DejaVu Sans").root == "DejaVu Sans"


def test_drawing_looks_for_a_font_that_can() -> None:
    rng = np.random.default_rng(0)
    some = [font(f"F{n}") for n in range(40)]
    fonts = FontSet((*some, font("Rare", has="abcé"), font("Mono", mono=True)))
    assert {fonts.draw(rng, "é", mono=0.0).family for _ in range(20)} == {"Rare"}
    assert {fonts.draw(rng, "ab a", mono=1.0).family for _ in range(20)} == {"Mono"}
    assert len({fonts.draw(rng, "ab", mono=0.0).family for _ in range(200)}) > 20
    # Where none can, the one that has most of the text.
    assert fonts.draw(rng, "éab", mono=1.0).family == "Rare"


def test_the_room_is_cheap_to_enter() -> None:
    code = (
        "import sys, saccade_train.synth; print({'torch', 'pydantic', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_facts_about_fonts_are_kept_on_disk(
    tmp_path: Path, font_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "fonts" / font_file.name
    place.parent.mkdir()
    shutil.copy(font_file, place)
    drawn = []

    def read(path: str, alphabet: str) -> object:
        drawn.append(path)
        return original.__wrapped__(path, alphabet)

    original = fonts_module._read_font
    monkeypatch.setattr(fonts_module, "_read_font", read)
    first = find_fonts(ASCII, [place.parent])
    assert drawn == [str(place)]
    assert find_fonts(ASCII, [place.parent]) == first
    assert len(drawn) == 1
    os.utime(place, ns=(0, 0))  # as if another file had taken its place
    assert find_fonts(ASCII, [place.parent]) == first
    assert len(drawn) == 2
    (file,) = (tmp_path / "cache" / "saccade").iterdir()
    file.write_text('["no", "such", "form"]')
    assert find_fonts(ASCII, [place.parent]) == first
    assert len(drawn) == 3


def test_without_a_place_for_it_nothing_is_kept(
    tmp_path: Path, font_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(find_fonts(ASCII, [font_file]))


def test_blanks_are_no_wider_than_a_letter(
    aileron: FontSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some fonts for formulas state a blank of 65 ems, which made lines too wide for OpenCV."""
    face = aileron.fonts[0]
    own = open_face(face, 32).draw(" ").advance
    assert 0 < own < 16  # what is plausible stays
    wide = open_face.__wrapped__(face, 32)
    stub = SimpleNamespace(getlength=lambda character: 2097.0)
    monkeypatch.setattr(wide, "_face", stub)
    assert 8 < wide.draw(" ").advance < 16
