"""One worker process as the parent sees it: started, asked, replaced when it dies, ended."""

import asyncio
import mmap
import os
import signal
import socket
import subprocess
import sys
from multiprocessing import spawn
from typing import Any

from penstock.flow._source import call_in_thread
from penstock.flow._wire import Frame, FrameReader, open_shared
from penstock.flow._worker_process import Setup

_IDLE = 2**63
_CODE = (
    "import sys; sys.path[:] = {path!r}; "
    "from penstock.flow._worker_process import main; main({handle}, {progress})"
)
_BUFFER = 1 << 19


class WorkerLostError(Exception):
    """The process died; `how` says of what."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class WorkerProcess:
    """A child that answers one request at a time. It dies with us, whatever we die of."""

    def __init__(self, setup: Setup, name: str) -> None:
        """Start the child, without waiting for it: the first request does."""
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._reader = FrameReader()
        self._greeting: asyncio.Future[Any] = self._loop.create_future()
        self._answer: asyncio.Future[Any] | None = None
        self._unsent = memoryview(b"")
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        handle = open_shared(8)
        self._map = mmap.mmap(handle, 8)
        self._progress = memoryview(self._map).cast("Q")
        self._progress[0] = _IDLE
        code = _CODE.format(path=sys.path, handle=theirs.fileno(), progress=handle)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), handle),
            )
        finally:
            theirs.close()
            os.close(handle)
        ours.settimeout(0)
        self._sock = ours
        self._closed = False
        self._loop.add_reader(ours, self._readable)
        self._send(Frame(setup))

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._answer is not None

    @property
    def in_hand(self) -> int | None:
        """Place of the message that the function has; None before the first."""
        place = self._progress[0]
        return None if place == _IDLE else place

    async def ask(self, frame: Frame) -> Any:
        """Send a request and wait for its answer.

        Raises:
            WorkerLostError: The child died; it is reaped.
        """
        try:
            return await self._exchange(frame)
        except ConnectionError:
            raise WorkerLostError(await self._death()) from None
        finally:
            frame.close()
            self._answer = None

    async def _exchange(self, frame: Frame) -> Any:
        self._progress[0] = _IDLE
        self._answer = self._loop.create_future()
        self._send(frame)
        return await self._answer

    async def started(self) -> None:
        """Return when the child is ready for requests.

        Raises:
            WorkerLostError: It died before.
            Exception: Why it cannot load its function.
        """
        try:
            await asyncio.shield(self._greeting)
        except ConnectionError:
            raise WorkerLostError(await self._death()) from None

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    async def aclose(self) -> None:
        """End it, at once if it is busy, and reap it."""
        if self.busy:
            self.kill()
        await self._death()
        self._progress.release()
        self._map.close()

    async def _death(self) -> str:
        self._close()
        code = await call_in_thread(f"{self._name}/reaper", self._reap)
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"

    def _reap(self) -> int:
        try:
            return self._child.wait(5.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._reader.close()

    def _send(self, frame: Frame) -> None:
        try:
            sent = frame.send(self._sock)
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._send_first, frame)
            return
        except OSError:
            frame.close()
            self._lost()
            return
        self._queue(memoryview(frame.data)[sent:])

    def _send_first(self, frame: Frame) -> None:
        self._loop.remove_writer(self._sock)
        self._send(frame)

    def _queue(self, rest: memoryview) -> None:
        self._unsent = rest
        if rest:
            self._loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._loop.remove_writer(self._sock)
            self._lost()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._sock)

    def _readable(self) -> None:
        try:
            alive = self._reader.receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            alive = False
        if not alive:
            self._loop.remove_reader(self._sock)
            self._lost()
            return
        try:
            complete, value = self._reader.next()
        except Exception as error:  # noqa: BLE001 - unpickling runs the user's code, which may raise anything
            self._fail(error)
            return
        if not complete:
            return
        if not self._greeting.done():
            self._greet(*value)
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(value)

    def _greet(self, kind: str, error: Exception | None) -> None:
        if kind == "ready" or error is None:
            self._greeting.set_result(None)
        else:
            self._greeting.set_exception(error)
            # Whoever does not ask does not have to hear of it.
            self._greeting.exception()

    def _lost(self) -> None:
        self._fail(ConnectionError(self._name))

    def _fail(self, error: Exception) -> None:
        for future in (self._greeting, self._answer):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()


def preparation(name: str) -> dict[str, Any]:
    """How this process was started, as multiprocessing tells it to its children; pickles plainly.

    Raises:
        RuntimeError: The main module is being imported by a worker: it lacks the usual guard.
    """
    data: dict[str, Any] = spawn.get_preparation_data(name)
    # The key is there for multiprocessing's own connections, and refuses to be pickled.
    return {key: value for key, value in data.items() if key != "authkey"}
