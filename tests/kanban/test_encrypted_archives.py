"""Archives that are decrypted while they are unpacked: nothing is named before gpg has vouched for all of it."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from penstock.kanban import DataRef, FilterContext, PermanentError, Token
from penstock.kanban._filter import Filter
from penstock.kanban._filter_extract import Extractor
from tests.kanban.filters import PASSPHRASE, make_filter, moved, names
from tests.kanban.test_filters import plain, tarball

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="makes its archives with gpg")

_PAGE = bytes(range(256)) * 2000


def encrypted(path: Path, data: bytes, *, passphrase: str = PASSPHRASE) -> None:
    """Write an archive as `gpg --symmetric` makes it; the first line of its input is the passphrase."""
    home = path.parent.parent / "gnupg"
    home.mkdir(exist_ok=True, mode=0o700)
    command = (
        f"gpg --batch --no-autostart --homedir {home} --pinentry-mode loopback --passphrase-fd 0 "
        f"--s2k-count 65536 --compress-algo none --output {path} --symmetric"
    )
    subprocess.run(
        command.split(), input=passphrase.encode() + b"\n" + data, capture_output=True, check=True
    )


def extractor(root: Path, **more: object) -> tuple[Filter, Path, Token]:
    """The filter, the place of its archive, and a token for that."""
    made = make_filter(root, "Extractor", decrypt=True, **more)
    return made, root / "work" / "b1.tar.gpg", Token("b1", data=(DataRef("b1.tar.gpg", 1),))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_an_archive_is_decrypted_while_it_is_unpacked(tmp_path: Path, mode: str) -> None:
    """No archive in plain text is left, and a repetition leads to the same end."""
    extract, archive, token = extractor(tmp_path)
    encrypted(archive, tarball(plain("a/1.jp2", _PAGE), plain("2.xml"), mode=mode))

    done = moved(extract.process(token))

    assert (tmp_path / "work/b1.d/a/1.jp2").read_bytes() == _PAGE
    assert names(tmp_path / "work") == ["b1.d"]
    assert done.data == (DataRef("b1.d/", len(_PAGE) + 4),)
    assert moved(extract.process(token)) == done


def test_nothing_is_named_of_an_archive_that_was_tampered_with(tmp_path: Path) -> None:
    """One bit of a page is another: every member comes out, and only gpg's last word tells."""
    extract, archive, token = extractor(tmp_path)
    encrypted(archive, tarball(plain("1.jp2", _PAGE), plain("2.jp2", _PAGE), mode="w"))
    data = bytearray(archive.read_bytes())
    data[len(data) // 4] ^= 1
    archive.write_bytes(data)

    with pytest.raises(PermanentError, match=r"cannot be decrypted: .*manipulated"):
        extract.process(token)

    assert names(tmp_path / "work") == ["b1.tar.gpg"]


def test_a_cut_archive_is_damaged(tmp_path: Path) -> None:
    """Whoever sees it first."""
    extract, archive, token = extractor(tmp_path)
    encrypted(archive, tarball(plain("1.jp2", _PAGE), mode="w"))
    archive.write_bytes(archive.read_bytes()[:200_000])

    with pytest.raises(PermanentError, match=r"b1\.tar\.gpg"):
        extract.process(token)

    assert names(tmp_path / "work") == ["b1.tar.gpg"]


def test_a_wrong_passphrase_is_named_not_the_empty_archive(tmp_path: Path) -> None:
    extract, archive, token = extractor(tmp_path)
    encrypted(archive, tarball(plain("1.jp2"), mode="w"), passphrase="another")

    with pytest.raises(PermanentError, match="cannot be decrypted"):
        extract.process(token)


def test_a_bomb_ends_gpg_too(tmp_path: Path) -> None:
    """Also one that hides behind the last member."""
    extract, archive, token = extractor(tmp_path, max_bytes=1000)
    for data in (
        tarball(plain("1.jp2", _PAGE), mode="w"),
        tarball(plain("1.jp2"), mode="w") + bytes(3 << 20),
    ):
        encrypted(archive, data)

        with pytest.raises(PermanentError, match="unpacks to more than 1,000 bytes"):
            extract.process(token)

        assert names(tmp_path / "work") == ["b1.tar.gpg"]
        archive.unlink()


def test_a_zip_archive_needs_a_decryptor_before(tmp_path: Path) -> None:
    extract, archive, token = extractor(tmp_path)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("1.jp2", _PAGE)
    encrypted(archive, out.getvalue())

    with pytest.raises(PermanentError, match="put a Decryptor before"):
        extract.process(token)


def test_what_is_not_encrypted_is_unpacked_as_ever(tmp_path: Path) -> None:
    extract, archive, _ = extractor(tmp_path)
    archive.with_suffix("").write_bytes(tarball(plain("1.jp2", _PAGE)))

    moved(extract.process(Token("b1", data=(DataRef("b1.tar", 1),))))

    assert names(tmp_path / "work") == ["b1.d"]


def test_a_board_that_decrypts_needs_a_passphrase(tmp_path: Path) -> None:
    """Said before anything starts."""
    context = FilterContext("it", tmp_path, args={"decrypt": True})

    assert any("gpg_passphrase" in problem for problem in Extractor.problems(context))
    assert not list(Extractor.problems(FilterContext("it", tmp_path)))
