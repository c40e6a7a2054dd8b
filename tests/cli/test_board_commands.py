"""What a person does with a board that does not run: from the command line, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Penstock

CONFIG = """\
global: {sync: false, processing_bucket: work}
filters:
  - {name: one, class: Archiver, input_pipe: p/0, output_pipe: p/1}
  - {name: two, class: Uploader, input_pipe: p/1, output_pipe: p/2, args: {target: "archive/{barcode}"}}
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "penstock.kanban.yaml").write_text(CONFIG)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "b1.tar").write_bytes(b"content")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(penstock: Penstock, *words: str) -> Any:
    """The answer as JSON."""
    ended = penstock("kanban", *words, "--output", "json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


@pytest.mark.usefixtures("board")
def test_a_token_is_let_in_with_data_and_priority(penstock: Penstock) -> None:
    words = ("add", "b1", "--data", "b1.tar", "--priority", "high", "--bucket", "p/1")
    assert said(penstock, *words) == {"added": 1}

    shown = said(penstock, "show", "b1")
    assert (shown["bucket"], shown["data"][0]["size"]) == ("p/1", 7)
    for wrong, reason in (
        (("add", "b1", "b2", "--data", "b1.tar"), "exactly one token"),
        (("add", "b2", "--data", "absent"), "does not exist"),
        (("add", "b2", "--priority", "soon"), "expected high, normal or low"),
        (("add", "b2", "--bucket", "p/7"), "has no bucket 'p/7'; there are: p/0, p/1, p/2"),
    ):
        ended = penstock("kanban", *wrong)
        assert ended.code != 0
        assert reason in ended.err


def test_whole_tokens_come_from_a_file(board: Path, penstock: Penstock) -> None:
    (board / "tokens").write_text(
        '{"barcode": "x", "shelf": "A"}\n\n{"id": "y", "priority": "low"}\n'
    )

    assert said(penstock, "add", "--tokens", "tokens") == {"added": 2}
    assert said(penstock, "show", "x")["fields"] == {"shelf": "A"}
    (board / "tokens").write_text('{"barcode": "x"}\n{"shelf": "A"}\n')
    assert "tokens:2 is not a token" in penstock("kanban", "add", "--tokens", "tokens").err


@pytest.mark.usefixtures("board")
def test_tokens_are_held_and_released(penstock: Penstock) -> None:
    said(penstock, "add", "a", "b", "c")

    assert said(penstock, "hold", "a", "b") == {"held": 2}
    assert said(penstock, "retry") == {"retried": 0}
    column = said(penstock, "status")["columns"][0]
    assert (column["waiting"], column["held"], column["per_minute"]) == (1, 2, None)
    assert said(penstock, "release", "--most", "1") == {"released": 1}
    assert penstock("kanban", "release").out == "1 token released\n"
    drawn = penstock("kanban", "board", "--once").out
    assert "PER_MINUTE" in drawn
    assert "3 open, 0 done, 0 in errors" in drawn


def test_the_store_is_compared_with_the_ledger(board: Path, penstock: Penstock) -> None:
    (board / "archive").mkdir()
    (board / "archive" / "stray").write_bytes(b"x")

    listed = penstock("kanban", "reconcile")
    repaired = penstock("kanban", "reconcile", "--repair")

    assert (listed.code, repaired.code) == (1, 0)
    assert "stray" in listed.out
    assert "in the store alone" in listed.out
    assert penstock("kanban", "reconcile").out == "store and ledger agree\n"
    assert "stray,completed" in penstock("kanban", "ledger").out
