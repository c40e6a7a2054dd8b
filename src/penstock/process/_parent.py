"""Die with the parent. This file is also run as a script: the wrapper that every child starts in.

It imports nothing of this package, so that it starts fast and runs with `-I -S`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends. Linux; else nothing.

    The setting survives `exec` and is not inherited by children.

    Args:
        parent: Id of the parent. If it has died already, this process ends at once.

    Source: prctl(2), `PR_SET_PDEATHSIG`.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Become the program in `sys.argv[2:]`, tied to the parent whose id is `sys.argv[1]`."""
    die_with_parent(int(sys.argv[1]))
    program = sys.argv[2:]
    try:
        os.execvp(program[0], program)  # noqa: S606 - without a shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot start {program[0]!r}: {error.strerror}\n")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main()
