"""What is printed for people is aligned, and cannot steer their terminal."""

import pytest

from penstock.cli._printing import print_table


def test_columns_are_aligned_with_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        [{"name": "a", "rows": 1}, {"name": "bcd", "rows": 1234}], ("name", "rows"), empty=""
    )

    assert capsys.readouterr().out == "NAME   ROWS\na         1\nbcd   1,234\n"


def test_no_row_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], ("name",), empty="there is nothing")

    assert capsys.readouterr().out == "there is nothing\n"


def test_control_characters_of_data_are_shown_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "a\x1b[31m\nb"}], ("name",), empty="")

    assert capsys.readouterr().out == "NAME\na\\x1b[31m\\nb\n"
