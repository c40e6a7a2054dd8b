"""`penstock --help` is quick because it loads nothing that it does not show."""

import subprocess
import sys
from pathlib import Path

_HEAVY = {"pydantic", "ruamel", "pyarrow", "deltalake", "obstore", "duckdb", "isal", "rich"} | {
    "structlog",
    "prometheus_client",
    "asyncio",
}
_PROGRAM = """
import sys
from penstock.cli import main
sys.argv = ["penstock", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted({{name.partition(".")[0] for name in sys.modules}}))
print("ROOMS", *sorted(name for name in sys.modules if name.startswith("penstock")))
"""


def _loaded(*arguments: str) -> tuple[set[str], set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(arguments=arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    *_, loaded, rooms = done.stdout.splitlines()
    return set(loaded.split()[1:]), set(rooms.split()[1:])


def test_help_loads_the_options_of_the_commands_and_nothing_else() -> None:
    loaded, rooms = _loaded("--help")

    assert loaded & _HEAVY == set()
    assert rooms == {
        "penstock",
        "penstock.cli",
        "penstock.cli._application",
        "penstock.cli._output",
        "penstock.cli._pipeline_application",
    }


def test_a_command_loads_only_what_it_needs() -> None:
    """`version` reports missing packages, so it must not need them."""
    loaded, _ = _loaded("version")

    assert loaded & {"pyarrow", "deltalake", "obstore", "duckdb", "isal"} == set()


def test_a_command_of_one_kind_of_pipeline_loads_nothing_of_the_others(tmp_path: Path) -> None:
    """What ingestion starts with is paid at every start of it."""
    _loaded("init", str(tmp_path))

    _, rooms = _loaded("validate", str(tmp_path))

    others = {"workflow", "store", "steps", "engines", "events", "control", "kanban"}
    assert {room.split(".")[1] for room in rooms if "." in room} & others == set()
