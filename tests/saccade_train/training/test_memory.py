import sys

import pytest

from saccade_train.training.memory import keep_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is a matter of Linux")
def test_can_be_called_again_and_again() -> None:
    assert keep_freed_memory() == keep_freed_memory()


def test_says_no_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_freed_memory()


def test_says_no_where_the_c_library_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
