"""Signals of the operating system, heard on the event loop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
"""The signals that ask for a stop."""


@contextmanager
def listening(
    heard: Callable[[int, str], None], reload: Callable[[], object] | None = None
) -> Iterator[None]:
    """Call `heard(number, name)` on the running loop for each signal while the block lasts.

    SIGHUP calls `reload`; where there is none, it is left alone.

    The handlers from before come back afterwards. Outside the main thread signals belong to
    somebody else, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handled = (*HANDLED, signal.SIGHUP) if reload else HANDLED
    before = {number: signal.getsignal(number) for number in handled}
    for number in HANDLED:
        loop.add_signal_handler(number, heard, int(number), number.name)
    if reload:
        loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
