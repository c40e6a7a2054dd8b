"""SIGHUP makes a follower read its configuration again: real files, real signals, real kills."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

pytestmark = pytest.mark.slow
# What `nohup` starts is born with the signal ignored.
_HEARD = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
_PROGRAM = [sys.executable, "-c", f"{_HEARD}; from penstock.cli import main; main()"]
_RELOADED = "the configuration was reloaded"
_REFUSED = "the configuration was not reloaded; nothing was changed"


class _Lake:
    """Pipelines `a`, `b` and so on, each from a directory to a table of its name."""

    def __init__(self, root: Path) -> None:
        self.root, self.config = root, root / "c.yaml"

    def configure(self, extra: str = "", **max_files: int) -> None:
        """One pipeline per keyword, with so many files per plan."""
        parts = [
            f"  {key}:\n"
            f"    sources: {{main: {{path: in/{key}, settle_secs: 0, poll_interval_secs: 0.05}}}}\n"
            "    schema: {fields: [{name: id, type: int64, nullable: false}]}\n"
            f"    sink: {{table_uri: lake/{key}}}\n"
            f"    plan: {{max_files: {count}, max_age: 0}}\n"
            for key, count in max_files.items()
        ]
        self.config.write_text(f"{extra}pipelines:\n{''.join(parts)}")

    def put(self, key: str, name: str, ids: Iterable[int]) -> None:
        lines = "".join(f"{json.dumps({'id': i})}\n" for i in ids)
        whole = self.root / f"{key}-{name}"
        whole.write_bytes(gzip.compress(lines.encode()))
        (self.root / "in" / key).mkdir(parents=True, exist_ok=True)
        whole.rename(self.root / "in" / key / f"{name}.ndjson.gz")

    def rows(self, key: str) -> list[int]:
        table = DeltaTable(str(self.root / "lake" / key)).to_pyarrow_dataset()
        return sorted(table.to_table(columns=["id"]).column("id").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> _Lake:
    """Pipelines `a` and `b`, with eight files of ten rows each."""
    made = _Lake(tmp_path)
    made.configure(a=1, b=1)
    for key in "ab":
        for number in range(8):
            made.put(key, str(number), range(number * 10, number * 10 + 10))
    return made


@contextmanager
def _follower(lake: _Lake, **environ: str) -> Iterator["subprocess.Popen[str]"]:
    command = [*_PROGRAM, "run", str(lake.config), "--output", "json"]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            child.kill()


def _until(child: "subprocess.Popen[str]", **wanted: object) -> dict[str, Any]:
    """The next line of the log that has all these fields."""
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        found: dict[str, Any] = json.loads(line)
        seen.append(found)
        if all(found.get(key) == value for key, value in wanted.items()):
            return found
    raise AssertionError(f"the log ended without {wanted}: {seen}")


def _reload(child: "subprocess.Popen[str]", event: str = _RELOADED) -> dict[str, Any]:
    child.send_signal(signal.SIGHUP)
    return _until(child, event=event)


def _end(child: "subprocess.Popen[str]") -> dict[str, dict[str, Any]]:
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    return {row["pipeline"]: row for row in json.loads(out)["pipelines"]}


def test_a_reload_in_the_middle_of_the_work_loses_and_doubles_nothing(lake: _Lake) -> None:
    """A plan is in hand when the signal comes; one pipeline changes, one stays, one is new."""
    with _follower(lake, PENSTOCK_FAILPOINTS="output.stored@3=wait:0.5") as child:
        _until(child, event="working on a plan", plan=2)
        lake.configure(a=1, b=3, c=1)
        lake.put("c", "0", range(5))
        told = _reload(child)
        lake.put("b", "late", [900])
        lake.put("a", "late", [900])
        lake.put("c", "late", [900])
        waiting = {"a", "b", "c"}
        while waiting:
            key = _until(child, event="plans settled")["pipeline"]
            waiting = {one for one in waiting if not _has(lake, one, 900)} if key else waiting
        figures = _end(child)

    assert told["untouched"] == ["a"]
    assert (told["started_anew"], told["new"], told["removed"]) == (["b"], ["c"], [])
    assert lake.rows("a") == lake.rows("b") == [*range(80), 900]
    assert lake.rows("c") == [*range(5), 900]
    assert {key: row["records_processed"] for key, row in figures.items()} == {
        "a": 81,
        "b": 81,
        "c": 6,
    }


def _has(lake: _Lake, key: str, row: int) -> bool:
    return (lake.root / "lake" / key / "_delta_log").exists() and row in lake.rows(key)


@pytest.mark.parametrize("point", ["output.stored", "seal.written", "commit.after", "ack.after"])
def test_a_kill_in_the_middle_of_a_reload_loses_and_doubles_nothing(
    lake: _Lake, point: str
) -> None:
    """The signal finds a plan in hand, and the kill finds it being drained."""
    points = f"{point}@3=wait:30"
    with _follower(lake, PENSTOCK_FAILPOINTS=points) as child:
        _until(child, event="working on a plan", plan=3)
        lake.configure(a=1, b=3)
        child.send_signal(signal.SIGHUP)
        child.kill()
        child.wait(60)

    code = subprocess.run(
        [*_PROGRAM, "run", "--once", str(lake.config)], capture_output=True, check=False
    ).returncode

    assert code == 0
    assert lake.rows("a") == lake.rows("b") == [*range(80)]


def test_a_wrong_file_changes_nothing_and_is_named_with_its_line(lake: _Lake) -> None:
    """A slip of the pen must not stop what runs."""
    with _follower(lake) as child:
        _until(child, event="plans settled")
        lake.config.write_text(lake.config.read_text() + "  c:\n    sinc: {}\n")
        told = _reload(child, _REFUSED)
        lake.configure(b=1)
        removed = _reload(child)
        lake.put("b", "late", [900])
        while not _has(lake, "b", 900):
            _until(child, event="plans settled", pipeline="b")
        figures = _end(child)

    assert f"{lake.config}:13" in told["error"]
    assert "sinc" in told["error"]
    assert (removed["untouched"], removed["removed"]) == (["b"], ["a"])
    assert list(figures) == ["b"]
    assert lake.rows("b") == [*range(80), 900]


def test_what_holds_to_the_end_of_the_process_is_named_and_refused(lake: _Lake) -> None:
    """Half a reload would be a configuration that nobody has written."""
    lake.configure("state_dir: s1\nglobal: {total_concurrency: 3}\n", a=1, b=1)
    with _follower(lake) as child:
        _until(child, event="plans settled")
        lake.configure("state_dir: s2\n\nglobal: {total_concurrency: 4}\n", a=2, b=1)
        told = _reload(child, _REFUSED)
        _end(child)

    assert f"{lake.config}:1: state_dir: cannot be changed while it runs" in told["error"]
    assert f"{lake.config}:3: global.total_concurrency: cannot be changed" in told["error"]
    assert "it was 3, and is 4 now" in told["error"]


def test_work_that_ends_leaves_the_signal_alone(lake: _Lake) -> None:
    """Nothing that ends by itself is worth a reload; the signal ends it, as it does any program."""
    command = [*_PROGRAM, "run", "--once", str(lake.config), "--output", "json"]
    environ = {**os.environ, "PENSTOCK_FAILPOINTS": "output.stored@2=wait:30"}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        _until(child, event="working on a plan", plan=1)
        child.send_signal(signal.SIGHUP)

        assert child.wait(60) == -signal.SIGHUP
