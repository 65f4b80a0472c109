"""Three detectors as one, by every way of merging that Saccade has: docs/results.md.

    python benchmarks/fusion.py --packs FOLDER --pack det_bccd --models A B C [--only WBF] [--table]

Models are exported files or run folders that know the same classes. What each of them sees in a
picture, before any suppression and from a score of 0.025 on, is computed once and kept in
``--runs``. Each row then chooses the best of a small grid of its parameters (:data:`METHODS`) by
AP on pictures of ``train``, and is scored with that choice on ``val`` by COCO's AP, AP at IoU 0.5
and 0.75. One parameter is common to all rows that merge (:data:`OWN`): how each model's boxes are
thinned out first, as :class:`saccade.Ensemble` does it.

The models have learnt the pictures of ``train``, so they are surer and more alike there than on
new ones; the choice is what an honest user can do, not the best that there is. A finished row is
one line of ``benchmarks/results/fusion.jsonl`` and is not repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ledger import add, digest_of, finished
from saccade.datasets.detection import DetectionSample, open_detection
from saccade.datasets.detection_match import match_classes
from saccade.geometry.boxes import clip
from saccade.geometry.fusion import Boxes, fuse
from saccade.geometry.suppression import nms, soft_nms
from saccade.metrics.detect import coco_metrics
from saccade.tasks._candidates import Candidates, read_candidates
from saccade.tasks._detect_common import drop_outside
from saccade.tasks._detect_graph import DetectorGraph

LEDGER = Path(__file__).parent / "results" / "fusion.jsonl"
FLOOR = 0.025
KEEP = 300
SCORES = ("map", "map_50", "map_75")

Options = dict[str, Any]
Look = Callable[[np.ndarray], Candidates]

OWN: tuple[Options, ...] = ({"own": "hard", "by": 0.6}, {"own": "soft", "by": 0.15})
"""Of each model alone: hard NMS at that IoU, or gaussian Soft-NMS of that sigma."""


def _grid(method: str, own: Sequence[Options], **values: Sequence[float]) -> tuple[Options, ...]:
    """All combinations."""
    rows = itertools.product(own, *values.values())
    return tuple(
        {"method": method, **first, **dict(zip(values, rest, strict=True))} for first, *rest in rows
    )


METHODS: dict[str, tuple[Options, ...]] = {
    "hard NMS": _grid("nms", OWN, iou=(0.4, 0.5, 0.6, 0.7)),
    "Soft-NMS, linear": _grid("soft", OWN, iou=(0.3, 0.4, 0.5, 0.6)),
    "Soft-NMS, gaussian": _grid("soft", OWN, sigma=(0.1, 0.2, 0.35, 0.5)),
    "voting-NMS": _grid("voting", OWN, iou=(0.5, 0.6, 0.7), k=(1, 2, 3)),
    "NMW": _grid("nmw", OWN, iou=(0.5, 0.55, 0.6, 0.7)),
    "WBF": _grid("wbf", OWN, iou=(0.5, 0.55, 0.6, 0.7)),
}
ALONE = _grid("nms", ({"own": "none", "by": 0},), iou=(0.4, 0.5, 0.6, 0.7))


class Answer(NamedTuple):
    """What :func:`coco_metrics` wants to know of a picture."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table: some models and a grid."""

    name: str
    models: tuple[int, ...]
    grid: tuple[Options, ...]


class Split:
    """Pictures, and what each model sees in them before any suppression."""

    def __init__(self, truths: Sequence[DetectionSample], seen: Sequence[Sequence[Boxes]]) -> None:
        self.truths, self._seen = truths, seen
        self._thin = cache(self._thin_out)

    def score(self, models: Sequence[int], options: Options) -> tuple[dict[str, float], float]:
        """COCO's numbers of some models merged, and the milliseconds of a merge."""
        rest = dict(options)
        parts = [self._thin(model, rest["own"], rest["by"]) for model in models]
        del rest["own"], rest["by"]
        start = perf_counter()
        merged = [fuse(picture, keep=KEEP, **rest) for picture in zip(*parts, strict=True)]
        spent = (perf_counter() - start) / len(merged) * 1e3
        answers = [
            Answer(clip(boxes, (truth.height, truth.width)), scores, labels)
            for truth, (boxes, scores, labels) in zip(self.truths, merged, strict=True)
        ]
        return coco_metrics(self.truths, answers), spent

    def _thin_out(self, model: int, own: str, by: float) -> list[Boxes]:
        return [thinned(*boxes, own=own, by=by) for boxes in self._seen[model]]


def thinned(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, *, own: str, by: float
) -> Boxes:
    """What is left of one model's boxes in one picture."""
    if own == "hard":
        kept = nms(boxes, scores, labels, iou=by, keep=KEEP)
        return boxes[kept], scores[kept], labels[kept]
    if own == "soft":
        kept, scores = soft_nms(boxes, scores, labels, sigma=by, keep=KEEP)
        return boxes[kept], scores, labels[kept]
    return boxes, scores, labels


# ------------------------------------------------------------------ what the models see


def open_model(place: Path) -> tuple[Look, tuple[str, ...]]:
    """What tells the boxes of a picture, in its pixels; and the names of the classes."""
    if place.is_dir():
        return _open_run(place)
    graph = DetectorGraph(place, runtime="onnxruntime", threads=1)
    return lambda image: graph.see(image, score=FLOOR, iou=1.0)[0], graph.card.labels


def _open_run(place: Path) -> tuple[Look, tuple[str, ...]]:
    import torch

    from saccade_train.export.load import load_run
    from saccade_train.heads.picodet import decode_boxes
    from saccade_train.training.evaluate import normaliser

    run = load_run(place)
    data, model = run.recipe.data, run.model
    prepare = data.prepare()
    normalise = normaliser(data.mean, data.std, torch.device("cpu"), channels_last=False)

    @torch.inference_mode()
    def look(image: np.ndarray) -> Candidates:
        output = model(normalise(torch.from_numpy(prepare(image)[None])))
        height, width = image.shape[:2]
        factors = np.array([width / data.width, height / data.height] * 2, np.float32)
        boxes = decode_boxes(output).numpy() * factors
        outputs = {"boxes": boxes, "scores": output.scores.numpy()}
        return read_candidates(outputs, 0, score=FLOOR, classes=len(run.classes))

    return look, run.classes


def digest_of_model(place: Path) -> str:
    """Of its weights."""
    file = place / "best" / "model.safetensors" if place.is_dir() else place
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def open_split(
    pack: Path, split: str, models: Sequence[Path], limit: int | None, runs: Path
) -> Split:
    """Pictures of a split, evenly picked, and what all models see in them."""
    whole = open_detection(pack, split)
    count = len(whole) if limit is None else min(limit, len(whole))
    pictures = whole.subset(np.linspace(0, len(whole) - 1, count).astype(int))
    seen: list[list[Boxes]] = []
    for place in models:
        file = runs / f"{digest_of_model(place)}-{pack.stem}-{split}-{count}.npz"
        if not file.exists():
            look, labels = open_model(place)
            if set(labels) != set(pictures.classes):
                raise SystemExit(f"{place} knows {labels}; expected those of {pack}")
            own = match_classes(pictures, labels, str(place))
            back = np.array([pictures.classes.index(name) for name in labels], np.int64)
            found: list[Boxes] = []
            for number, sample in enumerate(own.samples):
                kept = drop_outside(look(own.read(number)), (sample.height, sample.width))
                found.append((kept.boxes, kept.scores, back[kept.classes]))
            save(file, found)
        seen.append(load(file))
    return Split(pictures.samples, seen)


def save(file: Path, pictures: Sequence[Boxes]) -> None:
    """Write the boxes of many pictures; the file appears whole or not at all."""
    boxes, scores, labels = (np.concatenate(column) for column in zip(*pictures, strict=True))
    counts = [len(picture[1]) for picture in pictures]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez(part, boxes=boxes, scores=scores, labels=labels, counts=counts)
    part.replace(file)


def load(file: Path) -> list[Boxes]:
    """Read what :func:`save` wrote."""
    with np.load(file) as found:
        ends = np.cumsum(found["counts"])[:-1]
        columns = [np.split(found[name], ends) for name in ("boxes", "scores", "labels")]
    return list(zip(*columns, strict=True))


# ------------------------------------------------------------------ the table


def rows_of(models: Sequence[Path], only: Sequence[str]) -> list[Row]:
    """Each model alone, then all of them by each method."""
    alone = [Row(f"{place.name} alone", (index,), ALONE) for index, place in enumerate(models)]
    together = tuple(range(len(models)))
    return alone + [Row(name, together, METHODS[name]) for name in only]


def tuned(row: Row, train: Split, val: Split) -> dict[str, Any]:
    """The best of the grid on train, and how good it is on val; of equal ones the first."""
    trials = [train.score(row.models, options)[0]["map"] for options in row.grid]
    best = int(np.argmax(trials))
    scores, spent = val.score(row.models, row.grid[best])
    return {
        "row": row.name,
        "options": row.grid[best],
        "train_map": trials[best],
        **{name: scores[name] for name in SCORES},
        "ms": round(spent, 3),
    }


def table(entries: Sequence[dict[str, Any]]) -> str:
    """The Markdown table of what is finished."""
    lines = [
        "| what | AP % | AP50 % | AP75 % | AP % on train | ms a picture | chosen on train |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        scores = " | ".join(f"{100 * entry[name]:.1f}" for name in (*SCORES, "train_map"))
        options = {**entry["options"]}
        own, by = options.pop("own"), options.pop("by")
        words = [] if own == "none" else [f"own {own} {by}"]
        words += [f"{name} {value}" for name, value in options.items() if name != "method"]
        lines.append(f"| {entry['row']} | {scores} | {entry['ms']:.2f} | {', '.join(words)} |")
    return "\n".join(lines)


def main() -> None:
    """Score what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, default=Path(), help="folder of the .zip packs")
    parser.add_argument("--pack", default="det_bccd")
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--limit", type=int, default=300, help="pictures of train to choose on")
    parser.add_argument("--runs", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--only", choices=METHODS, action="append", help="this row (repeatable)")
    parser.add_argument("--table", action="store_true", help="score nothing, print what is there")
    arguments = parser.parse_args()
    known = [digest_of_model(place) for place in arguments.models]
    rows = rows_of(arguments.models, arguments.only or list(METHODS))
    digests = [
        digest_of([arguments.pack, arguments.limit, [known[i] for i in row.models], row.grid])
        for row in rows
    ]
    missing = [pair for pair in zip(rows, digests, strict=True) if pair[1] not in finished(LEDGER)]
    if missing and not arguments.table:
        pack = arguments.packs / f"{arguments.pack}.zip"
        train = open_split(pack, "train", arguments.models, arguments.limit, arguments.runs)
        val = open_split(pack, "val", arguments.models, None, arguments.runs)
        for row, digest in missing:
            entry = tuned(row, train, val)
            add(LEDGER, digest, {"pack": arguments.pack, "limit": arguments.limit, **entry})
            print(f"{row.name}: AP {100 * entry['map']:.1f}", flush=True)
    done = finished(LEDGER)
    print(f"\n{table([done[digest] for digest in digests if digest in done])}")


if __name__ == "__main__":
    main()
