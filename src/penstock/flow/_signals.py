"""The two-signal rule: the first drains, the second cancels."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Endable(Protocol):
    """What signals can end."""

    def begin_drain(self, seconds: float | None) -> None:
        """Finish what is inside."""
        ...

    def begin_cancel(self) -> None:
        """End now."""
        ...


@contextmanager
def handle_signals(running: Endable, drain_timeout: float) -> Iterator[None]:
    """Let signals end `running`; the handlers that were there come back afterwards.

    Outside the main thread nothing is done: only the main thread may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    count = 0

    def received() -> None:
        nonlocal count
        count += 1
        if count == 1:
            running.begin_drain(drain_timeout)
        else:
            running.begin_cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
