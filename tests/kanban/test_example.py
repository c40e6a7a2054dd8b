"""The example of the books, as a reader would run it."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "books"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gpg") is None, reason="makes its archives with gpg")
def test_the_books_are_copied_but_for_the_damaged_and_the_missing_one(tmp_path: Path) -> None:
    for name in ("make_books.py", "manifest.py", "penstock.kanban.yaml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    subprocess.run([sys.executable, "make_books.py", "."], cwd=tmp_path, check=True)
    program = str(Path(sys.executable).with_name("penstock"))

    done = subprocess.run(
        [program, "kanban", "run", "--until-idle", "--log-level", "error"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    books = sorted((tmp_path / "archive").iterdir())
    assert len(books) == 10
    with tarfile.open(books[0]) as archive:
        assert "manifest-sha256.txt" in archive.getnames()
    assert not list((tmp_path / "var" / "processing").glob("*.d"))
    shown = subprocess.run(
        [program, "kanban", "list", "--part", "errors"], cwd=tmp_path, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "does not exist" in shown.stdout
    assert "cannot be decrypted" in shown.stdout
    life = subprocess.run(
        [program, "kanban", "show", books[0].name.partition(".")[0]], cwd=tmp_path, capture_output=True, text=True, check=True
    )  # fmt: skip
    for stage in ("downloader", "decryptor", "extractor", "modifier", "uploader"):
        assert stage in life.stdout
