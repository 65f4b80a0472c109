"""Other looks at a line that was read with doubt: in other colours, widths and cuts, or straight.

What a small recogniser makes of a blurred or slanting word depends on how it is shown; what several
looks agree on is more often right. A second look tells whether there is anything to settle: where
it says the same, the reading stands. Where not, a search finds the likeliest texts in each look,
and they vote, with a word of a letter model on what words look like. Own proposal; what it is
worth is in docs/results.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.text.beam_search import Spelling

__all__ = ["ballot", "elect", "further_looks", "second_look", "slope_of", "straightened"]

_NARROW, _WIDE, _WIDE_STRAIGHT = 0.85, 1.4, 1.3  # factors of width
_RIM = 0.1  # heights of margin above and below
_BLUR = 0.03  # heights
_SLOPES = np.linspace(-1.0, 1.0, 41)
_HEIGHT = 32  # pixels at which slopes are measured
_LONGEST = 8.0  # heights; longer lines don't climb within an upright crop
_LEVEL = 0.15  # heights that a line climbs from end to end, below which it is level
_BRIGHT = 95  # percentile of the gradient; a few hard edges shall not decide
_SOFT = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # or slopes of whole pixels are favoured


def slope_of(line: NDArray[np.uint8]) -> float:
    """How steeply a word climbs or falls through its crop.

    The rows of a crop that is sheared by the right slope are of two kinds, with ink and without: of
    the sums of horizontal gradients over its rows the squares add up to most (projection profiles,
    Postl, ICPR 1986).

    Args:
        line: uint8 RGB ``(h, w, 3)``, letters upright.

    Returns:
        Pixels down for each pixel to the right, -1 to 1 in steps of 0.05.
    """
    height, width = line.shape[:2]
    size = (max(8, round(_HEIGHT * width / height)), _HEIGHT)
    grey = cv2.cvtColor(cv2.resize(line, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.8)
    edges = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0))
    edges = np.minimum(edges, np.percentile(edges, _BRIGHT))
    if not edges.any():
        return 0.0
    rows = np.arange(size[1])[:, None]
    aside = np.arange(size[0])[None] - (size[0] - 1) / 2
    reach = size[0]  # rows that a slope of 1 moves the ends by, and more
    unevenness = []
    for slope in _SLOPES:
        moved = np.rint(rows - slope * aside).astype(np.int64) + reach
        profile = np.convolve(np.bincount(moved.ravel(), edges.ravel()), _SOFT)
        unevenness.append(float(np.square(profile).sum()))
    return float(_SLOPES[int(np.argmax(unevenness))])


def straightened(line: NDArray[np.uint8], slope: float) -> NDArray[np.uint8]:
    """Shear a crop until its word is level, and cut off what is above and below it then.

    Columns stay where they are, so places along the line do too.
    """
    height, width = line.shape[:2]
    shear = np.array([[1, 0, 0], [-slope, 1, slope * (width - 1) / 2]], np.float64)
    level = cv2.warpAffine(
        line, shear, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    cut = int(min(0.45 * abs(slope) * width, 0.35 * height))
    return np.ascontiguousarray(level[cut : height - cut], np.uint8)


def second_look(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A line narrower and in opposite colours, as light letters on dark are to dark ones on light.

    Of single looks this errs most independently of the plain one.

    Args:
        line: uint8 RGB ``(h, w, 3)``.
    """
    return _resized(255 - line, _NARROW)


def further_looks(line: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """A line wide in opposite colours, and softened with a margin; where it climbs, straight too.

    Args:
        line: uint8 RGB ``(h, w, 3)``.

    Returns:
        Two or four pictures of the same stretch of the line.
    """
    height, width = line.shape[:2]
    framed = _framed(line)
    soft = cv2.GaussianBlur(framed, (0, 0), max(0.5, _BLUR * height))
    looks = [_resized(255 - line, _WIDE), np.asarray(soft, np.uint8)]
    if width < _LONGEST * height and height >= 4:
        slope = slope_of(line)
        if abs(slope) * width >= _LEVEL * height:
            straight = straightened(line, slope)
            looks += [_resized(255 - straight, _WIDE_STRAIGHT), _framed(straight)]
    return looks


def _resized(line: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    size = (max(1, round(factor * line.shape[1])), line.shape[0])
    return np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _framed(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With its first and last rows repeated above and below."""
    rim = round(_RIM * line.shape[0])
    return np.asarray(cv2.copyMakeBorder(line, rim, rim, 0, 0, cv2.BORDER_REPLICATE), np.uint8)


def ballot(spellings: Sequence[Spelling], alphabet: Sequence[str]) -> list[tuple[str, float]]:
    """What a look votes for: the texts that a search has found in it, each with its share.

    Shares are as the texts are probable against each other, speller included; together they are as
    much as the look is sure: the probability of its clearest text, to a root of its length.

    Args:
        spellings: of one look.
        alphabet: of the classes.
    """
    if not spellings:
        return []
    sure = max(math.exp(one.log_probability / (len(one.classes) + 1)) for one in spellings)
    most = max(one.total for one in spellings)
    odds = [math.exp(one.total - most) for one in spellings]
    share = sure / sum(odds)
    return [(one.text(alphabet), share * part) for one, part in zip(spellings, odds, strict=True)]


def elect(
    ballots: Sequence[Sequence[tuple[str, float]]], favour: Callable[[str], float]
) -> tuple[str, int] | None:
    """Let looks vote.

    Args:
        ballots: texts and their shares, of each look; a text without a visible character is not
            counted.
        favour: the logarithm of what a text is worth beforehand.

    Returns:
        The text with the most votes times its worth, and the look that gives it the largest share;
        the first in a tie. None if nothing visible was voted for.
    """
    votes: dict[str, float] = defaultdict(float)
    for shares in ballots:
        for text, share in shares:
            if text.strip() and share > 0:
                votes[text] += share
    if not votes:
        return None
    winner = max(votes, key=lambda text: math.log(votes[text]) + favour(text))
    given = [max((s for text, s in shares if text == winner), default=0.0) for shares in ballots]
    return winner, int(np.argmax(given))
