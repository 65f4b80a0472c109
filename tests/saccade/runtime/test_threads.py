from __future__ import annotations

import os
from pathlib import Path

import pytest

from saccade.errors import OptionError
from saccade.runtime import threads as module
from saccade.runtime.threads import available_threads, cgroup_quota


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1_MOUNT = "32 31 0:29 {0} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


def test_version_2(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) == 1.5


def test_version_2_without_a_limit(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/app\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/app/cpu.max": "max 100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) is None


def test_the_tightest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/box\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/pod/box/cpu.max": "800000 100000",
        "sys/fs/cgroup/pod/cpu.max": "300000 100000",
        "sys/fs/cgroup/cpu.max": "max 100000",
    }
    assert cgroup_quota(write(tmp_path, files)) == 3


def test_version_1_with_the_path_of_the_host(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
        "proc/self/mountinfo": V1_MOUNT.format("/docker/abc"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) == 2


def test_version_1_below_the_mount(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/jobs/seven\n",
        "proc/self/mountinfo": V1_MOUNT.format("/"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/jobs/seven/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/jobs/seven/cpu.cfs_period_us": "100000\n",
    }
    assert cgroup_quota(write(tmp_path, files)) == 0.5


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "nonsense", "proc/self/mountinfo": "more nonsense - x\n- -\n"},
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/cpu.max": "what is this\n",
        },
    ],
)
def test_no_cgroups_no_quota(tmp_path: Path, files: dict[str, str]) -> None:
    assert cgroup_quota(write(tmp_path, files)) is None


@pytest.mark.parametrize(
    ("affinity", "quota", "want"), [(8, None, 8), (8, 1.5, 2), (8, 0.2, 1), (2, 16.0, 2)]
)
def test_the_smaller_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, affinity: int, quota: float | None, want: int
) -> None:
    monkeypatch.delenv("SACCADE_THREADS", raising=False)
    monkeypatch.setattr(module, "_affinity", lambda: affinity)
    monkeypatch.setattr(module, "cgroup_quota", lambda: quota)
    assert available_threads() == want


def test_argument_over_variable_over_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACCADE_THREADS", " 7 ")
    assert available_threads() == 7
    assert available_threads(3) == 3
    monkeypatch.setenv("SACCADE_THREADS", "")
    assert 1 <= available_threads() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("value", ["0", "-2", "many", "1.5", "4096"])
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SACCADE_THREADS", value)
    with pytest.raises(OptionError, match="SACCADE_THREADS"):
        available_threads()


@pytest.mark.parametrize("value", [0, -1, True, 2.0, "2", 100_000])
def test_a_bad_argument_is_refused(value: int) -> None:
    with pytest.raises(OptionError, match="threads is"):
        available_threads(value)
