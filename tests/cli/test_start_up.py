"""`penstock --help` is quick because it loads nothing that it does not show."""

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = {"pydantic", "ruamel", "pyarrow", "deltalake", "obstore", "duckdb", "isal", "rich"} | {
    "prometheus_client",
    "asyncio",
}
_PROGRAM = """
import atexit, sys
from penstock.cli import main
sys.argv = ["penstock", *{arguments!r}]
atexit.register(lambda: print("MODULES", *sys.modules))
main()
"""

_EVERY_KIND = """
global: {poll_jitter_secs: 0}
pipelines:
  p:
    sources: {main: {path: in, settle_secs: 0}}
    schema:
      fields:
        - {name: i, type: int64}
        - {name: f, type: float64}
        - {name: b, type: boolean}
        - {name: s, type: string}
        - {name: t, type: timestamp}
        - {name: d, type: date}
        - {name: j, type: json}
        - {name: x, type: binary}
        - {name: l, type: "list<string>"}
        - {name: o, type: "list<struct>", fields: [{name: n, type: int64}]}
    sink: {table_uri: table}
"""
_EVERY_VALUE = (
    '{"i": 1, "f": 0.5, "b": true, "s": "s", "t": "2026-01-01T00:00:00Z", "d": "2026-01-01", '
    '"j": {}, "x": "eA==", "l": ["l"], "o": [{"n": 1}]}\n'
)


def _loaded(*arguments: str) -> tuple[set[str], set[str]]:
    """The packages that a command has loaded, and all their modules."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(arguments=arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    modules = done.stdout.splitlines()[-1].split()[1:]
    packages = {name.partition(".")[0] for name in modules}
    return packages, set(modules)


def test_help_loads_what_it_shows_and_nothing_else() -> None:
    """Neither the code of commands, nor the options of those that stand in groups."""
    loaded, modules = _loaded("--help")

    assert loaded & _HEAVY == set()
    assert {name for name in modules if name.startswith("penstock")} == {
        "penstock",
        "penstock.cli",
        "penstock.cli._application",
        "penstock.cli._commands",
        "penstock.cli._ending",
        "penstock.cli._loading",
        "penstock.cli._options",
        "penstock.cli._output",
    }


def test_a_command_loads_only_what_it_needs() -> None:
    """`version` reports missing packages, so it must not need them."""
    loaded, _ = _loaded("version")

    assert loaded & {"pyarrow", "deltalake", "obstore", "duckdb", "isal"} == set()


def test_a_command_loads_no_options_but_those_of_its_group(tmp_path: Path) -> None:
    _, of_a_group = _loaded("state", "ls", str(tmp_path))
    _, of_none = _loaded("version")

    late = {"_dead_letter_commands", "_kanban_commands", "_pipeline_commands", "_state_commands"}
    names = {f"penstock.cli.{name}" for name in late}
    assert of_a_group & names == {"penstock.cli._state_commands"}
    assert of_none & names == set()


def test_a_command_of_one_kind_of_pipeline_loads_nothing_of_the_others(tmp_path: Path) -> None:
    """What ingestion starts with is paid at every start of it."""
    _loaded("init", str(tmp_path))

    _, modules = _loaded("validate", str(tmp_path))

    others = {"workflow", "store", "steps", "engines", "events", "control", "kanban"}
    rooms = {name.split(".")[1] for name in modules if name.startswith("penstock.")}
    assert rooms & others == set()


def test_ingestion_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """A small run is mostly its start; each of these takes longer than its work.

    numpy comes with pyarrow, unless it is kept from it; many methods of arrays that look harmless,
    like those of lists, load `pyarrow.compute` and numpy with it; rich draws on terminals,
    prometheus_client and http answer where metrics are served, and the reference decoder decodes
    where nothing can be compiled.
    """
    pytest.importorskip("penstock.ingest._decoder_native")
    (tmp_path / "a.yaml").write_text(_EVERY_KIND)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ndjson").write_text(_EVERY_VALUE * 100)

    packages, modules = _loaded("run", "--once", str(tmp_path / "a.yaml"))

    assert "penstock.ingest._committer" in modules
    assert [*(tmp_path / "table").glob("*.parquet")]
    unused = {"numpy", "pandas", "rich", "pygments", "prometheus_client", "http", "duckdb", "email"}
    assert packages & unused == set()
    assert modules & {"pyarrow.compute", "pyarrow.dataset", "pyarrow._s3fs"} == set()
    assert "penstock.ingest._reference_decoder" not in modules


def test_what_loads_numpy_later_finds_it() -> None:
    """It is kept from the libraries of commands only, while these are loaded."""
    program = (
        "import sys\n"
        "from penstock.cli._loading import quick_imports\n"
        "with quick_imports():\n"
        "    import pyarrow\n"
        "assert 'numpy' not in sys.modules\n"
        "import numpy\n"
        "with quick_imports():\n"
        "    import numpy as again\n"
        "assert again is numpy is sys.modules['numpy']\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_is_collected_while_a_command_is_loaded(tmp_path: Path) -> None:
    """What is loaded stays for ever; to look for garbage in it took a tenth of the start."""
    program = (
        "import atexit, gc, sys\n"
        "from penstock.cli import main\n"
        "before = sum(found['collections'] for found in gc.get_stats())\n"
        "def count():\n"
        "    after = sum(found['collections'] for found in gc.get_stats())\n"
        "    print('COLLECTIONS', after - before, gc.isenabled())\n"
        "atexit.register(count)\n"
        f"sys.argv = ['penstock', 'validate', {str(tmp_path)!r}]\n"
        "main()\n"
    )
    _loaded("init", str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    _, collections, enabled = done.stdout.splitlines()[-1].split()
    assert int(collections) < 10
    assert enabled == "True"
