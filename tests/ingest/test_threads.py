"""Threads that nobody has to wait for."""

import threading
import weakref

import pytest

from penstock.ingest._threads import DaemonThreads


def test_results_and_errors_come_back() -> None:
    threads = DaemonThreads(2, "t")

    assert threads.submit(lambda: 1).result(60) == 1
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    threads.shutdown()


def test_as_many_calls_as_there_are_threads_run_at_once_and_no_more() -> None:
    threads, both = DaemonThreads(2, "pair"), threading.Barrier(2)
    meet = [threads.submit(both.wait, 60) for _ in range(4)]

    assert sorted(future.result(60) for future in meet) == [0, 0, 1, 1]
    assert len([t for t in threading.enumerate() if t.name.startswith("pair-")]) == 2
    threads.shutdown()


def test_a_call_that_hangs_keeps_nobody() -> None:
    threads, never = DaemonThreads(1, "hanging"), threading.Event()
    threads.submit(never.wait)
    threads.shutdown()

    [thread] = [t for t in threading.enumerate() if t.name.startswith("hanging")]
    assert thread.daemon
    never.set()


def test_an_idle_thread_keeps_nothing_of_its_last_call() -> None:
    """The rows of a file would stay in memory until the thread has its next one."""

    class Thing:
        """Something large."""

    threads = DaemonThreads(1, "idle")
    thing = Thing()
    last = weakref.ref(thing)
    called = threads.submit(id, thing)
    del thing

    called.result(60)
    assert last() is None
    threads.shutdown()
