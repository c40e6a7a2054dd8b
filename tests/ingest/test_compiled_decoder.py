"""The compiled decoder keeps the decoders' contract on both of its paths, in any thread."""

import mmap
import os
import shutil
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.ingest import (
    Chunk,
    Decoder,
    DecoderOptions,
    SlowDecoderWarning,
    open_decoder,
)
from penstock.ingest import _compiled_decoder as compiled_decoder
from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.testing import DecoderConformance, generate, generate_damaged
from tools import fuzz, native

SOAK_LINES = 5_000_000


class TestVectorPath(DecoderConformance):
    """As it is installed: with vectors where the machine has them."""

    def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
        return CompiledDecoder(schema, options)


class TestPlainPath(DecoderConformance):
    """As other machines get it."""

    plain = native.build("plain")

    def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
        return CompiledDecoder(schema, options, native=self.plain)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["vector", "plain"])
@pytest.mark.parametrize("shard", range(4))
def test_no_damaged_line_is_judged_differently_than_by_the_reference(variant, shard):
    """100,000 lines in all: rows, bits of numbers, first faults and counts are equal."""
    first = 1000 * shard + (500 if variant == "plain" else 0)

    assert not list(fuzz.differences(native.build(variant), first, lines=12_500))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("variant", ["vector", "plain"])
def test_no_difference_is_found_in_ten_million_damaged_lines(variant, record_property):
    """Five million on each path, with other seeds than the quick test's."""
    first = 100_000 if variant == "vector" else 200_000

    found = list(fuzz.differences(native.build(variant), first, lines=SOAK_LINES))

    record_property("lines", SOAK_LINES)
    assert not found


@pytest.mark.engine("sanitizers")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("variant", ["sanitized", "sanitized-plain"])
def test_no_byte_out_of_bounds_is_touched_and_nothing_undefined_done(variant):
    """Conformance, failing allocations and fuzz, with every buffer cut to its exact size."""
    command = [sys.executable, "-m", "tools.fuzz", "--variant", variant, "--lines", "40000"]

    done = subprocess.run(
        command,
        check=False,
        env=native.sanitizer_environment(),
        cwd=native.ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_the_two_paths_are_two():
    """Else the tests above would prove one of them twice."""
    assert native.build("plain").PATH == "plain"
    if "x86_64" in native.machine():
        assert native.build("vector").PATH == "sse2"


@pytest.mark.slow
def test_one_decoder_serves_many_threads_at_once():
    """Nothing is shared between two calls but memory."""
    decoder = CompiledDecoder(generate_damaged(7).schema)
    chunks = [generate_damaged(7, rows).chunk() for rows in range(1, 100, 2)]
    alone = [decoder.decode(chunk) for chunk in chunks]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(decoder.decode, chunks * 4))

    assert [one.batch for one in together] == [one.batch for one in alone * 4]
    assert [one.rejected for one in together] == [one.rejected for one in alone * 4]


@pytest.mark.slow
def test_other_threads_run_while_a_chunk_is_decoded():
    """The interpreter lock is released: with an endless switch interval nobody else would run.

    The C side is called itself, since pyarrow lets others run while it imports a batch.
    """
    root = (b"", 10, False, 0, ((b"a", 4, True, 1, ()),))
    decoder = native.build("vector").Decoder(root, 9, 99, 0, 0)
    data = b'{"a":1}\n' * 1_000_000
    ran = []
    gate = threading.Lock()
    gate.acquire()

    def other() -> None:
        with gate:
            ran.append("while the main thread was decoding")

    thread = threading.Thread(target=other)
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        gate.release()
        for _ in range(100):  # a busy machine may not wake the thread at once
            if not ran:
                decoder.decode(data, 1, 0)
        seen = list(ran)
    finally:
        sys.setswitchinterval(before)
        thread.join()

    assert seen == ["while the main thread was decoding"]


def test_a_decoder_that_was_never_made_decodes_nothing():
    """Python can give away an object whose construction never ran or failed."""
    type_ = native.build("vector").Decoder

    with pytest.raises(RuntimeError, match="half-made"):
        type_.__new__(type_).decode(b"", 1, 0)


def test_one_decoder_is_not_made_twice():
    """Another thread may be using it."""
    decoder = native.build("vector").Decoder(
        (b"", 10, False, 0, ((b"a", 4, True, 1, ()),)), 9, 9, 0, 0
    )

    with pytest.raises(RuntimeError, match="made once"):
        decoder.__init__((b"", 10, False, 0, ((b"a", 4, True, 1, ()),)), 9, 9, 0, 0)


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_is_reused_and_none_is_lost():
    """A chunk of 1 MB of good and bad lines, decoded 60 times."""
    case = generate_damaged(11, 40)
    data = b"\n".join(case.lines * (1_000_000 // sum(map(len, case.lines)))) + b"\n"
    decoder = CompiledDecoder(case.schema)
    for _ in range(5):
        decoder.decode(Chunk(data, 1, 0))
    before = _resident()

    for _ in range(60):
        decoder.decode(Chunk(data, 1, 0))

    assert _resident() - before < 8 << 20


def test_a_batch_outlives_its_decoder():
    """Its memory goes back to a pool that nobody else holds any more."""
    case = generate(3, 50)
    decoded = CompiledDecoder(case.schema).decode(case.chunk())
    column = decoded.batch.column(0)
    rows = ReferenceDecoder(case.schema).decode(case.chunk()).batch

    del decoded

    assert column.equals(rows.column(0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3, 7])
def test_every_allocation_may_fail_once(seed):
    """Each failure is a MemoryError, and the same decoder then works as before."""
    assert fuzz.failing_allocations("faults", seed) > 50


def test_a_chunk_of_two_gibibytes_is_refused():
    """Offsets of columns have 32 bits; a sparse file stands in for the memory."""
    decoder = CompiledDecoder(pa.schema([("a", pa.int64())]))
    with pytest.raises(ValueError, match="expected a chunk below 2 GiB, got 2147483648 bytes"):
        decoder.decode(Chunk(_sparse(2**31), 1, 0))


def _sparse(size: int) -> memoryview:
    return memoryview(mmap.mmap(-1, size))


def test_a_type_that_no_value_is_read_into_is_refused_with_its_column():
    """At construction, as by the reference."""
    with pytest.raises(UnsupportedTypeError, match=r"'a.b' has the type decimal128\(5, 2\)"):
        CompiledDecoder(pa.schema([("a", pa.struct([("b", pa.decimal128(5, 2))]))]))
    with pytest.raises(UnsupportedTypeError):
        CompiledDecoder(pa.schema([]))


def test_the_compiled_decoder_is_chosen_where_it_is():
    """Without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(open_decoder(pa.schema([("a", pa.int64())])), CompiledDecoder)


def test_without_it_the_reference_decodes_and_the_way_out_is_said(monkeypatch):
    """An installation without a compiler works, and says once why it is slow."""
    monkeypatch.setattr(compiled_decoder, "_NATIVE", None)
    monkeypatch.setattr(compiled_decoder, "_REASON", "No module named '_decoder_native'")

    with pytest.warns(SlowDecoderWarning, match="No module named.*install a C compiler"):
        decoder = open_decoder(pa.schema([("a", pa.int64())]))

    assert isinstance(decoder, ReferenceDecoder)


def test_the_warning_comes_once_and_not_for_every_pipeline(monkeypatch):
    """By Python's own rule, which goes by the place of the call."""
    monkeypatch.setattr(compiled_decoder, "_NATIVE", None)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            open_decoder(pa.schema([("a", pa.int64())]))

    assert [warning.category for warning in said] == [SlowDecoderWarning]


_WITHOUT = """
import pyarrow as pa
from penstock.ingest import Chunk, open_decoder
decoder = open_decoder(pa.schema([("a", pa.int64())]))
print(type(decoder).__name__, decoder.decode(Chunk(b'{"a":1}', 1, 0)).batch.to_pylist())
"""


@pytest.mark.slow
def test_an_installation_without_a_compiler_succeeds_and_says_what_it_lacks(tmp_path):
    """The real build, with a compiler that fails; then the package as it was installed."""
    tree, site = tmp_path / "tree", tmp_path / "site"
    for name in ("src", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        source = native.ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree)
    environment = {name: value for name, value in os.environ.items() if "PENSTOCK" not in name}

    installer = [Path(sys.executable).with_name("uv"), "pip", "install", "--python", sys.executable]
    subprocess.run(
        [*installer, "-q", "--no-deps", "--target", site, tree],
        check=True,
        env=environment | {"CC": "false"},
        capture_output=True,
    )
    run = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        check=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )

    assert not list(site.rglob("*.so"))
    assert run.stdout == "ReferenceDecoder [{'a': 1}]\n"
    assert "install a C compiler" in run.stderr
