"""Batches made in other processes are the same, in order, and end with the training."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from saccade_train.training.ahead import Ahead

SCRIPT = """
import os, sys, time
from saccade_train.training.ahead import Ahead

def square(number):
    return number * number, os.getpid()

if __name__ == "__main__":
    ahead = Ahead(square, workers=2)
    found = list(ahead.map(range(20)))
    assert [value for value, _ in found] == [n * n for n in range(20)]
    assert os.getpid() not in {pid for _, pid in found}
    first = next(ahead.map(iter(range(5, 9))))  # given up in the middle
    assert first[0] == 25
    assert [value for value, _ in ahead.map([3])] == [9]
    print(*{pid for _, pid in found}, flush=True)
    if sys.argv[1] == "hang":
        time.sleep(60)
"""


def test_without_workers_each_result_is_made_when_asked_for() -> None:
    asked = []

    def note(number: int) -> int:
        asked.append(number)
        return -number

    results = Ahead(note, workers=0).map(range(3))
    assert next(results) == 0
    assert asked == [0]
    assert list(results) == [-1, -2]


def test_order_stays_and_workers_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "square.py"
    script.write_text(textwrap.dedent(SCRIPT))
    subprocess.run([sys.executable, script, "leave"], check=True, timeout=120)
    child = subprocess.Popen([sys.executable, script, "hang"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    workers = [int(pid) for pid in child.stdout.readline().split()]
    assert workers
    child.kill()
    child.wait()
    child.stdout.close()
    until = time.monotonic() + 30
    while any(_runs(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.2)
    assert not any(_runs(pid) for pid in workers)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has collected yet has ended all the same.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
