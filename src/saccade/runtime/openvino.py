"""OpenVINO on the CPU: an optional engine, in float32 or bfloat16."""

from __future__ import annotations

import sys
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import MissingExtra, ModelError, ModelFileError
from saccade.runtime.batch import check_batch

__all__ = ["OpenVinoSession", "import_openvino"]

# Compiled kernels are kept for each shape met. The engine's own limit of thousands lets memory grow
# with every new size; with 64 it stays flat, and a repeated size is as fast.
_KERNEL_CACHE = 64

_import_lock = Lock()


class OpenVinoSession:
    """A :class:`saccade.runtime.Session` over OpenVINO.

    Args:
        path: The ``.onnx`` file.
        threads: Threads of one run.
        bf16: Compute in bfloat16. A processor without it computes in float32.

    Raises:
        ModelFileError: The file does not load, or has not exactly one input.
        MissingExtra: OpenVINO is not installed.
    """

    def __init__(self, path: Path, threads: int, *, bf16: bool = False) -> None:
        openvino = import_openvino()
        self.runtime = "openvino-bf16" if bf16 else "openvino"
        self.threads = threads
        self._path = path
        try:
            # Asking for the ONNX reader by name: otherwise a damaged file is tried as every other
            # format, each with its own complaint on stderr.
            reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
            model = reader.convert(reader.load(str(path)))
            self._compiled = openvino.Core().compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    # Its default takes bfloat16 wherever the processor has it, so that two
                    # machines would disagree.
                    "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
                    "CPU_RUNTIME_CACHE_CAPACITY": _KERNEL_CACHE,
                },
            )
        except Exception as error:  # the engine's errors share no base but Exception
            raise ModelFileError(
                f"{path}: OpenVINO cannot load it ({_last_line(error)}); "
                "copy, download or export it again, or use the runtime 'onnxruntime'"
            ) from error
        if len(self._compiled.inputs) != 1 or not self._compiled.outputs:
            raise ModelFileError(
                f"{path}: has {len(self._compiled.inputs)} inputs and "
                f"{len(self._compiled.outputs)} outputs, expected one input and at least one "
                "output; use a file made by 'saccade export'"
            )
        source = self._compiled.input(0)
        self.input_name: str = source.any_name
        self.output_names: tuple[str, ...] = tuple(o.any_name for o in self._compiled.outputs)
        self._dtype = np.dtype(source.element_type.to_dtype())
        self.input_shape: tuple[int | None, ...] = tuple(
            side.get_length() if side.is_static else None for side in source.partial_shape
        )
        # One request serves one thread at a time; they are lent and taken back.
        self._requests: SimpleQueue[Any] = SimpleQueue()

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run the graph; see :meth:`saccade.runtime.Session.run`."""
        check_batch(batch, self._dtype, self.input_shape)
        try:
            request = self._requests.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True)
            # A copy, since the request will overwrite its own memory.
            return {
                name: np.array(request.get_output_tensor(index).data, dtype=np.float32)
                for index, name in enumerate(self.output_names)
            }
        except Exception as error:
            raise ModelError(
                f"{self._path}: OpenVINO failed on a batch {batch.shape} ({_last_line(error)}); "
                "try a smaller batch or the runtime 'onnxruntime'"
            ) from error
        finally:
            self._requests.put(request)

    def __repr__(self) -> str:
        return f"OpenVinoSession({str(self._path)!r}, {self.runtime!r}, threads={self.threads})"


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    ``import openvino`` also imports its model converter, which reports the import to its maker
    when the package ``openvino_telemetry`` is there. While that package cannot be imported, a stub
    that sends nothing takes its place.

    Raises:
        MissingExtra: It is not installed.
    """
    with _import_lock:
        absent = object()
        before = sys.modules.get("openvino_telemetry", absent)
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            import openvino
            import openvino.frontend
        except ImportError as error:
            raise MissingExtra("openvino", "openvino", "this runtime") from error
        finally:
            if before is absent:
                del sys.modules["openvino_telemetry"]
            else:
                sys.modules["openvino_telemetry"] = before  # type: ignore[assignment]
    return openvino


def _last_line(error: Exception) -> str:
    """The reason, which comes at the end, behind the places in the engine's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
