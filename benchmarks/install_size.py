"""How much does ``pip install .`` download, and is it free of torch?

    python benchmarks/install_size.py [--extra openvino] [--json]

Downloads what the runtime needs, for this platform and Python, into a temporary folder with
``pip download``, and adds up the files; our own wheel, with its models, is left out of the sum. The
status is 1 above 140 MB, or when a package of the workshop is among them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 140.0
UNWANTED = ("torch", "torchvision", "onnx", "onnxscript", "lightning_fabric", "paddlepaddle")


def download(extras: list[str]) -> dict[str, int]:
    """Download everything.

    Returns:
        Size in bytes of each file, by its name, the largest first.
    """
    what = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-cache-dir",
                "-d",
                folder,
                what,
            ],
            check=True,
        )
        sizes = {file.name: file.stat().st_size for file in Path(folder).iterdir()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def package(file: str) -> str:
    """The package of a wheel or source archive, in lower case with underscores."""
    return file.split("-")[0].lower().replace(".", "_")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extra", action="append", default=[], help="of our own, to be added")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = {
        name: size for name, size in download(options.extra).items() if package(name) != "saccade"
    }
    total = sum(sizes.values()) / 1e6
    unwanted = sorted({package(name) for name in sizes} & set(UNWANTED))
    if options.json:
        print(json.dumps({"total_mb": round(total, 1), "files": sizes, "unwanted": unwanted}))
    else:
        for name, size in sizes.items():
            print(f"{size / 1e6:8.2f} MB  {name}")
        print(f"{total:8.2f} MB  in all; the limit is {LIMIT_MB:.0f} MB")
        if unwanted:
            print(f"not wanted in the runtime: {', '.join(unwanted)}")
    return 1 if unwanted or (total > LIMIT_MB and not options.extra) else 0


if __name__ == "__main__":
    sys.exit(main())
