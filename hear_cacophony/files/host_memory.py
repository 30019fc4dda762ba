"""Memory that this process may still take: the machine's, or its control group's where that has less."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

_PROC = pathlib.Path("/proc")
_GROUPS = pathlib.Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 of control groups writes a number near 2^63 where there is no limit."""


def available_memory(proc: pathlib.Path = _PROC, groups: pathlib.Path = _GROUPS) -> int | None:
    """Bytes that Linux can still give this process, its cache of files included; None where that cannot be known.

    A control group's limit holds for all groups below it, so those of the process's own group and of all above it
    count: Slurm's --mem limits a group deep in the tree.

    Args:
        proc: where the process file system is mounted.
        groups: where the control groups are mounted.
    """
    left = [*_machine(proc), *(each for group in _own_groups(proc, groups) for each in _left_in(group))]
    return min(left, default=None)


def _machine(proc: pathlib.Path) -> Iterator[int]:
    for line in _read(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield 1024 * int(line.split()[1])


def _own_groups(proc: pathlib.Path, groups: pathlib.Path) -> Iterator[pathlib.Path]:
    """Folders of the process's memory groups, from its own up to the root."""
    for line in _read(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = groups / "memory" if controllers else groups
        group = root / path.strip("/")
        yield from [group, *(each for each in group.parents if each.is_relative_to(root))]


def _left_in(group: pathlib.Path) -> Iterator[int]:
    """What a group has left below its limit; its cache of files can be given back."""
    for limit_file, used_file, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _read(group / limit_file).strip(), _read(group / used_file).strip()
        if limit.isdigit() and used.isdigit() and int(limit) < _UNLIMITED:  # "max" is no limit
            fields = dict(line.split() for line in _read(group / "memory.stat").splitlines() if line.count(" ") == 1)
            yield max(0, int(limit) - int(used) + int(fields.get(cache, 0)))


def _read(file: pathlib.Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
