"""Exit codes that commands give themselves; an error brings its own, `PenstockError.exit_code`."""

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
SIGNALLED = 128
"""Plus the number of the signal that ended the work before it was done."""
