"""The state of every file of a pipeline, for people."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from penstock.base import Value
from penstock.ingest._history import PastPlan
from penstock.ingest._plan import FileVersion
from penstock.ingest._replay import REPLAY_SOURCE
from penstock.ingest._seal import FileOutcome, FileState
from penstock.ingest._standing import Settlement


class FileStanding(StrEnum):
    """Where a file stands, as its user sees it."""

    PENDING = "pending"
    """It will be planned."""
    PLANNED = "planned"
    """In a plan that is being worked on."""
    COMMITTED = "committed"
    """Its rows are in the table."""
    DEAD = "dead"
    """It gave no row; the dead letters say why."""
    GONE = "gone"
    """It was planned, and not there when it was read."""
    CHANGED = "changed"
    """It was taken, and has another content now, which is not read; give it a new name."""


class FileRow(Value):
    """One file."""

    pipeline: str
    source: str
    name: str
    state: FileStanding
    size: int
    """Bytes as stored."""
    rows: int = 0
    """Rows in the table."""
    dead_lines: int = 0
    """Lines in the dead letters."""
    error: str = ""
    """The class of what went wrong."""
    plan: int = 0
    """Number of the plan that has it; 0 for none."""


_STANDING = {
    FileState.ROWS: FileStanding.COMMITTED,
    FileState.DEAD: FileStanding.DEAD,
    FileState.GONE: FileStanding.GONE,
    FileState.CHANGED: FileStanding.PENDING,
    FileState.RETURNED: FileStanding.PENDING,
}


def file_rows(
    pipeline: str, history: Iterable[PastPlan], listed: Iterable[FileVersion]
) -> list[FileRow]:
    """Every file that was ever planned, and every file that is there; by source, then by name.

    Args:
        pipeline: The pipeline's key.
        history: Its plans.
        listed: The files that are there now.
    """
    rows: dict[tuple[str, str], FileRow] = {}
    versions: dict[tuple[str, str], str] = {}
    for past in history:
        for file, row in _rows_of(pipeline, past):
            rows[file.source, file.name] = row
            versions[file.source, file.name] = file.version
    for file in listed:
        known = rows.get((file.source, file.name))
        if known is None or known.state in {FileStanding.PENDING, FileStanding.GONE}:
            state = FileStanding.PENDING
        elif versions[file.source, file.name] != file.version:
            state = FileStanding.CHANGED
        else:
            continue
        rows[file.source, file.name] = _row(pipeline, file, state, known)
    return [rows[key] for key in sorted(rows)]


def _row(pipeline: str, file: FileVersion, state: FileStanding, known: FileRow | None) -> FileRow:
    if known is None or state is not FileStanding.CHANGED:
        return FileRow(pipeline, file.source, file.name, state, file.size)
    return FileRow(
        pipeline, file.source, file.name, state, file.size, known.rows, known.dead_lines,
        known.error, known.plan,
    )  # fmt: skip


def _rows_of(pipeline: str, past: PastPlan) -> Iterator[tuple[FileVersion, FileRow]]:
    for place, file in enumerate(past.plan.files):
        if file.source == REPLAY_SOURCE:
            continue
        outcome, state = FileOutcome(state=FileState.RETURNED), FileStanding.PLANNED
        if past.settlement is Settlement.VOIDED:
            state = FileStanding.PENDING
        elif past.settlement is Settlement.COMMITTED and past.seal is not None:
            outcome = past.seal.outcomes[place]
            state = _STANDING[outcome.state]
        yield (
            file,
            FileRow(
                pipeline=pipeline,
                source=file.source,
                name=file.name,
                state=state,
                size=file.size,
                rows=outcome.rows,
                dead_lines=outcome.dead_lines,
                error=outcome.error,
                plan=past.plan.seq,
            ),
        )
