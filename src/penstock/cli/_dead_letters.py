"""`penstock dlq ls`, `penstock dlq show` and `penstock dlq replay`."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import to_builtins

from penstock.base import PenstockError
from penstock.cli._exits import DONE
from penstock.cli._output import LogLevel, Output
from penstock.cli._printing import print_json, print_table, printable
from penstock.cli._run import failpoints, print_report
from penstock.ingest import DeadLetter, Inspector, RunSettings, run_ingest, validate
from penstock.telemetry import setup_logs

_COLUMNS = ("id", "source", "name", "line", "stage", "error_class", "column", "message")


@dataclass(eq=False)
class NoSuchLetterError(PenstockError):
    """No dead letter that stands has this id."""

    id: str

    def __str__(self) -> str:
        return f"no dead letter has the id {self.id!r}; `penstock dlq ls` lists those there are"


def list_letters(*, configs: Sequence[Path], output: Output) -> int:
    """Print the dead letters that no replay has taken."""
    rows = [_row(letter) for letter in _letters(configs)]
    if output is Output.JSON:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS, empty="there are no dead letters")
    return DONE


def show(*, configs: Sequence[Path], id: str | None, output: Output) -> int:  # noqa: A002 - as it is written
    """Print dead letters in full, each with its bytes as they stood in the file."""
    letters = [letter for letter in _letters(configs) if id in {None, letter.id}]
    if id is not None and not letters:
        raise NoSuchLetterError(id)
    if output is Output.JSON:
        print_json([_row(letter) for letter in letters])
        return DONE
    if not letters:
        sys.stdout.write("there are no dead letters\n")
    for number, letter in enumerate(letters):
        sys.stdout.write("\n" if number else "")
        _show(letter)
    return DONE


def _show(letter: DeadLetter) -> None:
    """The bytes come as they stood in the file, for a terminal with its control characters escaped."""
    for key, value in _row(letter).items():
        if key not in {"payload", "payload_b64", "v"} and value not in {"", None}:
            sys.stdout.write(f"{key:12} {value}\n")
    sys.stdout.flush()
    raw = letter.raw
    if sys.stdout.isatty():
        raw = printable(raw.decode(errors="backslashreplace")).encode()
    sys.stdout.buffer.write(b"\n" + raw + b"\n" if raw else b"")
    sys.stdout.buffer.flush()


def replay(
    *, configs: Sequence[Path], pipeline: Sequence[str], log_level: LogLevel, output: Output
) -> int:
    """Put the lines of dead letters through again, and print what came of it."""
    config = validate(configs, environ=os.environ)
    letters = Inspector(config).replayable(pipeline)
    with setup_logs(level=log_level):
        report = asyncio.run(
            run_ingest(
                config, RunSettings(replay=letters, whole_process=True, failpoints=failpoints())
            )
        )
    print_report(report, output)
    return report.exit_code


def _letters(configs: Sequence[Path]) -> Iterator[DeadLetter]:
    return Inspector(validate(configs, environ=os.environ)).dead_letters()


def _row(letter: DeadLetter) -> dict[str, object]:
    row: dict[str, object] = to_builtins(letter)
    return row
