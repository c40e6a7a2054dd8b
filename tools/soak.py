"""Run the long proofs, and write what they counted into docs/reliability.md.

A soak test says what it counted with `record_property("kills", 1000)`; each property is a column
of figures here.
"""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.marked import replaced

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


def figures(report: str) -> list[str]:
    """A Markdown table of the tests in a JUnit report, with the properties they recorded."""
    lines = ["| proof | result | minutes | counted |", "| --- | --- | ---: | --- |"]
    for case in ET.fromstring(report).iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        result = "failed" if failed else "not run" if case.find("skipped") is not None else "passed"
        counted = ", ".join(
            f"{found.get('name')} {_grouped(found.get('value', ''))}"
            for found in case.iter("property")
        )
        words = case.get("name", "").removeprefix("test_").replace("_", " ")
        lines.append(f"| {words} | {result} | {float(case.get('time', 0)) / 60:.1f} | {counted} |")
    return lines


def _grouped(number: str) -> str:
    return f"{int(number):,}" if number.isdecimal() else number


def main() -> None:
    """Run, write, and end with pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "soak.xml")
        command = [sys.executable, "-m", "pytest", "-m", "soak", "--timeout", "0", "-n", "2"]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit2"]
        code = subprocess.run(command, check=False, cwd=ROOT).returncode
        lines = figures(report.read_text(encoding="utf-8"))
    today = f"Measured on {datetime.now(UTC):%Y-%m-%d}."
    page = replaced(PAGE.read_text(encoding="utf-8"), "soak", [today, "", *lines])
    PAGE.write_text(page, encoding="utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main()
