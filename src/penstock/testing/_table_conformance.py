"""What every table must do, so that plans are committed exactly once."""

from datetime import UTC, datetime

import pytest

from penstock.table import ConflictError, DataFile, LakeTable, is_void, void_application

_TIME = datetime(2024, 1, 1, tzinfo=UTC)


class TableConformance:
    """Subclass it in a test module and supply the fixture `table`: an empty table."""

    def test_a_commit_carries_files_and_number_together(self, table: LakeTable) -> None:
        """Progress and data cannot disagree when they are one version."""
        add(table, "a.parquet", lane="l", seq=1)

        assert list(table.files()) == ["a.parquet"]
        assert table.snapshot().transaction_version("l") == 1

    def test_an_application_that_never_committed_is_at_zero(self, table: LakeTable) -> None:
        """Numbers start at 1."""
        assert table.snapshot().transaction_version("never") == 0

    def test_a_snapshot_does_not_change(self, table: LakeTable) -> None:
        """A decision is made on one version, whatever happens meanwhile."""
        before = table.snapshot()
        add(table, "a.parquet", lane="l", seq=1)

        assert before.transaction_version("l") == 0
        assert table.snapshot().version == before.version + 1

    def test_a_stale_snapshot_of_the_same_lane_is_refused(self, table: LakeTable) -> None:
        """The slower of two committers writes nothing."""
        slow = table.snapshot()
        add(table, "a.parquet", lane="l", seq=1)

        with pytest.raises(ConflictError):
            commit(table, slow, "b.parquet", {"l": 1})
        assert list(table.files()) == ["a.parquet"]

    def test_another_lane_passes_a_stale_snapshot(self, table: LakeTable) -> None:
        """Lanes do not hold each other up."""
        slow = table.snapshot()
        add(table, "a.parquet", lane="l", seq=1)

        commit(table, slow, "b.parquet", {"other": 7})

        assert list(table.files()) == ["a.parquet", "b.parquet"]

    def test_a_void_stops_a_slow_committer(self, table: LakeTable) -> None:
        """Its files may already be on their way in with another plan."""
        slow = table.snapshot()
        void(table, "l", 1)

        with pytest.raises(ConflictError):
            commit(table, slow, "late.parquet", {"l": 1})
        assert list(table.files()) == []

    def test_a_commit_stops_a_slow_void(self, table: LakeTable) -> None:
        """The reverse: rows that are in must not be given up."""
        slow = table.snapshot()
        add(table, "a.parquet", lane="l", seq=1)

        with pytest.raises(ConflictError):
            commit(table, slow, None, {"l": 1, void_application("l", 1): 1})
        assert not is_void(table.snapshot(), "l", 1)

    def test_numbers_and_voids_outlive_a_checkpoint(self, table: LakeTable) -> None:
        """They are the ledger."""
        add(table, "a.parquet", lane="l", seq=1)
        void(table, "l", 2)
        table.checkpoint()
        add(table, "b.parquet", lane="l", seq=3)

        snapshot = table.snapshot()
        assert snapshot.transaction_version("l") == 3
        assert [is_void(snapshot, "l", seq) for seq in (1, 2, 3)] == [False, True, False]

    def test_the_same_number_is_taken_twice_from_a_fresh_snapshot(self, table: LakeTable) -> None:
        """Not a wish: a warning to callers, and proof that the fakes are no kinder than the real one."""
        add(table, "a.parquet", lane="l", seq=1)
        add(table, "b.parquet", lane="l", seq=1)

        assert len(table.files()) == 2


def add(table: LakeTable, name: str, *, lane: str, seq: int) -> None:
    """Commit one file on a fresh snapshot."""
    commit(table, table.snapshot(), name, {lane: seq})


def void(table: LakeTable, lane: str, seq: int) -> None:
    """Give up one number on a fresh snapshot."""
    commit(table, table.snapshot(), None, {lane: seq, void_application(lane, seq): seq})


def commit(table: LakeTable, snapshot: object, name: str | None, numbers: dict[str, int]) -> None:
    """Commit one file, or none, with `numbers`."""
    adds = [DataFile(name, 10, '{"numRecords": 1}', _TIME)] if name else []
    table.commit(snapshot, adds=adds, transactions=numbers, metadata={"by": "test"})  # type: ignore[arg-type]  # whatever the table gave
