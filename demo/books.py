"""The demo's second half: encrypted archives over a board of five filters, one damaged, one missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "books"
PENSTOCK = Path(sys.executable).with_name("penstock")
BOOKS = 12
BAD = 2


class BooksError(Exception):
    """The board did not come out as the demo says; the text says how."""


def show_books(folder: Path) -> None:
    """Make the books, run the board, and count what came of it."""
    if shutil.which("gpg") is None:
        print("   left out: the archives are made with gpg, which is not installed")
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("make_books.py", "manifest.py", "penstock.kanban.yaml"):
        shutil.copy(EXAMPLE / name, folder)
    subprocess.run([sys.executable, "make_books.py", "."], cwd=folder, check=True)
    print("   $ penstock kanban run --until-idle", flush=True)
    run = [str(PENSTOCK), "kanban", "run", "--until-idle", "--log-level", "error"]
    done = subprocess.run(run, cwd=folder, check=False)
    print("   $ penstock kanban list --part errors", flush=True)
    listing = [str(PENSTOCK), "kanban", "list", "--part", "errors", "--output", "json"]
    errors = json.loads(
        subprocess.run(listing, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    )
    for error in errors:
        print(f"   {error['token']}  {error['bucket']}: {Path(error['reason']).name}")
    stored = len(list((folder / "archive").iterdir()))
    print(f"   {stored} archives stored, {len(errors)} in errors, of {BOOKS}")
    if (done.returncode, stored, len(errors)) != (1, BOOKS - BAD, BAD):
        raise BooksError(
            f"expected {BOOKS - BAD} archives and {BAD} errors, got {stored} and {len(errors)}"
        )
