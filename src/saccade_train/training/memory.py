"""Memory that a training step frees stays with the process: the next step wants it again.

Activations of tens of megabytes are made and freed hundreds of times a step. By default glibc hands
such memory back to the system at once, and the system clears it before it gives it out anew: at a
fixed size of 320 pixels and 16 pictures that took a tenth of a step of PicoDet-S.
``benchmarks/train_memory.py`` measures it.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# Names and numbers of <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1
_LARGEST_OLD = 32 * 2**20  # what older versions of glibc allow


def keep_freed_memory() -> bool:
    """Let the process keep what it frees; only where the C library is glibc.

    Numbers do not change, and the most memory that the process holds at a time hardly does.

    Returns:
        Whether the C library took it.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    large = any(mallopt(_M_MMAP_THRESHOLD, limit) for limit in (_LARGEST, _LARGEST_OLD))
    return bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST)) and large
