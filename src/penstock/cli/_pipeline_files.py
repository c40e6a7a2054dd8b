"""Where the commands of pipelines find definitions, and the state that belongs to them."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.base import ConfigError, Problem
from penstock.cli._printing import printable
from penstock.cli._run import failpoints
from penstock.control import WorkspaceSettings
from penstock.steps import check_duckdb
from penstock.workflow import Pipeline, definition, validation

TENANT = "default"
"""There is one tenant on a laptop; the service has more."""

_SECRET = "PENSTOCK_SECRET_"  # noqa: S105 - the beginning of a variable's name
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "VIRTUAL_ENV")


def secrets() -> dict[str, str]:
    """Secrets by name: `PENSTOCK_SECRET_TOKEN` is `${{ secrets.token }}`."""
    return {
        name.removeprefix(_SECRET).lower(): value
        for name, value in os.environ.items()
        if name.startswith(_SECRET)
    }


def webhooks(urls: Sequence[str], secret: str) -> dict[str, str]:
    """The URLs, each with the secret of that name.

    Raises:
        ConfigError: A URL is none, or there is no such secret.
    """
    faults = [
        Problem("<options>", 0, "--webhook", f"expected http:// or https://, got {url!r}")
        for url in urls
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname
    ]
    known = secrets()
    if urls and secret.lower() not in known:
        way_out = f"there is no secret {secret!r}; set {_SECRET}{secret.upper()}"
        faults.append(Problem("<options>", 0, "--webhook-secret", way_out))
    if faults:
        raise ConfigError(tuple(faults))
    return {url: known[secret.lower()] for url in urls}


def read_definition(file: Path) -> Pipeline:
    """Read and check a definition.

    Raises:
        DefinitionError: All that is wrong with it.
    """
    way_in = f"set {_SECRET}{{NAME}}"
    checks = validation.Checks(secrets().keys(), {"duckdb": check_duckdb}, way_in)
    return Pipeline.from_file(file, checks=checks)


def tell_findings(file: Path, pipeline: Pipeline) -> None:
    """Say on standard error what a valid definition does not do as it may be meant."""
    for found in pipeline.findings:
        sys.stderr.write(printable(f"{file}:{found}") + "\n")


def settings(state_dir: Path | None, file: Path | None = None) -> WorkspaceSettings:
    """The state directory: the one given, or `.penstock` beside the definition, or here."""
    home = (file.parent if file else Path()).resolve()
    directory = state_dir.resolve() if state_dir else home / ".penstock"
    return WorkspaceSettings(
        directory,
        home if file or state_dir is None else directory.parent,
        {name: os.environ[name] for name in _KEPT if name in os.environ},
        {name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        secrets(),
        failpoints=failpoints(),
    )


def parameters(pipeline: Pipeline, given: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE` by the types that the definition declares.

    Raises:
        ConfigError: Everything that is wrong with them.
    """
    declared = pipeline.definition.spec.parameters
    values: dict[str, Any] = {}
    faults = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(Problem("<parameters>", 0, name, f"expected NAME=VALUE, got {text!r}"))
            continue
        try:
            values[name] = _value(declared, name, value)
        except ValueError:
            kind = declared[name].type
            faults.append(Problem("<parameters>", 0, name, f"expected {kind}, got {value!r}"))
    if faults:
        raise ConfigError(tuple(faults))
    return pipeline.bind(values)


def _value(declared: Mapping[str, definition.ParameterConfig], name: str, value: str) -> Any:
    if name not in declared or declared[name].type == "string":
        return value
    return json.loads(value)
