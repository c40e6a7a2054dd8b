"""Compressed bytes become blocks of whole lines, or the file is corrupt."""

import gzip
import io
import tracemalloc
from itertools import accumulate

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ingest._decompress import open_plain
from penstock.ingest._errors import CorruptFileError, FileError
from penstock.ingest._reader import Block, LineReader, LongLine

LINES = b"".join(b'{"id":%d}\n' % number for number in range(5000))


class Dribble(io.RawIOBase):
    """Hands out its bytes in pieces of the given sizes, as a network does."""

    def __init__(self, data, sizes):
        self._stream = io.BytesIO(data)
        self._sizes = list(sizes) or [1 << 20]
        self._turn = 0

    def readinto(self, buffer):
        self._turn += 1
        piece = self._stream.read(min(len(buffer), self._sizes[self._turn % len(self._sizes)]))
        buffer[: len(piece)] = piece
        return len(piece)


def read(data, name="a.ndjson.gz", compression="auto", limit=1 << 20, block=4096, sizes=()):
    """Blocks and long lines as plain values."""
    found = []
    for piece in LineReader(open_plain(Dribble(data, sizes), name, compression), limit, block):
        if isinstance(piece, Block):
            found.append((piece.offset, bytes(piece.data)))
        else:
            found.append(piece)
    return found


def joined(found):
    return b"".join(data for _, data in found)


def failure(data, name="a.ndjson.gz", compression="auto"):
    with pytest.raises(CorruptFileError) as caught:
        read(data, name, compression)
    return caught.value.error


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ndjson.gz", gzip.compress(LINES)),
        ("a.ndjson.zst", zstd.compress(LINES)),
        ("a.ndjson", LINES),
        ("a.json", gzip.compress(LINES)),
        ("a.ndjson.gz", zstd.compress(LINES)),
        ("a.ndjson.zst", gzip.compress(LINES)),
    ],
)
def test_case_xii_the_bytes_decide_where_the_name_lies(name, data):
    """Whatever its name, a file that is compressed is read as what it is."""
    assert joined(read(data, name)) == LINES


def test_case_ii_a_a_truncated_file_is_corrupt():
    """Wherever the cut is, the checksum behind it included."""
    for data in (gzip.compress(LINES), zstd.compress(LINES)):
        for size in {len(data) - 1, len(data) - 5, len(data) // 2, 5}:
            assert failure(data[:size]) is FileError.TRUNCATED


def test_case_ii_b_a_wrong_checksum_is_corrupt():
    """Of gzip and of zstd, and gzip's length too."""
    data = gzip.compress(LINES)
    assert failure(data[:-8] + b"aaaa" + data[-4:]) is FileError.CHECKSUM
    assert failure(data[:-4] + b"aaaa") is FileError.CHECKSUM
    data = zstd.compress(LINES, options={zstd.CompressionParameter.checksum_flag: 1})
    assert failure(data[:-1] + bytes([data[-1] ^ 1])) is FileError.CHECKSUM


def test_case_ii_c_a_byte_flipped_inside_is_corrupt():
    """Every byte behind the header of a small file, one after the other."""
    data = gzip.compress(LINES[:200], mtime=0)
    for at in range(10, len(data)):
        assert failure(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]) in set(FileError)


def test_case_ii_d_a_file_that_is_not_gzip_is_corrupt():
    """By its name or by the configuration; a plain file may start with anything."""
    assert failure(b"hello") is FileError.NOT_COMPRESSED
    assert failure(LINES, "a.ndjson.gz") is FileError.NOT_COMPRESSED
    assert failure(LINES, "a.ndjson", "zstd") is FileError.NOT_COMPRESSED
    assert failure(b"\x1f", "a.gz") is FileError.NOT_COMPRESSED
    assert joined(read(LINES, "a.ndjson.gz", "none")) == LINES


def test_case_ii_e_all_members_and_frames_are_read():
    """As `cat a.gz b.gz` makes them, with or without zeros behind the last."""
    first, second = LINES[:3000], LINES[3000:]
    assert joined(read(gzip.compress(first) + gzip.compress(second))) == LINES
    assert joined(read(gzip.compress(first) + gzip.compress(second) + bytes(512))) == LINES
    assert joined(read(zstd.compress(first) + zstd.compress(second))) == LINES
    assert failure(gzip.compress(LINES) + b"garbage") is FileError.TRUNCATED
    assert failure(gzip.compress(LINES) + gzip.compress(LINES)[:40]) is FileError.TRUNCATED
    assert failure(zstd.compress(LINES) + b"garbage") in set(FileError)


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"])
def test_case_vii_an_empty_file_has_no_rows(name):
    """0 bytes, and the compressed form of nothing."""
    assert read(b"", name) == []
    assert read(gzip.compress(b""), name) == []
    assert read(zstd.compress(b""), name) == []


@pytest.mark.slow
def test_case_vi_a_line_over_the_limit_is_passed_without_being_held():
    """It is named by its place; the lines around it are whole; memory stays small."""
    stored = gzip.compress(b'{"a":1}\n' + b"x" * 50_000_000 + b'\n{"b":2}\n')
    tracemalloc.start()
    found = read(stored, limit=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0] == (0, b'{"a":1}\n')
    assert found[1] == LongLine(8, 50_000_000, b"x" * 1024)
    assert found[2] == (50_000_009, b'{"b":2}\n')
    assert peak < 2_000_000


def test_cuts_do_not_depend_on_how_the_stream_comes():
    """Batches, and with them the bytes of outputs, repeat with any store and any compression."""
    wanted = read(LINES, "a", block=1000)
    members = b"".join(gzip.compress(LINES[at : at + 777]) for at in range(0, len(LINES), 777))
    for stored in (LINES, gzip.compress(LINES), members, zstd.compress(LINES)):
        assert read(stored, "a", block=1000, sizes=[1, 700, 13]) == wanted


def test_blocks_behind_a_long_line_are_of_the_usual_size():
    """What one long line needed is given back."""
    found = read(b"x" * 50_000 + b"\n" + LINES, "a", block=1000)
    assert [len(data) > 1000 for _, data in found].count(True) == 1


@pytest.mark.case("k26")
@settings(deadline=None)
@given(
    lines=st.lists(st.integers(0, 60), max_size=40),
    ended=st.booleans(),
    block=st.integers(1, 50),
    limit=st.integers(1, 40),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    pack=st.sampled_from([bytes, gzip.compress, zstd.compress]),
)
def test_any_division_of_the_stream_gives_the_same_whole_lines(
    lines, ended, block, limit, sizes, pack
):
    """Nothing lost, nothing doubled, offsets exact, cuts independent of the stream."""
    texts = [bytes([97 + number % 26]) * length for number, length in enumerate(lines)]
    data = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))[:-1]
    wanted = list(zip(starts, texts, strict=True))
    if texts and not ended and not texts[-1]:
        wanted.pop()  # no byte stands behind the last newline
    found = read(pack(data), "a", limit=limit, block=block, sizes=sizes)
    assert found == read(data, "a", limit=limit, block=block)
    got = []
    for piece in found:
        if isinstance(piece, LongLine):
            assert piece.length > limit
            got.append((piece.offset, data[piece.offset : piece.offset + piece.length]))
            assert got[-1][1].startswith(piece.head)
            continue
        offset, text = piece
        for line in text.removesuffix(b"\n").split(b"\n"):
            assert len(line) <= max(limit, block)  # the decoder refuses those that fit a block
            got.append((offset, line))
            offset += len(line) + 1
    assert got == wanted
