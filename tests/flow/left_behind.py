"""What a run may leave behind in its process: children, descriptors, shared memory, threads."""

import gc
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def nothing_new() -> Iterator[None]:
    """No child, descriptor, segment or thread is there that was not there before.

    What was there may go meanwhile: it is of other tests, and ends in its own time.
    """
    before, threads = held(), set(threading.enumerate())
    segments = mapped()
    yield
    for thread in set(threading.enumerate()) - threads:
        # It has nothing left to do, but may not have got to its last line.
        thread.join(60)
        assert not thread.is_alive()
    assert held() - before == Counter()
    if mapped() - segments:
        # What came through shared memory keeps it, and may be for the collector to find.
        gc.collect()
        assert mapped() <= segments


def held() -> Counter[str]:
    """The children of this process, and what its open descriptors stand for, one by one."""
    found: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has ended
            found.update(f"child {pid}" for pid in (task / "children").read_text().split())
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the listing itself
            found[str(descriptor.readlink())] += 1
    return found


def mapped() -> set[str]:
    """The inodes of shared memory in use."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[4] for line in lines if "/memfd:penstock" in line}
