"""Definitions as text: strict YAML 1.2, with every fault of the text as a finding."""

import re
from types import MappingProxyType
from typing import Any, Final

from penstock.base import ConfigError, Document, parse_yaml
from penstock.workflow._finding import Finding, Findings, Place

_CODES: Final = MappingProxyType({"duplicate key": "DUPLICATE_KEY", "the tag": "TAG"})
"""Of what is no YAML for us, by what the problem says."""
_DIRECTIVE: Final = re.compile(r"^%YAML\s+(?!1\.2\b)(\S+)", re.MULTILINE)


def read_text(text: str, file: str) -> tuple[Document, Findings]:
    """Parse `text`; where that fails the document is empty and the findings say why."""
    try:
        document = parse_yaml(text, file=file)
    except ConfigError as error:
        empty = Document(file, None, {})
        findings = Findings(empty, text)
        findings.extend(_of_problems(error, findings))
        return empty, findings
    findings = Findings(document, text)
    if directive := _DIRECTIVE.search(text):
        findings.add(
            "YAML_VERSION", (), f"expected YAML 1.2, got {directive[1]}", "take the directive out"
        )
    _check_plain(document.data, (), findings)
    return document, findings


def schema_findings(error: ConfigError, findings: Findings) -> None:
    """Take over what does not fit the schema."""
    findings.extend(
        Finding(
            problem.line,
            findings.column(problem.line, problem.key.rpartition(".")[2]),
            problem.key,
            "SCHEMA",
            problem.message,
            problem.hint,
        )
        for problem in error.problems
    )


def _of_problems(error: ConfigError, findings: Findings) -> list[Finding]:
    found = []
    for problem in error.problems:
        code = next((code for said, code in _CODES.items() if said in problem.message), "YAML")
        column = findings.column(problem.line, "")
        found.append(
            Finding(problem.line, column, problem.key, code, problem.message, problem.hint)
        )
    return found


def _check_plain(value: Any, path: Place, findings: Findings) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                findings.add(
                    "KEY", (*path, str(key)), f"expected a string as key, got {key!r}", "quote it"
                )
            _check_plain(item, (*path, key), findings)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_plain(item, (*path, index), findings)
    elif value is not None and type(value) not in {str, int, float, bool}:
        message = f"expected a plain value, got {value!r}"
        findings.add("TAG", path, message, "tags and dates have no place here; put it in quotes")
