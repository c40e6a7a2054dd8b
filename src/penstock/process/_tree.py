"""A process and all that came from it, as the kernel knows them."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from penstock.base import Value

_PROC = Path("/proc")


class TreeMember(NamedTuple):
    """A process that was seen in a tree; ids are used again, id and start time together are not."""

    pid: int
    started: int
    """Clock ticks since the machine started."""


class _Entry(Value):
    member: TreeMember
    parent: int
    session: int
    state: str
    resident_bytes: int


def tree_members(leader: int, known: frozenset[TreeMember] = frozenset()) -> frozenset[TreeMember]:
    """The living processes in the session of `leader`, all their descendants, and those of `known`.

    The session holds those whose parent has gone; descent holds those that made a session of their
    own; `known`, what an earlier call returned, holds those that did both since. Zombies do not
    count. Empty where there is no `/proc`.
    """
    return frozenset(entry.member for entry in _members(leader, known))


def tree_resident_bytes(leader: int) -> int:
    """Resident memory of the whole tree; shared pages count once per process."""
    return sum(entry.resident_bytes for entry in _members(leader, frozenset()))


def signal_tree(
    leader: int, number: signal.Signals, known: frozenset[TreeMember] = frozenset()
) -> frozenset[TreeMember]:
    """Send a signal to every process of the tree and return them; those that have gone are no error."""
    members = tree_members(leader, known)
    for member in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member.pid, number)
    if not _PROC.is_dir():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, number)
    return members


def living(members: frozenset[TreeMember]) -> frozenset[TreeMember]:
    """Those that have not ended."""
    return frozenset(
        entry.member for entry in _entries() if entry.member in members and entry.state not in "ZX"
    )


def kill_tree(leader: int, known: frozenset[TreeMember] = frozenset()) -> frozenset[TreeMember]:
    """Kill every process of the tree with SIGKILL, those born meanwhile too, and return them.

    A process that was killed takes a moment to end: see `living`.
    """
    stopped = signal_tree(leader, signal.SIGSTOP, known)  # what stands still has no more children
    killed = signal_tree(leader, signal.SIGKILL, stopped)
    return killed | signal_tree(leader, signal.SIGKILL, killed)


def _members(leader: int, known: frozenset[TreeMember]) -> list[_Entry]:
    entries = list(_entries())
    inside = {
        entry.member.pid
        for entry in entries
        if leader in (entry.session, entry.member.pid) or entry.member in known
    }
    grown = True
    while grown:
        more = {entry.member.pid for entry in entries if entry.parent in inside} - inside
        inside |= more
        grown = bool(more)
    return [entry for entry in entries if entry.member.pid in inside and entry.state not in "ZX"]


def _stat(pid: str) -> str:
    """By plain calls: it is read for every process of the machine, at every look at a child."""
    descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        return os.read(descriptor, 4096).decode(errors="surrogateescape")
    finally:
        os.close(descriptor)


def _entries() -> Iterator[_Entry]:
    page = os.sysconf("SC_PAGE_SIZE")
    for place in _PROC.iterdir() if _PROC.is_dir() else ():
        if not (name := place.name).isdecimal():
            continue
        try:
            text = _stat(name)
        except OSError:
            continue  # it ended while we looked
        # The name in brackets may hold anything, brackets too: proc(5).
        fields = text[text.rindex(")") + 2 :].split()
        yield _Entry(
            TreeMember(int(name), started=int(fields[19])),
            parent=int(fields[1]),
            session=int(fields[3]),
            state=fields[0],
            resident_bytes=int(fields[21]) * page,
        )
