"""The commands `penstock pipeline ...`, from a definition on the disk to the end of its run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from penstock.events import AuditSink, signature
from tests.cli.conftest import Penstock
from tests.events.test_sinks import receiver

T = TypeVar("T")

DEFINITION = """\
apiVersion: pipelines/v1
kind: Pipeline
metadata: {name: demo}
spec:
  parameters:
    days: {type: list, default: [1, 2]}
  steps:
    fetch:
      shell: {command: 'echo fetching; echo "$DAYS"', env: {DAYS: "${{ params.days }}"}, result: json}
    each:
      needs: [fetch]
      map: {over: "${{ steps.fetch.outputs }}", as: day}
      python: {entrypoint: "work:double", args: {day: "${{ day }}"}}
    publish:
      needs: [each]
      shell: {command: "test ! -e broken && echo published $ALL", env: {ALL: "${{ steps.each.outputs }}"}}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a definition, which is also where we are."""
    (tmp_path / "demo.yaml").write_text(DEFINITION)
    (tmp_path / "work.py").write_text(
        "def double(day):\n    print('doubling', day)\n    return day * 2\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(penstock: Penstock) -> list[dict]:
    return json.loads(penstock("pipeline", "history", "--output", "json").out)


def test_a_definition_is_run_and_looked_at(home: Path, penstock: Penstock) -> None:
    """With nothing else installed or started."""
    ended = penstock("pipeline", "run", "demo.yaml", "--param", "days=[3, 4]")
    assert (ended.code, "SUCCEEDED" in ended.out) == (0, True)
    assert "fetch" in ended.err

    (run,) = runs(penstock)
    shown = penstock("pipeline", "show", run["run"][:8]).out
    assert "2/2" in shown
    logs = penstock("pipeline", "logs", run["run"]).out
    assert "published [6, 8]" in logs
    assert "== each item 1, attempt 1\ndoubling 4\n" in logs
    told = json.loads(penstock("pipeline", "events", run["run"], "--output", "json").out)
    assert [each["seq"] for each in told] == list(range(1, len(told) + 1))
    assert told[-1]["event"] == "PIPELINE_SUCCEEDED"


def test_a_failed_run_is_tried_again_from_where_it_failed(home: Path, penstock: Penstock) -> None:
    """What was done is not done again."""
    (home / "broken").touch()
    assert penstock("pipeline", "run", "demo.yaml").code == 1
    (home / "broken").unlink()
    (failed,) = runs(penstock)

    assert penstock("pipeline", "retry", failed["run"]).code == 0

    again = json.loads(
        penstock("pipeline", "show", runs(penstock)[0]["run"], "--output", "json").out
    )
    assert [step["attempts"] for step in again["steps"]] == [0, 0, 1]
    assert penstock("pipeline", "restart", failed["run"], "--from", "nowhere").code == 1


def test_events_are_appended_to_a_file_and_kept_in_the_audit(
    home: Path, penstock: Penstock
) -> None:
    """Each once, in order, over several commands."""
    for _ in range(2):
        penstock("pipeline", "run", "demo.yaml", "--events", "events.jsonl")
    found = [json.loads(line)["id"] for line in (home / "events.jsonl").read_text().splitlines()]

    wanted = [
        each["id"]
        for run in reversed(runs(penstock))
        for each in json.loads(penstock("pipeline", "events", run["run"], "--output", "json").out)
    ]
    assert found == wanted
    audit = AuditSink(home / ".penstock" / "audit.sqlite")
    assert [row.id for row in audit.rows()] == wanted


def test_events_are_posted_to_a_webhook_from_its_first_run_on(
    home: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed with a secret that is named, never written; each once, over several commands."""
    monkeypatch.setenv("PENSTOCK_SECRET_BILLING", "s3cret")
    penstock("pipeline", "run", "demo.yaml")
    got: list[tuple[dict[str, str], bytes]] = []
    with receiver(204, got) as url:
        for _ in range(2):
            asked = ("--webhook", url, "--webhook-secret", "billing")
            assert penstock("pipeline", "run", "demo.yaml", *asked).code == 0

    wanted = [
        each["id"]
        for run in reversed(runs(penstock)[:2])
        for each in json.loads(penstock("pipeline", "events", run["run"], "--output", "json").out)
    ]
    assert [headers["webhook-id"] for headers, _ in got] == wanted
    for headers, body in got:
        at = int(headers["webhook-timestamp"])
        sent = signature("s3cret", headers["webhook-id"], at, body)
        assert headers["webhook-signature"] == sent


def event_ids(penstock: Penstock, run: str) -> list[str]:
    told = json.loads(penstock("pipeline", "events", run, "--output", "json").out)
    return [each["id"] for each in told]


@pytest.mark.parametrize("again", [("retry",), ("restart", "--from", "publish")])
def test_a_run_that_is_done_again_tells_of_it_as_the_first_did(
    home: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch, again: tuple[str, ...]
) -> None:
    """To the same file, in which each event stands once, and to a webhook from then on."""
    monkeypatch.setenv("PENSTOCK_SECRET_WEBHOOK", "s3cret")
    (home / "broken").touch()
    assert penstock("pipeline", "run", "demo.yaml", "--events", "events.jsonl").code == 1
    (home / "broken").unlink()
    (failed,) = runs(penstock)
    got: list[tuple[dict[str, str], bytes]] = []

    command, *options = again
    with receiver(204, got) as url:
        sinks = ("--events", "events.jsonl", "--webhook", url)
        assert penstock("pipeline", command, failed["run"], *options, *sinks).code == 0

    fresh = event_ids(penstock, runs(penstock)[0]["run"])
    lines = (home / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == event_ids(penstock, failed["run"]) + fresh
    assert [headers["webhook-id"] for headers, _ in got] == fresh


def test_a_webhook_without_a_url_or_a_secret_is_refused(home: Path, penstock: Penstock) -> None:
    """Both are said at once, and nothing is run."""
    ended = penstock("pipeline", "run", "demo.yaml", "--webhook", "example.org/hook")

    assert ended.code == 2
    assert "got 'example.org/hook'" in ended.err
    assert "PENSTOCK_SECRET_WEBHOOK" in ended.err
    assert runs(penstock) == []


def test_a_key_is_run_once(home: Path, penstock: Penstock) -> None:
    for _ in range(2):
        assert penstock("pipeline", "run", "demo.yaml", "--key", "monday").code == 0

    assert len(runs(penstock)) == 1


def test_a_run_that_was_only_asked_for_is_done_by_who_comes_next(
    home: Path, penstock: Penstock
) -> None:
    """And can be cancelled before that."""
    penstock("pipeline", "run", "demo.yaml", "--detach")
    penstock("pipeline", "run", "demo.yaml", "--detach")
    newest, oldest = runs(penstock)
    assert penstock("pipeline", "cancel", newest["run"], "--reason", "enough").code == 0

    assert penstock("pipeline", "resume").code == 0

    assert [run["state"] for run in runs(penstock)] == ["CANCELLED", "SUCCEEDED"]
    assert penstock("pipeline", "cancel", oldest["run"]).code == 1
    assert penstock("pipeline", "resume").out == "no run is open\n"


def test_what_is_wrong_with_a_definition_is_said_at_once(home: Path, penstock: Penstock) -> None:
    """With line and column, for people and for programs; nothing is run."""
    text = DEFINITION.replace("needs: [fetch]", "needs: [fetchh]").replace("day }}", "dy }}")
    (home / "demo.yaml").write_text(text)

    ended = penstock("pipeline", "validate", "demo.yaml", "--output", "json")

    (invalid,) = json.loads(ended.out)["invalid"]
    assert {found["code"] for found in invalid["findings"]} >= {"UNKNOWN_STEP", "UNKNOWN_NAME"}
    assert all(found["line"] and found["column"] for found in invalid["findings"])
    assert ended.code == 2
    assert penstock("pipeline", "run", "demo.yaml").code == 2


def test_a_wrong_parameter_is_named_before_anything_runs(home: Path, penstock: Penstock) -> None:
    ended = penstock("pipeline", "run", "demo.yaml", "--param", "days=x", "--param", "days")

    assert ended.code == 2
    assert "expected list, got 'x'" in ended.err
    assert "expected NAME=VALUE" in ended.err


def test_keys_of_later_versions_are_refused_by_name(home: Path, penstock: Penstock) -> None:
    """Valid, and never ignored."""
    (home / "demo.yaml").write_text(DEFINITION + "  schedule: {cron: '0 2 * * *'}\n")

    for command in ("validate", "plan"):
        looked = penstock("pipeline", command, "demo.yaml")
        assert (looked.code, ":3: not runnable yet NOT_RUNNABLE spec.schedule" in looked.err) == (
            0,
            True,
        )
    ended = penstock("pipeline", "run", "demo.yaml")

    assert (ended.code, "schedule" in ended.err) == (2, True)


def test_a_warning_is_said_before_a_run_begins(home: Path, penstock: Penstock) -> None:
    """It runs, and perhaps not as it is meant."""
    undo = "\n      compensate: {shell: {command: 'true'}}"
    (home / "demo.yaml").write_text(
        DEFINITION.replace("      needs: [fetch]", "      needs: [fetch]" + undo)
    )

    ended = penstock("pipeline", "run", "demo.yaml")

    assert (ended.code, "warning COMPENSATE_UNUSED" in ended.err.splitlines()[0]) == (0, True)


def test_a_missing_secret_says_where_it_comes_from(home: Path, penstock: Penstock) -> None:
    (home / "demo.yaml").write_text(DEFINITION.replace("params.days", "secrets.days", 1))

    ended = penstock("pipeline", "validate", "demo.yaml")

    assert (ended.code, "set PENSTOCK_SECRET_DAYS" in ended.err) == (2, True)


def test_what_a_step_printed_does_not_steer_the_terminal(home: Path, penstock: Penstock) -> None:
    """A message of several lines is one line; what is undone is called so, and the culprit named."""
    fails = r"printf 'a\\033[31mb\\n'; false"
    (home / "demo.yaml").write_text(
        DEFINITION.replace("test ! -e broken && echo published $ALL", fails).replace(
            "result: json}", "result: json}\n      compensate: {shell: {command: 'true'}}", 1
        )
        + "  on_failure: {compensate: completed-steps}\n"
    )

    ended = penstock("pipeline", "run", "demo.yaml")
    shown = penstock("pipeline", "show", runs(penstock)[0]["run"])

    assert "\x1b" not in ended.err + ended.out + shown.out
    lines = [line.split(maxsplit=1)[1] for line in ended.err.splitlines()]
    assert "COMPENSATING  fetch" in lines
    assert "publish: it exited (code 1); its last line was: a\\x1b[31mb" in ended.out
    assert lines[-1].startswith("FAILED        demo  publish: it exited")


def test_the_plan_shows_what_changed(home: Path, penstock: Penstock) -> None:
    """Against the version that was run last, which need not be the newest."""
    assert "no version of it" in penstock("pipeline", "plan", "demo.yaml").out
    penstock("pipeline", "run", "demo.yaml")
    assert "nothing changed" in penstock("pipeline", "plan", "demo.yaml").out
    (home / "demo.yaml").write_text(DEFINITION.replace("echo published", "echo sent"))

    planned = json.loads(penstock("pipeline", "plan", "demo.yaml", "--output", "json").out)

    assert planned["difference"]["changed"] == ["publish"]
    penstock("pipeline", "run", "demo.yaml", "--detach")
    (home / "demo.yaml").write_text(DEFINITION)
    penstock("pipeline", "run", "demo.yaml", "--detach")
    assert "nothing changed" in penstock("pipeline", "plan", "demo.yaml").out
    assert [step["stage"] for step in planned["steps"]] == [1, 2, 3]
    assert "fetch --> each" in penstock("pipeline", "graph", "demo.yaml").out


def test_a_run_that_is_not_there_is_named(home: Path, penstock: Penstock) -> None:
    ended = penstock("pipeline", "show", "nothing")

    assert (ended.code, "'nothing'" in ended.err) == (2, True)


PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()", "pipeline"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--step", "fetch"]], ids=["run", "step"])
def test_logs_are_followed_from_another_terminal_until_the_end(
    home: Path, penstock: Penstock, options: list[str]
) -> None:
    """Each line is there while the step still runs."""
    waits = DEFINITION.replace("echo fetching;", "echo one; until test -e go; do sleep 0.02; done;")
    (home / "demo.yaml").write_text(waits)
    penstock("pipeline", "run", "demo.yaml", "--detach")
    (run,) = runs(penstock)
    follow = [*PROGRAM, "logs", run["run"], "-f", *options]
    with (
        subprocess.Popen([*PROGRAM, "resume"], stdout=subprocess.DEVNULL) as worker,
        subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as follower,
    ):
        assert follower.stdout is not None
        first = [follower.stdout.readline() for _ in range(2)]
        (home / "go").touch()
        rest = follower.stdout.read()
        assert (follower.wait(), worker.wait()) == (0, 0)
    assert first == ["== fetch, attempt 1\n", "one\n"]
    assert rest.startswith("[1, 2]\n")
    assert ("published [2, 4]" in rest) == (not options)


@pytest.mark.slow
def test_logs_stay_when_the_worker_is_killed(home: Path, penstock: Penstock) -> None:
    """And who follows sees the next attempt; an offset leaves out what was seen before."""
    waits = DEFINITION.replace("echo fetching;", "echo one; until test -e go; do sleep 0.02; done;")
    (home / "demo.yaml").write_text(waits)
    with subprocess.Popen(
        [*PROGRAM, "run", "demo.yaml"], stderr=subprocess.PIPE, text=True
    ) as worker:
        log = until(lambda: [path for path in home.rglob("fetch.1.log") if path.stat().st_size])
        worker.kill()
    (home / "go").touch()
    (run,) = runs(penstock)

    kept = penstock("pipeline", "logs", run["run"]).out
    later = json.loads(
        penstock("pipeline", "logs", run["run"], "--offset", "2", "--output", "json").out
    )

    assert (log[0].read_text(), kept) == ("one\n", "== fetch, attempt 1\none\n")
    assert [(part["text"], part["offset"]) for part in later] == [("e\n", 4)]
    penstock("pipeline", "cancel", run["run"], "--force")


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_logs_come_in_the_order_of_the_run(
    home: Path, penstock: Penstock, options: tuple[str, ...]
) -> None:
    """Not by the names of steps; items by number, and what was undone last and backwards."""
    undo = "\n      compensate: {shell: {command: 'echo undone'}}"
    steps = DEFINITION.replace("      needs: [fetch]", "      needs: [fetch]" + undo).replace(
        "result: json}", "result: json}" + undo, 1
    )
    (home / "demo.yaml").write_text(steps + "  on_failure: {compensate: completed-steps}\n")
    (home / "broken").touch()
    assert penstock("pipeline", "run", "demo.yaml").code == 1

    printed = penstock("pipeline", "logs", runs(penstock)[0]["run"], *options).out

    titles = [line for line in printed.splitlines() if line.startswith("==")]
    assert titles == [
        "== fetch, attempt 1",
        "== each item 0, attempt 1",
        "== each item 1, attempt 1",
        *(["== publish, attempt 1"] if not options else []),
        "== each undo, attempt 1",
        "== fetch undo, attempt 1",
    ]


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_a_step_that_is_not_there_has_no_logs(
    home: Path, penstock: Penstock, options: tuple[str, ...]
) -> None:
    penstock("pipeline", "run", "demo.yaml", "--detach")

    ended = penstock("pipeline", "logs", runs(penstock)[0]["run"], *options, "--step", "fech")

    assert (ended.code, "it has fetch, each, publish" in ended.err) == (2, True)


def until(found: Callable[[], T]) -> T:
    """Wait for what another process leaves."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not (seen := found()):
        assert time.monotonic() < deadline
        pause.wait(0.01)
    return seen


def written(path: Path) -> str:
    """The lines of a file; none before the first is whole."""
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else ""


@pytest.mark.slow
def test_a_signal_hands_the_work_back_and_resume_ends_it(home: Path, penstock: Penstock) -> None:
    """The exit code says which signal it was; nothing is left running."""
    waits = DEFINITION.replace("echo fetching;", "echo $$ > pid; test -e go || sleep 60;")
    (home / "demo.yaml").write_text(waits)
    command = [sys.executable, "-c", "from penstock.cli import main; main()"]
    command += ["pipeline", "run", "demo.yaml"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        pid = int(until(lambda: written(home / "pid")))
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert (process.returncode, "resume" in said) == (143, True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    (home / "go").touch()

    assert penstock("pipeline", "resume").code == 0
    assert runs(penstock)[0]["state"] == "SUCCEEDED"
