"""Two owners of one place are found before anything is read or written."""

from pathlib import Path

import pytest

from penstock.base import ConfigError
from tests.ingest.configs import load, pipeline, problems


@pytest.mark.case("k03")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("in", "t1"), ("in/", "t2")),
        (("in", "t1"), ("./x/../in", "t2")),
        (("in", "t1"), ("in/deeper", "t2")),
        (("in", "t"), ("in2", "t")),
        (("in", "t"), ("in2", "t/below")),
        (("in", "t"), ("t", "t2")),
        (("in", "in/t"), ("in2", "t2")),
        (("s3://b/in", "t1"), ("s3a://b/in/", "t2")),
    ],
)
def test_a_place_that_two_claim_is_a_problem(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    found = problems(tmp_path, pipeline("a", *first), pipeline("b", *second))

    assert len(found) == 1


def test_a_link_to_a_directory_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")

    [found] = problems(tmp_path, pipeline("a", "in", "t1"), pipeline("b", "link", "t2"))

    assert "the source of 'b' is also the source of 'a'" in found


def test_places_that_only_share_the_start_of_a_name_are_apart(tmp_path: Path) -> None:
    assert load(tmp_path, pipeline("a", "in", "t"), pipeline("b", "in2", "t2")).pipelines


def test_one_bucket_name_on_two_servers_is_two_buckets(tmp_path: Path) -> None:
    other = pipeline("b", "s3://b/in", "t2").replace(
        'path: "s3://b/in"', 'path: "s3://b/in", storage_options: {aws_endpoint: "http://other:1"}'
    )

    assert load(tmp_path, pipeline("a", "s3://b/in", "t1"), other).pipelines


@pytest.mark.parametrize("letters", ["in", "in/dlq", "t", "t/dlq"])
def test_dead_letters_may_not_be_read_again_nor_stand_among_a_tables_files(
    tmp_path: Path, letters: str
) -> None:
    """Files inside a source would be read as its files, those inside a table are removed by vacuum."""
    text = pipeline("a", "in", "t", f"    error_handling: {{dlq_path: {letters}}}\n")

    [found] = problems(tmp_path, text)

    assert "dead letters" in found


@pytest.mark.parametrize("letters", ["t/_dlq", "in/_dlq", ".", "dlq"])
def test_dead_letters_out_of_the_way_are_fine(tmp_path: Path, letters: str) -> None:
    text = pipeline("a", "in", "t", f"    error_handling: {{dlq_path: {letters}}}\n")

    assert load(tmp_path, text).pipelines


def test_two_pipelines_may_share_a_place_for_dead_letters(tmp_path: Path) -> None:
    extra = "    error_handling: {dlq_path: dlq}\n"

    assert load(
        tmp_path, pipeline("a", "a", "ta", extra), pipeline("b", "b", "tb", extra)
    ).pipelines


@pytest.mark.parametrize("state", ["in", "in/state", "t", "t/state", ".", "dlq", "t/.."])
def test_the_state_directory_is_nobodys_place(tmp_path: Path, state: str) -> None:
    """What is in it may be deleted at any time, and a table's vacuum would delete it."""
    text = pipeline("a", "in", "t", "    error_handling: {dlq_path: dlq}\n")

    found = problems(tmp_path, f"{text}state_dir: {state}\n")

    assert found
    assert all(" the state directory (" in line for line in found)


@pytest.mark.parametrize("state", ["state", "in/_state", "t/.state", ".penstock"])
def test_a_state_directory_out_of_the_way_is_fine(tmp_path: Path, state: str) -> None:
    assert load(tmp_path, f"{pipeline('a', 'in', 't')}state_dir: {state}\n").pipelines


def test_of_several_state_directories_the_last_one_counts(tmp_path: Path) -> None:
    """The others are never used."""
    first = f"{pipeline('a', 'in', 't')}state_dir: in\n"

    assert load(tmp_path, first, "state_dir: state\n").pipelines


@pytest.mark.parametrize(
    ("first", "second", "way_out"),
    [
        (("in", "t"), ("in", "t2"), "let one of them read it"),
        (("in", "t"), ("in2", "t"), "let one pipeline have both sources"),
        (("in", "t"), ("t", "t2"), "outside of every source"),
    ],
)
def test_a_conflict_comes_with_a_way_out(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], way_out: str
) -> None:
    [found] = problems(tmp_path, pipeline("a", *first), pipeline("b", *second))

    assert way_out in found


def test_every_conflict_of_all_files_is_named_at_once(tmp_path: Path) -> None:
    """Whoever corrects one at a time starts a dozen times."""
    found = problems(
        tmp_path,
        pipeline("a", "in", "t"),
        pipeline("b", "in", "t"),
        f"{pipeline('a', 'in3', 't3')}state_dir: t3\n",
    )

    assert len(found) == 4


def test_conflicts_are_reported_beside_other_problems(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, pipeline("a", "in", "t", "    plam: {}\n"), pipeline("b", "in", "t2"))

    assert len(caught.value.problems) == 2
