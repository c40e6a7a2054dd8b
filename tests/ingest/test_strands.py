"""Several outputs of a plan are filled side by side: nothing is lost, nothing depends on who is faster."""

import asyncio
import gc
import gzip
import itertools
import threading
import weakref

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.base import Failpoints, RetryPolicy
from penstock.ingest._assemble import PlanAssembler
from penstock.ingest._decode_file import DecodedFile, DecodeSettings, decode_file
from penstock.ingest._flow_producer import FlowProducer
from penstock.ingest._opener import StoreOpener
from penstock.ingest._plan import FileVersion
from penstock.ingest._plan_flow import Work
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._strands import deal, strands
from penstock.ingest._threads import DaemonThreads, Lane
from penstock.storage import open_store
from penstock.topology import GlobalConfig, make_context
from tests.ingest.memory_files import SCHEMA, MemoryFiles, lines, writer_settings

DECODER = ReferenceDecoder(SCHEMA)
SIZES = st.lists(st.integers(0, 1000), max_size=40)


def versions(*sizes, suffix=".gz"):
    return [
        FileVersion(source="s", name=f"{number}{suffix}", size=size, version="v")
        for number, size in enumerate(sizes)
    ]


@given(SIZES, st.integers(1, 5))
def test_files_are_dealt_out_evenly(sizes, count):
    """No strand is longer than another by more than one file: the threads end at about one time."""
    dealt = deal(versions(*sizes), count)

    filled = [sum(s for s, d in zip(sizes, dealt, strict=True) if d == n) for n in range(count)]
    assert max(filled) - min(filled) <= max(sizes, default=0)


@pytest.mark.parametrize(
    ("sizes", "suffix", "expected"),
    [
        ((249, 250), ".gz", 1),
        ((250, 250), ".gz", 2),
        ((5000,), ".zst", 3),
        ((1000,) * 3, "", 1),
        ((1000,) * 4, ".ndjson", 2),
    ],
)
def test_a_plan_has_as_many_strands_as_leave_no_output_small(sizes, suffix, expected):
    """A quarter of `file_size`, packed, for each: many small files would cost every reader."""
    settings = writer_settings(file_size=1000, strands=3)

    assert strands(versions(*sizes, suffix=suffix), settings) == expected


class Bench:
    """Runs plans as the pipeline does, over files in memory."""

    def __init__(self, root, contents, *, workers=2):
        self.root = root
        self._contents = contents
        self._workers = workers
        self._source, self.table = open_store("memory://in"), open_store("memory://table")
        for name, content in contents.items():
            self._source.put(name, content)

    def plan(self, **settings):
        files = tuple(
            FileVersion(source="main", name=meta.name, size=meta.size, version=meta.version)
            for meta in self._source.list()
        )
        plan = MemoryFiles().plan(**{"row_group_rows": 700, **settings})
        return replace(plan, files=files)

    def produce(self, plan, decoder):
        return asyncio.run(self._produce(plan, decoder))

    async def _produce(self, plan, decoder):
        threads = {lane: DaemonThreads(self._workers, lane.name) for lane in Lane}
        work = Work(
            pipeline="flights",
            context=make_context(GlobalConfig()),
            opener=StoreOpener({"main": self._source}, self.table),
            decoder=decoder,
            settings={"main": DecodeSettings(block_bytes=4096)},
            root=self.table,
            dead_letters=self.table,
            directory=self.root,
            files_at_once=self._workers,
            uploads_at_once=2,
            retry=RetryPolicy(maximum_attempts=1),
            failpoints=Failpoints(),
        )
        try:
            producer = FlowProducer(work, asyncio.get_running_loop(), threads)
            return await asyncio.to_thread(producer.produce, plan)
        finally:
            for pool in threads.values():
                pool.shutdown()

    def ids(self, part):
        data = pa.BufferReader(self.table.get(part.name))
        return pq.read_table(data, columns=["id"]).column(0).to_pylist()


class HeldDecoder:
    """Holds one of its calls back until others have ended, so that files finish out of order."""

    schema = SCHEMA

    def __init__(self, held, until):
        self._calls = 0
        self._held = held
        self._until = until
        self._ended = threading.Semaphore(0)
        self._lock = threading.Lock()

    def decode(self, chunk):
        with self._lock:
            self._calls += 1
            held = self._calls == self._held
        for _ in range(self._until if held else 0):
            self._ended.acquire(timeout=1)
        decoded = DECODER.decode(chunk)
        self._ended.release()
        return decoded


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_row_is_written_once_and_equally_whoever_is_faster(count, tmp_path):
    """Names, hashes and order of the outputs are those of the plan, not those of the threads."""
    contents = {f"{n}.gz": gzip.compress(lines(n * 1000, 60 + n) + b"x\n") for n in range(8)}
    contents["5.gz"] = gzip.compress(lines(5000, 900))  # spills
    expected = [n * 1000 + i for n in range(8) for i in range(900 if n == 5 else 60 + n)]
    seen = []
    for held, until in [(0, 0), (1, 3), (2, 3)]:
        bench = Bench(tmp_path, contents, workers=3)
        plan = bench.plan(strands=count, spill_limit=20_000, row_group_rows=50, file_size=2_000)
        produced = bench.produce(plan, HeldDecoder(held, until))

        assert sorted(i for part in produced.parts for i in bench.ids(part)) == expected
        numbers = [int(part.name.split("-")[3]) for part in produced.parts]
        assert numbers == sorted(set(numbers))
        assert {number % count for number in numbers} == set(range(count))
        seen.append(produced)
    assert seen[0] == seen[1] == seen[2]
    assert list(tmp_path.iterdir()) == []


class CountingDecoder:
    """Counts the batches that are alive whenever it decodes."""

    schema = SCHEMA

    def __init__(self):
        self._alive = 0
        self.most = 0

    def decode(self, chunk):
        gc.collect()
        self.most = max(self.most, self._alive)
        decoded = DECODER.decode(chunk)
        self._alive += 1
        weakref.finalize(decoded.batch, self._gone)
        return decoded

    def _gone(self):
        self._alive -= 1


def test_no_more_files_are_in_memory_than_are_worked_on(tmp_path):
    """Each of one batch, written at once: what one worker decodes it writes before the next."""
    contents = {f"{n}.gz": gzip.compress(lines(n * 10, 10)) for n in range(12)}
    bench, decoder = Bench(tmp_path, contents, workers=2), CountingDecoder()

    produced = bench.produce(bench.plan(strands=2, row_group_rows=10), decoder)

    assert sum(part.rows for part in produced.parts) == 120
    assert decoder.most <= 1


class BrokenDecoder:
    """Breaks at its n-th chunk only, as a disk that is full for a moment would."""

    schema = SCHEMA

    def __init__(self, good):
        self._left = good

    def decode(self, chunk):
        self._left -= 1
        if self._left == -1:
            raise OSError(28, "No space left on device")
        return DECODER.decode(chunk)


@pytest.mark.parametrize("good", [0, 3, 7])
def test_a_failure_in_one_strand_fails_the_plan_and_leaves_nothing(good, tmp_path):
    """The others are not waited for, and nothing is sealed."""
    contents = {f"{n}.gz": gzip.compress(lines(n * 10, 10) + b"x\n") for n in range(8)}
    bench = Bench(tmp_path, contents)

    with pytest.raises(OSError, match="No space left"):
        bench.produce(bench.plan(strands=2, row_group_rows=10), BrokenDecoder(good))

    assert list(tmp_path.iterdir()) == []


class HeldFailure:
    """Decodes its first chunk only when it is let go, and fails then; tells when another was decoded."""

    schema = SCHEMA

    def __init__(self):
        self._calls = itertools.count()
        self.fail = threading.Event()
        self.other = threading.Event()

    def decode(self, chunk):
        if next(self._calls) == 0:
            self.fail.wait(60)
            raise OSError(28, "No space left on device")
        decoded = DECODER.decode(chunk)
        self.other.set()
        return decoded


def end_of_threads():
    """Wait for those that a run has left behind, and have Python complain of what is still open."""
    for thread in threading.enumerate():
        if thread.name.startswith(Lane.FILES.name):
            thread.join(60)
    gc.collect()


def test_a_file_that_waits_for_its_turn_is_closed_when_the_plan_fails(tmp_path):
    """Its dead letters may lie in a file on the disk, which is open."""
    bench = Bench(tmp_path, {f"{n}.gz": gzip.compress(lines(n, 1) + b"x\n") for n in range(2)})
    decoder = HeldFailure()
    release = threading.Thread(target=lambda: (decoder.other.wait(60), decoder.fail.set()))
    release.start()
    with pytest.raises(OSError, match="No space left"):
        bench.produce(bench.plan(), decoder)
    release.join()

    end_of_threads()
    assert list(tmp_path.iterdir()) == []


class LateDecoder:
    """Fails at one chunk while another is being decoded, which ends when all is over."""

    schema = SCHEMA

    def __init__(self):
        self._calls = itertools.count()
        self._started = threading.Event()
        self.over = threading.Event()

    def decode(self, chunk):
        if next(self._calls) == 0:
            self._started.wait(60)
            raise OSError(28, "No space left on device")
        self._started.set()
        self.over.wait(60)
        return DECODER.decode(chunk)


def test_a_file_that_is_decoded_after_the_plan_failed_is_closed(tmp_path):
    """Nobody waits for its thread, so that thread has to clean up."""
    bench = Bench(tmp_path, {f"{n}.gz": gzip.compress(lines(n, 1) + b"x\n") for n in range(2)})
    decoder = LateDecoder()
    with pytest.raises(OSError, match="No space left"):
        bench.produce(bench.plan(strands=2), decoder)
    decoder.over.set()

    end_of_threads()
    assert list(tmp_path.iterdir()) == []


class Rows:
    """Batches of a file that somebody holds back, or that end in an error."""

    def __init__(self, batches, before):
        self._batches = batches
        self._before = before

    def __iter__(self):
        self._before()
        return iter(self._batches)


def decoded(files, plan, directory, index, before) -> DecodedFile:
    file = decode_file(
        plan.files[index], plan=plan, opener=files, decoder=DECODER,
        settings=DecodeSettings(), directory=directory,
    )  # fmt: skip
    return replace(file, batches=Rows(file.batches, before))


def in_threads(*calls):
    """Run all at once; what each gave or raised."""
    results = [None] * len(calls)

    def run(number):
        try:
            results[number] = calls[number]()
        except Exception as error:  # looked at by the test
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_different_strands_are_written_at_the_same_time(tmp_path):
    """Each waits inside its writing for the other; one after the other they would wait for ever."""
    files = MemoryFiles(a_ndjson=lines(0, 5), b_ndjson=lines(5, 5))
    plan, both = files.plan(strands=2), threading.Barrier(2)
    assembler = PlanAssembler(plan, SCHEMA, tmp_path)
    given = [decoded(files, plan, tmp_path, n, lambda: both.wait(60)) for n in range(2)]

    in_threads(*(lambda n=n: assembler.add(n, given[n]) for n in range(2)))

    assert [part.part.rows for part in assembler.finish().parts] == [5, 5]


def test_the_number_of_an_output_does_not_tell_which_strand_was_faster(tmp_path):
    """Or repeated work would give equal outputs other names, and leave the first ones behind."""
    files = MemoryFiles(a_ndjson=lines(0, 5), b_ndjson=lines(5, 5))
    plan = files.plan(strands=2)
    assembler = PlanAssembler(plan, SCHEMA, tmp_path)

    later, earlier = (
        assembler.add(n, decoded(files, plan, tmp_path, n, lambda: None)) for n in (1, 0)
    )

    assert [part.number for part in (*earlier, *later)] == [1, 2]
    assert [part.number for part in assembler.finish().parts] == [1, 2]


def test_a_failure_removes_what_another_thread_is_still_writing(tmp_path):
    """Not under its hands, but as soon as it is done: its writer is no thing for two threads."""
    files = MemoryFiles(a_ndjson=lines(0, 5), b_ndjson=lines(5, 5), c_ndjson=lines(9, 5))
    plan = files.plan(strands=2, row_group_rows=1)
    inside, over = threading.Event(), threading.Event()
    assembler = PlanAssembler(plan, SCHEMA, tmp_path)

    def hang():
        inside.set()
        over.wait(60)

    def fail():
        inside.wait(60)
        raise OSError(28, "No space left on device")

    def end():
        try:
            return assembler.add(1, decoded(files, plan, tmp_path, 1, fail))
        finally:
            assembler.abort()
            over.set()

    slow, failed = in_threads(
        lambda: assembler.add(0, decoded(files, plan, tmp_path, 0, hang)), end
    )

    assert isinstance(failed, OSError)
    assert slow == ()
    assert list(tmp_path.iterdir()) == []
