"""PP-LCNet weights of timm (``timm/models/mobilenetv3.py``, ``lcnet_035`` to ``lcnet_150``).

The same network under other names, with three differences: the layer before the classifier has a
bias, dropout is PyTorch's (so there is no factor to fold), and blocks5 is cut into two stages.
BatchNorm's eps and the hard sigmoid's slope are the same.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from saccade.errors import ModelFileError
from saccade_train.models.classifier import Classifier
from saccade_train.paddle.assign import assign

__all__ = ["TORCH_SUFFIXES", "load_timm", "read_torch", "timm_names"]

TORCH_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")

_LAYERS = {
    "dw_conv.conv": "conv_dw",
    "dw_conv.bn": "bn1",
    "se.conv1": "se.conv_reduce",
    "se.conv2": "se.conv_expand",
    "pw_conv.conv": "conv_pw",
    "pw_conv.bn": "bn2",
}
_ENDS = {
    "backbone.conv1.conv": "conv_stem",
    "backbone.conv1.bn": "bn1",
    "head.last_conv": "conv_head",
    "head.fc": "classifier",
}
_BLOCK = re.compile(r"backbone\.blocks(\d)\.(\d)\.(.+)")


def timm_names(model: Classifier) -> dict[str, str]:
    """Map our name of each tensor of a PP-LCNet to timm's, in the order of the state dict."""
    return {
        name: _timm_name(name)
        for name in model.state_dict()
        if not name.endswith("num_batches_tracked")
    }


def _timm_name(name: str) -> str:
    layer, _, tensor = name.rpartition(".")
    block = _BLOCK.fullmatch(layer)
    if block is None:
        return f"{_ENDS[layer]}.{tensor}"
    stage, index = int(block[1]) - 2, int(block[2])  # timm counts stages from 0
    if stage == 3 and index >= 2:
        stage, index = 4, index - 2
    elif stage == 4:
        stage = 5
    return f"blocks.{stage}.{index}.{_LAYERS[block[3]]}.{tensor}"


def load_timm(
    model: Classifier, tensors: Mapping[str, np.ndarray], *, source: str = "the weights"
) -> None:
    """Load a PP-LCNet's weights; the model stays as it was when they don't fit.

    Args:
        model: built with ``last_conv_bias=True``.
        tensors: what :func:`read_torch` gave.
        source: the name of the file, for messages.

    Raises:
        ModelFileError: tensors are missing, left over, of another shape, or not finite numbers.
    """
    trained = {
        name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")
    }
    where = f"{source} does not fit {model.architecture}"
    assign(model, timm_names(model), trained, source=where)


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """Read a PyTorch state dict, ``.safetensors`` or what ``torch.save`` wrote; runs no code.

    A checkpoint that keeps its weights under ``state_dict``, ``state_dict_ema`` or ``model`` gives
    those, the averaged ones first.

    Raises:
        ModelFileError: the file is missing, damaged, or holds anything but tensors.
    """
    path = Path(path)
    try:
        content: Any
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about protocols; what can't be read is an error
                content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (
        *(SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile),
        *(RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError, IndexError),
    ) as error:
        # weights_only refuses foreign pickles with an UnpicklingError of several lines.
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ModelFileError(f"{path}: not a plain file of PyTorch weights ({reason})") from None
    for key in ("state_dict_ema", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelFileError(f"{path}: not a plain file of PyTorch weights (no dict of tensors)")
    return {str(name): _numpy(value) for name, value in content.items()}


def _numpy(value: Tensor) -> np.ndarray:
    value = value.detach()
    return (value.float() if value.is_floating_point() else value).numpy()
