"""Check that every link in our Markdown files leads somewhere inside the repository."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def documents(root: Path) -> list[Path]:
    """Our Markdown files: those at the top, and all below docs/ and benchmarks/."""
    nested = [path for name in ("docs", "benchmarks") for path in (root / name).rglob("*.md")]
    return sorted([*root.glob("*.md"), *nested])


def broken_links(document: Path, root: Path) -> Iterator[str]:
    """One sentence for each link of `document` that leads nowhere; the web is not asked."""
    text = _without_code(document.read_text(encoding="utf-8"))
    for match in _LINK.finditer(text):
        link = match[1]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, fragment = unquote(link).partition("#")
        target = (document.parent / name).resolve() if name else document
        place = document.relative_to(root)
        if not target.is_relative_to(root):
            yield f"{place}: {link} leads out of the repository"
        elif not target.exists():
            yield f"{place}: {link} does not exist"
        elif fragment and target.suffix == ".md" and fragment not in anchors(target):
            yield f"{place}: {link} names a heading that {target.relative_to(root)} does not have"


def anchors(document: Path) -> set[str]:
    """The fragments that the headings of a document give, by the rule of the common renderers."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    found: set[str] = set()
    for match in _HEADING.finditer(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (unique := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(unique)
    return found


def _without_code(text: str) -> str:
    return _CODE.sub("", _FENCE.sub("", text))


def main() -> None:
    """Print what is broken; exit 1 if anything is."""
    found = documents(ROOT)
    broken = [problem for document in found for problem in broken_links(document, ROOT)]
    for problem in broken:
        print(problem)
    print(f"links: {len(found)} documents, {len(broken)} broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
