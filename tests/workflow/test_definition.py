"""A definition is checked whole: every fault at once, each with a place and a way out."""

from pathlib import Path

import pytest

from penstock.base import ConfigError
from penstock.workflow import Pipeline, definition
from penstock.workflow._definition_config import ParameterConfig, ShellConfig, StepConfig
from penstock.workflow._finding import (
    Checks,
    DefinitionError,
    Finding,
    NotRunnableError,
    Severity,
    SqlProblem,
)
from penstock.workflow._policy import StepRetry

HEAD = "metadata: {name: daily}\nspec:\n  steps:\n"
DO = "shell: {command: x}"


def faults(steps: str, *, checks: Checks | None = None, head: str = HEAD) -> tuple[Finding, ...]:
    with pytest.raises(DefinitionError) as caught:
        Pipeline.from_yaml(head + steps, file="daily.yaml", checks=checks)
    return caught.value.findings


def only(steps: str, *, checks: Checks | None = None, head: str = HEAD) -> Finding:
    (found,) = faults(steps, checks=checks, head=head)
    return found


def test_all_faults_are_found_at_once_with_line_column_and_hint() -> None:
    found = faults(
        "    clean:\n"
        "      needs: [lod]\n"
        "      shell: {command: '${{ params.day }}'}\n"
        "    load:\n"
        "      needs: [clean]\n"
        "      retires: {}\n"
        f"      {DO}\n"
    )

    assert [(each.code, each.line, each.column) for each in found] == [
        ("UNKNOWN_STEP", 5, 15),
        ("UNKNOWN_PARAMETER", 6, 29),
        ("UNREACHABLE_STEP", 7, 5),
        ("SCHEMA", 9, 7),
    ]
    assert found[0].hint == "did you mean 'load'?"
    assert found[3].hint == "did you mean 'retry'?"


def test_a_cycle_is_shown_as_a_path() -> None:
    found = only(
        f"    a: {{needs: [c], {DO}}}\n    b: {{needs: [a], {DO}}}\n    c: {{needs: [b], {DO}}}\n"
    )

    assert found.code == "CYCLE"
    assert "a -> c -> b -> a" in found.message


def test_each_of_two_cycles_is_shown() -> None:
    found = faults(
        f"    a: {{needs: [b], {DO}}}\n    b: {{needs: [a], {DO}}}\n    c: {{needs: [c, a], {DO}}}\n"
    )

    assert [each.message.rpartition(": ")[2] for each in found] == ["a -> b -> a", "c -> c"]


def test_a_step_that_waits_for_a_cycle_can_never_start() -> None:
    found = faults(f"    a: {{needs: [a], {DO}}}\n    b: {{needs: [a], {DO}}}\n")

    assert [each.code for each in found] == ["CYCLE", "UNREACHABLE_STEP"]
    assert "waits for 'a'" in found[1].message


def test_a_bad_expression_is_shown_at_its_column() -> None:
    found = only("    a:\n      shell: {command: 'echo ${{ 1 + }}'}\n")

    assert (found.code, found.line, found.column) == ("EXPRESSION", 5, 37)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("${{ nothing.at.all }}", "UNKNOWN_NAME"),
        ("${{ run.name }}", "UNKNOWN_NAME"),
        ("${{ params.none }}", "UNKNOWN_PARAMETER"),
        ("${{ steps.none.outputs }}", "UNKNOWN_STEP"),
        ("${{ steps.other.outputs }}", "NOT_UPSTREAM"),
        ("${{ secrets.slak }}", "MISSING_SECRET"),
        ("${{ 1 ", "EXPRESSION"),
    ],
)
def test_an_expression_may_only_refer_to_what_there_is(text: str, code: str) -> None:
    steps = f"    a:\n      shell: {{command: '{text}'}}\n    other: {{{DO}}}\n"

    assert only(steps, checks=Checks(secrets={"slack"})).code == code


def test_results_of_steps_further_up_may_be_used() -> None:
    Pipeline.from_yaml(
        f"{HEAD}    a: {{{DO}}}\n    b: {{needs: [a], {DO}}}\n"
        "    c: {needs: [b], shell: {command: '${{ steps.a.outputs.x }}'}}\n"
    )


def test_what_a_step_has_is_known_before_it_runs() -> None:
    found = only(
        f"    a: {{{DO}}}\n    b: {{needs: [a], shell: {{command: '${{{{ steps.a.output.x }}}}'}}}}\n"
    )

    assert found.code == "UNKNOWN_NAME"
    assert "did you mean 'outputs'?" in found.hint


def test_the_item_of_a_map_is_known_inside_it() -> None:
    steps = "    a:\n      map: {{over: '${{{{ {} }}}}', as: day}}\n      shell: {{command: '${{{{ day }}}}'}}\n"

    Pipeline.from_yaml(HEAD + steps.format("[1, 2]"))

    assert only(steps.format("day")).code == "UNKNOWN_NAME"


def test_when_is_one_expression_and_nothing_else() -> None:
    found = only(f"    a: {{when: params.x, {DO}}}\n")

    assert found.code == "NOT_AN_EXPRESSION"
    assert "${{ params.x }}" in found.hint


def test_a_value_is_bound_to_a_query_never_put_into_it() -> None:
    found = only("    a:\n      sql: {text: 'select ${{ run.id }}'}\n")

    assert found.code == "SQL_SPLICED"
    assert "bind" in found.hint


def test_a_query_is_parsed_in_its_dialect() -> None:
    def no_from(text: str) -> list[SqlProblem]:
        return [] if "from" in text else [SqlProblem("expected FROM", 1, 8)]

    checks = Checks(dialects={"duckdb": no_from})

    found = only("    a:\n      sql: {text: select 1}\n", checks=checks)

    assert found.code == "SQL"
    assert "expected FROM (line 1, column 8 of the query)" in found.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\na: 2\n", "DUPLICATE_KEY"),
        ("a: [1\n", "YAML"),
        ("%YAML 1.1\n---\nmetadata: {name: a}\n", "YAML_VERSION"),
        ("metadata: {name: 2026-01-01}\n", "TAG"),
        ("metadata: {name: !x y}\n", "TAG"),
        ("spec: {steps: {1: {}}}\n", "KEY"),
    ],
)
def test_the_text_is_strict_yaml(text: str, code: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Pipeline.from_yaml(text)

    assert code in {found.code for found in caught.value.findings}


def test_words_that_yaml_1_1_misreads_are_strings() -> None:
    head = "metadata: {name: daily, labels: {country: NO, at: 08:30}}\nspec:\n  steps:\n"

    pipeline = Pipeline.from_yaml(f"{head}    a: {{{DO}}}\n")

    assert pipeline.definition.metadata.labels == {"country": "NO", "at": "08:30"}


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("  schedule: {cron: '0 2 * * *', timezone: Europe/Berlin}", "schedule"),
        ("  upstream: [{pipeline: hourly}]", "upstream"),
        ("  deadline: {finish_by: '06:00'}", "deadline"),
        ("  notify: [{to: [x]}]", "notify"),
        ("    b: {approval: {roles: [operator]}, shell: {command: x}}", "approval"),
        ("    b: {cache: {ttl: 7d}, shell: {command: x}}", "cache"),
        ("    b: {resources: {cpu: 8}, shell: {command: x}}", "resources"),
        ("    b: {quality: {table: t}}", "quality"),
        ("    b: {notify: {to: [x]}}", "notify"),
        ("    b: {sql: {engine: trino, text: select 1}}", "trino"),
        ("    b: {spark: {main: a.py}}", "spark"),
        ("    b: {flink: {job: a}}", "flink"),
        ("    b: {python: {entrypoint: 'a:b', image: python}}", "image"),
    ],
)
def test_a_key_of_a_later_version_is_valid_and_refused_by_name_at_run_time(
    part: str, key: str
) -> None:
    """Never ignored: a run without its approval would be worse than none."""
    pipeline = Pipeline.from_yaml(f"{HEAD}    a: {{{DO}}}\n{part}\n")

    (found,) = pipeline.findings
    assert found.severity is Severity.NOT_RUNNABLE
    assert found.message == f"{key!r} is not runnable yet"
    with pytest.raises(NotRunnableError, match=key):
        pipeline.require_runnable()


def test_compensation_that_would_never_run_is_a_warning() -> None:
    pipeline = Pipeline.from_yaml(f"{HEAD}    a: {{{DO}, compensate: {{{DO}}}}}\n")

    assert [found.severity for found in pipeline.findings] == [Severity.WARNING]
    pipeline.require_runnable()


def test_a_step_has_exactly_one_type() -> None:
    assert "got none" in only("    a: {}\n").message
    assert "got sql and shell" in only(f"    a: {{{DO}, sql: {{text: select 1}}}}\n").message


def test_a_definition_built_in_python_has_the_digest_of_its_yaml() -> None:
    text = (
        "apiVersion: pipelines/v1\nkind: Pipeline\n"
        "metadata: {name: daily, owner: team}\n"
        "spec:\n"
        "  timeout: 4h\n"
        "  parameters: {region: {type: string, default: eu}}\n"
        "  steps:\n"
        "    load: {needs: [clean, check], shell: {command: x}}\n"
        "    check: {shell: {command: x}}\n"
        "    clean: {shell: {command: x}, retry: {maximum_attempts: 3, initial_interval: 10s}}\n"
    )
    steps = {
        "clean": StepConfig(
            shell=ShellConfig(command="x"),
            retry=StepRetry(maximum_attempts=3, initial_interval="10s"),
        ),
        "check": {"shell": {"command": "x"}},
        "load": StepConfig(needs=("check", "clean"), shell=ShellConfig(command="x")),
    }
    parameters = {"region": ParameterConfig(default="eu")}

    built = Pipeline.build(
        "daily", owner="team", steps=steps, parameters=parameters, timeout=14_400
    )

    assert built.digest == Pipeline.from_yaml(text).digest


def test_whatever_changes_the_work_changes_the_digest(tmp_path: Path) -> None:
    """Also a query in a file of its own: a run pins what it runs."""
    (tmp_path / "p.yaml").write_text(f"{HEAD}    a: {{sql: {{file: q.sql}}}}\n")
    digests = set()
    for query in ("select 1", "select 2"):
        (tmp_path / "q.sql").write_text(query)
        digests.add(Pipeline.from_file(tmp_path / "p.yaml").digest)

    assert len(digests) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"{HEAD}    a: {{sql: {{file: q.sql}}}}\n")

    with pytest.raises(DefinitionError, match=r"4:21: error FILE spec.steps.a.sql.file"):
        Pipeline.from_file(tmp_path / "p.yaml")


def test_faults_of_a_definition_in_python_are_found_too() -> None:
    with pytest.raises(DefinitionError, match="UNKNOWN_STEP") as caught:
        Pipeline.build("a", steps={"x": StepConfig(needs=("y",), shell=ShellConfig(command="x"))})

    assert caught.value.findings[0].line == 0


def test_what_a_step_does_not_say_comes_from_the_defaults() -> None:
    pipeline = Pipeline.from_yaml(
        "metadata: {name: daily}\nspec:\n"
        "  defaults: {retry: {maximum_attempts: 4}, timeout: {queue: 10m, attempt: 45m}}\n"
        f"  steps:\n    a: {{{DO}, timeout: {{attempt: 1h}}}}\n"
    )

    node = pipeline.graph.nodes["a"]

    assert node.retry.maximum_attempts == 4
    assert (node.timeouts.queue.total_seconds(), node.timeouts.attempt.total_seconds()) == (
        600,
        3600,
    )


def test_parameters_are_bound_with_all_faults_at_once() -> None:
    parameters = {
        "region": {"enum": ["eu", "us"], "default": "eu"},
        "days": {"type": "integer"},
    }
    pipeline = Pipeline.build("a", steps={"x": {"shell": {"command": "x"}}}, parameters=parameters)

    assert pipeline.bind({"days": 3}) == {"region": "eu", "days": 3}
    with pytest.raises(ConfigError) as caught:
        pipeline.bind({"regoin": "eu", "days": True})
    assert [problem.key for problem in caught.value.problems] == ["regoin", "days"]


def test_a_default_that_does_not_fit_its_type_is_a_fault() -> None:
    head = "metadata: {name: a}\nspec:\n  parameters: {n: {type: integer, default: x}}\n  steps:\n"

    assert only(f"    a: {{{DO}}}\n", head=head).code == "PARAMETER_DEFAULT"


def test_the_schema_names_every_key() -> None:
    schema = definition.json_schema()

    assert schema["$schema"].endswith("2020-12/schema")
    step = schema["$defs"]["StepConfig"]["properties"]
    assert {"needs", "sql", "spark", "approval", "compensate", "map"} <= step.keys()
    assert "as" in schema["$defs"]["MapConfig"]["properties"]


def test_the_schema_takes_durations_and_sizes_as_people_write_them() -> None:
    """An editor that underlines `45m` would be worse than none."""
    models = definition.json_schema()["$defs"]
    either = [{"type": "string"}, {"type": "number", "minimum": 0}, {"type": "null"}]

    assert models["Timeouts"]["properties"]["attempt"]["anyOf"] == either
    assert models["PythonConfig"]["properties"]["memory"]["anyOf"] == either
