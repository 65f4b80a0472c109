"""``python -m saccade`` is ``saccade``."""

from saccade.cli.app import main

main()
