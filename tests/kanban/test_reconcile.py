"""What the store really has, against what the ledger says."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from penstock.kanban import DataRef, Operator, Token
from penstock.kanban._ledger import COMPLETED, Item
from tests.kanban.filters import make_filter, moved

TARGETS = ["archive/{barcode}.zst", "archive/{shelf}/{barcode}/{barcode}.zst", ""]


def make_operator(root: Path, args: dict[str, Any]) -> Operator:
    filters = [
        {"name": "up", "class": "Uploader", "input_pipe": "p/0", "output_pipe": "p/1", "args": args}
    ]
    settings = {"sync": False, "processing_bucket": "work", "done_bucket": "done"}
    (root / "penstock.kanban.yaml").write_text(json.dumps({"global": settings, "filters": filters}))
    operator = Operator(root / "penstock.kanban.yaml", os.environ)
    for pipe in operator.board.pipes:
        operator.board.bucket(pipe).prepare()
    return operator


def store(root: Path, operator: Operator, *identities: str, **args: Any) -> None:
    """Have them uploaded, and their tokens at the end."""
    upload = make_filter(root, "Uploader", **args)
    for identity in identities:
        (root / "work" / f"{identity}.zst").write_bytes(identity.encode() * 3)
        token = Token(identity, data=(DataRef(f"{identity}.zst", 0),), fields={"shelf": "A"})
        operator.board.bucket("p/1").put(moved(upload.process(token)))


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_missing_extra_or_different_is_listed(tmp_path: Path, target: str) -> None:
    args = {"target": target} if target else {}
    operator = make_operator(tmp_path, args)
    store(tmp_path, operator, "good", "b.1", "gone", "short", **args)
    by_name = {path.name: path for path in tmp_path.rglob("*.zst")}
    by_name["gone.zst"].unlink()
    by_name["short.zst"].write_bytes(b"s")
    stray = (
        by_name["good.zst"].parent.parent / "stray"
        if "{shelf}" in target
        else by_name["good.zst"].parent
    )
    stray.mkdir(exist_ok=True)
    (stray / "stray.zst").write_bytes(b"x")

    found = operator.reconcile()

    assert found
    assert found.missing == ("gone",)
    assert found.extra == ("stray",)
    assert found.differing == {"short": "expected 15 bytes, got 1"}


def test_equal_sizes_are_told_apart_by_their_checksums_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    operator = make_operator(tmp_path, {"target": TARGETS[0]})
    store(tmp_path, operator, "one", "two", target=TARGETS[0])
    (tmp_path / "archive" / "two.zst").write_bytes(b"owtowtowt")

    assert not operator.reconcile()
    assert list(operator.reconcile(checksums=True).differing) == ["two"]


@pytest.mark.case("b10")
def test_a_repair_queues_what_is_missing_from_the_start_and_each_id_once(tmp_path: Path) -> None:
    """Its token goes back to the first bucket; one that is long gone is offered anew."""
    operator = make_operator(tmp_path, {"target": TARGETS[0]})
    store(tmp_path, operator, "good", "gone", "damaged", target=TARGETS[0])
    (tmp_path / "archive" / "gone.zst").unlink()
    (tmp_path / "archive" / "damaged.zst").write_bytes(b"")
    ledger = operator.ledger()
    ledger.note([Item("long-gone", COMPLETED, bytes=7)])

    found = operator.reconcile(repair=True)

    assert found.missing == ("gone", "long-gone")
    waiting = {token.id: token for _, _, token in operator.tokens("p/0", "waiting")}
    assert set(waiting) == {"gone", "damaged"}
    assert waiting["gone"].data == ()
    states = {item.barcode: item.state for item in ledger.items()}
    assert states == {
        "good": "completed", "gone": "chosen", "damaged": "chosen", "long-gone": "available",
    }  # fmt: skip
    again = operator.reconcile(repair=True)
    assert (again.missing, again.extra) == ((), ("damaged",))
