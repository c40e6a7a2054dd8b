"""What the kernel's control groups let this process have, and what they did to its children."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


class ControlGroups:
    """The groups of this process, versions 1 and 2; where there are none, nothing is limited."""

    def __init__(self, proc: Path = _PROC, mount: Path = _MOUNT) -> None:
        self._proc = proc
        self._mount = mount

    def usable_cpus(self) -> int:
        """How many processors this process may keep busy: its affinity, and the quota of its groups."""
        affinity = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        )
        quotas = [math.ceil(quota) for quota in map(_quota, self.groups("cpu")) if quota]
        return min([affinity or 1, *quotas])

    def oom_kills(self) -> int:
        """How many processes the kernel has killed in the group of this process because its memory was full."""
        for group in self.groups("memory"):
            for name in ("memory.events", "memory.oom_control"):
                for line in _text(group / name).splitlines():
                    word, _, count = line.partition(" ")
                    if word == "oom_kill" and count.isdecimal():
                        return int(count)
        return 0

    def groups(self, controller: str) -> Iterator[Path]:
        """The directories of this process for a controller: its own group first, then those around it."""
        for line in _text(self._proc).splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            # In a container the path is often that of the host, and the group itself is mounted.
            mount = self._mount / controller if controllers else self._mount
            group = mount / path.strip("/")
            yield from (one for one in (group, *group.parents) if one.is_relative_to(mount))


def _quota(group: Path) -> float | None:
    limit, _, period = _text(group / "cpu.max").strip().partition(" ")
    if not limit:
        limit = _text(group / "cpu.cfs_quota_us").strip()
        period = _text(group / "cpu.cfs_period_us").strip()
    if not (limit.isdecimal() and period.isdecimal() and int(period)):
        return None
    return int(limit) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
