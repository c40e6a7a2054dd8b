"""The results of a flow, one after the other: for the loops of other programs."""

from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Generic, Self, TypeVar

from penstock.flow._errors import FlowError
from penstock.flow._pool_caller import Results
from penstock.flow._report import FlowFailedError, FlowReport
from penstock.flow._run import RunningFlow
from penstock.flow._threaded import FlowThread

T_co = TypeVar("T_co", covariant=True)
Start = Callable[[Results], RunningFlow]
_AT_ONCE = 64


class _Settling:
    """Tells the loop of a flow how many results the caller's thread is done with, many at a time while it is quick."""

    def __init__(self, thread: FlowThread, results: Results) -> None:
        self._thread = thread
        self._results = results
        self._done = 0  # written by the caller's thread only
        self._settled = 0  # written by the loop's only
        self._told = False

    def one_more(self) -> None:
        """The caller asks for the next."""
        self._done += 1
        if not self._told:
            self._told = True
            self._thread.call_soon(self._settle)

    def _settle(self, _: RunningFlow) -> None:
        self._told = False
        done = self._done
        self._results.settle(done - self._settled)
        self._settled = done


class FlowStream(Generic[T_co]):
    """A flow that is iterated, with `for` or `async for`; each time it runs anew.

    A result counts as delivered, and is acknowledged, when the next one is asked for. A caller that
    does not ask holds the flow back. Leaving the loop early cancels the flow: what was not delivered
    is handed back to the source. `with` and `async with` see to that at once; without them `for` does
    so too, and `async for` as soon as the loop finds that nobody holds the iterator.

    With `for` the flow runs in a thread beside the caller, with `async for` on the caller's loop.
    """

    def __init__(self, start: Start) -> None:
        """Nothing runs before the first result is asked for."""
        self._start = start
        self._running: RunningFlow | None = None
        self._thread: FlowThread | None = None
        self._report: FlowReport | None = None

    @property
    def report(self) -> FlowReport:
        """How the last iteration ended.

        Raises:
            FlowError: None has ended.
        """
        if self._report is None:
            raise FlowError(
                "the stream has no report before its end; iterate to the end, or leave it by `with` or `close`"
            )
        return self._report

    def __iter__(self) -> Generator[T_co, None, None]:
        self.close()
        results = Results()
        self._thread = thread = FlowThread(lambda: self._start(results))
        settling, completed = _Settling(thread, results), False
        try:
            thread.start()
            while chunk := thread.ask(lambda: results.take(_AT_ONCE)):
                for result in chunk:
                    yield result
                    if self._thread is not thread:
                        return
                    settling.one_more()
            completed = True
        finally:
            self._end_thread(thread, completed=completed)

    def close(self) -> None:
        """Cancel what a `for` has left running, and wait for its end; safe to call twice."""
        if self._thread is not None:
            self._end_thread(self._thread, completed=False)

    def _end_thread(self, thread: FlowThread, *, completed: bool) -> None:
        if self._thread is not thread or not thread.begun:
            return  # ended by `close` before, or interrupted even earlier
        if not completed:
            thread.call_soon(RunningFlow.begin_cancel)
        try:
            self._report = thread.wait()
        except FlowFailedError as error:
            self._report = error.report
            if completed:
                raise
        finally:
            self._thread = None

    async def __aiter__(self) -> AsyncGenerator[T_co, None]:
        await self.aclose()
        results = Results()
        self._running = running = self._start(results)
        completed = False
        try:
            while chunk := await results.take(1):
                yield chunk[0]
                results.settle(1)
            completed = True
        finally:
            await self._end(running, completed=completed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what an `async for` has left running, and wait for its end; safe to call twice."""
        if self._running is not None:
            await self._end(self._running, completed=False)

    async def _end(self, running: RunningFlow, *, completed: bool) -> None:
        if self._running is not running:
            return  # ended by `aclose` before
        if not completed:
            running.begin_cancel()
        try:
            self._report = await running.wait()
        except FlowFailedError as error:
            self._report = error.report
            if completed:
                raise
        finally:
            self._running = None
