"""What the scripts share that put models into the package."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from saccade import modelfile, zoo

__all__ = ["put_into_zoo"]


def put_into_zoo(file: Path, scores: dict[str, float]) -> None:
    """Write scores into the card of an exported file, put it into the zoo, and print them."""
    scores = {name: round(value, 4) for name, value in scores.items()}
    card = dataclasses.replace(modelfile.read_card(file), scores=scores)
    modelfile.write_card(file, zoo.MODELS / file.name, card)
    print(file.name)
    for name, value in scores.items():
        print(f"  {name:44} {value:.4f}")
