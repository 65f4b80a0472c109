"""What learns in a distillation: the student, perhaps a peer, and networks of the terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from saccade_train.distill.layers import feature_shapes, find_layers, with_features
from saccade_train.distill.teacher import Taught, Teacher
from saccade_train.distill.teachers import TorchTeacher, still_dropout
from saccade_train.distill.terms import LEARNED_TERMS, check_term, learned_term, term_loss
from saccade_train.models.classifier import Classifier, build_classifier
from saccade_train.recipes import DistillRecipe
from saccade_train.recipes.schema_distill import PEER, TermOptions

__all__ = ["DistillLearner", "build_learner", "check_distill", "teacher_layers", "truth_loss"]


class DistillLearner(nn.Module):
    """A student with all that learns beside it; it maps pictures and answers to the loss.

    Args:
        recipe: of the distillation.
        student: the network that is for use; called as in :class:`.pair.Pair`.
        other: its peer, or None.
        learned: the networks of the terms that have some, by :func:`_key`.
    """

    def __init__(
        self,
        recipe: DistillRecipe,
        student: Classifier,
        other: Classifier | None,
        learned: Mapping[str, nn.Module],
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.student = student
        self.other = other
        self.learned = nn.ModuleDict(dict(learned))
        if recipe.stage == "last_layer":
            student.requires_grad_(False)
            student.head.fc.requires_grad_(True)

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.student.decay_norm

    def train(self, mode: bool = True) -> DistillLearner:
        """Training mode, but for what the recipe holds still."""
        super().train(mode)
        if self.recipe.stage == "last_layer":
            self.student.eval()
        if not self.recipe.dropout:
            still_dropout(self)
        return self

    def forward(
        self, images: Tensor, taught: Mapping[str, Taught], targets: Tensor, labels: Tensor
    ) -> Tensor:
        """The loss of a batch.

        Args:
            images: normalised pictures (N, 3, H, W).
            taught: what the teachers said about the same pictures.
            targets: float (N, C); rows of unlabelled pictures are 0.
            labels: int64 (N,), -1 where there is none.
        """
        recipe = self.recipe
        ours = Taught(*with_features(self.student, images, _layers_of(recipe, None)))
        answers = dict(taught)
        total = ours.logits.new_zeros((), dtype=torch.float32)
        if self.other is not None:
            answers[PEER] = Taught(*with_features(self.other, images, _layers_of(recipe, PEER)))
        if recipe.truth:
            total = total + recipe.truth * truth_loss(ours.logits, targets)
            if self.other is not None:
                total = total + recipe.truth * truth_loss(answers[PEER].logits, targets)
        for number, term in enumerate(recipe.terms):
            names = recipe.taught_by(term)
            for name in names:
                learned = self.learned[_key(number, name)] if term.loss in LEARNED_TERMS else None
                value = _value(term, learned, ours, answers[name], labels)
                total = total + term.weight / len(names) * value
        return total


def _value(
    term: TermOptions, learned: nn.Module | None, ours: Taught, theirs: Taught, labels: Tensor
) -> Tensor:
    """One term of the loss, without its weight."""
    student = [ours.features[layer] for layer in term.layers] or [ours.logits]
    teacher = [theirs.features[layer] for layer in term.taught_layers] or [theirs.logits]
    if learned is not None:
        value: Tensor = learned(student, teacher)
        return value
    chosen = theirs.logits.detach().argmax(1)
    if term.labels == "truth":
        chosen = torch.where(labels >= 0, labels, chosen)
    return term_loss(term.loss, student, teacher, chosen, term.options)


def truth_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy, the mean over the labelled pictures of a batch; 0 without any.

    Args:
        logits: (N, C).
        targets: float (N, C), rows that sum to 1, or to less where unlabelled pictures are mixed
            in, or to 0.
    """
    cross = -(targets * logits.float().log_softmax(1)).sum()
    return cross / targets.sum().clamp_min(1e-6)


def build_learner(
    recipe: DistillRecipe, classes: int, teachers: Mapping[str, Teacher], size: tuple[int, int]
) -> DistillLearner:
    """The networks of a recipe, freshly drawn: the student first.

    Args:
        recipe: of the distillation.
        classes: how many there are.
        teachers: by name; those with learned terms must be networks.
        size: height and width of training pictures.
    """
    student = build_classifier(recipe.model.arch, classes, **recipe.model.options)
    other = None
    if recipe.peer is not None:
        other = build_classifier(recipe.peer.arch, classes, **recipe.peer.options)
    learned: dict[str, nn.Module] = {}
    for number, term in enumerate(recipe.terms):
        if term.loss not in LEARNED_TERMS:
            continue
        ours = feature_shapes(student, term.layers, size, "the student")
        for name in recipe.taught_by(term):
            network: Any = other if name == PEER else _network(teachers[name])
            theirs = feature_shapes(network, term.taught_layers, size, name)
            learned[_key(number, name)] = learned_term(term.loss, ours, theirs, term.options)
    return DistillLearner(recipe, student, other, learned)


def check_distill(recipe: DistillRecipe) -> None:
    """Refuse unknown names and options before pictures are read; on torch's meta device.

    Raises:
        OptionError: a network, a term, an option or a layer of the student that there is not.
    """
    student = build_classifier(recipe.model.arch, 2, **recipe.model.options)
    peer = None
    if recipe.peer is not None:
        peer = build_classifier(recipe.peer.arch, 2, **recipe.peer.options)
    for term in recipe.terms:
        check_term(term.loss, term.options, term.layers, term.taught_layers)
        find_layers(student, term.layers, "the student")
        if peer is not None and PEER in recipe.taught_by(term):
            find_layers(peer, term.taught_layers, "the peer")


def teacher_layers(recipe: DistillRecipe, name: str) -> list[str]:
    """The layers of a teacher that terms look at, each once."""
    return _layers_of(recipe, name)


def _layers_of(recipe: DistillRecipe, name: str | None) -> list[str]:
    """Layers that terms look at: of a teacher or the peer, or of the student (None)."""
    layers: dict[str, None] = {}
    for term in recipe.terms:
        if name is None:
            layers |= dict.fromkeys(term.layers)
        elif name in recipe.taught_by(term):
            layers |= dict.fromkeys(term.taught_layers)
    return list(layers)


def _network(teacher: Teacher) -> nn.Module:
    if isinstance(teacher, TorchTeacher):
        return teacher.network
    teacher.look(torch.zeros(1, 3, 32, 32), ("its layers",))  # says that it shows none
    raise AssertionError


def _key(number: int, name: str) -> str:
    """Of a learned term with a teacher; module names hold no dots."""
    return f"{number}_{name.replace('.', '_')}"
