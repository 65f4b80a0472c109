"""A classifier out of an embedder: the nearest class mean, as a teacher for `saccade distill`.

    python benchmarks/class_means.py goods_resnet18_vd_x0_5 --packs FOLDER -o goods_teacher.onnx

embeds the training pictures of groceries and garments (the classes of `shop91`, in its order) and
their mirror images, and adds to the embedder's graph its products with the mean direction of each
class, times the scale of its training. What comes out are logits: any ONNX classifier may teach.
Printed: its top-1 on the validation pictures, which no training step has seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from saccade import zoo
from saccade.datasets.classification import ClassificationSet, open_classification
from saccade.modelfile import read_card
from saccade.tasks.embed import Embedder

PACKS = ("ret_grocerystore81", "cls_clothing10")
CLASSES_OF = "lcnet_x1_0_shop91"
SCALE = 24.0
"""Of ArcFace in the recipe `goods`."""


def embed(embedder: Embedder, pictures: ClassificationSet, *, mirrored: bool) -> np.ndarray:
    """Unit vectors of all pictures, float32 (N, D)."""
    parts = []
    for start in range(0, len(pictures), 32):
        numbers = range(start, min(len(pictures), start + 32))
        read = [pictures.read(number) for number in numbers]
        parts.append(embedder.batch([image[:, ::-1] for image in read] if mirrored else read))
    return np.concatenate(parts)


def class_means(vectors: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The mean direction of each class, float32 (C, D) of length 1; zero for an empty class."""
    sums = np.zeros((classes, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means: np.ndarray = (sums / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return means


def with_logits(graph: onnx.ModelProto, means: np.ndarray) -> onnx.ModelProto:
    """The graph of an embedder with ``logits`` (batch, C) in place of ``embedding``, no card."""
    weights = numpy_helper.from_array(np.ascontiguousarray(SCALE * means.T), "class_means")
    graph.graph.initializer.append(weights)
    graph.graph.node.append(helper.make_node("MatMul", ["embedding", "class_means"], ["logits"]))
    shape = ["batch", len(means)]
    del graph.graph.output[:], graph.metadata_props[:]
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, shape)
    graph.graph.output.append(logits)
    return graph


def main() -> None:
    """Embed, write, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    embedder, classes = Embedder(given.model), read_card(zoo.find(CLASSES_OF)).labels
    vectors, labels = [], []
    for pack in PACKS:
        pictures = open_classification(given.packs / f"{pack}.zip", "train", classes)
        for mirrored in (False, True):
            vectors.append(embed(embedder, pictures, mirrored=mirrored))
            labels.append(pictures.labels)
    means = class_means(np.concatenate(vectors), np.concatenate(labels), len(classes))
    onnx.save(with_logits(onnx.load(zoo.find(given.model)), means), given.out)
    for pack in PACKS:
        pictures = open_classification(given.packs / f"{pack}.zip", "val", classes)
        scores = embed(embedder, pictures, mirrored=False) @ means.T
        print(f"{pack} val: top-1 {(scores.argmax(1) == pictures.labels).mean():.3f}")


if __name__ == "__main__":
    main()
