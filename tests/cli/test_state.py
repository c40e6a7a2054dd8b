"""`penstock state`: what a flow keeps is readable, checked, and mended without dropping anything."""

import json
from pathlib import Path

import pytest

from penstock import Flow
from penstock.flow import Checkpoint
from tests.cli.conftest import Penstock


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state of a flow that ran twice: over 3 numbers, then over 5."""
    for count in (3, 5):
        (Flow("numbers", checkpoint=tmp_path / "state") | range(count) | (lambda _: None)).run()
    return tmp_path / "state"


def damage(state: Path, number: int) -> Path:
    """Flip a bit in the middle of a version."""
    path = state / f"checkpoint-{number:012d}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    return path


def test_ls_lists_the_versions(state: Path, penstock: Penstock) -> None:
    """Newest first, damaged ones with what is wrong."""
    damage(state, 1)

    listed = penstock("state", "ls", state)
    rows = json.loads(penstock("state", "ls", state, "--output", "json").out)

    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == ["NUMBER", "2", "1"]
    assert [(row["number"], row["settled"]) for row in rows] == [(2, 5), (1, None)]
    assert "is damaged" in rows[1]["problem"]


def test_show_prints_each_lane(state: Path, penstock: Penstock) -> None:
    """And where it comes from."""
    shown = penstock("state", "show", state)
    value = json.loads(penstock("state", "show", state, "--output", "json").out)

    assert shown.code == 0
    assert "flow     numbers\nsource   items by number\nversion  2 of " in shown.out
    assert "settled  5 messages" in shown.out
    assert shown.out.splitlines()[-1].split() == ["items", "5", "0"]
    assert value["lanes"]["items"] == {"frontier": 5, "beyond": [], "mark": ""}


@pytest.mark.parametrize(
    ("damaged", "code", "said"),
    [
        ([], 0, "2 versions, 0 damaged; a run goes on from version 2\n"),
        ([1], 5, "2 versions, 1 damaged; a run goes on from version 2\n"),
        ([2], 5, "a run goes on from version 1, and delivers again what was settled since\n"),
        ([1, 2], 5, "2 versions, 2 damaged; a run cannot go on\n"),
    ],
)
def test_fsck_says_what_a_run_would_do(
    state: Path, penstock: Penstock, damaged: list[int], code: int, said: str
) -> None:
    """Its exit code is 0 only where every version is sound."""
    for number in damaged:
        damage(state, number)

    ended = penstock("state", "fsck", state)
    value = penstock("state", "fsck", state, "--output", "json")

    assert (ended.code, value.code) == (code, code)
    assert ended.out.endswith(said)
    assert len(json.loads(value.out)["damaged"]) == len(damaged)


def test_repair_says_first_and_does_then(state: Path, penstock: Penstock) -> None:
    """The damaged bytes stay, under another name; afterwards fsck finds nothing."""
    path = damage(state, 2)
    wrong = path.read_bytes()
    (state / ".checkpoint-tmp").write_text("half")

    planned = penstock("state", "repair", state, "--dry-run")
    assert path.exists()
    done = penstock("state", "repair", state, "--output", "json")

    assert (planned.code, done.code) == (0, 0)
    assert f"would set aside: {path.name} is damaged" in planned.out
    assert "-> checkpoint-000000000002.damaged" in planned.out
    assert "would remove: a run died while it wrote it" in planned.out
    assert [row["becomes"] for row in json.loads(done.out)["repairs"]] == [None, f"{path}.damaged"]
    assert Path(f"{path}.damaged").read_bytes() == wrong
    assert not path.exists()
    assert penstock("state", "fsck", state).code == 0
    assert penstock("state", "repair", state).out == "there is nothing to repair\n"


def test_repair_does_not_touch_what_it_cannot_mend(state: Path, penstock: Penstock) -> None:
    """Nor what a run has in use."""
    damage(state, 1)
    damage(state, 2)
    before = sorted(state.iterdir())

    ended = penstock("state", "repair", state)

    assert ended.code == 5
    assert "no version can be read" in ended.err
    assert sorted(state.iterdir()) == before


def test_repair_refuses_while_a_run_uses_the_directory(state: Path, penstock: Penstock) -> None:
    """The run would write over what is repaired."""
    codes: list[int] = []

    def repair(_: int) -> None:
        ended = penstock("state", "repair", state)
        codes.append(ended.code)
        assert "is using it" in ended.err

    report = (Flow("numbers", checkpoint=Checkpoint(state)) | range(6) | repair).run()

    assert (codes, report.delivered) == ([1], 1)


@pytest.mark.parametrize("verb", ["ls", "show", "fsck", "repair"])
def test_a_wrong_directory_is_named(tmp_path: Path, penstock: Penstock, verb: str) -> None:
    """With where to look."""
    ended = penstock("state", verb, tmp_path / "none")

    assert ended.code == 1
    assert "there is no such directory; give the one in `checkpoint=` of the flow" in ended.err


def test_an_empty_directory_holds_nothing(tmp_path: Path, penstock: Penstock) -> None:
    """Which is no damage."""
    assert penstock("state", "fsck", tmp_path).out.endswith("a run begins at the beginning\n")
    assert "holds no checkpoint" in penstock("state", "ls", tmp_path).out
    assert penstock("state", "show", tmp_path).code == 1
