"""Calls one function in a process of its own. This file is run as a script.

It imports nothing of this package, so that it starts fast and stands in nobody's way.
"""

import atexit
import json
import os
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

_CLASSES = (
    (ConnectionError, "transient"),
    (TimeoutError, "timeout"),
)


def main(entrypoint: str) -> int:
    """Call `package.module:name` with the arguments in `PENSTOCK_ARGS`; the exit code."""
    module, _, name = entrypoint.partition(":")
    sys.path[0] = os.getcwd()  # noqa: PTH109 - not the directory of this file
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        return _failed("config", f"{entrypoint!r} cannot be found: {error}")
    arguments = json.loads(Path(os.environ["PENSTOCK_ARGS"]).read_text(encoding="utf-8"))
    try:
        text = json.dumps(function(**arguments))
    except Exception as error:  # noqa: BLE001 - the step's own code: whatever it raises is reported
        traceback.print_exc()
        kind = next((word for known, word in _CLASSES if isinstance(error, known)), "user")
        return _failed(kind, f"{type(error).__name__}: {error}")
    if text != "null":
        _write(Path(os.environ["PENSTOCK_RESULT"]), text)
    return 0


def _failed(kind: str, message: str) -> int:
    sys.stderr.write(message + "\n")
    failure = Path(os.environ["PENSTOCK_RESULT"]).with_name("failure.json")
    _write(failure, json.dumps({"error": kind, "message": message}))
    return 1


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _end(code: int) -> NoReturn:
    """End as multiprocessing ends its children: Python is taken down, native libraries are not.

    Their threads outlive the interpreter, and now and then abort a process whose work is done.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads that are no daemons
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main(sys.argv[1]))
