"""What the verbs return: frozen dataclasses that print well and round-trip through ``to_dict``.

The keys of ``to_dict`` are those of ``--json``. One type comes back always; nothing found is an
empty result. In a stream of pictures, a picture that cannot be answered is a :class:`Failed`.
"""

from saccade.results.classify import Classes
from saccade.results.detect import DetectedObject, Detections
from saccade.results.failed import Failed
from saccade.results.page import Page, Polygon, TextCharacter, TextLine, TextWord
from saccade.results.recognize import Look, Neighbour, Recognized, RecognizedObject

__all__ = [
    "Classes",
    "DetectedObject",
    "Detections",
    "Failed",
    "Look",
    "Neighbour",
    "Page",
    "Polygon",
    "Recognized",
    "RecognizedObject",
    "TextCharacter",
    "TextLine",
    "TextWord",
]
