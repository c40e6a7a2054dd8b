"""The checkpoint directory: whole or not at all, and no damage passes for progress."""

import logging
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock import Flow
from penstock.base import Failpoints, RecordError
from penstock.flow import Checkpoint, CheckpointError, FlowError, FlowFailedError, read_lines
from penstock.flow._state import CheckpointState, LaneState, NewerVersionError, packed, unpacked

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def state(number: int = 1, frontier: int = 5) -> CheckpointState:
    return CheckpointState(
        flow="f",
        source="items by number",
        number=number,
        at=WHEN,
        settled=frontier,
        lanes={"items": LaneState(frontier=frontier, beyond=((7, 9),), mark="m")},
    )


def run(directory: Path, count: int, **options: Any) -> list[int]:
    """What a flow over the numbers below `count` delivers; versions are written by counts, not by time."""
    rows: list[int] = []
    checkpoint = Checkpoint(directory, every="1h", **options)
    (Flow("f", checkpoint=checkpoint) | range(count) | rows.append).run()
    return rows


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_packed_is_unpacked() -> None:
    """Places keep their kind: a text that looks like a number stays a text."""
    lanes = {
        "a": LaneState(frontier=None),
        "b": LaneState(frontier="12", beyond=(("13", "20"),)),
        "c": LaneState(frontier=12),
    }
    whole = replace(state(), lanes=lanes)

    assert unpacked(packed(whole), "here") == whole
    assert unpacked(packed(whole), "here").lanes["b"].frontier == "12"
    assert unpacked(packed(whole), "here").lanes["c"].frontier == 12


def test_damage_in_whichever_byte_is_detected() -> None:
    """Every byte changed in every bit, removed, and doubled; and every prefix."""
    data = packed(state())
    for place in range(len(data)):
        for other in (data[place] ^ (1 << bit) for bit in range(8)):
            with pytest.raises(RecordError, match="is damaged"):
                unpacked(data[:place] + bytes([other]) + data[place + 1 :], "here")
        for wrong in (
            data[:place],
            data[:place] + data[place + 1 :],
            data[:place] + data[place : place + 1] + data[place:],
        ):
            if wrong != data:
                with pytest.raises(RecordError, match="is damaged"):
                    unpacked(wrong, "here")


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_no_other_bytes_pass_for_a_checkpoint(data: bytes) -> None:
    """Also not appended to one."""
    with pytest.raises(RecordError):
        unpacked(data, "here")
    if data:
        with pytest.raises(RecordError):
            unpacked(packed(state()) + data, "here")


def newer() -> bytes:
    """A sound checkpoint of a format to come."""
    body = b'{"all": "new"}\n'
    return b"penstock-checkpoint 2 " + sha256(b"2\n" + body).hexdigest().encode() + b"\n" + body


def test_a_newer_format_is_refused_and_never_passed_over(tmp_path: Path) -> None:
    """Going on from the version before it would deliver again what the newer program has done."""
    with pytest.raises(NewerVersionError, match="use the version that wrote it"):
        unpacked(newer(), "here")
    run(tmp_path, 3)
    (tmp_path / "checkpoint-000000000009").write_bytes(newer())

    with pytest.raises(FlowFailedError, match="has format 2, and this version of Penstock reads 1"):
        run(tmp_path, 3)


def test_a_directory_holds_the_last_version_and_the_one_before(tmp_path: Path) -> None:
    """And nothing else, however many were written."""
    for count in (3, 5, 8):
        run(tmp_path, count, acks=1)

    versions = Checkpoint(tmp_path).versions()
    numbers = [version.number for version in versions]
    assert numbers == [numbers[0], numbers[0] - 1]
    assert versions[0].state is not None
    assert versions[0].state.settled == 8
    assert names(tmp_path) == [*sorted(version.path.name for version in versions), "lock"]


def test_a_finished_flow_has_nothing_left_to_do(tmp_path: Path) -> None:
    """And its directory is not written again."""
    assert run(tmp_path, 5) == [0, 1, 2, 3, 4]
    before = names(tmp_path)

    assert run(tmp_path, 5) == []

    assert names(tmp_path) == before


def test_a_damaged_version_is_said_aloud_and_the_one_before_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was settled since is delivered again, and nothing is lost; the damaged file stays."""
    run(tmp_path, 3)
    run(tmp_path, 5)
    damaged = Checkpoint(tmp_path).versions()[0].path
    damage(damaged)

    with caplog.at_level(logging.WARNING):
        rows = run(tmp_path, 6)

    assert rows == [3, 4, 5]
    assert f"{damaged.name} is damaged" in caplog.text
    assert "going on from version 1 of" in caplog.text
    assert damaged.exists()
    assert run(tmp_path, 6) == []


def test_a_directory_without_a_good_version_is_refused(tmp_path: Path) -> None:
    """To begin anew in silence would deliver everything again."""
    run(tmp_path, 3)
    damage(Checkpoint(tmp_path).versions()[0].path)

    with pytest.raises(
        FlowFailedError, match=r"no version can be read .* or remove the directory to begin anew"
    ):
        run(tmp_path, 3)
    assert names(tmp_path) == ["checkpoint-000000000001", "lock"]


@pytest.mark.parametrize("point", ["begin", "half", "synced", "renamed", "durable", "end"])
def test_a_failure_at_any_step_of_writing_leaves_a_good_version(tmp_path: Path, point: str) -> None:
    """No half version under the name of one; and it ends the flow: progress that cannot be kept is no progress."""
    run(tmp_path, 3)
    points = Failpoints.parse(f"checkpoint.{point}=error,checkpoint.{point}@2=error")

    with pytest.raises(FlowFailedError, match=f"failpoint checkpoint.{point}"):
        run(tmp_path, 5, failpoints=points, acks=1)

    assert all(version.state is not None for version in Checkpoint(tmp_path).versions())
    state = Checkpoint(tmp_path).newest()
    assert state is not None
    assert state.settled in {3, 4, 5}
    assert run(tmp_path, 9) == list(range(state.settled, 9))
    assert not Checkpoint(tmp_path).leftovers()


def test_one_run_at_a_time_has_a_directory(tmp_path: Path) -> None:
    """Two would each deliver everything, and write over each other's progress."""

    def runs_again(_: int) -> None:
        run(tmp_path, 2)

    report = (Flow("f", checkpoint=tmp_path) | [1] | runs_again).run()

    [letter] = report.dead_letters
    assert f"process {os.getpid()} is using it" in letter.error
    assert "give each flow a directory of its own" in letter.error


def test_the_progress_of_another_flow_or_source_is_refused(tmp_path: Path) -> None:
    """With both names, and the way out."""
    run(tmp_path, 3)

    with pytest.raises(
        FlowFailedError, match="progress of the flow 'f', not of 'g'; give this flow"
    ):
        (Flow("g", checkpoint=tmp_path) | range(3) | print).run()
    with pytest.raises(
        FlowFailedError, match="the source 'items by number', not of 'lines of /nowhere/"
    ):
        (Flow("f", checkpoint=tmp_path) | read_lines("/nowhere/*") | print).run()


def test_wrong_options_are_refused() -> None:
    """Where they are written."""
    with pytest.raises(FlowError, match="expected acks >= 1, got 0"):
        Checkpoint("x", acks=0)
    with pytest.raises(
        FlowError, match="expected checkpoint to be a directory or a Checkpoint, got 3"
    ):
        Flow("f", checkpoint=3)  # type: ignore[arg-type]


def test_a_repair_sets_damaged_versions_aside(tmp_path: Path) -> None:
    """Nothing is removed but what was never a version; the second repair finds nothing to do."""
    run(tmp_path, 3)
    run(tmp_path, 5)
    checkpoint = Checkpoint(tmp_path)
    damaged = checkpoint.versions()[0].path
    damage(damaged)
    wrong = damaged.read_bytes()
    (tmp_path / ".checkpoint-tmp").write_text("half")
    before = names(tmp_path)

    planned = checkpoint.repair(dry_run=True)
    assert names(tmp_path) == before
    done = checkpoint.repair()

    assert planned == done
    assert [repair.action.split(":")[0] for repair in done] == ["remove", "set aside"]
    assert names(tmp_path) == ["checkpoint-000000000001", f"{damaged.name}.damaged", "lock"]
    assert (tmp_path / f"{damaged.name}.damaged").read_bytes() == wrong
    assert checkpoint.repair() == []
    assert run(tmp_path, 5) == [3, 4]


def test_a_repair_refuses_what_it_cannot_mend(tmp_path: Path) -> None:
    """Without a good version there is nothing to fall back to."""
    with pytest.raises(CheckpointError, match="there is no such directory"):
        Checkpoint(tmp_path / "none").repair()
    run(tmp_path, 3)
    damage(Checkpoint(tmp_path).versions()[0].path)

    with pytest.raises(CheckpointError, match="no version can be read"):
        Checkpoint(tmp_path).repair()
    assert names(tmp_path) == ["checkpoint-000000000001", "lock"]
