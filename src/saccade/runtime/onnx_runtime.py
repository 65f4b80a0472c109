"""ONNX Runtime on the CPU: the default engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from saccade.errors import ModelError, ModelFileError
from saccade.runtime.batch import check_batch

__all__ = ["OnnxRuntimeSession"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float)": np.dtype(np.float32),
    "tensor(int64)": np.dtype(np.int64),
}
_FATAL = 4


class OnnxRuntimeSession:
    """A :class:`saccade.runtime.Session` over ONNX Runtime.

    Args:
        path: The ``.onnx`` file.
        threads: Threads of one run.

    Raises:
        ModelFileError: The file does not load, or has not exactly one input.
    """

    runtime = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        # Official Windows builds would otherwise report events to their maker.
        onnxruntime.disable_telemetry_events()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine's errors share no base but Exception
            raise ModelFileError(
                f"{path}: ONNX Runtime cannot load it ({_first_line(error)}); "
                "copy, download or export it again"
            ) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _DTYPES:
            found = ", ".join(f"{item.name} {item.type}" for item in inputs) or "none"
            raise ModelFileError(
                f"{path}: its inputs are {found}; expected one, uint8 or float32; "
                "use a file made by 'saccade export'"
            )
        self._path = path
        self.threads = threads
        self.input_name: str = inputs[0].name
        self.output_names: tuple[str, ...] = tuple(
            item.name for item in self._session.get_outputs()
        )
        self.input_dtype = _DTYPES[inputs[0].type]
        self.input_shape: tuple[int | None, ...] = tuple(
            side if isinstance(side, int) else None for side in inputs[0].shape
        )

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run the graph; see :meth:`saccade.runtime.Session.run`."""
        check_batch(batch, self.input_dtype, self.input_shape)
        try:
            outputs = self._session.run(list(self.output_names), {self.input_name: batch})
        except Exception as error:
            raise ModelError(
                f"{self._path}: ONNX Runtime failed on a batch {batch.shape} "
                f"({_first_line(error)}); try a smaller batch or another picture size"
            ) from error
        return {
            name: np.asarray(output, dtype=np.float32)
            for name, output in zip(self.output_names, outputs, strict=True)
        }

    def __repr__(self) -> str:
        return f"OnnxRuntimeSession({str(self._path)!r}, threads={self.threads})"


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Failures arrive as exceptions; the log would say them a second time on stderr.
    options.log_severity_level = _FATAL
    # A memory pattern is planned and kept for every new shape. Without, LCNet x1.0 is as fast, and
    # the arena alone stays flat at the largest shape seen.
    options.enable_mem_pattern = False
    # How long a thread that waits for the next layer spins before it sleeps. LCNet x1.0 on two
    # threads, median milliseconds, beside 0, 1 and 2 other busy programs: without spinning 6.0, 7.3
    # and 10.9; spinning as long as the engine likes 4.9, 12.6 and 11.0; a little, with pauses (so)
    # 5.3, 8.0 and 10.0. An engine that does not know these keys ignores them.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "100")
    options.add_session_config_entry("session.intra_op.spin_backoff_max", "8")
    return options


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
