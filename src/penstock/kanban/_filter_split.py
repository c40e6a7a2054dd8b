"""Splitter and Collector: one token becomes many, and many become one again."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import Arguments, Collecting, Filter, Outcome, Split
from penstock.kanban._token import DataRef, Token


class SplitterArguments(Arguments):
    """How a token is split."""

    size: int = Field(default=1, ge=1)
    """Data files per child."""


class Splitter(Filter):
    """Makes a token per data file, or per so many; a directory counts as the files in it.

    A child is named after its parent and its number, and knows both: `parent`, `part`, `parts`.
    """

    arguments = SplitterArguments

    def process(self, token: Token) -> Outcome:
        files = [found for reference in token.data for found in self._files(token, reference)]
        if not files:
            raise PermanentError("it has no data files to split")
        size = self.args.size
        groups = [files[start : start + size] for start in range(0, len(files), size)]
        children = [self._child(token, number, groups) for number in range(len(groups))]
        self.context.failpoints.cross("split.made")
        return Split(children)

    def _files(self, token: Token, reference: DataRef) -> list[DataRef]:
        path = self.context.file(token, reference)
        if not path.is_dir():
            return [reference]
        folder = self.context.processing(token)
        found = sorted(file for file in path.rglob("*") if file.is_file())
        return [DataRef(str(file.relative_to(folder)), file.stat().st_size) for file in found]

    def _child(self, token: Token, number: int, groups: Sequence[Sequence[DataRef]]) -> Token:
        return Token(
            f"{token.id}.{number + 1:04}",
            token.processing_bucket,
            token.done_bucket,
            token.priority,
            tuple(groups[number]),
            history=token.history,
            fields={**token.fields, "parent": token.id, "part": number + 1, "parts": len(groups)},
        )


class Collector(Collecting):
    """Makes one token again of all the parts that a splitter made, once all of them are there."""

    needs: ClassVar = {"parent": str, "part": int, "parts": int}

    def group(self, token: Token) -> tuple[str, int]:
        return str(token.fields["parent"]), int(token.fields["parts"])

    def collect(self, tokens: Sequence[Token]) -> Token:
        ordered = sorted(tokens, key=lambda token: int(token.fields["part"]))
        first = ordered[0]
        own = {key: value for key, value in first.fields.items() if key not in self.needs}
        self.context.failpoints.cross("collect.made")
        return Token(
            str(first.fields["parent"]),
            first.processing_bucket,
            first.done_bucket,
            first.priority,
            tuple(reference for token in ordered for reference in token.data),
            history=first.history,
            fields=own,
        )
