"""A pipeline definition: read from YAML or built in Python, checked, with a digest that names its version."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from msgspec import field

from penstock.base import Config, ConfigError, Document, RecordError, Value
from penstock.workflow import _checks
from penstock.workflow._definition_config import (
    ActionConfig,
    DefinitionConfig,
    SpecConfig,
    StepConfig,
)
from penstock.workflow._expression_checks import check_expressions
from penstock.workflow._files import check_files, read_files
from penstock.workflow._finding import (
    Checks,
    DefinitionError,
    Finding,
    Findings,
    NotRunnableError,
    Severity,
)
from penstock.workflow._graph import Graph, Node, UndoRule
from penstock.workflow._parameters import bind_parameters, value_fault
from penstock.workflow._policy import Timeouts
from penstock.workflow._source import read_text, schema_findings

PYTHON: Final = "<python>"


class Pipeline(Value, dict=True):
    """A valid definition. Equal definitions have equal digests, however they were written.

    >>> Pipeline.build("hello", steps={"greet": {"shell": {"command": "echo hello"}}}).name
    'hello'
    """

    definition: DefinitionConfig
    files: Mapping[str, str] = field(default_factory=dict)
    """Text of the queries and scripts that it names, by their path; part of the digest."""

    findings: tuple[Finding, ...] = ()
    """What validation said that is no error."""

    @staticmethod
    def from_yaml(
        text: str,
        *,
        file: str = "<text>",
        files: Mapping[str, str] | None = None,
        checks: Checks | None = None,
    ) -> "Pipeline":
        """Read a definition.

        Args:
            text: One YAML 1.2 document.
            file: What to call it in findings.
            files: Text of the files that it names; what is missing is a finding.
            checks: Secrets and dialects to check against.

        Raises:
            DefinitionError: All that is wrong with it, at once.
        """
        document, findings = read_text(text, file)
        return _checked(document, findings, files or {}, checks or Checks())

    @staticmethod
    def from_file(path: Path, *, checks: Checks | None = None) -> "Pipeline":
        """Read a definition and the files that it names, which are relative to its directory.

        Raises:
            DefinitionError: As `from_yaml`; also if the file cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fault = Finding(0, 0, "", "UNREADABLE", f"cannot be read: {error}")
            raise DefinitionError(str(path), (fault,)) from error
        document, findings = read_text(text, str(path))
        files = read_files(document.data, path.parent)
        return _checked(document, findings, files, checks or Checks())

    @staticmethod
    def build(
        name: str,
        *,
        steps: Mapping[str, StepConfig | Mapping[str, Any]],
        owner: str = "",
        labels: Mapping[str, str] | None = None,
        directory: Path | None = None,
        checks: Checks | None = None,
        **spec: Any,
    ) -> "Pipeline":
        """Define a pipeline in Python, with the keys of the YAML.

        Args:
            name: Of the pipeline.
            steps: By name, as models or as plain mappings.
            owner: Who answers for it.
            labels: For finding it.
            directory: What files are relative to; the working directory without it.
            checks: Secrets and dialects to check against.
            **spec: Further keys of `spec`: `parameters`, `defaults`, `timeout`, `on_failure`, ...

        Raises:
            DefinitionError: All that is wrong with it, at once.
        """
        plain = {key: _plain(value) for key, value in {"steps": steps, **spec}.items()}
        metadata = {"name": name, "owner": owner, "labels": dict(labels or {})}
        data = {"metadata": metadata, "spec": plain}
        document = Document(PYTHON, data, {})
        files = read_files(data, directory or Path())
        return _checked(document, Findings(document, ""), files, checks or Checks())

    @staticmethod
    def decode(text: str, *, place: str) -> "Pipeline":
        """Read what `encode` gave; it was valid then, and is not checked again.

        Raises:
            RecordError: It is no such text, or was written by a newer version.
        """
        try:
            row = json.loads(text)
            return Pipeline(DefinitionConfig.model_validate(row["definition"]), row["files"])
        except (ValueError, LookupError, TypeError) as error:
            raise RecordError(
                f"{place} is not a definition that this version can read: {error}"
            ) from error

    def encode(self) -> str:
        """The whole version as JSON, with the text of its files; of the same digest when read back."""
        return self._encoded

    @cached_property
    def _encoded(self) -> str:
        return json.dumps({"definition": self._dumped, "files": dict(self.files)}, sort_keys=True)

    @property
    def name(self) -> str:
        """Of the pipeline."""
        return self.definition.metadata.name

    @property
    def _canonical(self) -> str:
        """The one spelling of all equal definitions: JSON with sorted keys, without what is default."""
        files = {path: _digest(text) for path, text in self.files.items()}
        return json.dumps(
            {"definition": self._dumped, "files": files}, sort_keys=True, separators=(",", ":")
        )

    @property
    def _dumped(self) -> dict[str, Any]:
        return self.definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal: the name of this version."""
        return _digest(self._canonical)

    @cached_property
    def graph(self) -> Graph:
        """What the kernel needs to know."""
        spec = self.definition.spec
        return Graph.of(
            (_node(name, step, spec) for name, step in spec.steps.items()),
            timeout=spec.timeout,
            compensate=spec.on_failure.compensate == "completed-steps",
            retry_budget=spec.retry_budget,
            stop_grace=spec.stop_grace,
        )

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all parameters for a run.

        Raises:
            ConfigError: Everything that is missing, unknown or of the wrong type.
        """
        return bind_parameters(self.definition.spec.parameters, given)

    def require_runnable(self) -> None:
        """Return if this version of Penstock can run it.

        Raises:
            NotRunnableError: It has keys of a later version; all are named.
        """
        later = tuple(found for found in self.findings if found.severity is Severity.NOT_RUNNABLE)
        if later:
            raise NotRunnableError(self.name, later)


def _checked(
    document: Document, findings: Findings, files: Mapping[str, str], checks: Checks
) -> Pipeline:
    definition = None
    if document.data is not None or not findings.sorted():
        try:
            definition = DefinitionConfig.from_document(document)
        except ConfigError as error:
            schema_findings(error, findings)
    data = document.data
    _checks.check_graph(_checks.steps_of(data), findings)
    _checks.check_later_keys(data, findings)
    _checks.check_compensation(data, findings)
    _checks.check_sql(data, files, checks.dialects, findings)
    check_expressions(data, checks, findings)
    check_files(data, files, findings)
    if definition is not None:
        _check_defaults(definition, findings)
    found = findings.sorted()
    if definition is None or any(each.severity is Severity.ERROR for each in found):
        raise DefinitionError(document.file, found)
    return Pipeline(definition, dict(sorted(files.items())), found)


def _check_defaults(definition: DefinitionConfig, findings: Findings) -> None:
    for name, parameter in definition.spec.parameters.items():
        if parameter.default is None:
            continue
        if fault := value_fault(name, parameter, parameter.default):
            findings.add("PARAMETER_DEFAULT", ("spec", "parameters", name, "default"), fault)


def _node(name: str, step: StepConfig, spec: SpecConfig) -> Node:
    defaults = spec.defaults
    undo = step.compensate
    return Node(
        name,
        step.needs,
        step.retry or defaults.retry,
        _merged(step, defaults.timeout),
        conditional=step.when is not None,
        mapped=step.map,
        undo=UndoRule(undo.retry or defaults.retry, _merged(undo, defaults.timeout))
        if undo
        else None,
    )


def _merged(action: ActionConfig, defaults: Timeouts) -> Timeouts:
    own = action.timeout.model_dump(exclude_none=True) if action.timeout else {}
    return Timeouts(**{**defaults.model_dump(exclude_none=True), **own})


def _plain(value: Any) -> Any:
    """Models as the mappings that YAML would give."""
    if isinstance(value, Config):
        return _plain(value.model_dump(by_alias=True, exclude_defaults=True))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
