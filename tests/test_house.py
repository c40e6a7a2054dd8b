"""The tools that the gate itself stands on."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from penstock.base import Config, Duration, Size
from tests.conftest import room_of
from tools.links import anchors, broken_links
from tools.marked import replaced
from tools.picture import draw, settled, shown
from tools.reference import outdated
from tools.reference_pages import descriptions, metric_rows, type_name
from tools.setup import locked
from tools.soak import figures

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a](missing.md)", "missing.md does not exist"),
        ("![picture](images/none.svg)", "images/none.svg does not exist"),
        ("[a](other.md#nowhere)", "names a heading that other.md does not have"),
        ("[a](#nowhere)", "names a heading that page.md does not have"),
        ("[a](../../outside.md)", "leads out of the repository"),
        ("[a [b]](missing.md)", "missing.md does not exist"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "other.md").write_text("# Other\n")
    page = tmp_path / "page.md"
    page.write_text(text)

    (found,) = broken_links(page, tmp_path)

    assert problem in found


def test_links_that_lead_somewhere_are_left_alone(tmp_path: Path) -> None:
    """The web is not asked, and what stands in code is no link."""
    (tmp_path / "other.md").write_text("# What it is, for `whom`\n\n## A [link](x.md)\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#what-it-is-for-whom) [b](other.md#a-link) [c](https://example.org/x) `[d](no)`\n"
        "```\n[e](no.md)\n```\n"
    )

    assert list(broken_links(page, tmp_path)) == []


def test_equal_headings_get_numbered_anchors(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Same\n## Same\n```\n# not a heading\n```\n")

    assert anchors(page) == {"same", "same-1"}


def test_a_reference_page_is_outdated_when_changed_missing_or_left_over(tmp_path: Path) -> None:
    (tmp_path / "stale.md").write_text("old")
    (tmp_path / "current.md").write_text("same")
    (tmp_path / "left.md").write_text("of a former page")

    pages = {"stale.md": "new", "current.md": "same", "missing.md": "new"}

    assert outdated(tmp_path, pages) == ["left.md", "missing.md", "stale.md"]


LOCK = """\
uv-build==1.0 \\
    --hash=sha256:aa
uv==2.0 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via penstock (pyproject.toml:dev)
uvloop==3.0 \\
    --hash=sha256:dd
"""


def test_the_installer_itself_is_pinned_by_the_lock_file() -> None:
    entry = locked(LOCK, "uv")

    assert entry.startswith("uv==2.0 ")
    assert "sha256:cc" in entry
    assert "sha256:aa" not in entry
    assert "sha256:dd" not in entry


def test_a_package_that_is_not_locked_is_named() -> None:
    with pytest.raises(LookupError, match="make lock"):
        locked(LOCK, "absent")


def test_the_lock_file_has_hashes_and_no_address() -> None:
    """An address would tie the project to one registry."""
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            assert line.endswith("\\"), f"{line} has no hash"


REPORT = """\
<testsuites><testsuite>
  <testcase classname="t" name="test_no_kill_loses_a_row" time="120.0">
    <properties><property name="kills" value="1000"/><property name="rows" value="12345"/></properties>
  </testcase>
  <testcase classname="t" name="test_broken" time="1"><failure message="x"/></testcase>
  <testcase classname="t" name="test_absent" time="0"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_the_figures_of_the_long_proofs_come_from_their_report() -> None:
    assert figures(REPORT)[2:] == [
        "| no kill loses a row | passed | 2.0 | kills 1,000, rows 12,345 |",
        "| broken | failed | 0.0 |  |",
        "| absent | not run | 0.0 |  |",
    ]


def test_a_generated_part_replaces_what_stood_there_and_nothing_else() -> None:
    page = "# Page\n<!-- x:begin -->\nold\n<!-- x:end -->\n<!-- y:begin --><!-- y:end -->\n"

    once = replaced(page, "x", ["new"])

    assert once == page.replace("old", "new")
    assert replaced(once, "x", ["new"]) == once


def test_a_page_without_the_part_is_left_alone() -> None:
    with pytest.raises(ValueError, match="expected <!-- soak:begin -->"):
        replaced("# Page\n", "soak", ["new"])


def test_the_page_for_the_figures_has_its_part() -> None:
    assert replaced((ROOT / "docs" / "reliability.md").read_text(), "soak", ["x"])


def test_a_picture_shows_what_a_terminal_showed_at_the_end() -> None:
    """A progress line that was overwritten is not drawn twice."""
    program = "import sys; print('1%', end='\\r'); print('99%'); print(sys.stdout.isatty())"

    text = shown([sys.executable, "-c", program])

    assert text == "99%\nTrue\n"
    assert "99%" in draw(text, "title")


def test_a_picture_shows_a_live_view_once() -> None:
    """A live view goes up over its own lines and erases them."""
    first, again = "a 1\r\nb 1", "\r\x1b[2K\x1b[1A\x1b[2Ka 2\r\nb 2\r\n"

    assert settled(f"\x1b[?25l{first}{again}\x1b[?25hend") == "a 2\nb 2\nend"


def test_a_command_that_fails_is_not_drawn() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        shown([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize(
    ("nodeid", "room"),
    [
        ("tests/flow/test_channel.py::test_x", "flow"),
        ("tests/flow/deep/test_channel.py::test_x[a/b]", "flow"),
        ("tests/test_house.py::test_x", "house"),
    ],
)
def test_a_test_s_time_is_its_room_s(nodeid: str, room: str) -> None:
    assert room_of(nodeid) == room


def test_a_metric_is_documented_where_it_is_declared() -> None:
    source = """
_TABLE = ("pipeline", "table")
rows = metrics.counter("penstock_rows_total", "Rows | written.", ("pipeline", "table"))
depth = self._metrics.gauge("penstock_depth", "Waiting.")
age = metrics.gauge("penstock_age", "Age.", (*_TABLE, "quantile"))
size = metrics.gauge("penstock_size", "Size.", labels=_TABLE)
other.counter(name)
"""

    assert list(metric_rows(source)) == [
        "| `penstock_rows_total` | counter | `pipeline`, `table` | Rows \\| written. |",
        "| `penstock_depth` | gauge |  | Waiting. |",
        "| `penstock_age` | gauge | `pipeline`, `table`, `quantile` | Age. |",
        "| `penstock_size` | gauge | `pipeline`, `table` | Size. |",
    ]


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "int"),
        (Duration, "duration"),
        (dict[str, Size], "dict[str, int]"),
        (tuple[str, ...], "tuple[str]"),
        (str | None, "str"),
        (Literal["zstd", "none"], "`zstd` or `none`"),
        (list[Duration | str], "list[duration or str]"),
        (Any, "Any"),
    ],
)
def test_a_type_is_shown_without_validators_and_addresses(annotation: object, name: str) -> None:
    """A page that changed with every run could not be checked."""
    assert type_name(annotation) == name


class _Written(Config):
    """A model with a base, for the reference."""

    codec: str = "zstd"
    """How files are compressed;
    by name."""

    level: int = 1


class _Larger(_Written):
    """It has the fields of its base too."""

    rows: int = 5
    """Rows of a group."""


def test_the_string_below_a_field_is_its_description() -> None:
    """The reference is made from it."""
    assert descriptions(_Larger) == {
        "codec": "How files are compressed;\nby name.",
        "rows": "Rows of a group.",
    }
