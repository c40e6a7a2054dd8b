"""The conformance suite over every executor: by process, query, request and child run."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.base import SystemClock
from penstock.engines import EmbeddedEngine
from penstock.steps import (
    ChildRunExecutor,
    HttpExecutor,
    LocalPlace,
    PythonExecutor,
    ShellExecutor,
    SqlExecutor,
)
from penstock.store import open_sqlite
from penstock.testing import ExecutorConformance, FunctionExecutor, Wanted
from penstock.workflow import Executor, Pipeline, executor
from tests.steps.attempts import place, work

COMMANDS = {Wanted.SUCCEEDS: "true", Wanted.FAILS: "false", Wanted.HANGS: "sleep 60"}
FUNCTIONS = """\
import time
def succeeds(): return 1
def fails(): raise ValueError("no")
def hangs(): time.sleep(60)
"""
QUERIES = {
    Wanted.SUCCEEDS: "SELECT 1",
    Wanted.FAILS: "SELECT * FROM nowhere",
    Wanted.HANGS: "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
}


class Impatient(SystemClock):
    """Sees after a moment that a job still runs; what is asked is the same."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.05))


def quick_place(path: Path) -> LocalPlace:
    return replace(place(path), clock=Impatient())


class InItsPlace(ExecutorConformance):
    """A suite with a directory of its own."""

    __test__ = False

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path


class TestShell(InItsPlace):
    __test__ = True

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        yield ShellExecutor(quick_place(self.path))

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("shell", number, command=COMMANDS[wanted]), key=key)


@pytest.mark.slow
class TestPython(InItsPlace):
    __test__ = True

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        (self.path / "functions.py").write_text(FUNCTIONS)
        yield PythonExecutor(quick_place(self.path))

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("python", number, entrypoint=f"functions:{wanted}"), key=key)


@pytest.mark.slow
class TestSql(InItsPlace):
    __test__ = True

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        yield SqlExecutor(quick_place(self.path))

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("sql", number, text=QUERIES[wanted]), key=key)


class TestHttp(InItsPlace):
    __test__ = True

    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        """Answers as the path says, and in one place not before the test is over."""
        over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/hangs":
                    over.wait(60)
                    return
                self.send_response(200 if self.path == "/succeeds" else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as opened:
            thread = threading.Thread(target=opened.serve_forever)
            thread.start()
            self.url = f"http://localhost:{opened.server_port}"
            yield
            over.set()
            opened.shutdown()
            thread.join()

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        yield HttpExecutor(quick_place(self.path), allowed_hosts=("localhost",))

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("http", number, url=f"{self.url}/{wanted}"), key=key)


class TestChildRun(InItsPlace):
    """Over engines that share a store, as processes on one state directory do."""

    __test__ = True

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        doer = ShellExecutor(quick_place(self.path))
        async with open_sqlite(self.path / "store.sqlite") as stores:
            engine = EmbeddedEngine(stores, {"shell": doer}, self.path)
            async with engine.working():
                yield ChildRunExecutor(engine, self.find)

    async def find(self, _: str, name: str) -> Pipeline:
        return Pipeline.build(name, steps={"a": {"shell": {"command": COMMANDS[Wanted(name)]}}})

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("pipeline", number, name=str(wanted)), key=key)


class TestFunction(InItsPlace):
    """The fake is no kinder than what it stands for."""

    __test__ = True

    @asynccontextmanager
    async def open_executor(self) -> AsyncIterator[Executor]:
        async def do(asked: executor.Work) -> None:
            command = asked.action["command"]
            if command == COMMANDS[Wanted.FAILS]:
                raise ValueError("no")
            if command == COMMANDS[Wanted.HANGS]:
                await SystemClock().sleep(60)

        yield FunctionExecutor(do, clock=Impatient())

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        return replace(work("shell", number, command=COMMANDS[wanted]), key=key)
