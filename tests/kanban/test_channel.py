"""A bucket as a channel, and between two flows."""

from pathlib import Path
from typing import Any

import pytest

from penstock.flow import Channel, Flow, Message
from penstock.kanban import BucketChannel, BucketSink, BucketSource, Limit
from penstock.testing import ChannelConformance
from tests.kanban.boards import everywhere, ids, make_bucket


class TestBucketChannel(ChannelConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_channel(self, capacity: int, capacity_bytes: int) -> Channel[Any]:
        limit = Limit(tokens=capacity, size=capacity_bytes)
        bucket = make_bucket(self.folder / "channel", limit=limit)
        return BucketChannel(bucket, "reader", settle_on_get=True)


def test_what_was_got_and_not_settled_is_there_again(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "b")
    channel = BucketChannel(bucket, "reader")
    for number in range(3):
        assert channel.put_nowait(message({"n": number}))

    settled = channel.get_nowait()
    assert settled is not None
    channel.get_nowait()
    channel.settle(settled)
    channel.leave()

    assert len(ids(bucket)) == 2


def test_a_bucket_stands_between_two_flows(tmp_path: Path) -> None:
    """The second may run years after the first."""
    bucket, done = make_bucket(tmp_path / "b", limit=Limit(tokens=50)), make_bucket(tmp_path / "d")

    (Flow("first") | range(40) | (lambda n: n * 2) | BucketSink(bucket)).run()
    assert bucket.counts().waiting == 40
    taken: list[int] = []
    (Flow("second") | BucketSource(bucket, "w", into=done, once=True) | taken.append).run()

    assert sorted(taken) == [n * 2 for n in range(40)]
    assert len(everywhere(bucket, done)) == len(ids(done)) == 40


def message(payload: Any) -> Message[Any]:
    return Message(payload, str(payload))
