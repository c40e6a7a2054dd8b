"""How the program ends once a command has said its code."""

import atexit
import os
import sys
import threading
from typing import NoReturn


def end(ended: SystemExit) -> NoReturn:
    """End as the interpreter would, but take no native library down, as multiprocessing's children end.

    Their threads outlive the interpreter, and now and then abort a process whose work is done; and
    to give back piece by piece what the system takes back as a whole would cost a tenth of the
    start. Where the output cannot be written the interpreter ends after all, and says so.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads that are no daemons
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        raise ended from None
    os._exit(_number(ended))


def _number(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return (ended.code or 0) & 0xFF
    sys.stderr.write(f"{ended.code}\n")
    return 1
