"""What runs inside a worker process: take a frame, call the function, answer."""

import importlib
import io
import mmap
import os
import pickle
import resource
import select
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice
from multiprocessing import current_process, spawn
from pathlib import Path
from typing import Any

from penstock.base import Value
from penstock.flow._chunk import Answer, Task, run_batch, run_chunk
from penstock.flow._context import ContextSetup
from penstock.flow._errors import FlowError, NotPicklableError
from penstock.flow._stage import Stage
from penstock.process import Frame, FrameReader, Segments, receive_blocking, send_blocking

_GRACE = 2.0
OUT_OF_MEMORY = 86
"""Exit code of a worker that had no memory left even to say so."""
SLICE = 64
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_EXPENDABLE, _MOST = 500, 1000
"""Thousandths of all memory, which Linux adds when it looks for whom to kill because that is full."""
ANSWERING = (1 << 64) - 1
"""The place of a worker that has called its function for all of a chunk, and sends the results."""

PROGRESS_SIZE = 16
"""Bytes of the shared note of what a worker does: the place in the request, the number of the request."""


@dataclass(eq=False)
class RemoteError(FlowError):
    """Stands for an error of a worker that cannot travel itself."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class Setup(Value):
    """What a worker is told first: how the parent was started, and what to call."""

    preparation: dict[str, Any]
    function: bytes | tuple[str, str]
    """Pickled, or module and qualified name."""

    task: Task
    memory: int | None = None
    """Most bytes of private writable memory."""

    context: ContextSetup | None = None


def _go_first() -> None:
    """Have the kernel kill this process before its parent: a worker costs a retry, the program everything."""
    with suppress(OSError, ValueError):  # another system than Linux
        _OOM_SCORE.write_text(str(min(int(_OOM_SCORE.read_text()) + _EXPENDABLE, _MOST)))


class _MainOnDemand:
    """Imports the parent's main module only when something in it is needed."""

    def __init__(self) -> None:
        self._data: dict[str, Any] = {}

    def configure(self, preparation: dict[str, Any]) -> None:
        self._data = {
            key: value for key, value in preparation.items() if key.startswith("init_main")
        }
        spawn.prepare({key: value for key, value in preparation.items() if key not in self._data})

    def load(self) -> None:
        data, self._data = self._data, {}
        if data:
            # As multiprocessing does: a script without the guard must not start workers of workers.
            process = current_process()
            process._inheriting = True  # type: ignore[attr-defined] # noqa: SLF001 - the flag it looks at
            try:
                spawn.prepare(data)
            finally:
                del process._inheriting  # type: ignore[attr-defined] # noqa: SLF001

    def loads(self, data: memoryview, buffers: list[memoryview]) -> Any:
        return _Unpickler(self, io.BytesIO(data), buffers=buffers).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, main: _MainOnDemand, file: io.BytesIO, buffers: list[memoryview]) -> None:
        super().__init__(file, buffers=buffers)
        self._main = main

    def find_class(self, module: str, name: str, /) -> Any:
        if module == "__main__":
            self._main.load()
        return super().find_class(module, name)


class Worker:
    """Answers one request after the other until its parent is gone."""

    def __init__(self, sock: socket.socket, progress: memoryview) -> None:
        self._sock = sock
        self._progress = progress
        self._main = _MainOnDemand()
        self._reader = FrameReader(self._main.loads)
        self._segments = Segments()
        self._generator: Iterator[Any] = iter(())

    def run(self) -> None:
        """Work until the end of the stream."""
        _go_first()
        setup: Setup = receive_blocking(self._sock, self._reader)
        self._main.configure(setup.preparation)
        try:
            function = self._resolve(setup.function)
            if setup.context is not None:
                function = setup.context.bind(function)
        except Exception as error:  # noqa: BLE001 - told to the parent, which ends the flow
            self._answer("broken", portable(error))
            return
        if setup.memory is not None:
            # Only now: what the function's own modules take at their start is not its fault.
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (setup.memory, hard))
        self._answer("ready", None)
        self._serve(function, setup.task)

    def _serve(self, function: Callable[[Any], Any], task: Task) -> None:
        number = 0
        while True:
            kind, content = self._receive()
            if kind == "unread":
                number += self._refuse(content)
                continue
            for request in self._requests(kind, content, function, task):
                number += 1
                self._progress[0], self._progress[1] = 0, number
                try:
                    result = request()
                except Exception as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
                    self._answer("error", portable(error))
                else:
                    self._answer("done", result, task)

    def _resolve(self, reference: bytes | tuple[str, str]) -> Callable[[Any], Any]:
        if isinstance(reference, bytes):
            found = self._main.loads(memoryview(reference), [])
        else:
            module, name = reference
            if module == "__main__":
                self._main.load()
            found = reduce(getattr, name.split("."), importlib.import_module(module))
        return found.function if isinstance(found, Stage) else found

    def _receive(self) -> tuple[str, Any]:
        while True:
            try:
                complete, value = self._reader.next()
            except Exception as error:  # noqa: BLE001 - unpickling runs the user's code, which may raise anything
                return "unread", portable(error)
            if complete:
                kind, content = value
                return kind, content
            if not self._reader.receive(self._sock):
                raise EOFError

    def _refuse(self, error: Exception) -> int:
        """Answer each request of a frame whose unpickling failed, for whichever of their messages; how many."""
        requests = self._reader.requests
        for _ in range(requests):
            self._answer("unread", (error, requests))
        return requests

    def _requests(
        self, kind: str, content: Any, function: Callable[[Any], Any], task: Task
    ) -> Iterator[Callable[[], Any]]:
        """What one frame asks for, each to be answered by itself."""
        if kind == "chunk":
            size, payloads = content
            for at in range(0, len(payloads), size):
                chunk = payloads[at : at + size]
                yield partial(self._timed, run_chunk, function, chunk, task, self._progress)
        elif kind == "batch":
            for batch in content:
                yield partial(self._timed, run_batch, function, batch, task)
        elif kind == "begin":
            yield partial(self._begin, function, content)
        else:
            yield self._more

    def _timed(self, run: Callable[..., Answer], *given: Any) -> tuple[Any, ...]:
        started = time.perf_counter()
        answer = run(*given)
        self._progress[0] = ANSWERING
        seconds = time.perf_counter() - started
        if answer.failures:
            failures = answer.failures.items()
            answer.failures = {place: portable(error) for place, error in failures}
        return (answer.results, answer.failures, answer.expanded, seconds)

    def _begin(self, function: Callable[[Any], Any], payload: Any) -> None:
        self._generator = iter(function(payload))

    def _more(self) -> tuple[list[Any], bool]:
        outputs = list(islice(self._generator, SLICE))
        return outputs, len(outputs) < SLICE

    def _answer(self, kind: str, content: Any, task: Task | None = None) -> None:
        try:
            frame = Frame((kind, content), self._segments)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - pickling runs the user's code, which may raise anything
            what = "a result of its function"
            stage = "" if task is None else task.stage
            frame = Frame(
                ("error", NotPicklableError(stage, what, f"{type(error).__name__}: {error}"))
            )
        send_blocking(self._sock, frame)


def portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or one that stands for it where it cannot travel."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever its own pickling raises
        return RemoteError(type(error).__name__, str(error))
    return error


def main(handle: int, progress_handle: int) -> None:
    """Run a worker on the inherited socket `handle`, until the parent is gone."""
    # A signal for the whole group is the parent's to answer: it ends us by closing the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock = socket.socket(fileno=handle)
    with mmap.mmap(progress_handle, PROGRESS_SIZE) as shared:
        os.close(progress_handle)
        threading.Thread(target=partial(_outlive_nobody, handle), daemon=True).start()
        progress = memoryview(shared).cast("Q")
        try:
            Worker(sock, progress).run()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        finally:
            progress.release()
            sock.close()


def _outlive_nobody(handle: int) -> None:
    """End the process soon after its parent is gone, also in the middle of a call."""
    poll = select.poll()
    poll.register(handle, 0)
    poll.poll()
    time.sleep(_GRACE)
    os._exit(1)
