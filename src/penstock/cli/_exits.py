"""Exit codes that commands give themselves; an error brings its own, `PenstockError.exit_code`."""

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
