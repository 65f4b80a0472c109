"""How many threads this process may really use.

``os.cpu_count()`` counts the processors of the host. In a container with a quota of two of them
that is far too many: the threads take turns on two processors and wait for each other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from saccade.errors import OptionError

__all__ = [
    "MAX_THREADS",
    "available_threads",
    "cgroup_quota",
    "check_threads",
]

MAX_THREADS = 1024

_VARIABLE = "SACCADE_THREADS"


def available_threads(requested: int | None = None) -> int:
    """The number of threads to use.

    Args:
        requested: A number that the user chose; it wins over everything else.

    Returns:
        The first of: ``requested``; the environment variable ``SACCADE_THREADS``; the smaller of
        the processors this process may run on (its affinity) and the quota of its cgroup.

    Raises:
        OptionError: The requested number or the variable is no number from 1 to 1024.
    """
    if requested is not None:
        return check_threads(requested, "threads")
    variable = os.environ.get(_VARIABLE, "").strip()
    if variable:
        try:
            number = int(variable)
        except ValueError:
            raise _out_of_range(_VARIABLE, variable) from None
        return check_threads(number, _VARIABLE)
    threads = _affinity()
    quota = cgroup_quota()
    if quota is not None:
        # A quota of 1.5 processors serves two threads better than one.
        threads = min(threads, max(1, math.ceil(quota)))
    return threads


def check_threads(number: int, name: str) -> int:
    """Refuse a number of threads outside 1 to 1024.

    Raises:
        OptionError: It is.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_THREADS:
        raise _out_of_range(name, number)
    return number


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """The processors that the cgroup of this process may use, as a fraction.

    Every group above the process limits it too, so the smallest quota on the way up counts. Both
    versions of cgroups are read: ``cpu.max`` of version 2 ("quota period" or "max period"), and
    ``cpu.cfs_quota_us`` (−1: none) with ``cpu.cfs_period_us`` of version 1.

    Args:
        root: Where ``proc`` is found, and the cgroup file systems it names; for tests.

    Returns:
        The quota, or None when there is none (or no cgroups, as outside Linux).
    """
    quotas = [
        quota
        for folder in _cgroup_folders(root)
        for quota in (_quota_v2(folder), _quota_v1(folder))
        if quota is not None
    ]
    return min(quotas, default=None)


def _affinity() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except (AttributeError, OSError):  # not on macOS and Windows
        return os.cpu_count() or 1


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """The folders of the process's cpu cgroups, each with those above it up to the mount.

    ``/proc/self/cgroup`` has lines ``hierarchy:controllers:path``; ``/proc/self/mountinfo`` tells
    which part of a hierarchy (fourth column) is mounted where (fifth column); the file system type
    follows a lone ``-`` (man pages cgroups(7) and proc(5)).
    """
    paths: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            paths["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            paths["cgroup"] = path
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        columns, kinds = left.split(), right.split()
        if len(columns) < 5 or len(kinds) < 3 or kinds[0] not in paths:
            continue
        if kinds[0] == "cgroup" and "cpu" not in kinds[2].split(","):
            continue
        mount = root / columns[4].lstrip("/")
        inside = _inside(paths[kinds[0]], columns[3])
        yield from (mount / part for part in (inside, *inside.parents))


def _inside(path: str, mounted: str) -> PurePosixPath:
    """The path of a group below the mount point, when ``mounted`` is what is mounted there.

    A container often sees its own group at the mount point but the path of the host in
    ``/proc/self/cgroup``; then the mount point itself is the group.
    """
    try:
        return PurePosixPath(path).relative_to(mounted)
    except ValueError:
        return PurePosixPath()


def _quota_v2(folder: Path) -> float | None:
    words = " ".join(_lines(folder / "cpu.max")).split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _quota_v1(folder: Path) -> float | None:
    quota = _lines(folder / "cpu.cfs_quota_us")
    period = _lines(folder / "cpu.cfs_period_us")
    return _ratio(quota[0], period[0]) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    try:
        above, below = float(quota), float(period)
    except ValueError:  # "max"
        return None
    return above / below if above > 0 and below > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _out_of_range(name: str, value: object) -> OptionError:
    return OptionError(f"{name} is {value!r}, expected a whole number from 1 to {MAX_THREADS}")
