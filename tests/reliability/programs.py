"""Programs that run the whole product in a process of their own, where something is wrong with it.

They are forked by the kill server, so what they change in themselves ends with them.
"""

import asyncio
import resource
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from penstock import ingest
from penstock.base import Failpoints, RetryPolicy
from penstock.ingest import IngestOptions, IngestPipeline, IngestReport, _places
from penstock.ingest._protocol_errors import CommitBlockedError
from penstock.storage import StoragePool
from penstock.table import CommitUnknownError, DataFile, DeltaLakeTable, TableSnapshot
from penstock.topology import make_context

_FULL = 8


def run(root: Path, failpoints: Failpoints) -> None:
    """Ingest what is there; it must end well."""
    report = _run(root, failpoints)
    assert report.exit_code == 0, report.pipelines[0].message


def run_where_commits_fail(root: Path, failpoints: Failpoints) -> None:
    """From the second commit on no file of the log can be written; must end with that error."""
    config = ingest.validate(root / "c.yaml")
    context = make_context(config.shared, storage_pool=StoragePool())
    options = IngestOptions(
        state_dir=config.state_dir,
        once=True,
        failpoints=Failpoints({("commit.before", 2): lambda _: _limit_files(_FULL)}),
        retry=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3),
    )
    try:
        asyncio.run(IngestPipeline("p", config.pipelines["p"], context, options).run())
    except CommitBlockedError:
        return
    raise AssertionError("a commit that cannot be written counted as done")


def run_where_the_disk_is_full(root: Path, failpoints: Failpoints) -> None:
    """From the second plan on nothing can be written anywhere; must end with an error."""
    report = _run(root, Failpoints({("plan.written", 2): lambda _: _limit_files(_FULL)}))
    assert report.exit_code == 1, report


def run_where_commits_fail_for_a_while(root: Path, failpoints: Failpoints) -> None:
    """The second commit cannot be written, nor the three tries behind it; then they can be."""
    unlimited = resource.RLIM_INFINITY
    points = {
        ("commit.before", 2): lambda _: _limit_files(_FULL),
        ("commit.before", 6): lambda _: _limit_files(unlimited),
    }
    report = _run(root, Failpoints(points))
    assert report.exit_code == 0, report


def run_where_answers_are_lost(root: Path, failpoints: Failpoints) -> None:
    """Every second commit lands without its answer."""
    _places.DeltaLakeTable = _Unanswered  # type: ignore[misc]
    run(root, failpoints)


class _Unanswered(DeltaLakeTable):
    count = 0

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        super().commit(snapshot, adds=adds, transactions=transactions, metadata=metadata)
        _Unanswered.count += 1
        if _Unanswered.count % 2:
            raise CommitUnknownError(self.url, "connection reset")


def _run(root: Path, failpoints: Failpoints) -> IngestReport:
    return ingest.run(root / "c.yaml", failpoints=failpoints)


def _limit_files(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
