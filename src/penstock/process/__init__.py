"""Child processes: start, watch, limit, kill, restart; and what travels between processes.

Owns: children with an environment, directory and log file of their own; limits on their time and
memory; ending whole trees; restarts with backoff; frames over sockets, large ones in shared memory.
Promises: when a block that opened a process ends, its tree has ended, no zombie and no file
descriptor is left; a child dies with its parent on Linux, also when that is killed, and what it had
started can be ended by whoever comes after; shared memory has no name, and ends with the last process
that holds it.
Does not: use a shell, or read output through pipes.
"""

from penstock.process._child import ChildProcess, open_process
from penstock.process._marked import end_marked
from penstock.process._parent import die_with_parent
from penstock.process._run import run_process, run_with_restarts
from penstock.process._segments import Segments, open_shared
from penstock.process._spec import (
    ExitKind,
    ExitStatus,
    ProcessFailedError,
    ProcessSpec,
    ProcessStartError,
)
from penstock.process._tree import TreeMember, kill_tree, tree_members, tree_resident_bytes
from penstock.process._wire import (
    SHARED_FROM,
    Frame,
    FrameReader,
    receive_blocking,
    send_blocking,
)

__all__ = [
    "SHARED_FROM",
    "ChildProcess",
    "ExitKind",
    "ExitStatus",
    "Frame",
    "FrameReader",
    "ProcessFailedError",
    "ProcessSpec",
    "ProcessStartError",
    "Segments",
    "TreeMember",
    "die_with_parent",
    "end_marked",
    "kill_tree",
    "open_process",
    "open_shared",
    "receive_blocking",
    "run_process",
    "run_with_restarts",
    "send_blocking",
    "tree_members",
    "tree_resident_bytes",
]
