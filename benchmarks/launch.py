"""Run one command and print what it took. A program of its own, because it must stay small.

A process starts with its parent's resident set as its peak (Linux carries the mark over exec), so
the parent of what is measured must be smaller than anything that is worth measuring.
"""

import os
import sys
import time


def main() -> None:
    """Print code, wall seconds, CPU seconds and peak bytes; the command's own output goes to a log."""
    log, *command = sys.argv[1:]
    started = time.perf_counter()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    redirect = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=redirect)
    _, status, used = os.wait4(child, 0)
    wall_s = time.perf_counter() - started
    cpu_s = used.ru_utime + used.ru_stime
    print(os.waitstatus_to_exitcode(status), wall_s, cpu_s, used.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
