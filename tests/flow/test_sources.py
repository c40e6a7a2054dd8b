"""Sources that can be resumed: one suite over all, and what each does besides."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import FatalError, Flow
from penstock.flow import (
    CheckpointError,
    EndOfSource,
    FlowError,
    FlowFailedError,
    SeekableSource,
    read_lines,
    resumable,
)
from penstock.testing import SourceConformance


class TestLines(SourceConformance):
    """Three files of different lengths, the last without a line end."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def make_source(self, count: int) -> SeekableSource[Any]:
        if not list(self.path.iterdir()):
            lines = [f"line {number}\n" for number in range(count)]
            (self.path / "a.txt").write_text("".join(lines[:3]))
            (self.path / "b.txt").write_text("".join(lines[3:-5]))
            (self.path / "c.txt").write_text("".join(lines[-5:]).rstrip("\n"))
        return read_lines(self.path / "*.txt")


class TestNumberedItems(SourceConformance):
    """Read again from the beginning, and skipped."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        return resumable(range(count))


class TestNumberedGenerator(SourceConformance):
    """Read in a thread."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        return resumable(number for number in range(count))


class TestNumberedAsyncItems(SourceConformance):
    """Read on the loop."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        async def items() -> AsyncIterator[int]:
            for number in range(count):
                yield number

        return resumable(_Again(items))


class TestItemsByCursor(SourceConformance):
    """Asked for what comes after a cursor, as a query would be."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        rows = [{"id": f"{number:04}", "value": number % 3} for number in range(0, 3 * count, 3)]

        def after(cursor: str | None) -> Iterator[dict[str, Any]]:
            return (row for row in rows if cursor is None or row["id"] > cursor)

        return resumable(after, cursor=lambda row: row["id"])


class TestItemsByCursorReadAgain(SourceConformance):
    """An iterable that cannot be asked: what comes before the cursor is skipped."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        return resumable([10 * number for number in range(count)], cursor=lambda item: item)


class _Again:
    """An async iterable that can be iterated without the cancellation of one step ending it."""

    def __init__(self, items: Any) -> None:
        self._items = items()
        self._next: asyncio.Task[Any] | None = None

    def __aiter__(self) -> "_Again":
        return self

    async def __anext__(self) -> Any:
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._items, _END))
        found = await asyncio.shield(self._next)
        self._next = None
        if found is _END:
            raise StopAsyncIteration
        return found


_END = object()


def pulled(source: SeekableSource[Any]) -> list[Any]:
    """All payloads."""

    async def scenario() -> list[Any]:
        payloads: list[Any] = []
        try:
            while True:
                payloads += [message.payload for message in await source.pull(100)]
        except EndOfSource:
            return payloads
        finally:
            await source.aclose()

    return asyncio.run(scenario())


def test_lines_come_without_their_ends_and_lose_no_byte(tmp_path: Path) -> None:
    """What is no text comes as surrogates, which go back to the same bytes."""
    data = b"one\r\n\ntwo\xff\nlast"
    (tmp_path / "a").write_bytes(data)

    text = pulled(read_lines(tmp_path / "a"))

    assert text == ["one", "", "two\udcff", "last"]
    assert text[2].encode("utf-8", "surrogateescape") == b"two\xff"
    assert pulled(read_lines(tmp_path / "a", encoding=None)) == [b"one\r", b"", b"two\xff", b"last"]


def test_lines_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    """Blocks of 1 MiB end anywhere."""
    lines = ["x" * 700_000, "y" * 2_500_000, "z"]
    (tmp_path / "a").write_text("\n".join(lines))

    assert pulled(read_lines(tmp_path / "a")) == lines


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    """With the file and the byte where it starts."""
    (tmp_path / "a").write_text("ok\n" + "x" * 3_000_000)

    with pytest.raises(CheckpointError, match=r"/a: the line at byte 3 is longer than 1,048,576"):
        pulled(read_lines(tmp_path / "a", max_line="1MiB"))


def test_a_missing_file_is_named_and_a_pattern_may_match_nothing(tmp_path: Path) -> None:
    """A pattern stands for what will come; a name for what must be there."""
    assert pulled(read_lines(tmp_path / "*.txt")) == []
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*/gone.txt'"):
        pulled(read_lines(tmp_path / "gone.txt"))
    with pytest.raises(FlowError, match="at least one path"):
        read_lines()


def test_a_file_is_read_once_however_many_patterns_match_it(tmp_path: Path) -> None:
    """Otherwise its lines would count twice under one place."""
    (tmp_path / "a.txt").write_text("1\n")
    (tmp_path / "b").mkdir()

    assert pulled(read_lines(tmp_path / "a.txt", tmp_path / "*")) == ["1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_text("12\n"), "was truncated to 3 bytes while it was read"),
        ("rotate", "was rotated while it was read"),
    ],
)
def test_a_file_that_changes_under_us_is_named(tmp_path: Path, change: Any, said: str) -> None:
    """At its end at the latest; what was appended meanwhile is read."""
    path = tmp_path / "a"
    path.write_text("1\n2\n3\n")

    async def scenario() -> None:
        source = read_lines(path)
        await source.pull(1)
        (rotate if change == "rotate" else change)(path)
        await source.pull(100)
        with pytest.raises(CheckpointError, match=said):
            await source.pull(100)
        await source.aclose()

    asyncio.run(scenario())


def rotate(path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.write_text("4\n")


def flow(state: Path, source: Any) -> tuple[list[str], Flow]:
    rows: list[str] = []
    return rows, Flow("lines", checkpoint=state) | source | rows.append


def test_what_is_appended_and_new_files_are_read_on(tmp_path: Path) -> None:
    """A log that grows between two runs."""
    (tmp_path / "a.log").write_text("1\n2\n")
    source = tmp_path / "*.log"
    first, run = flow(tmp_path / "state", read_lines(source))
    run.run()
    with (tmp_path / "a.log").open("a") as file:
        file.write("3\n")
    (tmp_path / "b.log").write_text("4\n")

    second, run = flow(tmp_path / "state", read_lines(source))
    run.run()

    assert (first, second) == (["1", "2"], ["3", "4"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_text("1\n"), "was truncated: it has 2 bytes, and 4 are settled"),
        (
            lambda path: path.write_text("3\n4\n5\n"),
            "was rotated or changed: what stands before byte 4",
        ),
        (lambda path: os.truncate(path, 0), "was truncated: it has 0 bytes"),
    ],
)
def test_a_file_that_changed_between_two_runs_is_named(
    tmp_path: Path, change: Any, said: str
) -> None:
    """Nothing is read: where to go on is a question for a person."""
    path = tmp_path / "a.log"
    path.write_text("1\n2\n")
    flow(tmp_path / "state", read_lines(path))[1].run()
    change(path)

    rows, run = flow(tmp_path / "state", read_lines(path))
    with pytest.raises(FlowFailedError, match=said) as caught:
        run.run()

    assert isinstance(caught.value.__cause__, CheckpointError)
    assert "or begin anew with another checkpoint directory" in str(caught.value)
    assert rows == []


def test_a_last_line_that_was_not_complete_is_named_when_it_grows(tmp_path: Path) -> None:
    """Its second half would come as a line of its own."""
    path = tmp_path / "a.log"
    path.write_text("1\n2")
    flow(tmp_path / "state", read_lines(path))[1].run()
    path.write_text("1\n23\n")

    with pytest.raises(FlowFailedError, match="has grown in the middle of its last line"):
        flow(tmp_path / "state", read_lines(path))[1].run()


def test_a_file_may_go_when_all_of_it_is_settled_and_not_before(tmp_path: Path) -> None:
    """Whoever cleans up must not lose lines in silence."""
    done, half = tmp_path / "a.log", tmp_path / "b.log"
    done.write_text("1\n")
    half.write_text("2\n3\n")
    source = tmp_path / "*.log"

    async def stops(line: str) -> str:
        if line == "3":
            raise FatalError("stop")
        return line

    with pytest.raises(FlowFailedError):
        (Flow("lines", checkpoint=tmp_path / "state") | read_lines(source) | stops).run()
    done.unlink()
    half.unlink()

    with pytest.raises(
        FlowFailedError, match=r"b\.log is gone, with 2 bytes that were not settled"
    ):
        flow(tmp_path / "state", read_lines(source))[1].run()


def test_items_that_are_fewer_than_were_settled_are_refused(tmp_path: Path) -> None:
    """They are not the same items."""
    flow(tmp_path / "state", ["1", "2", "3"])[1].run()

    with pytest.raises(FlowFailedError, match="gives 2 items now, and 3 of it are settled"):
        flow(tmp_path / "state", ["1", "2"])[1].run()


def test_cursors_must_ascend() -> None:
    """An item behind the frontier would be taken for settled, and be lost."""
    with pytest.raises(CheckpointError, match=r"the cursor 3 came after one with 5"):
        pulled(resumable([1, 5, 3], cursor=lambda item: item))


def test_a_function_as_items_needs_a_cursor() -> None:
    """There is nothing to call it with."""
    with pytest.raises(TypeError, match="expected cursor="):
        resumable(lambda after: [1])
