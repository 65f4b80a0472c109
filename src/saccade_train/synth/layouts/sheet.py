"""A sheet: what a layout hands over to be printed."""

from __future__ import annotations

from dataclasses import dataclass, field

from saccade_train.synth.fonts import Font
from saccade_train.synth.glyphs import Setting, typeset

__all__ = ["Placed", "Rule", "Sheet"]


@dataclass(frozen=True)
class Placed:
    """A line of text and where it goes.

    Attributes:
        setting: The line.
        x: Of its first pen position.
        y: Of its baseline.
        font: Name of its face.
    """

    setting: Setting
    x: int
    y: int
    font: str


@dataclass(frozen=True)
class Rule:
    """A straight rule from one point to another, ``dash`` pixels on and off; 0 is solid."""

    start: tuple[int, int]
    end: tuple[int, int]
    thickness: int = 1
    dash: int = 0


@dataclass
class Sheet:
    """A flat sheet that a layout fills.

    Attributes:
        width: In pixels.
        height: In pixels.
        placed: Lines of text in reading order.
        rules: Straight rules.
        bare: Without ground of its own: letters on a wall.
    """

    width: int
    height: int
    placed: list[Placed] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    bare: bool = False

    def put(
        self,
        text: str,
        font: Font,
        size: int,
        x: float,
        y: float,
        *,
        anchor: str = "left",
        room: float | None = None,
        spacing: float = 0.0,
        word_spacing: float = 1.0,
    ) -> float:
        """Place a line; what is wider than the room loses words, then letters, at its end.

        Args:
            text: What it says; characters that the font lacks fall out.
            font: Its face.
            size: Of the face, in pixels.
            x: Left end, middle or right end.
            y: Of the baseline.
            anchor: left, centre or right: what ``x`` means.
            room: Most pixels of width; by default to the edges of the sheet.
            spacing: Between letters, in pixels.
            word_spacing: Width of blanks, as a factor.

        Returns:
            The width in pixels; 0 if there was nothing to place.
        """
        text = " ".join("".join(c for c in text if c in font.characters or c == " ").split())
        if room is None:
            room = self.width - x if anchor == "left" else x if anchor == "right" else self.width
        while text:
            setting = typeset(text, font, size, spacing=spacing, word_spacing=word_spacing)
            if setting.width <= room:
                break
            cut = text.rfind(" ")
            text = text[:cut] if cut > 0 else text[:-1]
        if not text or y < 0 or y > self.height:
            return 0.0
        shift = {"left": 0.0, "centre": -setting.width / 2, "right": -setting.width}[anchor]
        self.placed.append(Placed(setting, round(x + shift), round(y), font.name))
        return setting.width
