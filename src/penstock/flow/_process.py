"""One worker process as the parent sees it: started, asked, replaced when it dies, ended."""

import asyncio
import mmap
import os
import socket
import subprocess
import sys
from collections import deque
from multiprocessing import spawn
from typing import Any

from penstock.flow._errors import FatalError
from penstock.flow._source import call_in_thread
from penstock.flow._worker_process import PROGRESS_SIZE, Setup
from penstock.process import Frame, FrameReader, Segments, open_shared

_CODE = (
    "import sys; sys.path[:] = {path!r}; "
    "from penstock.flow._worker_process import main; main({handle}, {progress})"
)
_BUFFER = 1 << 19


class WorkerLostError(Exception):
    """The process died; `code` is its exit code, below 0 for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WorkerProcess:
    """A child that answers requests in their order. It dies with us, whatever we die of."""

    def __init__(self, setup: Setup, name: str) -> None:
        """Start the child, without waiting for it: the first request does."""
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._reader = FrameReader()
        self.segments = Segments()
        """Shared memory for what is sent to it."""
        self._greeting: asyncio.Future[Any] = self._loop.create_future()
        self._inbox: list[Any] = []
        self._some: asyncio.Future[None] | None = None
        self._asked = self._answered = 0
        self._gone = False
        self._unsent: deque[Frame] = deque()
        self._writing = False
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        handle = open_shared(PROGRESS_SIZE)
        self._map = mmap.mmap(handle, PROGRESS_SIZE)
        self._progress = memoryview(self._map).cast("Q")
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
        self._closed = self._ready = False
        self._loop.add_reader(ours, self._readable)
        self._send(Frame(setup))

    @property
    def alive(self) -> bool:
        """Whether nothing is known of its death."""
        return not self._closed and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._asked > self._answered

    @property
    def in_hand(self) -> int | None:
        """Place of the message that the function has in the oldest request, or `ANSWERING`; None where it has none of it."""
        place, request = self._progress
        return place if request == self._answered + 1 else None

    @property
    def answer_size(self) -> int:
        """Bytes of the last answer."""
        return self._reader.size

    def send(self, frame: Frame, requests: int = 1) -> None:
        """Send requests behind those under way."""
        self._asked += requests
        self._send(frame)

    async def receive(self) -> list[Any]:
        """The answers that have come to the oldest requests, at least one; each a word and what belongs to it.

        Raises:
            ConnectionError: There is none, and the child has died.
        """
        while not self._inbox:
            if self._gone:
                raise ConnectionError(self._name)
            self._some = self._loop.create_future()
            await self._some
        answers, self._inbox = self._inbox, []
        return answers

    @property
    def ready(self) -> bool:
        """Whether it has started and is there for requests."""
        return self._ready

    async def started(self) -> None:
        """Return when the child is ready for requests.

        Raises:
            WorkerLostError: It died before.
            Exception: Why it cannot load its function.
        """
        try:
            await asyncio.shield(self._greeting)
        except ConnectionError:
            raise WorkerLostError(await self.death()) from None

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    async def aclose(self) -> None:
        """End it, at once if it is busy, and reap it."""
        if self.busy:
            self.kill()
        await self.death()
        self._progress.release()
        self._map.close()

    async def death(self) -> int:
        """Reap the child, which has died or soon will; its exit code, below 0 for a signal."""
        self._close()
        return await call_in_thread(f"{self._name}/reaper", self._reap)

    def _reap(self) -> int:
        try:
            return self._child.wait(5.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            # Whoever waits for it to start, or for an answer, waits in vain.
            self._lost()
            self._sock.close()
            self._reader.close()
            while self._unsent:
                self._unsent.popleft().close()
            self.segments.close()

    def _send(self, frame: Frame) -> None:
        if self._closed:
            frame.close()
            self._lost()
            return
        self._unsent.append(frame)
        if len(self._unsent) == 1:
            self._write()

    def _write(self) -> None:
        try:
            while self._unsent and self._unsent[0].send(self._sock):
                self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._hear_out()
            return
        # Only where it changes: the loop asks the kernel even where there is nothing to remove.
        if self._unsent and not self._writing:
            self._loop.add_writer(self._sock, self._write)
        elif self._writing and not self._unsent:
            self._loop.remove_writer(self._sock)
        self._writing = bool(self._unsent)

    def _readable(self) -> None:
        try:
            alive = self._reader.receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            alive = False
        while self._take():
            pass
        if self._some is not None and self._inbox:
            self._wake()
        if not alive:
            self._lost()

    def _take(self) -> bool:
        """Take one answer, if it has come as a whole."""
        try:
            complete, value = self._reader.next()
        except Exception as error:  # noqa: BLE001 - unpickling runs the user's code, which may raise anything
            complete, value = True, ("error", error)
        if complete and self._greeting.done():
            self._answered += 1
            self._inbox.append(value)
        elif complete:
            self._greet(*value)
        return complete

    def _wake(self) -> None:
        some, self._some = self._some, None
        if some is not None and not some.done():
            some.set_result(None)

    def _greet(self, kind: str, error: Exception | None) -> None:
        if kind == "ready" or error is None:
            self._ready = True
            self._greeting.set_result(None)
        else:
            self._greeting.set_exception(error)
            # Whoever does not ask does not have to hear of it.
            self._greeting.exception()

    def _hear_out(self) -> None:
        """It takes nothing more, so it is dead: what it answered before is there, and counts."""
        while not self._gone:
            self._readable()

    def _lost(self) -> None:
        self._gone = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        if not self._greeting.done():
            self._greeting.set_exception(ConnectionError(self._name))
            # Whoever does not ask does not have to hear of it.
            self._greeting.exception()
        self._wake()


def preparation(stage: str) -> dict[str, Any]:
    """How this process was started, as multiprocessing tells it to its children; pickles plainly.

    Raises:
        FatalError: This is a worker that imports the main module, which starts the flow again.
    """
    try:
        data: dict[str, Any] = spawn.get_preparation_data(stage)
    except RuntimeError:
        raise FatalError(
            f"the workers of stage {stage!r} import the script in which its function stands, and the script starts "
            'the flow while it is imported; put what starts it below `if __name__ == "__main__":`, '
            "the functions above that, or use pool='thread'"
        ) from None
    # The key is there for multiprocessing's own connections, and refuses to be pickled.
    return {key: value for key, value in data.items() if key != "authkey"}
