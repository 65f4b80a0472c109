"""How well and how fast text is read: Saccade beside RapidOCR and Tesseract.

    python benchmarks/read_peers.py --packs FOLDER [--limit N] [--only receipts] [--json]
                                    [--rapidocr-python PYTHON]

Every tool gets the same pictures, in turns, on ``--threads`` threads, as its users call it: with
its defaults for pages, the recogniser alone for lines that are cut out. RapidOCR runs in a process
of its own, in an environment that has it (``python -m venv peer && peer/bin/pip install rapidocr
onnxruntime``, then ``--rapidocr-python peer/bin/python``); Tesseract is the command (``apt-get
install tesseract-ocr``). A tool that is not there is left out and named. Only the ``val`` parts of
the packs are read.

Rules: pages of receipts and print, end to end, at IoU 0.5, and lines of receipts: case and spaces
are ignored. Words: letters and digits only, case is ignored. Lines of print, and drawn pages:
everything counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import cv2
import numpy as np

from saccade.datasets.text import (
    TextLineSet,
    TextPageSet,
    TextRegion,
    format_page,
    open_text_lines,
    open_text_pages,
)
from saccade.errors import SaccadeError
from saccade.metrics.text import (
    TextRule,
    detection_counts,
    detection_metrics,
    end_to_end_counts,
    end_to_end_metrics,
    line_metrics,
)

LOOSE = TextRule(ignore_case=True, ignore_spaces=True)
WORDS = TextRule(ignore_case=True, letters_and_digits_only=True)
EXACT = TextRule()


@dataclass(frozen=True)
class Found:
    """What a tool says of a page."""

    quads: list[np.ndarray]
    texts: list[str]


class Tool(Protocol):
    """A reader of text."""

    name: str

    def page(self, path: Path) -> Found:
        """Find and read the text of a page."""
        ...

    def line(self, path: Path) -> str:
        """Read a line that was cut out."""
        ...


class Saccade:
    """Ours."""

    name = "Saccade"

    def __init__(self, threads: int) -> None:
        from saccade import TextReader
        from saccade.tasks._text_recogniser import TextRecogniser

        self._recogniser = TextRecogniser(threads=threads)
        self._reader = TextReader(recogniser=self._recogniser, threads=threads)

    def page(self, path: Path) -> Found:
        """Find and read the text of a page."""
        lines = self._reader(path).lines
        quads = [np.array(line.polygon, np.float32) for line in lines]
        return Found(quads, [line.text for line in lines])

    def line(self, path: Path) -> str:
        """Read a line that was cut out."""
        from saccade.imaging.read import read_image

        return self._recogniser.read([read_image(path)])[0].text


class RapidOCR:
    """Its default models, in another Python."""

    name = "RapidOCR"

    def __init__(self, python: str, threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [python, "-c", _RAPIDOCR, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if self._answer().get("ready") is not True:
            raise SaccadeError("it does not start")

    def page(self, path: Path) -> Found:
        """Find and read the text of a page."""
        answer = self._ask("page", path)
        return Found([np.array(quad, np.float32) for quad in answer["quads"]], answer["texts"])

    def line(self, path: Path) -> str:
        """Read a line that was cut out."""
        return str(self._ask("line", path)["text"])

    def _ask(self, what: str, path: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, str(path)]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        raise SaccadeError("its process ended")


_RAPIDOCR = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from rapidocr import RapidOCR
engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": int(sys.argv[1])})
print(json.dumps({"ready": True}), flush=True)
for request in sys.stdin:
    what, path = json.loads(request)
    if what == "page":
        found = engine(path)
        boxes = [] if found.boxes is None else found.boxes.tolist()
        answer = {"quads": boxes, "texts": list(found.txts or [])}
    else:
        found = engine(path, use_det=False, use_cls=False, use_rec=True)
        answer = {"text": "".join(found.txts or [])}
    print(json.dumps(answer), flush=True)
"""


class Tesseract:
    """The command, English."""

    name = "Tesseract"

    def __init__(self, threads: int) -> None:
        if shutil.which("tesseract") is None:
            raise SaccadeError("there is no command tesseract")
        self._environment = os.environ | {"OMP_THREAD_LIMIT": str(threads)}

    def page(self, path: Path) -> Found:
        """Find and read the text of a page."""
        lines: dict[tuple[str, ...], list[tuple[str, list[int]]]] = {}
        for row in self._run(path, "3", "tsv").splitlines()[1:]:
            cells = row.split("\t")
            if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
                box = [int(cell) for cell in cells[6:10]]
                lines.setdefault(tuple(cells[1:5]), []).append((cells[11], box))
        quads, texts = [], []
        for words in lines.values():
            boxes = np.array([box for _, box in words], np.float32)
            x1, y1 = boxes[:, :2].min(0)
            x2, y2 = (boxes[:, :2] + boxes[:, 2:]).max(0)
            quads.append(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32))
            texts.append(" ".join(text for text, _ in words))
        return Found(quads, texts)

    def line(self, path: Path) -> str:
        """Read a line that was cut out."""
        return " ".join(self._run(path, "7").split())

    def _run(self, path: Path, mode: str, *formats: str) -> str:
        command = ["tesseract", str(path), "-", "-l", "eng", "--psm", mode, *formats]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._environment, check=False
        )
        return done.stdout


def open_tools(threads: int, python: str | None) -> list[Tool]:
    """The tools that are there; says which are not."""
    makers: dict[str, Callable[[], Tool]] = {
        "Saccade": lambda: Saccade(threads),
        "Tesseract": lambda: Tesseract(threads),
    }
    if python is not None:
        makers["RapidOCR"] = lambda: RapidOCR(python, threads)
    tools = []
    for name, make in makers.items():
        try:
            tools.append(make())
        except (SaccadeError, ImportError, OSError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return tools


def read_pages(
    tools: Sequence[Tool], pages: TextPageSet, rule: TextRule, limit: int
) -> dict[str, dict[str, Any]]:
    """Detection and end-to-end scores, and seconds a page."""
    chosen = range(min(limit, len(pages)))
    found: dict[str, list[Found]] = {tool.name: [] for tool in tools}
    seconds: dict[str, list[float]] = {tool.name: [] for tool in tools}
    for number in chosen:
        with picture(pages.read(number)) as path:
            for tool in tools:
                began = perf_counter()
                found[tool.name].append(tool.page(path))
                seconds[tool.name].append(perf_counter() - began)
    scores = {}
    for tool in tools:
        regions = [pages.samples[number].regions for number in chosen]
        detection = [
            detection_counts([r.points for r in page], [r.ignored for r in page], said.quads)
            for page, said in zip(regions, found[tool.name], strict=True)
        ]
        reading = [
            end_to_end_counts(
                [r.points for r in page],
                [r.text for r in page],
                [r.ignored for r in page],
                said.quads,
                said.texts,
                rule=rule,
            )
            for page, said in zip(regions, found[tool.name], strict=True)
        ]
        scores[tool.name] = {
            "end_to_end_hmean": end_to_end_metrics(reading)["hmean"],
            "detection_hmean": detection_metrics(detection)["hmean"],
            "cer": end_to_end_metrics(reading)["cer"],
            "seconds": statistics.median(seconds[tool.name]),
            "n": len(chosen),
        }
    return scores


def read_lines(
    tools: Sequence[Tool], lines: TextLineSet, rule: TextRule, limit: int
) -> dict[str, dict[str, Any]]:
    """Line accuracy, character error rate and seconds a line."""
    chosen = np.linspace(0, len(lines) - 1, min(limit, len(lines))).round().astype(int).tolist()
    read: dict[str, list[str]] = {tool.name: [] for tool in tools}
    seconds: dict[str, list[float]] = {tool.name: [] for tool in tools}
    for number in chosen:
        with picture(lines.read(number)) as path:
            for tool in tools:
                began = perf_counter()
                read[tool.name].append(tool.line(path))
                seconds[tool.name].append(perf_counter() - began)
    texts = [lines.samples[number].text for number in chosen]
    return {
        tool.name: {
            **line_metrics(texts, read[tool.name], rule=rule),
            "seconds": statistics.median(seconds[tool.name]),
        }
        for tool in tools
    }


def draw_pages(folder: Path, count: int) -> TextPageSet:
    """Pages in fonts that our recogniser was never trained on, a page in each (needs the workshop).

    Plain text faces only: documents, mixed case.
    """
    from saccade_train.synth import ASCII, FontSet, PageSource, find_fonts, preset

    held_out = find_fonts(ASCII).split(0.2)[1]
    whole = [font for font in held_out.fonts if not FontSet((font,)).missing(ASCII)]
    families = {font.root: font for font in whole if font.is_plain}
    chosen = [families[root] for root in sorted(families)][:: max(1, len(families) // count)]
    labels = []
    for number, font in enumerate(chosen[:count]):
        page = PageSource(preset("document", alphabet=ASCII), 99, fonts=FontSet((font,)))[number]
        cv2.imwrite(str(folder / f"{number}.png"), page.image[..., ::-1])
        regions = [
            TextRegion(line.quad, line.text if line.is_readable else "###") for line in page.lines
        ]
        labels.append(format_page(f"{number}.png", regions))
    (folder / "det_val.txt").write_text("".join(f"{label}\n" for label in labels), "utf-8")
    return open_text_pages(folder, "val")


class picture:  # noqa: N801
    """A picture as a file for as long as it is needed: all tools read the same bytes."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(suffix=".png")
        os.close(handle)
        self._path = Path(name)
        cv2.imwrite(name, self._image[..., ::-1])
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


EXPERIMENTS = {
    "receipts": ("pages", "ocr_sroie_receipts.zip", LOOSE),
    "print_pages": ("pages", "ocr_print_pages.zip", LOOSE),
    "receipt_lines": ("lines", "rec_sroie_lines.zip", LOOSE),
    "print_lines": ("lines", "rec_print_lines.zip", EXACT),
    "icdar15_words": ("lines", "rec_icdar15_words.zip", WORDS),
    "iiit5k_words": ("lines", "rec_iiit5k_words.zip", WORDS),
    "held_out_fonts": ("drawn", "", EXACT),
}


def main() -> None:
    """Run the experiments and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("--limit", type=int, default=10_000, help="pictures of each pack")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=EXPERIMENTS, action="append")
    parser.add_argument("--rapidocr-python", help="a Python that has RapidOCR")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tools = open_tools(arguments.threads, arguments.rapidocr_python)
    results = {}
    for name in arguments.only or EXPERIMENTS:
        kind, archive, rule = EXPERIMENTS[name]
        place = arguments.packs / archive
        if kind == "pages":
            pages = open_text_pages(place, "val")
            results[name] = read_pages(tools, pages, rule, arguments.limit)
        elif kind == "drawn":
            with tempfile.TemporaryDirectory() as folder:
                pages = draw_pages(Path(folder), min(20, arguments.limit))
                results[name] = read_pages(tools, pages, rule, arguments.limit)
        else:
            lines = open_text_lines(place, "val")
            results[name] = read_lines(tools, lines, rule, arguments.limit)
        if not arguments.json:
            for tool, scores in results[name].items():
                shown = "  ".join(
                    f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in scores.items()
                )
                print(f"{name:15} {tool:10} {shown}", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
