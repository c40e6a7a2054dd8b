"""Configurations: what works as it stands, what is refused, and how."""

from datetime import timedelta
from pathlib import Path

import pytest

from penstock.base import ConfigError, RetryPolicy
from penstock.ingest._load import load_config
from penstock.ingest._worker import template
from penstock.topology import FailurePolicy
from tests.ingest.configs import ALONE, load, pipeline, problems

FLIGHTS = """\
global: {total_concurrency: 16, poll_jitter_secs: 0, connection_pooling: true}
metrics: {address: "127.0.0.1:9090"}
pipelines:
  flights:
    sources:
      main: {path: data/flights, compression: gzip, poll_interval_secs: 5}   # gzip | zstd | none; default by file name
    schema:
      fields:                                  # string int32 int64 float32 float64 boolean timestamp date json binary; list<T>; struct with fields
        - {name: flight, type: int64, nullable: false}
        - {name: dep_delay, type: float64}
        - {name: time_hour, type: timestamp}
    sink: {table_uri: data/lake/flights, compression: zstd, file_size_mb: 128, max_concurrent_uploads: 4}
    max_concurrent_files: 4
    plan: {max_files: 1000, max_bytes: 2GiB, max_age: 30s}
    error_handling: {dlq_path: data/dlq, max_failures: 0, bad_lines: row}    # 0: no limit; row | file
"""


def test_the_documented_configuration_works_as_it_stands(tmp_path: Path) -> None:
    config = load(tmp_path, FLIGHTS)

    flights = config.pipelines["flights"]
    assert config.shared.total_concurrency == 16
    assert config.shared.poll_jitter_secs == 0
    assert config.metrics is not None
    assert config.metrics.address == "127.0.0.1:9090"
    assert flights.sources["main"].path == str(tmp_path / "data/flights")
    assert flights.poll_interval == timedelta(seconds=5)
    assert [field.name for field in flights.schema_.fields] == ["flight", "dep_delay", "time_hour"]
    assert flights.sink.table_uri == str(tmp_path / "data/lake/flights")
    assert flights.plan.max_bytes == 2 * 1024**3
    assert flights.error_handling.dlq_path == str(tmp_path / "data/dlq")


@pytest.mark.case("k01")
def test_defaults_are_filled_in(tmp_path: Path) -> None:
    config = load(tmp_path, ALONE)

    found = config.pipelines["default"]
    assert found.sources["main"].poll_interval_secs == timedelta(seconds=60)
    assert found.sources["main"].settle_secs == timedelta(seconds=2)
    assert found.sink.file_size_mb == 128
    assert found.sink.dictionary == "sampled"
    assert found.error_handling.max_failures == 0
    assert config.metrics is None
    assert config.state_dir == tmp_path / ".penstock"


def test_a_source_and_a_sink_at_the_top_level_are_a_pipeline_named_default(tmp_path: Path) -> None:
    config = load(tmp_path, ALONE)

    assert list(config.pipelines) == ["default"]
    assert list(config.pipelines["default"].sources) == ["main"]


def test_half_a_pipeline_at_the_top_level_says_what_is_missing(tmp_path: Path) -> None:
    [found] = problems(tmp_path, "source: {path: in}\n")

    assert "which lacks schema and sink" in found


@pytest.mark.case("k03")
def test_files_and_directories_merge_files_first_then_directories_sorted(tmp_path: Path) -> None:
    """The order decides which `global` holds, so it must not depend on the file system."""
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "b.yml").write_text(pipeline("b", "b", "tb", "global: {total_concurrency: 3}\n"))
    (directory / "a.yaml").write_text(pipeline("a", "a", "ta", "global: {total_concurrency: 2}\n"))
    (directory / "notes.txt").write_text("not: [yaml")
    lone = tmp_path / "z.yaml"
    lone.write_text(pipeline("z", "z", "tz", "global: {total_concurrency: 1}\n"))

    config = load_config([directory, lone], environ={})

    assert list(config.pipelines) == ["z", "a", "b"]
    assert config.shared.total_concurrency == 3


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(pipeline("a", "a", "t"))

    config = load_config([tmp_path / "a.yaml", tmp_path], environ={})

    assert list(config.pipelines) == ["a"]


@pytest.mark.case("k03")
def test_the_same_key_in_two_files_is_a_problem_that_names_both_places(tmp_path: Path) -> None:
    found = problems(tmp_path, pipeline("a", "in", "t"), "\n" + pipeline("a", "in2", "t2"))

    assert found == [
        "1.yaml:3: pipelines.a: the pipeline 'a' is already at 0.yaml:2; give one of them another key"
    ]


def test_values_are_interpolated_and_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "where").write_text("lake/x\n")
    text = pipeline("a", "${IN:-in}", "${file:where}")

    config = load(tmp_path, text, IN="")

    assert config.pipelines["a"].sources["main"].path == str(tmp_path / "in")
    assert config.pipelines["a"].sink.table_uri == str(tmp_path / "lake/x")


@pytest.mark.case("k01")
def test_every_problem_of_every_file_comes_at_once_with_file_line_and_suggestion(
    tmp_path: Path,
) -> None:
    found = problems(
        tmp_path,
        pipeline("a", "${NOWHERE}", "t", "    max_concurent_files: 2\nmetrics: {enabled: true}\n"),
        pipeline("b", "gs://x/y", "t", "    plan: {max_bytes: lots}\n    sink_parallelism: 2\n"),
        "pipelines: [\n",
    )

    assert [text.partition(";")[0] for text in found] == [
        "0.yaml:3: pipelines.a.sources.main.path: the variable NOWHERE is not set",
        "0.yaml:6: pipelines.a.max_concurent_files: unknown key 'max_concurent_files'",
        "0.yaml:7: metrics.enabled: metrics are served where there is an address",
        "1.yaml:3: pipelines.b.sources.main.path: Google Cloud Storage cannot be read or written yet, got 'gs://x/y'",
        "1.yaml:5: pipelines.b.sink.table_uri: the table of 'b' is also the table of 'a' (0.yaml:5): t",
        "1.yaml:6: pipelines.b.plan.max_bytes: expected a size such as 512KiB, 128MiB or 2GiB, got 'lots'",
        "1.yaml:7: pipelines.b.sink_parallelism: rows are written in one order, so that repeated work gives the same file",
        "2.yaml:2: not YAML: expected the node content, but found '<stream end>'",
    ]
    assert found[1].endswith("did you mean 'max_concurrent_files'?")


def test_a_reference_that_yaml_takes_for_a_mapping_is_explained(tmp_path: Path) -> None:
    [found] = problems(tmp_path, "source: {path: ${IN}}\n")

    assert found.endswith('inside braces, write quotes around "${...}"')


def test_a_suggestion_knows_the_keys_of_its_own_block(tmp_path: Path) -> None:
    [found] = problems(tmp_path, ALONE.replace("type: int64", "type: int64, nulable: true"))

    assert found.endswith("did you mean 'nullable'?")


@pytest.mark.parametrize("key", ["a/b", "", "_replay", ".x", "a" * 64, "ü"])
def test_a_key_that_cannot_stand_in_a_file_name_is_refused(tmp_path: Path, key: str) -> None:
    found = problems(tmp_path, pipeline(f'"{key}"', "in", "t"))

    assert "expected a key of letters, digits" in found[0]


@pytest.mark.parametrize("value", ["append", "replace"])
def test_other_answers_to_changed_content_are_refused_with_a_way_out(
    tmp_path: Path, value: str
) -> None:
    [found] = problems(tmp_path, ALONE.replace("path: in", f"path: in, on_change: {value}"))

    assert "write on_change: report" in found


def test_a_directory_without_configuration_and_a_file_without_pipelines_are_problems(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.yaml").write_text("global: {}\n")

    with pytest.raises(ConfigError, match="holds no configuration"):
        load_config([tmp_path / "empty"], environ={})
    with pytest.raises(ConfigError, match="there is no pipeline"):
        load_config([tmp_path / "none.yaml"], environ={})


def test_scalars_in_storage_options_become_text(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        ALONE.replace(
            "table_uri: out", "table_uri: s3a://b//t/, storage_options: {aws_allow_http: true}"
        ),
    )

    sink = config.pipelines["default"].sink
    assert sink.table_uri == "s3://b/t"
    assert sink.storage_options == {"aws_allow_http": "true"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("compression_level: 23", "zstd has no compression_level 23; write -7 to 22"),
        (
            "compression: gzip, compression_level: 0",
            "gzip has no compression_level 0; write 1 to 9",
        ),
        ("compression: lz4, compression_level: 1", "lz4 has no compression_level 1; leave it out"),
        ("dictionary: all, integer_encoding: delta", "write dictionary: strings or sampled"),
    ],
)
def test_options_of_parquet_that_could_do_nothing_are_refused(
    tmp_path: Path, options: str, problem: str
) -> None:
    [found] = problems(tmp_path, ALONE.replace("out}", f"out, {options}}}"))

    assert problem in found


def test_how_parquet_is_written_goes_into_the_plans(tmp_path: Path) -> None:
    """Rivals and restarts read it there, not in their own configuration."""
    options = "compression_level: 3, dictionary: strings, integer_encoding: delta"
    config = load(tmp_path, ALONE.replace("out}", f"out, {options}}}"))

    writer = template("default", config.pipelines["default"]).writer

    assert (writer.compression_level, writer.dictionary, writer.integer_encoding) == (
        3,
        "strings",
        "delta",
    )


def test_a_pipeline_says_how_it_is_looked_after_where_that_differs(tmp_path: Path) -> None:
    """In a file of many pipelines and in one of a single pipeline alike."""
    own = "supervision: {on_failure: stop_all, retry: {maximum_attempts: 3}}\n"
    shared = "global: {supervision: {on_failure: isolate, stable_after: 7s}}\n"

    many = load(tmp_path, f"{shared}{pipeline('a', 'in', 't', f'    {own}')}").pipelines["a"]
    lone = load(tmp_path, f"{shared}{ALONE}{own}").pipelines["default"]

    assert many.supervision == lone.supervision
    assert many.supervision.on_failure is FailurePolicy.STOP_ALL
    assert many.supervision.retry == RetryPolicy(maximum_attempts=3)
    assert many.supervision.stable_after is None


def test_what_a_pipeline_cannot_say_of_its_supervision_is_named(tmp_path: Path) -> None:
    """A drain ends all of them, and a key that nothing reads is a slip."""
    wrong = "    supervision:\n      on_failure: stop\n      drain_deadline: 3s\n      retrys: {}\n"

    found = problems(tmp_path, pipeline("a", "in", "t", wrong))

    assert [line.partition(": ")[0] for line in found] == ["0.yaml:7", "0.yaml:8", "0.yaml:9"]
    assert "did you mean 'retry'?" in found[2]
