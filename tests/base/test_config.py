"""Configuration models: every problem at once, each with its line and a way out."""

from datetime import timedelta
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from penstock.base import Config, ConfigError, Duration, Problem, Size, parse_yaml, suggest


class Sink(Config):
    """Where rows go."""

    table_uri: str
    """The table."""

    file_size: Size = 2**27
    """Bytes per file."""

    codec: Literal["zstd", "snappy"] = "zstd"
    """How files are compressed."""


class Column(Config):
    """A column."""

    name: str
    """Its name."""


class Pipeline(Config):
    """A pipeline."""

    sink: Sink
    """Its end."""

    every: Duration = timedelta(seconds=5)
    """How often."""

    workers: int = Field(default=1, ge=1)
    """How many."""

    fields: tuple[Column, ...] = ()
    """Columns."""

    extra: dict[str, Sink] = Field(default_factory=dict)
    """More ends, by name."""


def problems(text: str, at: tuple[str | int, ...] = ()) -> list[str]:
    """What is wrong with `text`."""
    with pytest.raises(ConfigError) as caught:
        Pipeline.from_document(parse_yaml(text, file="c.yaml"), at)
    return [str(problem) for problem in sorted(caught.value.problems)]


def test_a_model_is_read_from_a_part_of_a_document() -> None:
    document = parse_yaml(
        "p:\n  - sink: {table_uri: t, file_size: 1MiB}\n    every: 1m\n", file="c"
    )

    pipeline = Pipeline.from_document(document, ("p", 0))

    assert pipeline.sink.file_size == 2**20
    assert pipeline.every == timedelta(minutes=1)


@pytest.mark.case("k01")
def test_all_problems_come_at_once_each_with_its_line() -> None:
    found = problems("sink:\n  tabel_uri: t\nevery: soon\nworkers: 0\nfields:\n  - nam: x\n")

    assert found == [
        "c.yaml:1: sink.table_uri: the key 'table_uri' is required",
        "c.yaml:2: sink.tabel_uri: unknown key 'tabel_uri'; did you mean 'table_uri'?",
        "c.yaml:3: every: expected a duration such as 500ms, 30s, 10m, 1h30m or 7d, got 'soon'",
        "c.yaml:4: workers: input should be greater than or equal to 1, got 0",
        "c.yaml:6: fields[0].nam: unknown key 'nam'; did you mean 'name'?",
        "c.yaml:6: fields[0].name: the key 'name' is required",
    ]


def test_a_key_like_no_other_is_answered_with_what_there_is() -> None:
    (found,) = problems("sink: {table_uri: t, quux: 1}\n")

    assert found.endswith("unknown key 'quux'; there are: codec, file_size, table_uri")


def test_keys_below_names_of_the_users_own_are_suggested_too() -> None:
    (found,) = problems(
        "sink: {table_uri: t}\nextra:\n  mine:\n    table_uri: t\n    codek: zstd\n"
    )

    assert found == "c.yaml:5: extra.mine.codek: unknown key 'codek'; did you mean 'codec'?"


def test_a_choice_is_listed_with_the_value_that_is_none() -> None:
    (found,) = problems("sink: {table_uri: t, codec: zip}\n")

    assert "'zstd' or 'snappy', got 'zip'" in found


def test_places_are_those_of_the_whole_document() -> None:
    found = problems("a:\n  b:\n    sink: 3\n", ("a", "b"))

    assert found[0].startswith("c.yaml:3: a.b.sink: ")


def test_an_empty_part_is_a_model_without_keys() -> None:
    assert problems("") == ["c.yaml:1: sink: the key 'sink' is required"]


def test_a_model_is_frozen_and_strict_in_code_too() -> None:
    sink = Sink(table_uri="t")

    with pytest.raises(ValidationError, match="frozen"):
        sink.table_uri = "u"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Sink(table_uri="t", tabel="x")  # type: ignore[call-arg]


def test_a_duration_is_a_number_of_seconds_in_json() -> None:
    assert Pipeline(sink=Sink(table_uri="t")).model_dump(mode="json")["every"] == 5.0


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [("colour", "did you mean 'color'?"), ("zzz", "there are: color, size")],
)
def test_a_suggestion_is_close_or_a_list(unknown: str, hint: str) -> None:
    assert suggest(unknown, ["size", "color"]) == hint


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert suggest("x", []) == ""


def test_the_error_counts_and_sorts_its_problems() -> None:
    error = ConfigError((Problem("b", 1, "k", "two"), Problem("a", 0, "", "one", "do this")))

    assert str(error) == "2 problems in the configuration:\n  a: one; do this\n  b:1: k: two"
    assert str(ConfigError(error.problems[:1])).startswith("1 problem in the configuration:\n")
