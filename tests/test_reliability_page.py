"""Every case on the reliability page has its test, and every marked test its case."""

from pathlib import Path

from tools.reliability import ROOT, Shown, cases_table, problems, shown_by_case
from tools.reliability_cases import BOARDS, CASES, KEPT

_IDS = [case.id for case in (*CASES, *BOARDS, *KEPT)]
_MODULE = '''\
@pytest.mark.case("one")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.case("two")), 2])
def test_a_claim(x):
    """Its
    reason."""


def helper():
    pytest.mark.case("not a test")


def test_without_a_case(): ...
'''


def test_every_case_has_a_test_and_every_marked_test_a_case() -> None:
    assert problems(_IDS, shown_by_case(ROOT)) == []


def test_a_case_without_a_test_and_a_test_without_a_case_are_found() -> None:
    found = shown_by_case(ROOT)
    without = {case: tests for case, tests in found.items() if case != "ii-e"}

    assert problems(_IDS, without) == ["no test is marked with the case 'ii-e'"]
    assert problems(_IDS, [*found, "ii-z"]) == ["a test is marked with 'ii-z', which is no case"]
    assert problems([*_IDS, "0"], found) == ["the case '0' stands twice"]


def test_marks_are_read_from_functions_and_from_their_parameters(tmp_path: Path) -> None:
    """Without importing the tests, so that the gate needs none of what they need."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text(_MODULE)

    shown = Shown("test_a_claim", "Its reason.", "tests/test_x.py")
    assert shown_by_case(tmp_path) == {"one": [shown], "two": [shown]}


def test_our_column_is_what_the_tests_say() -> None:
    found = {"ii-e": [Shown("test_all_is_read", "Members | too.", "tests/x/test_y.py")]}

    [row] = [line for line in cases_table(found) if line.startswith("| ii-e |")]

    assert row.endswith(r"| **All is read.** Members \| too. ([test_y.py](../tests/x/test_y.py)) |")
