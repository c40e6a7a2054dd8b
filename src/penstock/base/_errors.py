"""The root of all our errors, and the few that any room may raise."""

from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.base._value import Value


class PenstockError(Exception):
    """Catch this to catch us, and nothing else."""

    exit_code: ClassVar[int] = 1
    """Of a program that ends by it: 1 failed, 2 usage or configuration, 3 failure limit, 5 damaged state."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from fields, so an error crosses process borders however it was built."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class Problem(Value, order=True):
    """One thing wrong with what a user wrote, and the way out."""

    file: str
    """The file as the user named it, or `<python>` for a configuration built in code."""

    line: int
    """1-based; 0 where no line is known."""

    key: str
    """Dotted path of the key, empty for the whole file."""

    message: str
    """What is wrong, with the value."""

    hint: str = ""
    """What to write instead; empty where the message already says it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}:{key} {self.message}{hint}"


@dataclass(eq=False)
class ConfigError(PenstockError):
    """Everything that is wrong with a configuration, at once; the caller shows it and stops."""

    exit_code = 2

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        count = len(self.problems)
        head = (
            "1 problem in the configuration"
            if count == 1
            else f"{count} problems in the configuration"
        )
        return "\n".join([f"{head}:", *(f"  {problem}" for problem in sorted(self.problems))])


@dataclass(eq=False)
class MissingExtraError(PenstockError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    exit_code = 2

    module: str
    extra: str

    def __str__(self) -> str:
        return f"this needs {self.module!r}, which comes with an extra: pip install 'penstock[{self.extra}]'"
