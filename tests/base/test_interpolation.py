"""`${...}`: what it becomes, and what it cannot do."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.base import Interpolator


@pytest.fixture
def interpolator(tmp_path: Path) -> Interpolator:
    (tmp_path / "secret").write_text("s3cret\n")
    return Interpolator(
        {"HOME_PORT": "Oslo", "EMPTY": "", "TRICK": "${env:HOME_PORT} $$"}, directory=tmp_path
    )


@pytest.mark.case("k02")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no reference", "no reference"),
        ("${HOME_PORT}", "Oslo"),
        ("${env:HOME_PORT}", "Oslo"),
        ("from ${HOME_PORT} to ${HOME_PORT}", "from Oslo to Oslo"),
        ("${ABSENT:-Rome}", "Rome"),
        ("${env:ABSENT:-Rome}", "Rome"),
        ("${EMPTY:-Rome}", "Rome"),
        ("${EMPTY}", ""),
        ("${ABSENT:-}", ""),
        ("${ABSENT:-a:-b}", "a:-b"),
        ("${file:secret}", "s3cret"),
        ("${cmd:printf 'a\\n\\n'}", "a"),
        ("$$5 and $5 and $${HOME_PORT}", "$5 and $5 and ${HOME_PORT}"),
        ("$", "$"),
    ],
)
def test_a_reference_is_replaced(interpolator: Interpolator, text: str, value: str) -> None:
    assert interpolator.expand(text) == value


def test_what_a_variable_holds_is_not_expanded_again(interpolator: Interpolator) -> None:
    assert interpolator.expand("${TRICK}") == "${env:HOME_PORT} $$"


@pytest.mark.case("k02")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${ABSENT}", "ABSENT is not set; set it, or write ${ABSENT:-default}"),
        ("${env:ABSENT}", "ABSENT is not set"),
        ("${}", "write $$ for a dollar sign"),
        ("${a b}", "write $$ for a dollar sign"),
        ("${vault:x}", "write $$ for a dollar sign"),
        ("${HOME/x", "'${HOME/x' has no end"),
        ("${cmd:awk '{print}'}", "no brace before it"),
        ("${file:none}", "'none' cannot be read"),
        ("${cmd:exit 3}", "'exit 3' failed: exit code 3"),
        ("${cmd:echo why >&2; false}", "failed: why"),
    ],
)
def test_what_cannot_be_replaced_says_why(
    interpolator: Interpolator, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        interpolator.expand(text)


def test_commands_do_not_run_where_they_are_not_allowed(tmp_path: Path) -> None:
    interpolator = Interpolator({}, directory=tmp_path, commands=False)

    with pytest.raises(ValueError, match="not allowed here"):
        interpolator.expand("${cmd:touch ran}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.case("k02")
@given(st.text())
def test_a_text_with_its_dollars_doubled_comes_out_as_it_was(text: str) -> None:
    interpolator = Interpolator({}, directory=Path("/nonexistent"), commands=False)

    assert interpolator.expand(text.replace("$", "$$")) == text


@given(st.text(), st.text(), st.text(st.characters(exclude_characters="$"), max_size=20))
def test_a_value_arrives_untouched_whatever_it_holds(value: str, other: str, around: str) -> None:
    """Nothing that a variable holds can bring in another value."""
    interpolator = Interpolator({"X": value, "Y": other}, directory=Path("/nonexistent"))

    assert interpolator.expand(f"{around}${{X}}{around}") == f"{around}{value}{around}"
