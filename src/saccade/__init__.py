"""Saccade sees, reads and recognises on a CPU.

::

    import saccade

    found = saccade.Classifier()("photo.jpg")
    found.labels, found.scores

Names are loaded when they are first used, so that ``import saccade`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saccade.errors import SaccadeError as SaccadeError
    from saccade.gallery import Gallery as Gallery
    from saccade.imaging.read import read_image as read_image
    from saccade.modelfile import ModelCard as ModelCard
    from saccade.modelfile import read_card as read_card
    from saccade.modelfile import verify as verify
    from saccade.results import Detections as Detections
    from saccade.results import Page as Page
    from saccade.tasks.classify import Classifier as Classifier
    from saccade.tasks.detect import Detector as Detector
    from saccade.tasks.embed import Embedder as Embedder
    from saccade.tasks.ensemble import Ensemble as Ensemble
    from saccade.tasks.look import Looker as Looker
    from saccade.tasks.read_text import TextReader as TextReader
    from saccade.tasks.recognize import Recognizer as Recognizer

__version__ = "0.1.0.dev0"

# Public name -> the module that holds it; the imports above tell type checkers the same.
_HOMES = {
    "Classifier": "saccade.tasks.classify",
    "Detections": "saccade.results",
    "Detector": "saccade.tasks.detect",
    "Embedder": "saccade.tasks.embed",
    "Ensemble": "saccade.tasks.ensemble",
    "Gallery": "saccade.gallery",
    "Looker": "saccade.tasks.look",
    "ModelCard": "saccade.modelfile",
    "Page": "saccade.results",
    "Recognizer": "saccade.tasks.recognize",
    "SaccadeError": "saccade.errors",
    "TextReader": "saccade.tasks.read_text",
    "read_card": "saccade.modelfile",
    "read_image": "saccade.imaging.read",
    "verify": "saccade.modelfile",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'saccade' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
