"""How long until something happens: ``import saccade``, ``saccade --help``, one picture classified.

    python benchmarks/startup.py [--model NAME|FILE] [--picture FILE] [--runs 7] [--check]

Whole processes are timed, the interpreter included, in turns; medians are printed. ``--check`` ends
with status 1 when a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from saccade.bench import interleave

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LIMITS_S = {"import saccade": 0.3, "saccade --help": 0.5, "saccade classify PICTURE": 1.0}


def run(*arguments: str) -> None:
    """Run Python once; what it prints is dropped."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def commands(model: str | None, picture: Path) -> dict[str, Callable[[], None]]:
    """What is timed, by name."""
    cli = "import sys; from saccade.cli.app import main; sys.exit(main())"
    chosen = [] if model is None else ["--model", model]
    return {
        "python, doing nothing": partial(run, "-c", "pass"),
        "import saccade": partial(run, "-c", "import saccade"),
        "saccade --help": partial(run, "-c", cli, "--help"),
        "saccade classify PICTURE": partial(run, "-c", cli, "classify", str(picture), *chosen),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="by default the model that classify takes")
    parser.add_argument("--picture", type=Path, help="by default one of the examples")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    pictures = sorted(EXAMPLES.rglob("*.jpg")) + sorted(EXAMPLES.rglob("*.png"))
    if options.picture is None and not pictures:
        parser.error(f"no picture under {EXAMPLES}; name one with --picture")
    picture = options.picture or pictures[0]
    seconds = interleave(commands(options.model, picture), options.runs, warm_up=1)
    medians = {name: float(np.median(took)) for name, took in seconds.items()}
    if options.json:
        print(json.dumps({name: round(value, 4) for name, value in medians.items()}))
    else:
        print(f"{'':26}{'median s':>9}{'fastest s':>10}{'limit s':>9}")
        for name, took in seconds.items():
            limit = f"{LIMITS_S[name]:9.2f}" if name in LIMITS_S else ""
            print(f"{name:26}{medians[name]:9.3f}{took.min():10.3f}{limit}")
    exceeded = [name for name, limit in LIMITS_S.items() if medians[name] > limit]
    return 1 if options.check and exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
