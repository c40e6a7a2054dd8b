"""Modifier and PythonFunction: a user's own work on the data files, or on the token alone."""

import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from penstock.kanban._built_in import load
from penstock.kanban._compress import create_compressed, zstd
from penstock.kanban._data import (
    only_data,
    part_of,
    publish,
    publish_folder,
    reference,
    remove,
    scratch,
)
from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._token import DataRef, Token


class ModifierArguments(Arguments):
    """What is done, and how the result is packed."""

    function: str = ""
    """`module:function`, called with the directory and the token; a subclass has `modify` instead."""

    repack: Literal["tar", "tar.gz", "tar.zst", "none"] = "tar.zst"
    """What becomes of the directory; tar.zst needs Python 3.14 or the extra `lake`."""


class Modifier(Filter):
    """Changes a copy of a token's directory, and packs it; the original goes when that is durable.

    Derive from it and write `modify`, or name a function. It may be called again after a crash,
    with the same token and a fresh copy: what it does to the two happens once.
    """

    arguments = ModifierArguments
    takes_data = True

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        args = ModifierArguments.model_validate(dict(context.args))
        if args.repack == "tar.zst" and zstd() is None:
            yield "tar.zst needs pip install 'penstock[lake]'; or write repack: tar.gz"
        if args.function:
            yield from function_problems(args.function, context)

    def modify(self, folder: Path, token: Token) -> Token | None:
        """Change the files in `folder`; return the token if that changes too."""
        if not self.args.function:
            return None
        module, _, name = self.args.function.partition(":")
        function: Any = load(module, name, self.context.root)
        changed: Token | None = function(folder, token)
        return changed

    def process(self, token: Token) -> Outcome:
        """What was made is noted beside what it was made of, before that goes."""
        cross = self.context.failpoints.cross
        if len(token.data) == 2 and token.data[0] == self._made(token):
            both = token
        else:
            both = self._modified(token)
            cross("modify.published")
            self.note(both)
            cross("modify.noted")
        made, source = both.data
        remove(self.context.file(both, source))
        cross("modify.removed")
        return both.with_data(made)

    def _target(self, token: Token) -> Path:
        packing = self.args.repack
        name = f"{token.id}.modified" if packing == "none" else f"{token.id}.{packing}"
        return self.context.processing(token) / name

    def _made(self, token: Token) -> DataRef | None:
        target = self._target(token)
        return reference(target.parent, target) if target.exists() else None

    def _modified(self, token: Token) -> Token:
        """Publish the changed copy; the token then has both, the new one first."""
        source, target, packing = (
            only_data(token, self.context),
            self._target(token),
            self.args.repack,
        )
        if not source.is_dir():
            raise PermanentError(f"the directory {source} is gone")
        with scratch(source.parent / f"{token.id}.modified") as part:
            shutil.copytree(source, part, dirs_exist_ok=True)
            self.context.failpoints.cross("modify.copied")
            changed = self.modify(part, token) or token
            self.context.failpoints.cross("modify.changed")
            if packing == "none":
                publish_folder(part, target)
            else:
                _pack(part, part_of(target), packing)
                publish(part_of(target), target)
        old = reference(source.parent, source)
        return changed.with_data(reference(target.parent, target), old)


def _pack(folder: Path, part: Path, packing: str) -> None:
    """Names sorted and owners left out: equal directories give equal archives."""
    with (
        create_compressed(part, packing) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


class FunctionArguments(Arguments):
    """Which function."""

    function: str
    """`module:function`, called with the token and the filter's context."""


class PythonFunction(Filter):
    """Calls a function with the token; what it returns is the outcome, None leaves the token as it is."""

    arguments = FunctionArguments

    def __init__(self, context: FilterContext) -> None:
        super().__init__(context)
        module, _, name = self.args.function.partition(":")
        self._function: Callable[[Token, FilterContext], Outcome | None] = load(  # type: ignore[assignment] # checked by `problems`
            module, name, context.root
        )

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        return function_problems(str(context.args["function"]), context)

    def process(self, token: Token) -> Outcome:
        outcome = self._function(token, self.context) or token
        self.context.failpoints.cross("function.called")
        return outcome


def function_problems(text: str, context: FilterContext) -> Iterable[str]:
    """What is wrong with the name of a function."""
    module, colon, name = text.partition(":")
    if not colon:
        yield f"expected module:function, got {text!r}"
        return
    try:
        found = load(module, name, context.root)
    except ValueError as error:
        yield str(error)
        return
    if not callable(found):
        yield f"{text!r} is no function"
