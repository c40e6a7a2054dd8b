"""What validation says of a definition: every fault at once, each with a code, a place and a way out."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import field

from penstock.base import Document, Value
from penstock.workflow._errors import WorkflowError

Place = tuple[str | int, ...]


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """The definition is not valid."""

    NOT_RUNNABLE = "not runnable yet"
    """It is valid, and this version of Penstock cannot run it."""

    WARNING = "warning"
    """It runs, and probably not as meant."""


class Finding(Value, order=True):
    """One thing to say about a definition."""

    line: int
    """1-based; 0 where no line is known, as for one built in Python."""

    column: int
    """1-based; 0 where no column is known."""

    path: str
    """Dotted path of the key, empty for the whole file."""

    code: str
    """Stable, in capitals: `UNKNOWN_STEP`."""

    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}" if self.column else str(self.line or "-")
        path = f" {self.path}:" if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}: {self.severity} {self.code}{path} {self.message}{hint}"


class SqlProblem(Value):
    """What a dialect says of a query."""

    message: str
    line: int = 0
    """1-based, in the query."""

    column: int = 0


SqlCheck = Callable[[str], Iterable[SqlProblem]]
"""Says what is wrong with a query; one per dialect. Parameters stand in it as `:name`."""


class Checks(Value):
    """What validation may ask beyond the definition itself."""

    secrets: Collection[str] | None = None
    """Names of the secrets there are; None leaves them unchecked."""

    dialects: Mapping[str, SqlCheck] = field(default_factory=dict)
    """By SQL engine; queries of the others are not looked at."""

    secret_hint: str = ""
    """How a secret that is missing gets there, with `{name}` and `{NAME}`."""


@dataclass(eq=False)
class DefinitionError(WorkflowError):
    """A definition is not valid; `findings` has everything that is wrong with it."""

    exit_code = 2

    file: str
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        head = f"{self.file} is not a valid pipeline definition:"
        return "\n".join([head, *(f"  {finding}" for finding in self.findings)])


@dataclass(eq=False)
class NotRunnableError(WorkflowError):
    """A definition asks for what this version cannot do; the run was refused, nothing was started."""

    exit_code = 2

    pipeline: str
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        listed = ", ".join(f"{found.message} ({found.path})" for found in self.findings)
        return (
            f"pipeline {self.pipeline!r} is valid, and was not run: {listed}; take these keys out"
        )


class Findings:
    """Collects findings about one document, and knows where its keys stand."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._lines = text.splitlines()
        self._found: set[Finding] = set()

    def add(
        self,
        code: str,
        path: Place,
        message: str,
        hint: str = "",
        *,
        near: str = "",
        offset: int = 0,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Note a finding at `path`; its column is where `near` begins there, moved by `offset`."""
        line = self._document.line(path) if self._lines else 0
        wanted = near or (str(path[-1]) if path else "")
        column = self._column(line, wanted)
        if column:
            column += offset
        problem = self._document.problem(path, message, hint)
        self._found.add(Finding(line, column, problem.key, code, message, hint, severity))

    def sorted(self) -> tuple[Finding, ...]:
        """All of them, in the order of the file, each once."""
        return tuple(sorted(self._found))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Take over findings that have their place already."""
        self._found.update(findings)

    def column(self, line: int, wanted: str) -> int:
        """The 1-based column of `wanted` in a line, or of the line's first character; 0 without text."""
        return self._column(line, wanted)

    def _column(self, line: int, wanted: str) -> int:
        if not 0 < line <= len(self._lines):
            return 0
        text = self._lines[line - 1]
        at = text.find(wanted) if wanted else -1
        return at + 1 if at >= 0 else len(text) - len(text.lstrip(" -")) + 1
