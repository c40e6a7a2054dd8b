"""Places that two owners claim: found before anything is read or written."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.base import Document, Problem, Value
from penstock.ingest._config import LONE_PIPELINE
from penstock.ingest._location_config import locate

KeyPath = tuple[str | int, ...]

_STATE = "state directory"
_HINTS = {
    frozenset({"source"}): "let one of them read it, or give each a directory of its own",
    frozenset({"table"}): "let one pipeline have both sources, or give each a table of its own",
    frozenset({"source", "table"}): "give the table a place outside of every source",
}


class Claim(Value):
    """Somebody wants a place for itself."""

    kind: str
    """`source`, `table`, `dead letters` or `state directory`."""

    pipeline: str
    """Its key; of the state directory, which all share, it is empty."""

    place: PurePosixPath
    """In its normal form, with links resolved; objects stand below the name of their store."""

    document: Document
    path: KeyPath

    @property
    def where(self) -> str:
        """The place in the configuration, for people."""
        return f"{self.document.file}:{self.document.line(self.path)}"


def conflicts(documents: list[tuple[Document, Path]]) -> list[Problem]:
    """Find every place that is claimed twice, or stands inside another one where it may not.

    It reads what was written rather than models, so that one run of `validate` names these
    problems beside all others. Two pipelines may share a place for dead letters.

    Args:
        documents: The files, expanded, each with the directory that its paths start from.
    """
    claims = [claim for document, directory in documents for claim in _claims(document, directory)]
    claims += _state_claim(documents)
    return [
        problem
        for one, other in combinations(claims, 2)
        for problem in _conflict(one, other)
        if one.place in (other.place, *other.place.parents) or other.place in one.place.parents
    ]


def _conflict(one: Claim, other: Claim) -> Iterator[Problem]:
    """What is wrong with two claims of which one stands in the other."""
    kinds = {one.kind, other.kind}
    if kinds == {"dead letters"}:
        return
    if _STATE in kinds:
        claim, state = (one, other) if other.kind == _STATE else (other, one)
        if claim.place == state.place or state.place in claim.place.parents:
            hint = "write a directory beside it: what is in there may be deleted at any time"
            yield _problem(claim, state, hint)
        elif _harms(state, claim, ("_", ".")):
            yield _problem(claim, state, "let state_dir be a directory beside it")
        return
    if "dead letters" in kinds:
        letters, host = (one, other) if one.kind == "dead letters" else (other, one)
        if _harms(letters, host):
            yield _problem(letters, host, "write a directory beside it, or leave out dlq_path")
        return
    yield _problem(other, one, _HINTS[frozenset(kinds)])


def _harms(guest: Claim, host: Claim, apart: tuple[str, ...] = ("_",)) -> bool:
    """Whether what stands in it would be read as files of a source, or be in the way of a table."""
    inside = guest.place == host.place or host.place in guest.place.parents
    return inside and not any(
        part.startswith(apart) for part in guest.place.relative_to(host.place).parts
    )


def _problem(claim: Claim, other: Claim, hint: str) -> Problem:
    relation = (
        "is also"
        if claim.place == other.place
        else "stands inside"
        if other.place in claim.place.parents
        else "holds"
    )
    owner = "" if other.kind == _STATE else f" of {other.pipeline!r}"
    if claim.pipeline == other.pipeline:
        owner = " of the same pipeline"
    message = (
        f"the {claim.kind} of {claim.pipeline!r} {relation} the {other.kind}{owner} "
        f"({other.where}): {_shown(claim.place)}"
    )
    return claim.document.problem(claim.path, message, hint)


def _shown(place: PurePosixPath) -> str:
    return str(place) if place.is_absolute() else f"s3://{'/'.join(place.parts[1:])}"


def _claims(document: Document, directory: Path) -> Iterator[Claim]:
    data = document.data if isinstance(document.data, Mapping) else {}
    for pipeline, path, written in _pipelines(data):
        for kind, key_path in _claimed(written):
            block = _at(written, key_path[:-1])
            text = block.get(key_path[-1]) if isinstance(block, Mapping) else None
            options = block.get(
                "dlq_storage_options" if kind == "dead letters" else "storage_options"
            )
            place = _place(text, directory, options)
            if place is not None:
                yield Claim(kind, pipeline, place, document, (*path, *key_path))


def _state_claim(documents: list[tuple[Document, Path]]) -> Iterator[Claim]:
    """The state directory, where one is written; of several files the last one holds."""
    for document, directory in reversed(documents):
        data = document.data if isinstance(document.data, Mapping) else {}
        place = _place(data.get("state_dir"), directory, {})
        if place is not None:
            yield Claim(_STATE, "", place, document, ("state_dir",))
            return


def _pipelines(data: Mapping[Any, Any]) -> Iterator[tuple[str, KeyPath, Mapping[Any, Any]]]:
    yield LONE_PIPELINE, (), {key: value for key, value in data.items() if key != "pipelines"}
    pipelines = data.get("pipelines")
    for key, value in pipelines.items() if isinstance(pipelines, Mapping) else ():
        if isinstance(value, Mapping):
            yield str(key), ("pipelines", key), value


def _claimed(written: Mapping[Any, Any]) -> Iterator[tuple[str, KeyPath]]:
    sources = written.get("sources")
    for name in sources if isinstance(sources, Mapping) else ():
        yield "source", ("sources", name, "path")
    yield "source", ("source", "path")
    yield "table", ("sink", "table_uri")
    yield "dead letters", ("error_handling", "dlq_path")


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _place(text: object, directory: Path, options: object) -> PurePosixPath | None:
    """The normal form, or None where the model has something to say about it."""
    if not isinstance(text, str):
        return None
    try:
        located = locate(text, directory)
    except ValueError:
        return None
    if not located.startswith("s3://"):
        return PurePosixPath(Path(located).resolve())
    settings = options if isinstance(options, Mapping) else {}
    endpoints = {
        str(value).rstrip("/") for key, value in settings.items() if "endpoint" in str(key).lower()
    }
    return PurePosixPath(
        "".join(sorted(endpoints)).replace("/", "|") or "s3", located.removeprefix("s3://")
    )
