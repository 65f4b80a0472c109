"""The kinds of problems that datasets of boxes have in every form: COCO, VOC and YOLO.

What only one form has stands in its reader.
"""

from __future__ import annotations

from saccade.datasets.tally import Kind

__all__ = ["CLIPPED", "EMPTY", "FLAT", "MISSING", "OUTSIDE", "RENAMED"]

MISSING = Kind("1 picture is missing and was left out", "{} pictures are missing and were left out")
CLIPPED = Kind(
    "1 box reaches outside its picture and was clipped",
    "{} boxes reach outside their pictures and were clipped",
)
OUTSIDE = Kind(
    "1 box lies wholly outside its picture and was left out",
    "{} boxes lie wholly outside their pictures and were left out",
)
FLAT = Kind(
    "1 box without width or height was left out",
    "{} boxes without width or height were left out",
)
EMPTY = Kind(
    "1 class has no box that counts",
    "{} classes have no box that counts",
)
RENAMED = Kind(
    "1 class had no name of its own and was given one",
    "{} classes had no names of their own and were given some",
)
