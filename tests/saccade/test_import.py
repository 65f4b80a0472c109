"""What ``import saccade`` costs, and what it must not bring along."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import saccade


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def best_time(code: str, runs: int = 3) -> float:
    """The fastest of some runs: what it costs when nothing else is in the way."""
    took = []
    for _ in range(runs):
        start = time.perf_counter()
        run(code)
        took.append(time.perf_counter() - start)
    return min(took)


def test_import_is_quick() -> None:
    # The promise is 0.3 s; the rest is for machines that are busy.
    assert best_time("import saccade") - best_time("pass") < 1.0


def test_import_brings_nothing_heavy() -> None:
    heavy = (
        "{'numpy', 'cv2', 'onnxruntime', 'PIL', 'torch', 'onnx', 'pydantic', 'openvino', 'rich'}"
    )
    assert run(f"import sys, saccade; print({heavy} & set(sys.modules))") == "set()\n"


def test_predictors_bring_no_workshop() -> None:
    code = """
import sys, saccade
from saccade.runtime.onnx_runtime import OnnxRuntimeSession
for name in saccade.__all__:
    getattr(saccade, name)
heavy = {'torch', 'onnx', 'pydantic', 'lightning_fabric', 'openvino', 'saccade_train'}
print(heavy & set(sys.modules))
"""
    assert run(code) == "set()\n"


@pytest.mark.parametrize("name", saccade.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(saccade, name) is not None
    assert name in dir(saccade)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        saccade.Clasifier  # noqa: B018
