"""Faults that a schema cannot see: names, cycles, steps that never start, keys of later versions.

The checks read the parsed document, not the models, so that they speak even where the schema was
broken somewhere else.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock.base import suggest
from penstock.workflow._definition_config import LATER_KEYS, LATER_STEP_KEYS, LATER_STEP_TYPES
from penstock.workflow._errors import ExpressionError
from penstock.workflow._expression import expression_sources
from penstock.workflow._finding import Findings, Place, Severity, SqlCheck, SqlProblem
from penstock.workflow._graph import topological


def steps_of(data: Any) -> dict[str, dict[str, Any]]:
    """The steps of a parsed document, as far as they can be read."""
    spec = data.get("spec") if isinstance(data, dict) else None
    steps = spec.get("steps") if isinstance(spec, dict) else None
    if not isinstance(steps, dict):
        return {}
    return {name: step for name, step in steps.items() if isinstance(step, dict)}


def needs_of(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Who needs whom, with unknown names left out."""
    return {
        name: [need for need in _listed(step.get("needs")) if need in steps]
        for name, step in steps.items()
    }


def check_graph(steps: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """Unknown names in `needs`, cycles, and the steps that can never start because of them."""
    stuck = set()
    for name, step in steps.items():
        for index, need in enumerate(_listed(step.get("needs"))):
            if need not in steps:
                stuck.add(name)
                place = ("spec", "steps", name, "needs", index)
                hint = suggest(need, sorted(steps))
                findings.add("UNKNOWN_STEP", place, f"there is no step {need!r}", hint, near=need)
    needs = needs_of(steps)
    left = needs.keys() - set(topological(needs))
    in_cycle: set[str] = set()
    while cycle := _cycle(needs, sorted(left - in_cycle)):
        in_cycle.update(cycle)
        shown = " -> ".join([*cycle, cycle[0]])
        message = f"these steps wait for each other: {shown}"
        findings.add("CYCLE", ("spec", "steps", cycle[0]), message, "take one of these needs out")
    _check_unreachable(needs, stuck, in_cycle, findings)


def check_later_keys(data: Any, findings: Findings) -> None:
    """Parts that are in the schema, and that this version cannot run."""
    spec = data.get("spec") if isinstance(data, dict) else None
    if isinstance(spec, dict):
        for key in LATER_KEYS:
            if spec.get(key) is not None:
                _not_runnable(("spec", key), key, findings)
    for place, action in actions_of(data):
        for key in (*LATER_STEP_TYPES, *LATER_STEP_KEYS):
            if action.get(key) is not None:
                _not_runnable((*place, key), key, findings)
        _check_later_values(place, action, findings)


def check_compensation(data: Any, findings: Findings) -> None:
    """Compensation that would never be run."""
    spec = data.get("spec") if isinstance(data, dict) else None
    rule = spec.get("on_failure") if isinstance(spec, dict) else None
    if isinstance(rule, dict) and rule.get("compensate", "none") != "none":
        return
    for name, step in steps_of(data).items():
        if step.get("compensate") is not None:
            findings.add(
                "COMPENSATE_UNUSED",
                ("spec", "steps", name, "compensate"),
                "a failed run is not compensated",
                "add on_failure: {compensate: completed-steps}",
                severity=Severity.WARNING,
            )


def check_sql(
    data: Any, files: Mapping[str, str], dialects: Mapping[str, SqlCheck], findings: Findings
) -> None:
    """Queries that do not parse in their dialect, or have values put into their text."""
    for place, action in actions_of(data):
        sql = action.get("sql")
        if not isinstance(sql, dict):
            continue
        key = "text" if isinstance(sql.get("text"), str) else "file"
        text = sql.get("text") if key == "text" else files.get(str(sql.get("file")))
        if not isinstance(text, str):
            continue
        at = (*place, "sql", key)
        if _has_expression(text):
            hint = "write :name, and give its value under bind"
            findings.add("SQL_SPLICED", at, "a value is put into the text of a query", hint)
            continue
        engine = str(sql.get("engine", "duckdb"))
        for problem in dialects.get(engine, _no_check)(text):
            where = (
                f" (line {problem.line}, column {problem.column} of the query)"
                if problem.line
                else ""
            )
            message = f"the query does not parse: {problem.message}{where}"
            findings.add("SQL", at, message, f"write it in the dialect of {engine}")


def actions_of(data: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every step and every compensation, with its place."""
    for name, step in steps_of(data).items():
        place: Place = ("spec", "steps", name)
        yield place, step
        undo = step.get("compensate")
        if isinstance(undo, dict):
            yield (*place, "compensate"), undo


def _check_later_values(place: Place, action: Mapping[str, Any], findings: Findings) -> None:
    sql, python = action.get("sql"), action.get("python")
    if isinstance(sql, dict) and sql.get("engine") == "trino":
        _not_runnable((*place, "sql", "engine"), "trino", findings)
    if isinstance(python, dict) and python.get("image") is not None:
        _not_runnable((*place, "python", "image"), "image", findings)


def _check_unreachable(
    needs: Mapping[str, list[str]], stuck: set[str], in_cycle: set[str], findings: Findings
) -> None:
    blocked = {*stuck, *in_cycle}
    grown = True
    while grown:
        behind = {name for name, needed in needs.items() if blocked.intersection(needed)} - blocked
        blocked |= behind
        grown = bool(behind)
    for name in sorted(blocked - stuck - in_cycle):
        waits = next(need for need in needs[name] if need in blocked)
        message = f"it can never start: it waits for {waits!r}, which cannot start either"
        findings.add("UNREACHABLE_STEP", ("spec", "steps", name), message, f"mend {waits!r}")


def _cycle(needs: Mapping[str, list[str]], among: list[str]) -> list[str]:
    """One cycle within `among`, from its smallest name on; empty where there is none."""
    clear: set[str] = set()
    for start in among:
        path: list[str] = []
        waiting = [(start, 0)]
        while waiting:
            name, depth = waiting.pop()
            del path[depth:]
            if name in path:
                found = path[path.index(name) :]
                first = found.index(min(found))
                return [*found[first:], *found[:first]]
            if name not in clear and name in among:
                path.append(name)
                waiting += [(need, depth + 1) for need in sorted(needs[name], reverse=True)]
                if not needs[name]:
                    clear.add(name)
    return []


def _not_runnable(place: Place, key: str, findings: Findings) -> None:
    findings.add(
        "NOT_RUNNABLE",
        place,
        f"{key!r} is not runnable yet",
        "take it out to run this pipeline",
        near=key,
        severity=Severity.NOT_RUNNABLE,
    )


def _has_expression(text: str) -> bool:
    try:
        return bool(expression_sources(text))
    except ExpressionError:
        return True


def _no_check(_: str) -> Iterable[SqlProblem]:
    return ()


def _listed(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
