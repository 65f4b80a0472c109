"""Builds the reference from the docstrings: ``python docs/build.py [PLACE]`` (default ``site``)."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc


def main(place: Path) -> None:
    pdoc.render.configure(docformat="google", footer_text="Saccade")
    pdoc.pdoc("saccade", "saccade_train", output_directory=place)
    print(f"the reference is at {place / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("site"))
