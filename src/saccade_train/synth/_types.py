"""Array types of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Effect", "Picture", "Quads"]

Picture: TypeAlias = NDArray[np.uint8]
"""uint8: (H, W) grey or ink, or (H, W, 3) RGB."""

Quads: TypeAlias = NDArray[np.float32]
"""float32 (N, 4, 2): corners in pixels, clockwise from the top-left one of the upright text."""

Effect: TypeAlias = Callable[[Picture, Quads, np.random.Generator], tuple[Picture, Quads]]
"""Something that happens to a picture. Pure: the arguments stay as they are."""
