"""Teachers: what moves in them and what doesn't, ONNX against torch, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from classifier_runs import write_classifier_run
from paddle_files import paddle_tensors, write_pdparams
from saccade.errors import ModelFileError, OptionError, SaccadeError, TrainingError
from saccade_train.distill.onnx_teacher import OnnxTeacher
from saccade_train.distill.teachers import TorchTeacher, align_classes, open_teacher
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes.schema_distill import TeacherOptions
from saccade_train.training.evaluate import normaliser
from toymodel import toy_graph, write_toy_classifier

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``run``, and ``run.onnx`` that was exported from it."""
    folder = tmp_path_factory.mktemp("teachers")
    torch.set_num_threads(1)
    write_classifier_run(folder / "run", export=folder / "run.onnx")
    return folder


def opened(source: object, **options: Any) -> Any:
    return open_teacher(TeacherOptions(source=str(source), **options), "teacher")


def pixels(count: int = 6, size: int = 32) -> Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(drawn)


def asked(teacher: Any, images: Tensor) -> Tensor:
    normalise = normaliser(teacher.mean, teacher.std, torch.device("cpu"), channels_last=True)
    answer: Tensor = teacher.look(normalise(images)).logits
    return answer


def float_graph(path: Path, shape: list[Any], classes: int, *, softmax: bool = False) -> Path:
    """Mean colours times a matrix: float32 N x 3 x H x W -> logits or probabilities."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    matrix = np.random.default_rng(1).normal(0, 1, (3, classes)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["out"], ["soft"], axis=1))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("soft" if softmax else "out", kind, [shape[0], classes])],
        [onnx.numpy_helper.from_array(matrix, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def colour_logits(images: Tensor, mean: Tensor, std: Tensor, classes: int) -> Tensor:
    matrix = np.random.default_rng(1).normal(0, 1, (3, classes)).astype(np.float32)
    colours = (images.float() / 255 - mean) / std
    return colours.mean((1, 2)) @ torch.from_numpy(matrix)


def test_train_mode_moves_statistics_and_no_parameter(place: Path) -> None:
    teacher = opened(place / "run")
    assert isinstance(teacher, TorchTeacher)
    before = {name: value.clone() for name, value in teacher.network.state_dict().items()}
    answer = asked(teacher, pixels())
    assert not answer.requires_grad
    parameters = {name for name, _ in teacher.network.named_parameters()}
    for name, value in teacher.network.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved == (name not in parameters), name
    assert not any(p.requires_grad for p in teacher.network.parameters())
    # Dropout never drops: the same batch has the same answer.
    assert torch.equal(answer, asked(teacher, pixels()))


def test_eval_mode_moves_nothing(place: Path) -> None:
    for options in ({"bn": "eval"}, {"cached": True}):
        teacher = opened(place / "run", **options)
        before = {name: value.clone() for name, value in teacher.network.state_dict().items()}
        asked(teacher, pixels())
        for name, value in teacher.network.state_dict().items():
            assert torch.equal(value, before[name]), name


def test_batch_statistics_depend_on_the_company(place: Path) -> None:
    images = pixels(8)
    train, still = opened(place / "run"), opened(place / "run", bn="eval")
    assert not torch.allclose(asked(train, images)[:4], asked(train, images[:4]), atol=1e-3)
    torch.testing.assert_close(asked(still, images)[:4], asked(still, images[:4]))


def test_onnx_agrees_with_torch(place: Path) -> None:
    ours = opened(place / "run", bn="eval")
    theirs = opened(place / "run.onnx")
    assert isinstance(theirs, OnnxTeacher)
    assert theirs.classes == ours.classes == ("blue", "green", "red")
    assert theirs.prepare == ours.prepare
    assert theirs.notes == ()
    first, second = (asked(one, pixels()).log_softmax(1) for one in (ours, theirs))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


def test_checkpoints_of_a_run(place: Path) -> None:
    whole = opened(place / "run", bn="eval")
    for part in ("best", "best/model.safetensors"):
        one = opened(place / "run" / part, bn="eval")
        assert one.fingerprint == whole.fingerprint
        assert torch.equal(asked(one, pixels()), asked(whole, pixels()))


def test_an_imported_paddle_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = paddle_tensors(build_classifier("lcnet_x0_25", 3))
    file = write_pdparams(tmp_path / "net.pdparams", tensors)
    with pytest.raises(OptionError, match="say which one they belong to, with arch"):
        opened(file)
    teacher = opened(file, arch="lcnet_x0_25", bn="eval")
    assert teacher.num_classes == 3
    assert teacher.classes is None
    assert teacher.mean == (0.485, 0.456, 0.406)
    assert asked(teacher, pixels()).shape == (6, 3)


@pytest.mark.parametrize("softmax", [False, True])
def test_a_foreign_graph_without_a_card(tmp_path: Path, softmax: bool) -> None:
    file = float_graph(tmp_path / "a.onnx", ["N", 3, "H", "W"], 5, softmax=softmax)
    teacher = opened(file)
    assert (teacher.num_classes, teacher.classes, teacher.prepare) == (5, None, None)
    assert "does not say how its pictures are normalised" in teacher.notes[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wanted = colour_logits(pixels(), mean, std, 5)
    answer = asked(teacher, pixels())
    torch.testing.assert_close(answer.softmax(1), wanted.softmax(1), atol=1e-5, rtol=1e-4)
    if not softmax:
        torch.testing.assert_close(answer, wanted, atol=1e-5, rtol=1e-4)
    plain = opened(file, mean=(0, 0, 0), std=(1, 1, 1))
    assert plain.notes == ()
    wanted = colour_logits(pixels(), torch.zeros(3), torch.ones(3), 5)
    torch.testing.assert_close(asked(plain, pixels()).softmax(1), wanted.softmax(1))


def test_fixed_sizes_and_batches(tmp_path: Path) -> None:
    file = float_graph(tmp_path / "a.onnx", [4, 3, 48, 48], 5)
    teacher = opened(file)
    assert (teacher.prepare.height, teacher.prepare.width, teacher.prepare.short) == (48, 48, 55)
    free = opened(float_graph(tmp_path / "b.onnx", ["N", 3, "H", "W"], 5))
    answer = asked(teacher, pixels(6))
    assert answer.shape == (6, 5)
    # A mean colour survives resizing, nearly.
    torch.testing.assert_close(answer, asked(free, pixels(6)), atol=2e-2, rtol=2e-2)


def test_pixels_in_nhwc_without_a_card(tmp_path: Path) -> None:
    write_toy_classifier(tmp_path / "card.onnx")
    (tmp_path / "plain.onnx").write_bytes(toy_graph().SerializeToString())
    card, plain = opened(tmp_path / "card.onnx"), opened(tmp_path / "plain.onnx")
    assert card.classes == ("red", "green", "blue")
    assert (plain.classes, plain.num_classes) == (None, 3)
    torch.testing.assert_close(asked(card, pixels()), asked(plain, pixels()))
    red = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    red[..., 0] = 200
    assert asked(plain, red).argmax(1).tolist() == [0]
    with pytest.raises(OptionError, match="takes pixels as they are"):
        opened(tmp_path / "plain.onnx", mean=(0, 0, 0))


def test_graphs_that_are_no_classifiers(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="height and width both fixed or both free"):
        opened(float_graph(tmp_path / "a.onnx", ["N", 3, 8, "W"], 5))
    with pytest.raises(ModelFileError, match="expected pictures of three channels"):
        opened(float_graph(tmp_path / "b.onnx", ["N", "C", 8, 8], 5))
    graph = toy_graph()
    graph.graph.output[0].name = "first"
    for node in graph.graph.node:
        if node.op_type == "Softmax":
            node.output[0] = "first"
    (tmp_path / "two.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError, match="its outputs for one picture are first"):
        opened(tmp_path / "two.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelFileError, match=r"bad\.onnx"):
        opened(tmp_path / "bad.onnx")


def test_what_else_is_refused(tmp_path: Path, place: Path) -> None:
    with pytest.raises(TrainingError, match="no such run folder or file"):
        opened(tmp_path / "gone")
    with pytest.raises(SaccadeError, match=r"no model|no such"):
        opened(tmp_path / "gone.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="is a folder, but no run of saccade train"):
        opened(tmp_path / "empty")
    with pytest.raises(OptionError, match="cannot go by the statistics of a batch"):
        opened(place / "run.onnx", bn="train")
    with pytest.raises(OptionError, match="shows no layers"):
        opened(place / "run.onnx").look(torch.zeros(1, 3, 32, 32), ("backbone.blocks6",))


def test_classes_are_brought_into_order(place: Path) -> None:
    teacher = opened(place / "run")
    assert align_classes(teacher, ("blue", "green", "red")) == (None, "")
    assert align_classes(teacher, ("red", "blue", "green")) == ([2, 0, 1], "")
    columns, note = align_classes(teacher, ("a", "b", "c"))
    assert columns is None
    assert "names its classes differently ('blue' where the data has 'a')" in note
    with pytest.raises(OptionError, match="has 3 classes, the data has 2"):
        align_classes(teacher, ("blue", "red"))
