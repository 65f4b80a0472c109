"""Array types that several rooms share."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image"]

Image: TypeAlias = NDArray[np.uint8]
"""uint8 RGB (H, W, 3)."""
