"""The two-signal rule: the first drains, the second cancels."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Endable(Protocol):
    """What signals can end."""

    def begin_drain(self, seconds: float | None) -> None:
        """Finish what is inside."""
        ...

    def begin_cancel(self) -> None:
        """End now."""
        ...


class TwoSignals:
    """Counts signals: the first asks for a drain, every later one for a cancel."""

    def __init__(self, drain: Callable[[], object], cancel: Callable[[], object]) -> None:
        self._drain = drain
        self._cancel = cancel
        self._count = 0

    def received(self) -> None:
        """A signal has come."""
        self._count += 1
        if self._count == 1:
            self._drain()
        else:
            self._cancel()


@contextmanager
def handle_signals(running: Endable, drain_timeout: float) -> Iterator[None]:
    """Let signals end `running`; the handlers that were there come back afterwards.

    Outside the main thread nothing is done: only the main thread may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    two = TwoSignals(lambda: running.begin_drain(drain_timeout), running.begin_cancel)
    for number in SIGNALS:
        loop.add_signal_handler(number, two.received)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
