"""Ctrl-C and SIGTERM: finish the step, save, go."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupt"]


class Interrupt:
    """A block in which the first Ctrl-C or SIGTERM only sets :attr:`signal`.

    The second Ctrl-C acts as always. Outside the main thread, where Python takes no signals, the
    block does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The number of the signal that came, or None."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put_back()

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        if number == signal.SIGINT:
            # A user who presses twice does not want to wait.
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
