"""Expressions are CEL: total, without side effects, parsed once."""

import pytest

from penstock.workflow import errors, resolve
from penstock.workflow._definition_config import ShellConfig, StepConfig
from penstock.workflow._event import NotResolved, Resolved
from penstock.workflow._expression import Expression, parse_template, render
from penstock.workflow._policy import MapConfig


def test_an_expression_lists_what_it_reads() -> None:
    text = "steps.a.outputs['x y'] + params.days.size() + [1].map(i, i * params['n'])[0] + 'run.id'"

    references = Expression.parse(text).references

    assert references == (
        ("params", "days"),
        ("params", "n"),
        ("steps", "a", "outputs", "x y"),
    )


def test_only_what_is_referred_to_is_looked_at() -> None:
    """A run with thousands of steps evaluates `when` at the cost of one."""
    what_cel_refuses = object()
    values = {"params": {"a": 1, "b": what_cel_refuses}, "steps": {"x": what_cel_refuses}}

    assert Expression.parse("params.a + 1").evaluate(values) == 2
    with pytest.raises(errors.ExpressionError):
        Expression.parse("params.b").evaluate(values)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("params.none", "there is no 'none'"),
        ("1 / 0", "division by zero"),
        ("1 + 'x'", "No such overload"),
        ("none.x", "none"),
        ("9223372036854775807 + 1", "overflow"),
    ],
)
def test_a_fault_of_the_values_is_an_error_of_ours(source: str, reason: str) -> None:
    with pytest.raises(errors.ExpressionError, match=reason):
        Expression.parse(source).evaluate({"params": {}})


def test_a_syntax_error_has_a_column() -> None:
    with pytest.raises(errors.ExpressionError) as caught:
        Expression.parse("params.a ==")

    assert caught.value.column == 12


def test_a_lone_expression_keeps_its_type_and_others_become_text() -> None:
    values = {"params": {"list": [1, 2], "flag": True, "none": None}}
    tree = {"a": "${{ params.list }}", "b": ["is ${{ params.flag }}, ${{ params.none }}"], "c": 3}

    assert render(tree, values) == {"a": [1, 2], "b": ["is true, "], "c": 3}


def test_braces_inside_an_expression_do_not_end_it() -> None:
    template = parse_template("${{ {'a': {'b': '}}'}} }}")

    assert template.evaluate({}) == {"a": {"b": "}}"}}


def test_doubled_dollars_stand_for_themselves() -> None:
    assert render("$${{ x }}", {}) == "${{ x }}"


def step(**keys: object) -> StepConfig:
    return StepConfig(shell=ShellConfig(command="x"), **keys)


def test_a_step_whose_when_is_false_is_not_wanted() -> None:
    found = resolve("a", step(when="${{ params.n > 3 }}"), {"params": {"n": 3}})

    assert found.event == Resolved("a", wanted=False)


def test_a_map_gives_its_items() -> None:
    found = resolve("a", step(map=MapConfig(over="${{ params.l }}")), {"params": {"l": [7, 8]}})

    assert found.event == Resolved("a", items=2)
    assert found.items == [7, 8]


@pytest.mark.parametrize(
    "keys",
    [{"when": "${{ 1 }}"}, {"when": "${{ params.no }}"}, {"map": MapConfig(over="${{ 1 }}")}],
)
def test_what_cannot_be_resolved_is_said(keys: dict[str, object]) -> None:
    assert isinstance(resolve("a", step(**keys), {"params": {}}).event, NotResolved)
