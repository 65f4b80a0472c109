"""The scores of classifiers on labelled pictures, and of their embeddings in retrieval.

A model is either an exported file, run as a user would run it, or a run folder, run in PyTorch. For
files this module needs NumPy and the runtime only.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.datasets.classification import ClassificationSet
from saccade.errors import DatasetError, ImageError, ModelFileError, OptionError, Problem
from saccade.imaging.prepare import Prepare
from saccade.metrics.classify import classification_metrics, confusion_matrix, per_class_accuracy
from saccade.modelfile import has_card, read_card
from saccade.runtime import available_threads, open_session
from saccade_train.evaluation.rank import search_scores

__all__ = [
    "ClassificationScores",
    "Confusion",
    "EvaluatedModel",
    "RetrievalScores",
    "evaluate_classification",
    "evaluate_retrieval",
    "open_model",
    "task_of",
]

_READERS = 2

_CLASSIFY = ("classify", "distill", "mining", "semi")
"""Tasks of recipes whose outcome is a classifier."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class EvaluatedModel:
    """A model and what an evaluation must know about it.

    Attributes:
        name: for messages.
        labels: its classes.
        prepare: how pictures become its input.
        outputs: names of what ``run`` returns.
        run: from uint8 (N, H, W, 3) to its outputs.
    """

    name: str
    labels: tuple[str, ...]
    prepare: Prepare
    outputs: tuple[str, ...]
    run: Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Confusion:
    """How often pictures of one class were taken for another."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class ClassificationScores:
    """What :func:`evaluate_classification` found.

    Attributes:
        metrics: ``top1``, ``top5``, ``mean_class_accuracy``, and ``n``, the number of pictures.
        per_class: share of each class that was recognised; classes without pictures are left out.
        confusions: the most frequent first.
        skipped: what was left out, and why.
    """

    metrics: dict[str, float]
    per_class: dict[str, float]
    confusions: tuple[Confusion, ...]
    skipped: tuple[Problem, ...]


@dataclass(frozen=True)
class RetrievalScores:
    """What :func:`evaluate_retrieval` found.

    Attributes:
        metrics: ``recall_at_1``, ``recall_at_5``, ``map``; ``n``, the number of queries that have
            something to find; ``gallery``, the number of pictures searched.
        skipped: what was left out, and why.
    """

    metrics: dict[str, float]
    skipped: tuple[Problem, ...]


def open_model(
    model: str | os.PathLike[str],
    runtime: str = "onnxruntime",
    threads: int | None = None,
    *,
    attention_crop: bool = False,
) -> EvaluatedModel:
    """Open a model file, a shipped model, or a run folder.

    Args:
        model: path of an ``.onnx`` file, name of a shipped model, or a run folder (needs PyTorch).
        runtime: for model files, see :func:`saccade.runtime.open_session`.
        threads: see there.
        attention_crop: look twice, the second time at what the attention is on; for run folders of
            WS-DAN (``parts.method=wsdan``). Embeddings stay those of the first look.

    Raises:
        UnknownModel: there is no such model.
        ModelFileError: the file cannot be read, or is a model of another task.
        TrainingError: the run folder is damaged.
        OptionError: an attention crop of a model that has no attention maps.
    """
    path = Path(model)
    if path.is_dir():
        return _open_run(path, runtime, threads, attention_crop)
    if attention_crop:
        raise OptionError(
            f"{model}: a model file looks once; attention crops are for run folders that were "
            "trained with parts.method=wsdan"
        )
    file = zoo.find(model)
    card = read_card(file)
    if card.task not in ("classify", "embed"):
        raise ModelFileError(f"{file}: a model to {card.task}; expected one to classify or embed")
    session = open_session(file, runtime=runtime, threads=threads)
    return EvaluatedModel(os.fspath(model), card.labels, card.prepare, card.outputs, session.run)


def task_of(model: str | os.PathLike[str]) -> str:
    """Say what a model does: a shipped one or an ``.onnx`` file by its card, a run by its recipe.

    Raises:
        UnknownModel: there is no such model.
        ModelFileError: the file cannot be read, or has no card.
        TrainingError: the run folder is damaged.
    """
    path = Path(model)
    if not path.is_dir():
        file = zoo.find(model)
        if not has_card(file):
            raise ModelFileError(
                f"{file}: an ONNX model without a Saccade card; say what it does with --task"
            )
        return read_card(file).task
    from saccade_train.export.load import load_run  # with torch

    task = load_run(path).recipe.task
    return "classify" if task in _CLASSIFY else str(task)


def evaluate_classification(
    model: EvaluatedModel,
    pictures: ClassificationSet,
    *,
    batch: int = 16,
    progress: Progress | None = None,
) -> ClassificationScores:
    """Compare the classes that a model names with the true ones.

    Args:
        model: with an output ``probabilities``.
        pictures: labels count in ``model.labels``; open the set with ``classes=model.labels``.
        batch: pictures of one run.
        progress: told the number of pictures after each batch.

    Raises:
        DatasetError: no picture could be read, or the set has other classes.
        ModelFileError: the model has no such output.
    """
    if pictures.classes != model.labels:
        raise DatasetError(
            f"{pictures.place} has {len(pictures.classes)} classes, {model.name} has "
            f"{len(model.labels)}; open the set with the classes of the model"
        )
    scores, kept, skipped = _run(model, pictures, "probabilities", batch, progress)
    labels = pictures.labels[kept]
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, len(model.labels))
    shares = per_class_accuracy(confusion)
    return ClassificationScores(
        metrics=classification_metrics(scores, labels, model.labels),
        per_class={
            name: float(share)
            for name, share in zip(model.labels, shares, strict=True)
            if not np.isnan(share)
        },
        confusions=_confusions(confusion, model.labels),
        skipped=(*pictures.problems, *skipped),
    )


def evaluate_retrieval(
    model: EvaluatedModel,
    queries: ClassificationSet,
    gallery: ClassificationSet | None = None,
    *,
    batch: int = 16,
    progress: Progress | None = None,
) -> RetrievalScores:
    """Search each picture's like among others, by the model's embeddings.

    Args:
        model: with an output ``embedding``, or ``bits``, of which the signs count.
        queries: what is searched for.
        gallery: what is searched; ``None`` searches each query among all other queries.
        batch: pictures of one run.
        progress: told the number of pictures after each batch.

    Raises:
        DatasetError: no picture could be read, or no query has a picture of its class to find.
        ModelFileError: the model has no such output.
    """
    output = "embedding" if "embedding" in model.outputs or "bits" not in model.outputs else "bits"
    vectors, kept, skipped = _run(model, queries, output, batch, progress)
    names = np.array(queries.classes)[queries.labels[kept]]
    problems = [*queries.problems, *skipped]
    if gallery is None:
        found, found_names = None, names
    else:
        found, kept, skipped = _run(model, gallery, output, batch, progress)
        found_names = np.array(gallery.classes)[gallery.labels[kept]]
        problems += [*gallery.problems, *skipped]
    if output == "bits":
        vectors = _signs(vectors)
        found = None if found is None else _signs(found)
    scores = search_scores(vectors, names, found, found_names)
    answerable = int(scores.pop("n"))
    if not answerable:
        raise DatasetError(
            f"no picture of {queries.place} has another of its class to be found; "
            "choose another --gallery-split"
        )
    searched = len(vectors) if found is None else len(found)
    metrics = {**scores, "n": answerable, "gallery": searched}
    return RetrievalScores(metrics, tuple(problems))


def _signs(bits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Codes as unit vectors, whose inner product falls with their Hamming distance."""
    return np.where(bits > 0, 1, -1).astype(np.float32) / np.float32(np.sqrt(bits.shape[1]))


def _open_run(run: Path, runtime: str, threads: int | None, attention_crop: bool) -> EvaluatedModel:
    if runtime != "onnxruntime":
        raise OptionError(
            f"{run} is a run folder, which PyTorch runs; export it first to measure it on {runtime}"
        )
    # Torch takes seconds to import, and users of model files need not have it.
    import torch

    from saccade_train.export.load import load_run
    from saccade_train.export.network import output_names
    from saccade_train.export.parity import normalise, torch_outputs
    from saccade_train.models.fine_grained import ClosePair

    trained = load_run(run)
    if trained.recipe.task not in (*_CLASSIFY, "embed"):
        raise OptionError(
            f"{run} holds a model to {trained.recipe.task}; export it first "
            f"(saccade export {run} -o model.onnx) and measure the file"
        )
    data = trained.recipe.data
    parts: Any = getattr(trained.recipe, "parts", None)  # an embedder's recipe has none
    if attention_crop and (parts is None or parts.method != "wsdan"):
        raise OptionError(f"{run} has no attention maps to crop by; train with parts.method=wsdan")
    torch.set_num_threads(available_threads(threads))

    def look(batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        outputs = torch_outputs(trained.model, batch, data.mean, data.std)
        if attention_crop:
            pair = ClosePair(trained.model, parts.test_crop)
            with torch.inference_mode():
                logits = pair(normalise(batch, data.mean, data.std))
            outputs["probabilities"] = logits.softmax(1).numpy()
        return outputs

    return EvaluatedModel(
        str(run), trained.classes, data.eval.prepare(), output_names(trained.model), look
    )


def _run(
    model: EvaluatedModel,
    pictures: ClassificationSet,
    output: str,
    batch: int,
    progress: Progress | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[Problem]]:
    """Run a model over a set: one output, which pictures it is of, and which were left out."""
    if output not in model.outputs:
        raise ModelFileError(
            f"{model.name} has no output {output!r} (it has {', '.join(model.outputs)}); "
            "export it again (saccade export)"
        )
    parts: list[NDArray[np.float32]] = []
    kept: list[int] = []
    skipped: list[Problem] = []
    for numbers, images, problems in _batches(pictures, model.prepare, batch):
        if images:
            parts.append(model.run(np.stack(images))[output])
        kept += numbers
        skipped += problems
        if progress is not None:
            progress(len(numbers) + len(problems))
    if not parts:
        reason = f", for example {skipped[0]}" if skipped else ""
        raise DatasetError(f"{pictures.place}: no picture could be read{reason}")
    return np.concatenate(parts), np.array(kept, np.int64), skipped


def _batches(
    pictures: ClassificationSet, prepare: Prepare, batch: int
) -> Iterator[tuple[list[int], list[NDArray[np.uint8]], list[Problem]]]:
    """Read and prepare pictures in the background, two batches ahead."""
    if batch < 1:
        raise OptionError(f"batch is {batch}; expected at least 1")
    pending: deque[Future[NDArray[np.uint8] | Problem]] = deque()
    read = partial(_read, pictures, prepare)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="saccade-eval") as pool:
        try:
            submitted = 0
            for start in range(0, len(pictures), batch):
                while submitted < min(len(pictures), start + 3 * batch):
                    pending.append(pool.submit(read, submitted))
                    submitted += 1
                numbers, images, problems = [], [], []
                for number in range(start, min(len(pictures), start + batch)):
                    found = pending.popleft().result()
                    if isinstance(found, Problem):
                        problems.append(found)
                    else:
                        numbers.append(number)
                        images.append(found)
                yield numbers, images, problems
        finally:
            for future in pending:
                future.cancel()


def _read(
    pictures: ClassificationSet, prepare: Prepare, number: int
) -> NDArray[np.uint8] | Problem:
    try:
        return prepare(pictures.read(number))
    except ImageError as error:
        return Problem(pictures.samples[number].where, str(error))


def _confusions(matrix: NDArray[Any], labels: tuple[str, ...]) -> tuple[Confusion, ...]:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, columns], kind="stable")
    return tuple(
        Confusion(labels[rows[i]], labels[columns[i]], int(wrong[rows[i], columns[i]]))
        for i in order
    )
