"""What commands print, and the code they exit with."""

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Penstock

CONFIG = """\
pipelines:
  a:
    sources: {main: {path: in}}
    schema: {fields: [{name: id, type: int64}]}
    sink: {table_uri: t}
"""


def test_init_writes_a_configuration_that_is_valid(tmp_path: Path, penstock: Penstock) -> None:
    assert penstock("init", tmp_path).code == 0

    checked = penstock("validate", tmp_path, "--output", "json")
    assert checked.code == 0
    [pipeline] = json.loads(checked.out)["pipelines"]
    assert pipeline["pipeline"] == "readings"
    assert pipeline["sources"] == str(tmp_path / "data/inbox")


def test_init_writes_the_same_files_wherever_it_is_called(
    tmp_path: Path, penstock: Penstock
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    penstock("init", first)
    penstock("init", second)

    for path in first.rglob("*.gz"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
        assert len(gzip.decompress(path.read_bytes()).splitlines()) == 384


def test_init_overwrites_nothing(tmp_path: Path, penstock: Penstock) -> None:
    (tmp_path / "penstock.yaml").write_text("mine")

    ended = penstock("init", tmp_path)

    assert ended.code == 1
    assert "exists and is left alone" in ended.err
    assert [path.name for path in tmp_path.rglob("*")] == ["penstock.yaml"]


def test_problems_of_a_configuration_exit_with_2_and_stand_on_standard_error(
    tmp_path: Path, penstock: Penstock
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG.replace("sink:", "sinc:"))

    ended = penstock("validate", tmp_path / "x.yaml")

    assert ended.code == 2
    assert ended.out == ""
    assert "x.yaml:5: pipelines.a.sinc: unknown key 'sinc'; did you mean 'sink'?" in ended.err


def test_problems_as_json_stand_on_standard_output(tmp_path: Path, penstock: Penstock) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG.replace("int64", "int63"))

    ended = penstock("validate", tmp_path / "x.yaml", "--output", "json")

    assert ended.code == 2
    [problem] = json.loads(ended.out)["problems"]
    assert (problem["line"], problem["key"]) == (4, "pipelines.a.schema.fields[0].type")


@pytest.mark.parametrize(
    ("written", "wrong", "said"),
    [
        ("path: in", 'path: "${HOME/in"', "x.yaml:3: pipelines.a.sources.main.path: '${HOME/in' has no end"),
        ("path: in", "path: in, settle_secs: soon", "got 'soon'"),
        ("path: in", 'path: "ftp://in"', "expected a path or s3://bucket/prefix, got 'ftp://in'"),
        ("pipelines:", "metrics: {address: here}\npipelines:", "x.yaml:1: metrics.address: expected host:port such as 127.0.0.1:9090, got 'here'"),
        ("type: int64", "type: int63", "did you mean"),
        ("sink: {", "sink: [", "x.yaml:5: not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_a_way_out(
    tmp_path: Path, penstock: Penstock, written: str, wrong: str, said: str
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG.replace(written, wrong))

    ended = penstock("validate", tmp_path / "x.yaml")

    assert ended.code == 2
    assert said in ended.err
    assert "pydantic" not in ended.err


def test_a_place_for_metrics_that_is_none_is_wrong_usage(
    tmp_path: Path, penstock: Penstock
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)

    ended = penstock("run", "--once", tmp_path / "x.yaml", "--metrics-address", "here")

    assert ended.code == 2
    assert "cannot listen on 'here'" in ended.err


@pytest.mark.parametrize("missing", ["no.yaml", "no-directory"])
def test_a_configuration_that_is_not_there_is_named(
    tmp_path: Path, penstock: Penstock, missing: str
) -> None:
    ended = penstock("run", "--once", tmp_path / missing)

    assert ended.code == 2
    assert f"{missing}: cannot be read: No such file or directory" in ended.err


def test_of_an_empty_state_every_command_has_something_to_say(
    tmp_path: Path, penstock: Penstock
) -> None:
    """In words for people, and as an empty list for programs; nothing is made by looking."""
    (tmp_path / "x.yaml").write_text(CONFIG)
    before = sorted(tmp_path.rglob("*"))

    for words in (["files"], ["dlq", "ls"], ["dlq", "show"]):
        ended = penstock(*words, tmp_path / "x.yaml")
        assert (ended.code, len(ended.out.splitlines())) == (0, 1)
        assert json.loads(penstock(*words, tmp_path / "x.yaml", "--output", "json").out) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["validate"], ["no-such-command"], ["init", "--no-option"]])
def test_wrong_usage_exits_with_2(arguments: list[str], penstock: Penstock) -> None:
    assert penstock(*arguments).code == 2


def test_variables_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, penstock: Penstock
) -> None:
    monkeypatch.setenv("TABLE", "elsewhere")
    (tmp_path / "x.yaml").write_text(CONFIG.replace("table_uri: t", 'table_uri: "${TABLE}"'))

    ended = penstock("validate", tmp_path / "x.yaml", "--output", "json")

    assert json.loads(ended.out)["pipelines"][0]["table"] == str(tmp_path / "elsewhere")


def test_version_names_what_the_program_stands_on(penstock: Penstock) -> None:
    ended = penstock("version", "--output", "json")

    assert {"penstock", "python", "deltalake"} <= set(json.loads(ended.out))
