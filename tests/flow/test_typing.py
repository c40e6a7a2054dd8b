"""A strict type check of user code: what fits passes, and a stage that does not fit is found."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GOOD = """
import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Never, assert_type

from penstock import Drop, Flow, merge, route, stage, tee
from penstock.channels import ChannelSink, ChannelSource, ProcessChannel, ThreadChannel
from penstock.testing import ListSink, ListSource


@dataclass
class Page:
    text: str


@stage(workers=4, timeout="60s")
async def fetch(number: int) -> Page | None:
    return Page(str(number)) if number else None


@stage(pool="process", chunk=64)
def words(page: Page) -> Iterator[str]:
    yield from page.text.split()


@stage(batch=100, within="1s")
async def lengths(words: list[str]) -> list[int | Drop]:
    return [len(word) for word in words]


@stage(batch_bytes="1MiB", collective=True)
def total(numbers: list[int]) -> Iterator[float]:
    yield float(sum(numbers))


@stage
def halve(number: float) -> float | Drop:
    return number / 2 if number else Drop("nothing")


async def each(number: float) -> AsyncIterator[str]:
    yield str(number)


async def pages() -> AsyncIterator[Page]:
    yield Page("a")


def initial(text: str) -> str:
    return text[0]


@stage(sink=True)
def keep(text: str) -> None: ...


@stage(batch=3)
async def save(texts: list[str]) -> None: ...


found: list[str] = []
sink: ListSink[str] = ListSink()
pulled = Flow("chain") | range(10) | fetch
assert_type(pulled, Flow[Page])
assert_type(pulled | words | lengths, Flow[int])
assert_type(pulled | words | lengths | total | halve | each, Flow[str])
whole = pulled | words | lengths | total | halve | each | found.append
delivered: int = whole.run().delivered
changed = whole.with_stage("halve", lambda number: number)

assert_type(Flow("lambdas") | [1] | (lambda n: n + 1) | (lambda n: str(n)), Flow[str])
printed = Flow("print") | pages() | words | print
objects = Flow("objects") | ListSource([1, 2]) | fetch | words | sink
decorated = Flow("decorated") | ["a"] | stage(workers=2)(str.upper) | keep
batched = Flow("batched") | ["a"] | save
extended = Flow("extended") | ["a"] | stage(batch=64)(found.extend)

text_of_page: str = words(Page("a b")).__next__()
fetched: Page | None = asyncio.run(fetch(3))
counted: list[int | Drop] = asyncio.run(lengths(["a"]))

forked = Flow("forked") | ["a"] | route(initial, {"a": found.append, "b": [print]}, default=sink)
named = Flow("named") | ["a"] | route(lambda text: text[0], {"a": keep, "b": []}) | print
teed = Flow("teed") | ["a"] | tee(found.append, sink, save, [])
assert_type(Flow("sinks") | ["a"] | tee(found.append, keep), Flow[Never])
assert_type(Flow("copied") | ["a"] | tee(found.append, []), Flow[str])
assert_type(Flow("copied") | ["a"] | tee(print, [], keep), Flow[str])
assert_type(Flow("one") | [1] | tee(print, fetch), Flow[Page])
assert_type(Flow("one") | [1] | tee(fetch, print), Flow[Page])
assert_type(pulled | tee(print, words), Flow[str])
assert_type(pulled | tee(print, print, words), Flow[str])
assert_type(Flow("one") | ["a"] | tee(initial, found.append), Flow[str])
assert_type(Flow("several") | ["a"] | tee(initial, len), Flow[Any])
assert_type(Flow("unseen") | ["a"] | tee(found.append, [print]), Flow[Any])
assert_type(Flow("routed") | ["a"] | route(initial, {"a": found.append, "b": []}), Flow[str])
assert_type(Flow("routed") | ["a"] | route(initial, {"a": print}, default=[]), Flow[str])
assert_type(Flow("rest") | ["a"] | route(initial, {"a": found.append}, default=len), Flow[int])
assert_type(Flow("several") | ["a"] | route(initial, {"a": len, "b": initial}), Flow[Any])
again: Flow[int] = Flow("said") | ["a"] | route(initial, {"a": len, "b": [initial, len]})
channel: ThreadChannel[int] = ThreadChannel("numbers")
into = Flow("into a channel") | ["a"] | len | ChannelSink(channel)
assert_type(Flow("out of a channel") | ChannelSource(channel) | fetch, Flow[Page])
with ProcessChannel[Page].join("pages") as joined:
    assert_type(Flow("joined") | ChannelSource(joined) | words, Flow[str])
merged = Flow("merged") | merge([1], Flow("inner") | [3] | (lambda n: n * 2)) | fetch | print

for text in (Flow("stream") | ["a b"] | str.split).stream():
    print(text[0])


async def main() -> None:
    async for page in pulled.stream():
        print(page.text)


def helper(flow: Flow[Any]) -> Flow[Any]:
    return flow | print
"""

BAD = """
from collections.abc import Iterator

from penstock import Flow, merge, route, stage, tee
from penstock.channels import ChannelSink, ChannelSource, ThreadChannel
from penstock.testing import ListSink, ListSource


async def shout(text: str) -> str:
    return text.upper()


async def size(text: str) -> int | None:
    return len(text)


def split(text: str) -> Iterator[str]:
    yield from text.split()


def parity(number: int) -> int:
    return number % 2


@stage(batch=3)
async def sums(numbers: list[int]) -> list[int]:
    return numbers


numbers: list[int] = []
Flow("source") | range(3) | shout  # operator
Flow("stage") | ["a"] | size | shout  # operator
Flow("lambda") | ["a"] | (lambda text: len(text)) | shout  # operator
Flow("attribute") | [1] | (lambda number: number.upper())  # attr-defined
Flow("generator") | ["a"] | split | numbers.append  # operator
Flow("into a batch") | ["a"] | sums  # operator
Flow("out of a batch") | [1] | sums | shout  # operator
Flow("sink") | ["a"] | ListSink[int]()  # operator
Flow("source object") | ListSource([1]) | shout  # operator
Flow("branch") | [1] | route(parity, {1: shout})  # dict-item
Flow("branch of a lambda") | [1] | route(lambda number: number, {1: shout})  # dict-item
Flow("default") | [1] | route(parity, {1: print}, default=shout)  # operator
Flow("tee") | [1] | tee(print, shout)  # operator
Flow("merge") | merge([1], [2]) | shout  # operator
Flow("channel") | ["a"] | ChannelSink(ThreadChannel[int]())  # arg-type
Flow("from a channel") | ChannelSource(ThreadChannel[int]()) | shout  # operator
Flow("copy") | [1] | tee(print, []) | shout  # operator
Flow("after a tee") | ["a"] | tee(print, size) | shout  # operator
Flow("before a tee") | [1] | tee(shout, print) | print  # operator
Flow("after a route") | [1] | route(parity, {1: print, 0: []}) | shout  # operator
Flow("after the default") | [1] | route(parity, {1: print}, default=parity) | shout  # operator
Flow("decorated") | [1] | stage(workers=2)(shout)  # operator
Flow("no function") | ["a"] | 3  # operator
Flow("no source") | 3  # operator
stage(worker=2)  # call-overload
stage(batch=2, worker=2)  # call-overload
for result in (Flow("stream") | ["a"] | size).stream():
    result.upper()  # attr-defined
"""


def found_in(lines: Iterable[str]) -> set[tuple[str, int, str]]:
    """Program, line and kind of each error."""
    pattern = re.compile(r"(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$")
    return {(m[1], int(m[2]), m[3]) for line in lines if (m := pattern.match(line))}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_strict_check_finds_every_part_that_does_not_fit_and_nothing_else(tmp_path: Path) -> None:
    """As a user's own check would: without our configuration. In one run: two would share a cache, and wait for it."""
    for name, program in (("good", GOOD), ("bad", BAD)):
        (tmp_path / f"{name}.py").write_text(program)
    expected = {
        ("bad", number, line.rpartition("# ")[2])
        for number, line in enumerate(BAD.splitlines(), start=1)
        if "  # " in line
    }

    check = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--hide-error-context"),
            *("--cache-dir", str(ROOT / ".mypy_cache" / "users"), "good.py", "bad.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found_in(check.stdout.splitlines()) == expected, check.stdout + check.stderr
    assert "errors in 1 file (checked 2 source files)" in check.stdout
