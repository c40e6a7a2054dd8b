"""One supervised child process."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from penstock.base import Clock
from penstock.process import _parent
from penstock.process._spec import ExitKind, ExitStatus, ProcessSpec, ProcessStartError
from penstock.process._tree import kill_tree, living, signal_tree, tree_members, tree_resident_bytes

_END_LOOK_S = 0.02
_KILLED_LOOK_S = 0.005
_KILLED_S = 5.0  # longer only where the kernel itself hangs, on a dead network file system say


class ChildProcess:
    """A running child, leader of a session of its own; obtained from `open_process`."""

    def __init__(
        self, spec: ProcessSpec, process: asyncio.subprocess.Process, clock: Clock
    ) -> None:
        self._spec = spec
        self._process = process
        self._clock = clock
        self._started = clock.monotonic()
        self._ended_by_us: ExitKind | None = None
        self._known = tree_members(process.pid)
        self._closed = False

    @property
    def pid(self) -> int:
        """Its process id, which is also its session and process group."""
        return self._process.pid

    async def wait(self) -> ExitStatus:
        """Wait for its end, and enforce its limits meanwhile; what it left running is killed."""
        waiter = asyncio.create_task(self._process.wait(), name=f"process/{self.pid}/wait")
        try:
            pause = self._spec.look_every.total_seconds()
            while not await self._ended_within(waiter, pause):
                self._known = tree_members(self.pid, self._known)
                limit = self._limit_reached()
                if limit is not None:
                    await self._end(limit)
        finally:
            waiter.cancel()
        await self._close()
        return self._status()

    async def stop(self) -> ExitStatus:
        """SIGTERM to the whole tree, then, after the grace, SIGKILL. Fine after its end, and twice."""
        await self._end(ExitKind.STOPPED)
        return self._status()

    async def _end(self, kind: ExitKind) -> None:
        if self._closed:
            return
        if self._process.returncode is None and self._ended_by_us is None:
            self._ended_by_us = kind
        try:
            self._known = signal_tree(self.pid, signal.SIGTERM, self._known)
            deadline = self._clock.monotonic() + self._spec.grace.total_seconds()
            while self._clock.monotonic() < deadline and tree_members(self.pid, self._known):
                await self._clock.sleep(_END_LOOK_S)
        finally:
            await self._close()
        await self._process.wait()

    async def _close(self) -> None:
        """Kill what is left, and see it end; only once: the id may be given to another process."""
        if self._closed:
            return
        self._closed = True
        killed = kill_tree(self.pid, self._known)
        deadline = self._clock.monotonic() + _KILLED_S
        while self._clock.monotonic() < deadline and living(killed):
            await self._clock.sleep(_KILLED_LOOK_S)

    async def _ended_within(self, waiter: asyncio.Task[int], seconds: float) -> bool:
        sleeper = asyncio.create_task(self._clock.sleep(seconds), name=f"process/{self.pid}/pause")
        try:
            await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
        return waiter.done()

    def _limit_reached(self) -> ExitKind | None:
        timeout, memory = self._spec.timeout, self._spec.memory_bytes
        ran = self._clock.monotonic() - self._started
        if timeout is not None and ran >= timeout.total_seconds():
            return ExitKind.TIMEOUT
        if memory is not None and tree_resident_bytes(self.pid) > memory:
            return ExitKind.MEMORY
        return None

    def _status(self) -> ExitStatus:
        returned = self._process.returncode or 0
        code = 128 - returned if returned < 0 else returned
        natural = ExitKind.SIGNALLED if returned < 0 else ExitKind.EXITED
        return ExitStatus(self._ended_by_us or natural, code)


@asynccontextmanager
async def open_process(spec: ProcessSpec, *, clock: Clock) -> AsyncIterator[ChildProcess]:
    """Start a child; when the block ends, however it ends, the child and its tree have ended too.

    The child dies with us even if we are killed (Linux); what it has started itself does not, see
    `end_marked`.

    Raises:
        ProcessStartError: There is no such program or directory.
    """
    child = ChildProcess(spec, await _spawn(spec), clock)
    try:
        yield child
    finally:
        await child.stop()


async def _spawn(spec: ProcessSpec) -> asyncio.subprocess.Process:
    cwd = spec.cwd or Path.cwd()
    program = spec.argv[0]
    known = shutil.which(program, path=spec.env.get("PATH", os.defpath))
    if not known and not (cwd / program).is_file():
        raise ProcessStartError(program, "there is no such program on its PATH")
    # The wrapper costs an interpreter start and spares us code between fork and exec, which is
    # not safe in a process with threads.
    command = [sys.executable, "-I", "-S", _parent.__file__, str(os.getpid()), *spec.argv]
    try:
        with (spec.log_file or Path(os.devnull)).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(spec.env),
                start_new_session=True,
            )
    except OSError as error:
        raise ProcessStartError(program, str(error)) from error
