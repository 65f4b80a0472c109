"""Sessions: ONNX Runtime (the default) and OpenVINO (an extra), behind one small protocol."""

from saccade.runtime.session import RUNTIMES, Session, open_session
from saccade.runtime.threads import available_threads

__all__ = ["RUNTIMES", "Session", "available_threads", "open_session"]
