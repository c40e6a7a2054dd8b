"""Run a command in a terminal of its own, and save what it showed as a picture for the documentation.

The picture is a terminal with its own dark background, so that it can be read on light and on dark pages.

`python -m tools.picture docs/images/demo.svg --title "make demo" -- .venv/bin/python -m demo.run`
"""

import argparse
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_COLUMNS = 100

_ERASE_LINE = "\x1b[2K"
_UP = re.compile(r"\x1b\[(\d*)A")
_CURSOR = re.compile(r"\x1b\[\?25[hl]")
_WEB_FONT = re.compile(r"@font-face {.*?}", re.DOTALL)
_PIECES = re.compile(r"(\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[hl])")


def shown(command: list[str]) -> str:
    """What `command` writes to a terminal, colours included.

    Raises:
        CalledProcessError: It failed.
    """
    master, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment) as child:
        os.close(terminal)
        output = bytearray()
        while part := _read(master):
            output += part
        code = child.wait()
    os.close(master)
    if code:
        raise subprocess.CalledProcessError(code, command, bytes(output))
    return settled(output.decode(errors="replace"))


def settled(output: str) -> str:
    """The lines as they stood at the end: what a line was overwritten with replaces it."""
    lines, row, fresh = [""], 0, False
    for piece in _PIECES.split(output.replace("\r\n", "\n")):
        if piece == "\n":
            row, fresh = row + 1, False
            lines += [""] * (row == len(lines))
        elif piece == "\r":
            fresh = True
        elif up := _UP.fullmatch(piece):
            row = max(0, row - int(up[1] or 1))
        elif piece == _ERASE_LINE:
            lines[row] = ""
        elif piece and not _CURSOR.fullmatch(piece):
            lines[row], fresh = piece if fresh else lines[row] + piece, False
    return "\n".join(lines)


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # Linux says so when the last writer is gone
        return b""


def draw(text: str, title: str) -> str:
    """The SVG of a terminal that shows `text`; it loads nothing from anywhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(text.strip("\n")))
        return _WEB_FONT.sub("", console.export_svg(title=title))


def main() -> None:
    """Draw, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--title", help="by default the command")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        text = shown(arguments.command)
    except subprocess.CalledProcessError as error:
        sys.exit(f"nothing was drawn: {error}")
    svg = draw(text, arguments.title or " ".join(arguments.command))
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    arguments.picture.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
