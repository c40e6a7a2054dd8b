"""`penstock version`."""

import platform
from importlib.metadata import PackageNotFoundError, version

from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._printing import print_json, print_table

_BELOW = ("pydantic", "obstore", "pyarrow", "deltalake", "isal", "duckdb")


def command(*, output: Output) -> int:
    """Print the versions that a report of a fault should name."""
    versions = {"penstock": _installed("penstock"), "python": platform.python_version()}
    versions |= {name: _installed(name) for name in _BELOW}
    if output is Output.JSON:
        print_json(versions)
    else:
        rows = [{"name": name, "version": text} for name, text in versions.items()]
        print_table(rows, ("name", "version"), empty="")
    return DONE


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
