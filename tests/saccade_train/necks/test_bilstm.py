"""The recurrent neck: PyTorch's LSTM here, ONNX' LSTM in an exported graph."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from saccade.errors import OptionError
from saccade_train.necks.bilstm import BiLSTM

torch.set_num_threads(1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def slow_direction(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """One direction over (T, C), with gates in the order i, f, g, o."""
    w, u, b, c = weights
    h, cell, seen = np.zeros(u.shape[1]), np.zeros(u.shape[1]), []
    for step in x:
        i, f, g, o = np.split(w @ step + b + u @ h + c, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
        seen.append(h)
    return np.array(seen)


def slow(neck: BiLSTM, x: np.ndarray) -> np.ndarray:
    state = {name: value.double().numpy() for name, value in neck.lstm.state_dict().items()}
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    for layer in range(neck.lstm.num_layers):
        ahead, back = (
            [state[f"{kind}_l{layer}{end}"] for kind in kinds] for end in ("", "_reverse")
        )
        x = np.concatenate([slow_direction(x, ahead), slow_direction(x[::-1], back)[::-1]], axis=1)
    return x


@torch.no_grad()
def test_against_the_slow_loop() -> None:
    neck = BiLSTM(5, hidden=3, layers=2).eval()
    x = torch.randn(2, 5, 1, 7)
    y = neck(x)
    assert y.shape == (2, 7, 6)
    for one in range(2):
        expected = slow(neck, x[one, :, 0].T.double().numpy())
        np.testing.assert_allclose(y[one].numpy(), expected, atol=1e-6)


def test_exported_with_any_number_of_lines_and_steps(tmp_path: Path) -> None:
    neck = BiLSTM(5, hidden=3, layers=2).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            neck,
            (torch.randn(2, 5, 1, 9),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("lines"), 3: torch.export.Dim("steps")},),
            verbose=False,
        )
    assert program is not None
    program.save(tmp_path / "neck.onnx")
    kinds = [node.op_type for node in program.model_proto.graph.node]
    assert kinds.count("LSTM") == 2
    assert not {"Loop", "Scan"} & set(kinds)
    session = onnxruntime.InferenceSession(tmp_path / "neck.onnx")
    (name,) = (one.name for one in session.get_inputs())
    for lines, steps in ((1, 1), (3, 4), (2, 31)):
        x = torch.randn(lines, 5, 1, steps)
        with torch.no_grad():
            expected = neck(x).numpy()
        (found,) = session.run(None, {name: x.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_refusals() -> None:
    with pytest.raises(OptionError, match="hidden 0"):
        BiLSTM(5, hidden=0)
    with pytest.raises(OptionError, match="2 pixels high"):
        BiLSTM(5)(torch.zeros(1, 5, 2, 7))
