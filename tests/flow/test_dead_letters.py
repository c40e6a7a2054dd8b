"""Dead letters are recorded before their message is settled."""

import base64
import json
import pickle
from pathlib import Path

import pytest

from penstock import Flow, PoisonError
from penstock.flow import DeadLetter, FlowFailedError
from penstock.testing import ListSource


def refuse(payload: object) -> object:
    raise PoisonError(f"no {type(payload).__name__}")


def test_a_directory_gets_a_line_of_json_for_each(tmp_path: Path) -> None:
    """What JSON cannot hold is pickled, and what cannot be pickled is shown: nothing is lost for its kind."""
    payloads = [{"a": [1, None]}, (1, 2), lambda: 0]

    report = (Flow("orders", dead_letters=tmp_path / "dead") | payloads | refuse | print).run()

    lines = [
        json.loads(line) for line in (tmp_path / "dead" / "orders.ndjson").read_text().splitlines()
    ]
    assert lines[0] == {
        "v": 1,
        "flow": "orders",
        "stage": "refuse",
        "id": "0",
        "attempts": 1,
        "reason": "poison",
        "error_class": "PoisonError",
        "error": "no dict",
        "at": lines[0]["at"],
        "payload": {"a": [1, None]},
    }
    assert pickle.loads(base64.b64decode(lines[1]["payload_pickle"])) == (1, 2)
    assert "<lambda>" in lines[2]["payload_repr"]
    assert [letter.payload for letter in report.dead_letters] == payloads


def test_a_second_run_appends(tmp_path: Path) -> None:
    """A restart must not erase what the first run could not process."""
    flow = Flow("orders", dead_letters=tmp_path) | [1] | refuse | print

    flow.run()
    flow.run()

    assert len((tmp_path / "orders.ndjson").read_text().splitlines()) == 2


def test_a_letter_is_recorded_before_its_message_is_acknowledged() -> None:
    """Else a crash between the two would lose it."""
    source = ListSource([7])
    seen: list[tuple[str, int]] = []

    async def keep(letter: DeadLetter) -> None:
        seen.append((letter.error, len(source.acked)))

    (Flow("first", dead_letters=keep) | source | refuse | print).run()

    assert seen == [("no int", 0)]
    assert source.dead == ["0"]


def test_a_letter_that_cannot_be_recorded_ends_the_flow(tmp_path: Path) -> None:
    """To go on would lose it; the source is handed the message back."""
    (tmp_path / "file").touch()
    source = ListSource([7])

    with pytest.raises(FlowFailedError, match="could not be recorded"):
        (Flow("full", dead_letters=tmp_path / "file") | source | refuse | print).run()

    assert (source.acked, source.nacked) == ([], ["0"])
