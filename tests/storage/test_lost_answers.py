"""A write whose answer is lost is looked up, not guessed."""

from typing import Any

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from penstock.storage import RemoteStore, StoreUnavailableError


class LossyClient:
    """Fails every put: after it was done, before it was done, or after a rival's was done."""

    def __init__(self, how: str) -> None:
        self.real = MemoryStore()
        self.how = how

    def put(self, path: str, data: bytes, **options: Any) -> None:
        if self.how != "nothing":
            self.real.put(path, data if self.how == "done" else b"rival", **options)
        raise GenericError("connection reset")

    def get(self, path: str) -> Any:
        return self.real.get(path)


def make_store(how: str) -> RemoteStore:
    return RemoteStore(LossyClient(how), "s3://bucket")  # type: ignore[arg-type]  # the two verbs that are used


def test_a_put_that_was_done_counts_although_its_answer_was_lost() -> None:
    """Else a planner would plan the same files a second time."""
    assert make_store("done").put_if_absent("k", b"mine")


def test_a_put_that_a_rival_won_is_lost_although_no_answer_came() -> None:
    """What is there decides."""
    assert not make_store("rival").put_if_absent("k", b"mine")


def test_a_put_that_was_not_done_is_a_failure_of_the_store() -> None:
    """The caller backs off, and asks again."""
    with pytest.raises(StoreUnavailableError, match="connection reset"):
        make_store("nothing").put_if_absent("k", b"mine")
