"""The command line: `penstock`.

Owns: the commands and their options, exit codes, what a command prints.
Promises: `--help` is quick, because a command's code is loaded when it runs; `--output json` on all
that print; results on standard output, everything else on standard error.
Does not: know how anything is done. It reads the environment, which nothing below it does.
"""

from penstock.cli._loading import quick_imports

with quick_imports():
    from penstock.cli._application import application, main

__all__ = ["application", "main"]
