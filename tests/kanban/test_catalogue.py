"""What there is to work on: made by a command at a price, kept, and never half of it."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.base import ConfigError
from penstock.kanban import Operator
from penstock.kanban._catalogue import Catalogue
from penstock.kanban._load import Board
from penstock.kanban._seeding import Seeder
from penstock.telemetry import setup_logs
from tests.kanban.boards import ids

DAY = 86400.0
COMMAND = "echo x >> asked; cat answer"
CHAIN = [
    {"name": "ask", "class": "Shell", "input_pipe": "p/start", "output_pipe": "p/asked", "args": {"command": "true"}},
    {"name": "wait", "class": "Monitor", "input_pipe": "p/asked", "output_pipe": "p/converted", "args": {"command": "true"}},
    {"name": "store", "class": "Archiver", "input_pipe": "p/converted", "output_pipe": "p/done"},
]  # fmt: skip


class Wall:
    """The time of day, as it is told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def make_board(root: Path, books: object, filters: Any = CHAIN) -> Board:
    """A board over a catalogue, its buckets made."""
    text = json.dumps({"global": {"all_books": books, "sync": False}, "filters": filters})
    (root / "penstock.kanban.yaml").write_text(text)
    board = Operator(root / "penstock.kanban.yaml", os.environ).board
    for pipe in board.pipes:
        board.bucket(pipe).prepare()
    return board


def asked(root: Path) -> int:
    """How often the command has run."""
    path = root / "asked"
    return len(path.read_text().split()) if path.exists() else 0


def names(catalogue: Catalogue) -> list[str]:
    return [identity for identity, _ in catalogue.items()]


def test_a_command_is_run_once_for_as_long_as_its_answer_is_good(tmp_path: Path) -> None:
    """Also by the next run of the board: it is expensive."""
    (tmp_path / "answer").write_text("barcode,converted\n1,\n2,yes\n")
    board, wall = make_board(tmp_path, {"command": COMMAND, "max_age": "7d"}), Wall()
    assert names(Catalogue(board, wall=wall)) == ["1"]

    wall.now += 6 * DAY
    assert names(Catalogue(board, wall=wall)) == ["1"]
    assert asked(tmp_path) == 1
    (tmp_path / "answer").write_text("barcode\n3\n")
    wall.now += 2 * DAY

    assert names(Catalogue(board, wall=wall)) == ["3"]
    assert asked(tmp_path) == 2


def test_a_running_board_asks_again_when_the_answer_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "answer").write_text("barcode\n1\n")
    board, wall = make_board(tmp_path, {"command": COMMAND, "max_age": "7d"}), Wall()
    catalogue = Catalogue(board, wall=wall)

    assert not catalogue.read
    assert catalogue.due()
    names(catalogue)
    assert catalogue.read
    assert not catalogue.due()
    wall.now += 8 * DAY
    assert catalogue.due()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo x >> asked; echo barcode; echo 9; echo no answer >&2; exit 3", "no answer"),
        ("echo x >> asked; echo nothing of the kind", "expected a column 'barcode'"),
    ],
)
def test_a_command_that_fails_leaves_the_last_answer_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, reason: str
) -> None:
    """Half of an answer is none; the command is left in peace for a while then."""
    (tmp_path / "answer").write_text("barcode\n1\n")
    wall = Wall()
    names(Catalogue(make_board(tmp_path, {"command": COMMAND, "max_age": "1d"}), wall=wall))
    broken = make_board(tmp_path, {"command": command, "max_age": "1d"})
    wall.now += 2 * DAY
    catalogue = Catalogue(broken, wall=wall)

    with setup_logs(level="info"):
        assert names(catalogue) == ["1"]

    said = capsys.readouterr().err
    assert "the last one is used" in said
    assert reason in said
    assert not catalogue.due()
    assert asked(tmp_path) == 2
    wall.now += 600
    assert catalogue.due()


def test_without_any_answer_the_board_does_not_start(tmp_path: Path) -> None:
    board = make_board(tmp_path, {"command": "echo it is down >&2; exit 1", "max_age": "1d"})

    with pytest.raises(ConfigError, match="failed: it is down"):
        names(Catalogue(board))


def test_a_command_that_is_ended_half_way_leaves_no_half_answer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    os.mkfifo(tmp_path / "begun")
    command = "echo barcode; echo 1; echo > begun; cat gate"
    catalogue = Catalogue(make_board(tmp_path, {"command": command, "max_age": "1d"}))
    failures: list[ConfigError] = []

    def ask() -> None:
        try:
            names(catalogue)
        except ConfigError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    (tmp_path / "begun").read_text()
    catalogue.stop()
    thread.join()

    assert len(failures) == 1
    assert not (tmp_path / ".penstock" / "catalogue.csv").exists()


def test_a_command_is_not_begun_once_the_board_was_stopped(tmp_path: Path) -> None:
    """Nobody would end it, and the end of the board would wait for it."""
    catalogue = Catalogue(make_board(tmp_path, {"command": COMMAND, "max_age": "1d"}))

    catalogue.stop()

    with pytest.raises(ConfigError, match="the board was stopped"):
        names(catalogue)
    assert asked(tmp_path) == 0


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("barcode\n1\n")
    wall = Wall()
    os.utime(tmp_path / "books.csv", (wall.now - 5, wall.now - 5))
    catalogue = Catalogue(make_board(tmp_path, "books.csv"), wall=wall)
    names(catalogue)

    assert not catalogue.due()
    os.utime(tmp_path / "books.csv", (wall.now + 5, wall.now + 5))
    assert catalogue.due()


def seeded(board: Board) -> dict[str, list[str]]:
    """Which ids enter which pipe."""
    ledger = Operator(board.file, os.environ).ledger()
    ledger.offer(Catalogue(board).items())
    Seeder(board, ledger).seed()
    return {pipe: ids(board.bucket(pipe)) for pipe in board.pipes if ids(board.bucket(pipe))}


CATALOGUE = "barcode,converted\nnew,\nnow,no\nold,yes\n"


@pytest.mark.parametrize(
    ("seeds", "entered"),
    [
        ({}, {"p/start": ["new", "now"]}),
        ({"store": "converted"}, {"p/converted": ["old"]}),
        (
            {"ask": "available", "store": "converted"},
            {"p/start": ["new", "now"], "p/converted": ["old"]},
        ),
        ({"store": "all"}, {"p/converted": ["new", "now", "old"]}),
    ],
)
def test_what_is_not_yet_converted_is_asked_for_and_what_has_been_is_taken(
    tmp_path: Path, seeds: dict[str, str], entered: dict[str, list[str]]
) -> None:
    """A provider that converts on request: two kinds of items, two doors, one chain."""
    (tmp_path / "books.csv").write_text(CATALOGUE)
    filters = [
        one | ({"seed": seeds[one["name"]]} if one["name"] in seeds else {}) for one in CHAIN
    ]

    board = make_board(tmp_path, "books.csv", filters)

    assert seeded(board) == entered
    assert seeded(board) == entered


def test_an_item_that_was_converted_meanwhile_takes_the_other_door(tmp_path: Path) -> None:
    filters = [
        CHAIN[0] | {"seed": "available", "wip_limit": 1},
        CHAIN[1],
        CHAIN[2] | {"seed": "converted"},
    ]
    (tmp_path / "books.csv").write_text("barcode,converted\na,\nb,\n")
    board = make_board(tmp_path, "books.csv", filters)
    assert seeded(board) == {"p/start": ["a"]}

    (tmp_path / "books.csv").write_text("barcode,converted\na,yes\nb,yes\n")

    assert seeded(board) == {"p/start": ["a"], "p/converted": ["b"]}


def test_two_filters_cannot_take_the_same_items(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text(CATALOGUE)
    filters = [CHAIN[0] | {"seed": "all"}, CHAIN[1] | {"seed": "converted"}, CHAIN[2]]

    with pytest.raises(ConfigError, match="'ask' takes all of the catalogue already"):
        make_board(tmp_path, "books.csv", filters)


def test_what_is_offered_after_the_ledger_had_nothing_is_seeded(tmp_path: Path) -> None:
    """The ledger is not opened while its file stays as it is: another process changes it."""
    (tmp_path / "books.csv").write_text("barcode\n")
    board = make_board(tmp_path, "books.csv")
    ours, theirs = (Operator(board.file, os.environ).ledger() for _ in range(2))
    long_ago = board.state / "ledger.sqlite"
    os.utime(long_ago, (1e9, 1e9))
    seeder = Seeder(board, ours)
    assert seeder.seed() == 0
    assert ours.revision == theirs.revision == 10**18
    assert seeder.seed() == 0

    theirs.offer([("1", board.entrance)])

    assert ours.revision != 10**18
    assert seeder.seed() == 1
    assert ids(board.bucket(board.entrance)) == ["1"]


def test_a_ledger_that_has_just_changed_is_not_taken_for_unchanged(tmp_path: Path) -> None:
    """Two changes may bear one moment of the file system's clock."""
    (tmp_path / "books.csv").write_text("barcode\n")
    board = make_board(tmp_path, "books.csv")
    ledger = Operator(board.file, os.environ).ledger()
    ahead = time.time() + 60
    os.utime(board.state / "ledger.sqlite", (ahead, ahead))

    assert ledger.revision == 0
