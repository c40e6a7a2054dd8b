"""Write the tables of docs/reliability.md from the cases and from the tests that are marked with them.

`python -m tools.reliability` writes them; `--check` only says whether they are current.
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.marked import replaced
from tools.reliability_cases import BOARDS, CASES, KEPT, Case

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


@dataclass(frozen=True, slots=True)
class Shown:
    """A test, as the page tells of it."""

    name: str
    reason: str
    """Its docstring, or nothing."""
    path: str
    """From the root of the repository."""

    @property
    def claim(self) -> str:
        """The name as a sentence."""
        words = self.name.removeprefix("test_").replace("_", " ")
        return words[0].upper() + words[1:]

    @property
    def link(self) -> str:
        """Where it stands, from docs/."""
        return f"[{Path(self.path).name}](../{self.path})"


def shown_by_case(root: Path) -> dict[str, list[Shown]]:
    """The tests below `root` that carry the marker, by the ids it names; read, not run."""
    found: dict[str, list[Shown]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                reason = " ".join((ast.get_docstring(node) or "").split())
                shown = Shown(node.name, reason, path.relative_to(root).as_posix())
                for case in dict.fromkeys(_cases(node)):
                    found.setdefault(case, []).append(shown)
    return found


def _cases(node: ast.FunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        for part in ast.walk(decorator):
            if isinstance(part, ast.Call) and ast.unparse(part.func) == "pytest.mark.case":
                yield ast.literal_eval(part.args[0])


def problems(ids: Sequence[str], found: Iterable[str]) -> list[str]:
    """Cases without a test, tests without a case, and ids that stand twice."""
    named = set(found)
    return [
        *(f"no test is marked with the case {case!r}" for case in ids if case not in named),
        *(f"a test is marked with {case!r}, which is no case" for case in sorted(named - set(ids))),
        *(f"the case {case!r} stands twice" for case in sorted(set(ids)) if ids.count(case) > 1),
    ]


def cases_table(
    found: Mapping[str, Sequence[Shown]],
    cases: Sequence[Case] = CASES,
    elsewhere: str = "Blizzard",
) -> list[str]:
    """What happened elsewhere, and what the tests say of Penstock."""
    lines = [f"| | case | {elsewhere} | Penstock, and the test |", "| --- | --- | --- | --- |"]
    for case in cases:
        ours = "<br>".join(
            " ".join(filter(None, (f"**{test.claim}.**", test.reason, f"({test.link})")))
            for test in found.get(case.id, ())
        )
        cells = (case.id, case.situation, case.elsewhere, ours)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return lines


def kept_table(found: Mapping[str, Sequence[Shown]]) -> list[str]:
    """What is kept, and which tests show it."""
    lines = ["| | kept | shown by |", "| --- | --- | --- |"]
    for behaviour in KEPT:
        tests = "<br>".join(f"{test.claim} ({test.link})" for test in found.get(behaviour.id, ()))
        lines.append(f"| {behaviour.id} | {_cell(behaviour.text)} | {_cell(tests)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/reliability.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    arguments = parser.parse_args()
    found = shown_by_case(ROOT)
    if wrong := problems([case.id for case in (*CASES, *BOARDS, *KEPT)], found):
        sys.exit("\n".join(wrong))
    page = PAGE.read_text(encoding="utf-8")
    current = replaced(page, "cases", cases_table(found))
    current = replaced(current, "boards", cases_table(found, BOARDS, "elsewhere"))
    current = replaced(current, "kept", kept_table(found))
    if not arguments.check:
        PAGE.write_text(current, encoding="utf-8")
    elif current != page:
        sys.exit("docs/reliability.md is not current; run `make fix` and commit what it writes")
    print(
        f"reliability: {len(CASES) + len(BOARDS)} cases and {len(KEPT)} behaviours, each with a test"
    )


if __name__ == "__main__":
    main()
