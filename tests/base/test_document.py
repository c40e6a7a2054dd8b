"""YAML that knows its lines."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from penstock.base import ConfigError, parse_yaml, read_yaml

TEXT = """\
# a comment
pipelines:
  flights:
    sources: {main: {path: a}}
    fields:
      - name: x
      - {name: y,
         type: int64}
"""


def test_values_are_plain_and_lines_are_known() -> None:
    document = parse_yaml(TEXT, file="c.yaml")

    assert document.data["pipelines"]["flights"]["fields"][1] == {"name": "y", "type": "int64"}
    assert type(document.data) is dict
    assert document.line(("pipelines", "flights")) == 3
    assert document.line(("pipelines", "flights", "fields", 0)) == 6
    assert document.line(("pipelines", "flights", "fields", 1, "type")) == 8


def test_a_path_that_is_not_there_has_the_line_of_its_nearest_ancestor() -> None:
    document = parse_yaml(TEXT, file="c.yaml")

    assert document.line(("pipelines", "flights", "sink", "table_uri")) == 3
    assert document.line(("nothing",)) == 1


def test_a_problem_names_file_line_and_path() -> None:
    document = parse_yaml(TEXT, file="c.yaml")

    problem = document.problem(
        ("pipelines", "flights", "fields", 1, "type"), "no such type", "write int32"
    )

    assert str(problem) == "c.yaml:8: pipelines.flights.fields[1].type: no such type; write int32"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key"),
        ("a:\n  b: 1\n  b: 2\n", 3, "duplicate key"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: &x {p: 1}\nb: {<<: *x, q: 2,\n  q: 3}\n", 3, "duplicate key"),
        ("a: 1\nb: !secret x\n", 2, "the tag '!secret' is not known"),
        ("a: 1\nb: 2024-13-45\n", 2, "'2024-13-45' is no timestamp"),
        ("a: 1\nb: !!int x\n", 2, "'x' is no int"),
        ("a: 1\nb: !!bool maybe\n", 2, "'maybe' is no bool"),
        ("a:\n- !point {x: 1}\n", 2, "the tag '!point' is not known"),
        ("a:\n  ? [b, c]\n  : 1\n", 2, "a key that is no scalar"),
        ("a: 1\nb: &x\n  - c: *x\n", 2, "an alias within its own anchor"),
    ],
)
def test_what_is_not_yaml_is_a_problem_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, file="c.yaml")

    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("c.yaml", line)
    assert message in problem.message


def test_yaml_is_of_version_1_2() -> None:
    """`no` is a word, and a leading zero makes nothing octal."""
    document = parse_yaml("a: no\nb: on\nc: 010\nd: 0o10\n", file="c.yaml")

    assert document.data == {"a": "no", "b": "on", "c": 10, "d": 8}


def test_what_is_merged_gives_way_to_what_stands_there() -> None:
    """Each key has the line on which it was written."""
    text = "one: &one {a: 1, b: 2}\ntwo: &two {b: 3}\nall:\n  b: 4\n  <<: [*one, *two]\n  c: 5\nagain: *one\n"
    document = parse_yaml(text, file="c.yaml")

    assert document.data["all"] == {"a": 1, "b": 4, "c": 5}
    assert document.data["again"] == document.data["one"] == {"a": 1, "b": 2}
    lines = [document.line(("all", key)) for key in "abc"]
    assert lines == [1, 4, 6]


def test_a_tag_of_yaml_makes_a_plain_scalar() -> None:
    """Whatever it looks like otherwise."""
    data = parse_yaml("a: !!str 1\nb: 2024-01-02T03:04:05Z\n", file="c.yaml").data

    assert data == {"a": "1", "b": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)}
    assert [type(value) for value in data.values()] == [str, datetime]


def test_an_empty_file_holds_nothing() -> None:
    assert parse_yaml("", file="c.yaml").data is None


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "absent.yaml")


def test_a_file_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: \xff")

    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(path)


def test_strings_are_mapped_wherever_they_stand_and_keys_are_not() -> None:
    document = parse_yaml("a: x\nb: [x, {x: x}]\nc: 1\n", file="c.yaml")

    assert document.map_strings(str.upper).data == {"a": "X", "b": ["X", {"x": "X"}], "c": 1}


def test_all_strings_that_cannot_be_mapped_are_named() -> None:
    def refuse(text: str) -> str:
        raise ValueError(f"bad {text}")

    with pytest.raises(ConfigError) as caught:
        parse_yaml("a: x\nb:\n  - y\n", file="c.yaml").map_strings(refuse)

    assert [str(problem) for problem in caught.value.problems] == [
        "c.yaml:1: a: bad x",
        "c.yaml:3: b[0]: bad y",
    ]


scalars = st.none() | st.booleans() | st.integers() | st.text("abc: #'\"-${}\n", max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcd", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("xyz", min_size=1), values, min_size=1, max_size=3))
def test_what_yaml_wrote_is_read_back_with_a_line_for_every_key(tmp: dict[str, Any]) -> None:
    text = dumped(tmp)
    document = parse_yaml(text, file="c.yaml")

    assert document.data == tmp
    lines = [document.lines[key,] for key in tmp]
    assert lines == sorted(lines)
    assert all(
        text.splitlines()[line - 1].startswith(key) for key, line in zip(tmp, lines, strict=True)
    )


def dumped(value: dict[str, Any]) -> str:
    """`value` in YAML, by the library's other half."""
    stream = StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(value, stream)
    return stream.getvalue()
