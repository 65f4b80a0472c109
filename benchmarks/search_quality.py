"""What each switch of the search adds on real pictures: docs/results.md.

    python benchmarks/search_quality.py --packs FOLDER [--model NAME|FILE] [--only scenes|grocery]

Recall@1 and mAP of one embedder with whitening, DBA, query expansion and re-ranking, alone and
together, on ``ret_scenes`` val (29 queries against 54 pictures and 124 distractors; whitening is
fitted on other scenes) and ``ret_grocerystore81`` test (gallery = train, on which whitening is
fitted too). Nothing is tuned on the queries; the settings are fixed above the results.

Then the promise of the calibration: half of the groceries' classes, drawn forty times, make a
gallery, and the others' pictures are asked for. Printed: how many got a name. It is told twice:
with a gallery of test pictures (every other one), as unseen by the model as the queries; and with
one of train pictures, on which the shipped model was trained: there the gallery is unlike the
queries, and the promise, which is about things like the gallery's, does not hold to the letter.
And once more with characters of alphabets that the model never saw (``--only alphabets``): half of
them, by ten drawers, make the gallery; the other ten drawers draw all of them.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from omniglot import unpack
from saccade.datasets.classification import open_classification
from saccade.errors import GalleryError
from saccade.gallery.calibration import calibrate
from saccade.gallery.quality import search_vectors
from saccade.gallery.whitening import fit_whitening
from saccade.imaging.read import read_image
from saccade.metrics.retrieval import retrieval_metrics
from saccade.tasks.embed import Embedder

PACKS = {
    "scenes": ("ret_scenes.zip", "train.txt", "val_db.txt", "val_query.txt"),
    "grocery": ("ret_grocerystore81.zip", "train.txt", "train.txt", "test.txt"),
}
SWITCHES = {
    "plain": {},
    "whitening, power 0.5": {"power": 0.5},
    "whitening, power 0.25": {"power": 0.25},
    "DBA 1": {"dba": 1},
    "DBA 10": {"dba": 10},
    "QE 2 (average)": {"qe": 2, "alpha": 0.0},
    "alpha-QE 10": {"qe": 10},
    "re-ranking": {"rerank": True},
    "alpha-QE 10 + re-ranking": {"qe": 10, "rerank": True},
    "whitening 0.25 + alpha-QE 10 + re-ranking": {"power": 0.25, "qe": 10, "rerank": True},
    "all": {"power": 0.25, "dba": 1, "qe": 10, "rerank": True},
}


def embed(
    embedder: Embedder, archive: zipfile.ZipFile, lists: Iterable[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Vectors and class numbers of the pictures of each list; no picture is embedded twice."""
    known: dict[str, np.ndarray] = {}
    answer = {}
    for name in lists:
        rows = [line.split("\t") for line in archive.read(name).decode().splitlines() if line]
        new = [row[0] for row in rows if row[0] not in known]
        for start in range(0, len(new), 16):
            some = new[start : start + 16]
            pixels = [read_image(archive.read(path)) for path in some]
            known |= zip(some, embedder.batch(pixels), strict=True)
        numbers = np.array([int(row[1]) for row in rows])
        answer[name] = np.stack([known[row[0]] for row in rows]), numbers
    return answer


def measure(queries, base, fitted, switch) -> dict[str, float]:
    """Scores of one setting."""
    (asked, truth), (vectors, labels) = queries, base
    options = dict(switch)
    power = options.pop("power", None)
    whiten = None if power is None else fit_whitening(fitted[0], power=power)
    found, _ = search_vectors(asked, vectors, len(vectors), whiten=whiten, **options)
    ranks = np.empty(found.shape)
    np.put_along_axis(ranks, found, np.arange(len(vectors))[None], axis=1)
    return retrieval_metrics(-ranks, truth, labels, ks=(1,))


def unknown(base, queries, rate: float, splits: int = 40) -> None:
    """Hold half of the classes out, calibrate on the others, and ask for the former."""
    (vectors, labels), (asked, truth) = base, queries
    classes = np.unique(labels)
    accepted, kept, right = [], [], []
    for seed in range(splits):
        known = np.random.default_rng(seed).permutation(classes)[: len(classes) // 2]
        inside, mine = np.isin(labels, known), np.isin(truth, known)
        names = labels[inside].astype(str).tolist()
        try:
            found = calibrate(vectors[inside], names, false_accept_rate=rate)
        except GalleryError as error:
            print(f"promise {rate:.0%}: {error}")
            return
        similarity = asked @ vectors[inside].T
        best, name = similarity.max(axis=1), labels[inside][similarity.argmax(axis=1)]
        named = best >= found.threshold
        # Classes weigh alike, as in the promise.
        others = [named[truth == c].mean() for c in np.unique(truth[~mine])]
        accepted.append(np.mean(others))
        kept.append(named[mine].mean())
        right.append((named & (name == truth))[mine].mean())
    print(
        f"promise {rate:.0%}: of unknown classes {np.mean(accepted):.1%} got a name"
        f" (single galleries {min(accepted):.1%} to {max(accepted):.1%}); of known ones"
        f" {np.mean(kept):.1%}, {np.mean(right):.1%} the right one"
    )


def alphabets(embedder: Embedder, pack: Path) -> None:
    """Rejection where neither the gallery nor the model knows the class."""
    with tempfile.TemporaryDirectory() as place:
        unpack(pack, Path(place))
        pictures = open_classification(place, "test")
        vectors = embedder.batch([pictures.read(index) for index in range(len(pictures))])
    drawers = np.array([int(Path(sample.path).stem) for sample in pictures.samples])
    first, labels = drawers <= 10, pictures.labels
    print(f"\n{pack.name}: {len(pictures.classes)} characters of alphabets never trained on")
    for rate in (0.05, 0.1, 0.2):
        unknown((vectors[first], labels[first]), (vectors[~first], labels[~first]), rate)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packs", type=Path, required=True, help="folder of the data packs")
    parser.add_argument("--model", help="embedder; the shipped one by default")
    parser.add_argument("--only", choices=[*sorted(PACKS), "alphabets"])
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    embedder = Embedder(options.model, threads=options.threads)
    print(f"model {embedder.name}, {embedder.dim} numbers")
    for pack, (file, fit, base, asked) in PACKS.items():
        if options.only not in (None, pack):
            continue
        with zipfile.ZipFile(options.packs / file) as archive:
            sets = embed(embedder, archive, (fit, base, asked))
        print(f"\n{file}: {len(sets[asked][0])} queries, {len(sets[base][0])} in the gallery")
        print("| search | Recall@1 | mAP |\n|---|---|---|")
        for name, switch in SWITCHES.items():
            scores = measure(sets[asked], sets[base], sets[fit], switch)
            print(f"| {name} | {scores['recall_at_1']:.3f} | {scores['map']:.3f} |", flush=True)
        if pack == "grocery":
            vectors, numbers = sets[asked]
            halves = [(vectors[part::2], numbers[part::2]) for part in (0, 1)]
            for title, gallery, queries in (
                ("test pictures as the gallery", halves[0], halves[1]),
                ("train pictures as the gallery", sets[base], sets[asked]),
            ):
                print(f"\n{title}:")
                for rate in (0.05, 0.1, 0.2):
                    unknown(gallery, queries, rate)
    if options.only in (None, "alphabets"):
        alphabets(embedder, options.packs / "ret_omniglot_alphabets.npz")


if __name__ == "__main__":
    main()
