"""Archives that are read once: what tar programs write, in any format, cut anywhere."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.kanban import DataRef, PermanentError, Token
from penstock.kanban._filter_extract import Extractor, _tar
from penstock.kanban._forward import Body, Forward
from tests.kanban.filters import make_filter

FORMATS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]


def packed(sizes: list[int], layout: int) -> tuple[bytes, dict[str, bytes]]:
    """A tar archive of files of these sizes, with names of many lengths, and what is in it."""
    longest = 90 if layout == tarfile.USTAR_FORMAT else 300
    files = {
        f"{number}-{'n' * (number * 41 % longest)}": bytes([number % 251]) * size
        for number, size in enumerate(sizes)
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue(), files


def read_all(data: bytes, block: int) -> dict[str, bytes]:
    found = {}
    for name, body in _tar(io.BufferedReader(io.BytesIO(data)), "a.tar"):
        parts, buffer = [], memoryview(bytearray(block))
        while size := body.readinto(buffer):
            parts.append(bytes(buffer[:size]))
        found[name] = b"".join(parts)
    return found


@given(
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 1024, 5000]) | st.integers(0, 9000), max_size=8),
    layout=st.sampled_from(FORMATS),
    block=st.sampled_from([64, 100, 512, 4096, 1 << 18]),
)  # fmt: skip
def test_every_file_comes_out_as_it_went_in(sizes: list[int], layout: int, block: int) -> None:
    data, files = packed(sizes, layout)

    assert read_all(data, block) == files


@given(cut=st.integers(1, 4 * 1024), sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=4))
def test_an_archive_that_was_cut_is_damaged_or_whole(cut: int, sizes: list[int]) -> None:
    """A file that lacks its end never comes out; what lies behind the last file may be missing."""
    data, files = packed(sizes, tarfile.PAX_FORMAT)
    try:
        found = read_all(data[: max(len(data.rstrip(b"\0")) - cut, 0)], 4096)
    except tarfile.TarError:
        return

    assert found.items() <= files.items()


def test_a_member_that_nobody_reads_is_skipped() -> None:
    data, files = packed([5000, 0, 512, 7], tarfile.PAX_FORMAT)

    names = [name for name, _ in _tar(io.BufferedReader(io.BytesIO(data)), "a.tar")]

    assert names == list(files)


def test_a_file_with_holes_comes_out_whole(tmp_path: Path) -> None:
    """GNU tar leaves holes out: what follows them lies elsewhere in the archive."""
    work = tmp_path / "work"
    work.mkdir()
    with (tmp_path / "holes").open("wb") as file:
        file.write(b"begin")
        file.seek(3 << 20)
        file.write(b"middle")
        file.truncate(5 << 20)
    content = (tmp_path / "holes").read_bytes()
    (tmp_path / "after").write_bytes(b"x" * 700)
    subprocess.run(
        ["tar", "-S", "-cf", work / "b1.tar", "holes", "after"],
        cwd=tmp_path,
        check=True,
    )
    assert (work / "b1.tar").stat().st_size < 1 << 20

    extract = make_filter(tmp_path, "Extractor")
    extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))

    assert (work / "b1.d" / "holes").read_bytes() == content
    assert (work / "b1.d" / "after").read_bytes() == b"x" * 700


def test_a_cut_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    data, _ = packed([5000, 5000], tarfile.PAX_FORMAT)
    (work / "b1.tar").write_bytes(data[:4000])
    extract = make_filter(tmp_path, "Extractor")
    assert isinstance(extract, Extractor)

    with pytest.raises(PermanentError, match=r"b1\.tar is damaged: unexpected end of data"):
        extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))

    assert [path.name for path in work.iterdir()] == ["b1.tar"]


def test_a_stream_goes_on_and_never_back() -> None:
    stream = Forward(io.BytesIO(b"0123456789"))
    body = Body(stream, 4)
    buffer = memoryview(bytearray(3))

    assert [body.readinto(buffer), body.readinto(buffer), body.readinto(buffer)] == [3, 1, 0]
    assert (stream.tell(), stream.seek(8), stream.read(1)) == (4, 8, b"8")
    assert stream.seek(99) == 10
    with pytest.raises(io.UnsupportedOperation):
        stream.seek(0)
    with pytest.raises(io.UnsupportedOperation):
        stream.seek(0, io.SEEK_END)
    with pytest.raises(tarfile.ReadError):
        Body(stream, 1).readinto(buffer)
