"""Name pictures by examples: a gallery from examples/pantry, questions from examples/queries.

python examples/recognize.py [MODEL.onnx]
"""

import sys
import tempfile
from pathlib import Path

import saccade
from saccade.gallery import add_pictures, create_gallery, labelled_folder

here = Path(__file__).parent
embedder = saccade.Embedder(sys.argv[1] if len(sys.argv) > 1 else None)

with (
    tempfile.TemporaryDirectory() as folder,
    create_gallery(Path(folder) / "pantry.gallery", embedder) as shelf,
):
    report = add_pictures(shelf, embedder, labelled_folder(here / "pantry").found)
    print(f"{report.added} pictures, labels: {', '.join(shelf.labels())}")

    recognize = saccade.Recognizer(shelf, embedder)
    for answer in recognize.many(sorted((here / "queries").glob("*.jpg")), top=3):
        print(answer)
