"""The tools that the gate itself stands on."""

from pathlib import Path

import pytest

from tools.links import anchors, broken_links
from tools.reference import outdated
from tools.setup import locked


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
ruff==1.0 \\
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
    lock = (Path(__file__).parent.parent / "requirements.lock").read_text()

    assert "://" not in lock
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            assert line.endswith("\\"), f"{line} has no hash"
