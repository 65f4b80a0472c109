"""One small protocol in front of the engines that run a graph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError, OptionError, nearest
from saccade.runtime.threads import available_threads

__all__ = ["RUNTIMES", "Session", "open_session"]

RUNTIMES = ("onnxruntime", "openvino", "openvino-bf16")


class Session(Protocol):
    """A graph, ready to run. Any number of threads may call :meth:`run` at once."""

    @property
    def runtime(self) -> str:
        """The runtime that was asked for, one of :data:`RUNTIMES`."""

    @property
    def threads(self) -> int:
        """The number of threads that one run may use."""

    @property
    def input_name(self) -> str:
        """Name of the input of the graph."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Sizes of the input of the graph; None where any size goes."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs of the graph."""

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run the graph.

        Args:
            batch: What the graph takes; for our models uint8 RGB ``(N, H, W, 3)``.

        Returns:
            Every output by its name, float32.

        Raises:
            OptionError: The batch has another type or shape than the graph takes.
        """


def open_session(
    path: str | os.PathLike[str], runtime: str = "onnxruntime", threads: int | None = None
) -> Session:
    """Load a graph into a runtime.

    Args:
        path: An ``.onnx`` file with one input.
        runtime: ``"onnxruntime"``; ``"openvino"``, computing in float32; or ``"openvino-bf16"``,
            in bfloat16 where the processor has it.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        ModelFileError: The file is missing, corrupt, or more than the runtime can do.
        OptionError: An unknown runtime or a bad number of threads.
        MissingExtra: OpenVINO is asked for and not installed.
    """
    if runtime not in RUNTIMES:
        raise OptionError(f"runtime is {runtime!r}; {nearest(runtime, RUNTIMES)}")
    count = available_threads(threads)
    file = Path(path)
    if not file.is_file():
        raise ModelFileError(f"{path}: no such file; check the path")
    # The engines are imported here, since each takes a good part of a second.
    if runtime == "onnxruntime":
        from saccade.runtime.onnx_runtime import OnnxRuntimeSession

        return OnnxRuntimeSession(file, count)
    from saccade.runtime.openvino import OpenVinoSession

    return OpenVinoSession(file, count, bf16=runtime == "openvino-bf16")
