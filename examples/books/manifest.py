"""What this library does to every book: add a list of its files."""

import hashlib
from pathlib import Path

from penstock.kanban import Modifier, Token


class AddManifest(Modifier):
    """Writes `manifest-sha256.txt` into the book's directory."""

    def modify(self, folder: Path, token: Token) -> Token:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
            for path in files
        ]
        (folder / "manifest-sha256.txt").write_text("".join(lines))
        return token.with_fields(pages=len(files))
