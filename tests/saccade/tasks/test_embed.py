from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import saccade
from saccade.errors import ModelFileError, OptionError
from saccade.gallery import create_gallery
from saccade.modelfile import write_card
from saccade.results import Failed
from toymodel import toy_card, toy_graph, write_toy_classifier


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (*rng.integers(1, 80, 2), 3), dtype=np.uint8) for _ in range(count)
    ]


@pytest.fixture
def embed(toy_classifier: Path) -> saccade.Embedder:
    return saccade.Embedder(toy_classifier, threads=1)


def test_vectors_have_unit_length(embed: saccade.Embedder) -> None:
    vector = embed(noise(1)[0])
    assert (vector.shape, vector.dtype) == ((8,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert (embed.dim, embed.name) == (8, "toy")


def test_one_many_and_batch_agree(embed: saccade.Embedder) -> None:
    pictures = noise(13)
    want = np.stack([embed(picture) for picture in pictures])
    assert np.allclose(np.stack(list(embed.many(pictures, batch=4))), want, atol=1e-6)
    assert np.allclose(embed.batch(pictures), want, atol=1e-6)
    assert embed.batch([]).shape == (0, 8)


def test_a_bad_picture_fails_alone(embed: saccade.Embedder) -> None:
    good = noise(1)[0]
    found = list(embed.many([good, "none.jpg", good]))
    assert isinstance(found[1], Failed)
    assert np.array_equal(found[0], found[2])


def test_a_black_picture_gives_numbers(embed: saccade.Embedder) -> None:
    assert np.array_equal(embed(np.zeros((9, 9, 3), np.uint8)), np.zeros(8, np.float32))


def test_the_fingerprint_is_that_of_the_graph(embed: saccade.Embedder, tmp_path: Path) -> None:
    assert embed.fingerprint == embed.card.fingerprint
    other = write_toy_classifier(tmp_path / "other.onnx", seed=1)
    assert saccade.Embedder(other).fingerprint != embed.fingerprint


def test_models_that_cannot_embed(tmp_path: Path) -> None:
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_graph().SerializeToString())
    write_card(path, path, toy_card(outputs=("probabilities",)))
    with pytest.raises(ModelFileError, match="'embedding' is needed"):
        saccade.Embedder(path)
    write_card(path, path, toy_card(embedding_dim=None))
    with pytest.raises(ModelFileError, match="length of the embedding"):
        saccade.Embedder(path)
    write_card(path, path, toy_card(embedding_dim=9))
    with pytest.raises(ModelFileError, match="the card says 9 numbers"):
        saccade.Embedder(path)(noise(1)[0])


def test_options(embed: saccade.Embedder) -> None:
    with pytest.raises(OptionError, match="batch"):
        embed.many([], batch=0)
    with pytest.raises(OptionError, match="pass a list"):
        embed.many(b"bytes")


def test_a_hashing_model_gives_bits_as_unit_vectors(tmp_path: Path) -> None:
    graph = toy_graph()
    numpy_helper = pytest.importorskip("onnx").numpy_helper
    shift = np.full((8,), -0.3, np.float32)  # some numbers fall below 0
    graph.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    node = pytest.importorskip("onnx").helper.make_node("Add", ["embedding", "shift"], ["bits"])
    graph.graph.node.append(node)
    graph.graph.output[1].name = "bits"
    path = tmp_path / "hash.onnx"
    path.write_bytes(graph.SerializeToString())
    write_card(path, path, toy_card(outputs=("probabilities", "bits")))
    embed = saccade.Embedder(path)
    assert embed.hashes
    vectors = embed.batch(noise(5))
    assert set(np.sign(vectors).ravel().tolist()) == {-1.0, 1.0}
    assert np.allclose(np.abs(vectors), 1 / np.sqrt(8))
    with create_gallery(tmp_path / "g", embed) as shelf:
        assert (shelf.storage, shelf.dim) == ("bits", 8)
