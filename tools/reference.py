"""Write docs/reference/ from the code: names, options, commands, errors, metrics, states.

`python -m tools.reference` writes the pages; `--check` only says which are not current.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference_pages import (
    commands_page,
    config_page,
    errors_page,
    metrics_page,
    names_page,
    schema_file,
    states_page,
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "configuration.md": config_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "names.md": names_page,
    "pipeline.schema.json": schema_file,
    "states.md": states_page,
}


def outdated(folder: Path, pages: Mapping[str, str]) -> list[str]:
    """The pages in `folder` that differ from `pages`: stale, missing, or not ours."""
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.*")}
    return sorted(name for name in {*there, *pages} if there.get(name) != pages.get(name))


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write docs/reference/ from the code.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a page is stale"
    )
    arguments = parser.parse_args()
    pages = {name: make() for name, make in PAGES.items()}
    stale = outdated(FOLDER, pages)
    if not arguments.check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in stale:
            if name in pages:
                (FOLDER / name).write_text(pages[name], encoding="utf-8")
            else:
                (FOLDER / name).unlink()
    verb = "stale" if arguments.check else "written"
    print(
        f"reference: {len(pages)} pages, {len(stale)} {verb}{''.join(f' {name}' for name in stale)}"
    )
    if arguments.check and stale:
        sys.exit("docs/reference/ is not current; run `make fix` and commit what it writes")


if __name__ == "__main__":
    main()
