"""Teachers: finished classifiers that are asked about batches of pictures.

A teacher is one of our runs, foreign weights that we can import, or any ONNX classifier
(:mod:`.onnx_teacher`). It takes pictures normalised in its own way and gives logits, and, if it is
a network of ours, what its layers say. None of its parameters moves. In SSLD's way its batch-norm
goes by the batch (``PaddleClas/ppcls/arch/__init__.py`` freezes parameters only), so its running
statistics do move; nothing that it answers depends on them, and no checkpoint holds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from saccade import zoo
from saccade.errors import ModelFileError, OptionError, TrainingError, UnknownModel
from saccade.imaging.prepare import Prepare
from saccade_train.export.load import load_run
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.models.classifier import Classifier
from saccade_train.paddle.importing import import_classifier
from saccade_train.recipes import ClassifyRecipe
from saccade_train.recipes.schema_distill import TeacherOptions
from saccade_train.training.checkpoint import load_tensors, network_alone
from saccade_train.training.initial import weights_file

from .layers import with_features
from .onnx_teacher import OnnxTeacher
from .teacher import IMAGENET_MEAN, IMAGENET_STD, Taught, Teacher

__all__ = ["TorchTeacher", "align_classes", "open_teacher", "still_dropout"]


class TorchTeacher:
    """A classifier of ours as a teacher; see :class:`.teacher.Teacher`.

    Args:
        network: its parameters are frozen here.
        name: what the recipe calls it.
        source: where it came from.
        classes: names of its classes.
        mean: of its input.
        std: of its input.
        prepare: its preparation for evaluation.
        fingerprint: of its weights.
        batch_statistics: whether batch-norm goes by the batch; its dropout never drops anything.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        network: Classifier,
        *,
        name: str,
        source: str,
        classes: tuple[str, ...] | None,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        prepare: Prepare | None,
        fingerprint: str,
        batch_statistics: bool,
    ) -> None:
        self.network = network.requires_grad_(False)
        self.network.train(batch_statistics)
        still_dropout(self.network)
        self.name, self.source, self.classes = name, source, classes
        self.num_classes = network.num_classes
        self.mean, self.std, self.prepare = mean, std, prepare
        self.fingerprint = fingerprint

    def to(self, device: torch.device) -> None:
        """See :class:`.teacher.Teacher`."""
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def look(self, images: Tensor, layers: Sequence[str] = ()) -> Taught:
        """See :class:`.teacher.Teacher`."""
        logits, features = with_features(self.network, images, layers)
        return Taught(logits.float(), features)


def still_dropout(network: nn.Module) -> None:
    """Put the dropout layers of a network, and nothing else, into evaluation mode."""
    for module in network.modules():
        if isinstance(module, nn.Dropout | DownscaleInInfer):
            module.eval()


def open_teacher(options: TeacherOptions, name: str) -> Teacher:
    """Load a teacher.

    Args:
        options: Of the recipe.
        name: What it is called.

    Raises:
        SaccadeError: Nothing at the source, no classifier, or weights without ``arch``.
    """
    source = options.source
    path = Path(source)
    if path.is_dir() or _run_of(path) is not None:
        return _from_run(path, options, name)
    if path.suffix.lower() == ".onnx" or source in zoo.names():
        return OnnxTeacher(zoo.find(source), options, name)
    if not path.is_file():
        hint = ""
        if not path.suffix and len(path.parts) == 1:
            try:
                zoo.find(source)
            except UnknownModel as error:
                hint = f"; as a shipped model: {error}"
        raise TrainingError(f"teacher {source}: no such run folder or file{hint}")
    if options.arch is None:
        raise OptionError(
            f"teacher {source}: weights without a network; say which one they belong to, with "
            "arch, such as resnet50_vd"
        )
    network = import_classifier(path, options.arch)
    return TorchTeacher(
        network,
        name=name,
        source=source,
        classes=None,
        mean=options.mean or IMAGENET_MEAN,
        std=options.std or IMAGENET_STD,
        prepare=None,
        fingerprint=_digest(path, options.arch),
        batch_statistics=options.batch_statistics,
    )


def align_classes(teacher: Teacher, classes: Sequence[str]) -> tuple[list[int] | None, str]:
    """How a teacher's classes become those of the student.

    Args:
        teacher: Who is asked.
        classes: Of the student.

    Returns:
        For each class of the student the teacher's column, or None where they are the same; and a
        note for the user, which may be empty.

    Raises:
        OptionError: Another number of classes.
    """
    if teacher.num_classes != len(classes):
        raise OptionError(
            f"teacher {teacher.source} has {teacher.num_classes} classes, the data has "
            f"{len(classes)}; a student learns the classes of its teacher: train or fine-tune the "
            "teacher on these classes first"
        )
    if teacher.classes is None or teacher.classes == tuple(classes):
        return None, ""
    if set(teacher.classes) == set(classes) and len(set(classes)) == len(classes):
        return [teacher.classes.index(name) for name in classes], ""
    return None, (
        f"note: the teacher {teacher.source} names its classes differently ({teacher.classes[0]!r} "
        f"where the data has {classes[0]!r}); they are taken in order"
    )


def _from_run(path: Path, options: TeacherOptions, name: str) -> TorchTeacher:
    run = _run_of(path)
    if run is None:
        raise TrainingError(f"teacher {path}: is a folder, but no run of saccade train")
    trained = load_run(run)
    if not isinstance(trained.recipe, ClassifyRecipe):
        raise ModelFileError(
            f"teacher {path}: is a run of task {trained.recipe.task!r}; expected a classifier"
        )
    network = trained.model
    weights = weights_file(run)
    if path != run:
        weights = path if path.is_file() else path / "model.safetensors"
        network.load_state_dict(network_alone(load_tensors(weights)))
    data = trained.recipe.data
    return TorchTeacher(
        network,
        name=name,
        source=str(path),
        classes=trained.classes,
        mean=options.mean or data.mean,
        std=options.std or data.std,
        prepare=data.eval.prepare(),
        fingerprint=_digest(weights, trained.recipe.model.arch),
        batch_statistics=options.batch_statistics,
    )


def _run_of(path: Path) -> Path | None:
    """The run folder that a path is, or lies in as a checkpoint (``best``, ``last``, its file)."""
    if path.is_file() and path.suffix != ".safetensors":
        return None
    for folder in (path, path.parent, path.parent.parent):
        if (folder / "recipe.yaml").is_file() and (folder / "classes.txt").is_file():
            return folder
    return None


def _digest(weights: Path, arch: str) -> str:
    digest = hashlib.sha256(arch.encode())
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
