"""Files as Paddle writes them, for tests of the readers."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from saccade_train.models.detector import PicoDet
from saccade_train.paddle.detect import paddle_detector_names
from saccade_train.paddle.names import paddle_names
from saccade_train.paddle.text import TextNetwork, paddle_text_names


def paddle_tensors(model: nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    """The weights of one of our models as Paddle holds them: linear matrices as (in, out)."""
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    state: Mapping[str, torch.Tensor] = model.state_dict()
    tensors = {}
    for ours, theirs in paddle_names(model).items():
        value = state[ours].numpy()
        tensors[prefix + theirs] = np.ascontiguousarray(value.T if ours in linear else value)
    return tensors


def paddle_text_tensors(model: TextNetwork, prefix: str = "") -> dict[str, np.ndarray]:
    """The weights of a text network as PaddleOCR saves them.

    Linear matrices are (in, out), and the LSTM is listed twice.
    """
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    state = model.state_dict()
    tensors = {}
    for ours, theirs in paddle_text_names(model).items():
        value = state[ours].numpy()
        tensors[prefix + theirs] = np.ascontiguousarray(value.T if ours in linear else value)
        if theirs.startswith("neck.encoder.lstm."):
            kind, layer = theirs.removeprefix("neck.encoder.lstm.").rsplit("_l", 1)
            way = "bw" if layer.endswith("_reverse") else "fw"
            alias = f"neck.encoder.lstm.{layer[0]}.cell_{way}.{kind}"
            tensors[prefix + alias] = value
    return tensors


def paddle_detector_tensors(model: PicoDet) -> dict[str, np.ndarray]:
    """The weights of a detector as PaddleDetection saves them, with all that is not needed."""
    state = model.state_dict()
    names = paddle_detector_names(model)
    tensors = {theirs: state[ours].numpy() for ours, theirs in names.items()}
    if "head.head_reg0.weight" in tensors:
        for part in ("cls", "reg"):
            for level in range(4):
                for tensor in ("weight", "bias"):
                    copy = f"head.head_{part}_list.{level}.{tensor}"
                    tensors[copy] = tensors[f"head.head_{part}{level}.{tensor}"]
    for level in (3, 4, 5, 6):
        tensors[f"head.p{level}_feat.scale_reg"] = np.ones(1, np.float32)
    tensors["head.distribution_project.project"] = np.arange(8, dtype=np.float32)
    return tensors


def write_pdparams(
    path: Path, tensors: Mapping[str, np.ndarray], protocol: int = 4, split: int | None = None
) -> Path:
    """Pickle tensors as ``paddle.save`` does.

    Args:
        path: the file.
        tensors: name -> array.
        protocol: 2, 3 or 4.
        split: cut arrays of more elements than this (Paddle: 2^30 - 1 bytes, protocols 2 and 3).
    """
    content: dict[str, object] = dict(tensors)
    big: dict[str, object] = {}
    for name, value in tensors.items():
        if split is not None and value.size > split:
            flat = value.reshape(-1)
            parts = {
                f"{name}@@.{i}": flat[at : at + split]
                for i, at in enumerate(range(0, flat.size, split))
            }
            big[name] = {"OriginShape": value.shape, "slices": list(parts)}
            del content[name]
            content.update(parts)
    if big:
        content["UnpackBigParamInfor@@"] = big
    content["StructuredToParameterName@@"] = {
        name: f"linear_{i}.w_0" for i, name in enumerate(tensors)
    }
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path
