"""The scores of a finished model on labelled pictures.

* :mod:`saccade_train.evaluation.classify`: classes, and retrieval by embeddings;
* :mod:`saccade_train.evaluation.detect`: finding objects;
* :mod:`saccade_train.evaluation.text`: finding and reading text.

For model files this room needs NumPy and the runtime only; run folders are measured in PyTorch.
"""

from saccade_train.evaluation.classify import (
    ClassificationScores,
    Confusion,
    EvaluatedModel,
    RetrievalScores,
    evaluate_classification,
    evaluate_retrieval,
    open_model,
    task_of,
)
from saccade_train.evaluation.text import (
    TEXT_TASKS,
    TextScores,
    evaluate_text,
    score_directions,
    score_lines,
    score_pages,
    score_readings,
)

__all__ = [
    "TEXT_TASKS",
    "ClassificationScores",
    "Confusion",
    "EvaluatedModel",
    "RetrievalScores",
    "TextScores",
    "evaluate_classification",
    "evaluate_retrieval",
    "evaluate_text",
    "open_model",
    "score_directions",
    "score_lines",
    "score_pages",
    "score_readings",
    "task_of",
]
