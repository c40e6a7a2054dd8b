"""From a YAML file to a board: every problem at once, before anything starts."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from penstock.base import (
    ConfigError,
    Document,
    Interpolator,
    Problem,
    Value,
    parse_yaml,
    problems_of,
    read_yaml,
)
from penstock.kanban._bucket import Bucket, Limit
from penstock.kanban._built_in import find_class
from penstock.kanban._config import BoardConfig, FilterConfig, GlobalConfig, Seed
from penstock.kanban._disk import Disk
from penstock.kanban._filter import Collecting, Filter, FilterContext

CONFIG_NAME = "penstock.kanban.yaml"
_SECRET = re.compile(
    r"(^|_)(passphrase|password|secret|secret_key|secret_access_key|session_token|api_key"
    r"|account_key|sas_token|client_secret)$"
)
_REFERENCE = re.compile(r"\$\{(file|env|cmd):[^{}]+\}|\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_WAYS = "write ${file:PATH}, ${env:NAME} or ${cmd:COMMAND} instead, such as ${cmd:pass show books}"


class Board(Value):
    """A configuration that was found to be right, and where it came from."""

    config: BoardConfig
    file: Path
    root: Path
    """The directory of the file: relative paths start here."""
    text: str
    """As it stands in the file: references to secrets are not followed."""

    @property
    def settings(self) -> GlobalConfig:
        """What all filters share."""
        return self.config.global_

    @property
    def state(self) -> Path:
        """Where ledger, control and caches lie."""
        return self.root / self.settings.state_dir

    def tally(self, worker: str) -> Path:
        """Where a worker counts what it does."""
        return self.state / "tally" / worker

    def filter(self, name: str) -> FilterConfig | None:
        """A filter by its name."""
        return next((found for found in self.config.filters if found.name == name), None)

    def context(self, config: FilterConfig, **more: Any) -> FilterContext:
        """What a filter may know."""
        return FilterContext(config.name, self.root, self.settings, config.args, **more)

    def bucket(self, pipe: str, disk: Disk | None = None) -> Bucket:
        """The bucket behind a pipe, with the limit of the filter that takes from it."""
        taker = next((found for found in self.config.filters if found.input_pipe == pipe), None)
        limit = Limit(taker.wip_limit.tokens, taker.wip_limit.bytes) if taker else Limit()
        feeders = [
            self.root / found.input_pipe
            for found in self.config.filters
            if found.output_pipe == pipe
        ]
        return Bucket(
            self.root / pipe,
            limit=limit,
            feeders=feeders,
            sync=self.settings.sync,
            fan_out=self.settings.fan_out,
            hold=bool(taker and taker.hold),
            disk=disk,
        )

    @property
    def pipes(self) -> list[str]:
        """Every pipe once, in the order of the work."""
        found: dict[str, None] = {}
        for config in self.config.filters:
            found |= {config.input_pipe: None, config.output_pipe: None}
        return list(found)

    @property
    def entries(self) -> dict[Seed, str]:
        """The pipes that items of the catalogue enter, by what enters there."""
        named = {c.seed: c.input_pipe for c in self.config.filters if c.seed is not None}
        outputs = {config.output_pipe for config in self.config.filters}
        first = next(c.input_pipe for c in self.config.filters if c.input_pipe not in outputs)
        return named or {Seed.AVAILABLE: first}

    @property
    def inputs(self) -> list[str]:
        """The pipes that a filter takes from, in the order of the work."""
        return [pipe for pipe in self.pipes if pipe not in self.ends]

    @property
    def entrance(self) -> str:
        """The pipe that a token enters of which nothing else is said."""
        named = set(self.entries.values())
        return next(pipe for pipe in self.inputs if pipe in named)

    @property
    def ends(self) -> list[str]:
        """The pipes that nothing takes from: what lies there is done."""
        inputs = {config.input_pipe for config in self.config.filters}
        return [pipe for pipe in self.pipes if pipe not in inputs]


def find_config(directory: Path, environ: Mapping[str, str]) -> Path:
    """The configuration where none was named: here, then in the user's configuration directory.

    Raises:
        ConfigError: Neither is there.
    """
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")) / ".config")
    places = [directory / CONFIG_NAME, home.expanduser() / "penstock" / "kanban.yaml"]
    for place in places:
        if place.is_file():
            return place
    problem = Problem(
        str(places[0]), 0, "", "there is no such file", f"nor is {places[1]}; name one"
    )
    raise ConfigError((problem,))


def load_board(file: Path, environ: Mapping[str, str]) -> Board:
    """Read and check a configuration.

    Raises:
        ConfigError: All that is wrong with it.
    """
    return board_of(read_yaml(file), file, environ)


def snapshot_board(text: str, file: Path, environ: Mapping[str, str]) -> Board:
    """The board whose configuration had this text when it was checked."""
    return board_of(parse_yaml(text, file=str(file)), file, environ)


def board_of(document: Document, file: Path, environ: Mapping[str, str]) -> Board:
    """Check a parsed configuration as a whole."""
    problems = list(_plain_secrets(document))
    root = file.absolute().parent
    expanded = document
    try:
        expanded = document.map_strings(Interpolator(environ, directory=root).expand)
    except ConfigError as error:
        problems += error.problems
    try:
        config = BoardConfig.from_document(expanded)
    except ConfigError as error:
        raise ConfigError(tuple({*problems, *error.problems})) from error
    board = Board(config, file, root, _text(file))
    problems += _chain_problems(board, document)
    problems += _filter_problems(board, document)
    problems += _place_problems(board, document)
    if problems:
        raise ConfigError(tuple(problems))
    return board


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _plain_secrets(document: Document) -> Iterator[Problem]:
    """What reads as a secret may only be a reference, here and in every `args`."""
    for path in document.lines:
        value: Any = document.data
        for part in path:
            value = value[part]
        named = isinstance(path[-1], str) and _SECRET.search(path[-1])
        if named and isinstance(value, str) and not _REFERENCE.fullmatch(value):
            yield document.problem(path, "a secret in plain text", _WAYS)


def _chain_problems(board: Board, document: Document) -> Iterator[Problem]:
    filters = board.config.filters
    for index, config in enumerate(filters):
        place = ("filters", index)
        twin = next((f for f in filters[:index] if f.name == config.name), None)
        if twin is not None:
            yield document.problem((*place, "name"), f"two filters are named {config.name!r}")
        rival = next((f for f in filters[:index] if f.input_pipe == config.input_pipe), None)
        if rival is not None:
            yield document.problem(
                (*place, "input_pipe"),
                f"{rival.name!r} and {config.name!r} both take from {config.input_pipe!r}",
                "write one filter with `workers: 2`",
            )
        other = next((f for f in filters[:index] if _overlap(f.seed, config.seed)), None)
        if other is not None:
            yield document.problem(
                (*place, "seed"), f"{other.name!r} takes {other.seed} of the catalogue already"
            )
        if _leads_back(config, filters):
            yield document.problem(
                (*place, "output_pipe"), f"a cycle: what {config.name!r} puts out comes back to it"
            )


def _overlap(one: Seed | None, other: Seed | None) -> bool:
    return None not in {one, other} and (one == other or Seed.ALL in {one, other})


def _leads_back(start: FilterConfig, filters: list[FilterConfig]) -> bool:
    reached, pipes = set(), {start.output_pipe}
    while pipes:
        if start.input_pipe in pipes:
            return True
        reached |= pipes
        pipes = {f.output_pipe for f in filters if f.input_pipe in pipes} - reached
    return False


def _filter_problems(board: Board, document: Document) -> Iterator[Problem]:
    for index, config in enumerate(board.config.filters):
        place = ("filters", index)
        try:
            kind = find_class(config.class_, board.root)
        except ValueError as error:
            yield document.problem((*place, "class"), str(error))
            continue
        if not isinstance(kind.needs, Mapping):
            yield document.problem(
                (*place, "class"),
                f"`needs` of {config.class_} is no mapping",
                'write names and types: {"shelf": str}',
            )
        if issubclass(kind, Collecting) and config.workers > 1:
            yield document.problem((*place, "workers"), "a collector works with one worker")
        yield from _argument_problems(board, document, kind, index)


def _argument_problems(
    board: Board, document: Document, kind: type[Filter], index: int
) -> Iterator[Problem]:
    config = board.config.filters[index]
    try:
        kind.arguments.model_validate(config.args)
    except ValidationError as error:
        yield from problems_of(error, document, kind.arguments, ("filters", index, "args"))
        return
    for problem in kind.problems(board.context(config)):
        yield document.problem(("filters", index, "args"), problem)


def _place_problems(board: Board, document: Document) -> Iterator[Problem]:
    books = board.settings.all_books
    if isinstance(books, str) and books and not (board.root / books).is_file():
        yield document.problem(("global", "all_books"), f"the file {books!r} does not exist")
