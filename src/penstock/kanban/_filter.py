"""What a filter is: a class that checks a token and works on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from pydantic import TypeAdapter, ValidationError

from penstock.base import Config, Failpoints, Value
from penstock.kanban._config import GlobalConfig
from penstock.kanban._token import DataRef, Token


class Later(Value):
    """Not ready: the token is put aside for a while; no attempt is counted."""

    seconds: float
    reason: str = "not ready"


class Split(Value):
    """The tokens that take the place of the one that was worked on, with ids of their own."""

    children: Sequence[Token]


Outcome = Token | Later | Split


def _never() -> bool:
    """A board that never stops: for filters that are called without one."""
    return False


def _let_go(_: Token) -> None:
    """Nobody keeps it."""


class FilterContext(Value):
    """What a filter may know."""

    name: str
    """Of the filter."""
    root: Path
    """The configuration's directory, from which relative paths start."""
    settings: GlobalConfig = msgspec.field(default_factory=GlobalConfig)
    args: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """As the configuration has them."""
    asked_to_stop: Callable[[], bool] = _never
    failpoints: Failpoints = msgspec.field(default_factory=Failpoints)
    """For tests that kill."""

    def stopping(self) -> bool:
        """Whether the board wants to stop; a filter may end early with `Later`, and need not ask."""
        return self.asked_to_stop()

    def processing(self, token: Token) -> Path:
        """Where the token's data files are worked on."""
        return self.root / (token.processing_bucket or self.settings.processing_bucket)

    def done(self, token: Token) -> Path:
        """Where the token's data files end, if that is a directory."""
        return self.root / (token.done_bucket or self.settings.done_bucket)

    @property
    def temporary(self) -> Path:
        """Scratch space of this filter, below `temp_dir`."""
        base = self.settings.temp_dir or f"{self.settings.state_dir}/scratch"
        return self.root / base / self.name

    def file(self, token: Token, reference: DataRef) -> Path:
        """The path of one of the token's data files."""
        return self.processing(token) / reference.path


class Arguments(Config):
    """The arguments of a filter that takes none; subclass it for those of your own."""


class Filter:
    """Base of all filters: one object per worker process, one token at a time.

    Delivery: at least once. A worker may be killed anywhere and the token given to another, so
    `process` must lead to the same end when it is done again: write aside and rename, ask before
    you create.

    >>> class Shout(Filter):
    ...     def process(self, token):
    ...         return token.with_fields(title=token.fields["title"].upper())
    """

    arguments: ClassVar[type[Arguments]] = Arguments
    """The model of `args`; problems with them are shown before anything starts."""

    needs: ClassVar[Mapping[str, Any]] = {}
    """The schema of its tokens: fields that each must have, and their types, as a model would have them."""

    takes_data: ClassVar[bool] = False
    """Whether a token without data, as people make them, is to stand for the file named after it."""

    counts_data: ClassVar[bool] = True
    """Whether that file is read for its checksum, by which work that was done before a death is known again."""

    def __init__(self, context: FilterContext) -> None:
        self.context = context
        self.args: Any = self.arguments.model_validate(dict(context.args))
        self._schema = {key: TypeAdapter(type_) for key, type_ in self.needs.items()}
        self._keep: Callable[[Token], None] = _let_go

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        """What is wrong with the configuration, beyond its form; shown before anything starts."""
        return ()

    def validate(self, token: Token) -> None:
        """Check a token before any work.

        Raises:
            PermanentError: It can never be worked on; it goes to the errors.
            RetryableError: Not now.
        """

    def note(self, token: Token) -> None:
        """Write down what is known of the token in hand: if this worker dies, the next one is given that.

        For work in several steps, of which one must not be done before another is known of.
        """
        self._keep(token)

    def keep_with(self, keep: Callable[[Token], None]) -> None:
        """Say who writes down what is noted; without a board nobody does."""
        self._keep = keep

    def misfits(self, token: Token) -> list[str]:
        """What the token lacks or has of a wrong type, key by key."""
        found = []
        for key, schema in self._schema.items():
            if key not in token.fields:
                found.append(f"the token lacks {key!r}")
                continue
            try:
                schema.validate_python(token.fields[key], strict=True)
            except ValidationError as error:
                said = error.errors()[0]["msg"]
                found.append(f"{key!r} of the token is {token.fields[key]!r}: {said}")
        return found

    def process(self, token: Token) -> Outcome:
        """Work on a token, and return it as it is now, changed as needed.

        Raises:
            PermanentError: No further attempt can help; the token goes to the errors at once.
            Exception: The attempt failed; the filter's `retry` decides.
        """
        raise NotImplementedError


class Collecting(Filter):
    """Base of filters that make one token of many; runs with one worker."""

    def group(self, token: Token) -> tuple[str, int]:
        """The group that a token belongs to, and how many tokens make it whole."""
        raise NotImplementedError

    def collect(self, tokens: Sequence[Token]) -> Token:
        """The token that takes the place of a whole group; called again after a crash."""
        raise NotImplementedError
