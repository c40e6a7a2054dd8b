"""YAML files that know on which line each key stands."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from penstock.base._errors import ConfigError, Problem
from penstock.base._value import Value

Path_ = tuple[str | int, ...]


class Document(Value):
    """One YAML 1.2 file, parsed: plain dicts, lists and scalars, and where they stand."""

    file: str
    """The file as the user named it."""

    data: Any
    """`None` for an empty file."""

    lines: Mapping[Path_, int]
    """1-based line of every key and list item, by its path from the root."""

    def line(self, path: Path_) -> int:
        """The line of `path`, or of its nearest ancestor that has one."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1

    def problem(self, path: Path_, message: str, hint: str = "") -> Problem:
        """A problem at `path` of this file."""
        return Problem(self.file, self.line(path), dotted(path), message, hint)

    def map_strings(self, change: Callable[[str], str]) -> "Document":
        """A copy whose string values have gone through `change`; keys are left alone.

        Raises:
            ConfigError: `change` raised ValueError for some values; all of them are named.
        """
        problems: list[Problem] = []

        def walk(value: Any, path: Path_) -> Any:
            if isinstance(value, dict):
                return {key: walk(item, (*path, key)) for key, item in value.items()}
            if isinstance(value, list):
                return [walk(item, (*path, index)) for index, item in enumerate(value)]
            if not isinstance(value, str):
                return value
            try:
                return change(value)
            except ValueError as error:
                problems.append(self.problem(path, str(error)))
                return value

        data = walk(self.data, ())
        if problems:
            raise ConfigError(tuple(problems))
        return Document(self.file, data, self.lines)


def dotted(path: Path_) -> str:
    """The path as people write it: `sources.main.fields[2].type`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse_yaml(text: str, *, file: str) -> Document:
    """Parse one YAML 1.2 document; duplicate keys are errors.

    Raises:
        ConfigError: The text is not YAML; the problem names the line.
    """
    loader = YAML(typ="safe", pure=True)
    lines: dict[Path_, int] = {}
    try:
        root = loader.compose(text)
        data = _Plain(loader.constructor, lines).of(root, ()) if root else None
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = Problem(file, line, "", str(error.problem), "keep one of the two")
        raise ConfigError((problem,)) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        hint = _hint_of(text.splitlines()[line - 1 : line])
        raise ConfigError((Problem(file, line, "", f"not YAML: {error.problem}", hint),)) from error
    except YAMLError as error:
        raise ConfigError((Problem(file, 0, "", f"not YAML: {error}"),)) from error
    return Document(file, data, lines)


def _hint_of(lines: Sequence[str]) -> str:
    """`{path: ${X}}` is the one mistake that this program invites: the braces of `${X}` are YAML's."""
    return 'inside braces, write quotes around "${...}"' if "${" in "".join(lines) else ""


def read_yaml(path: Path) -> Document:
    """Read and parse one file.

    Raises:
        ConfigError: The file cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError((Problem(str(path), 0, "", f"cannot be read: {reason}"),)) from error
    return parse_yaml(text, file=str(path))


class _Plain:
    """Makes plain dicts, lists and scalars of YAML's nodes, and notes where they stand."""

    def __init__(self, constructor: SafeConstructor, lines: dict[Path_, int]) -> None:
        self._constructor = constructor
        self._lines = lines
        self._inside: set[Node] = set()

    def of(self, node: Node, path: Path_) -> Any:
        """What the node holds, as the value at `path`."""
        if node.tag not in self._constructor.yaml_constructors:
            raise ConstructorError(
                None, None, f"the tag {node.tag!r} is not known", node.start_mark
            )
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if node in self._inside:
            raise ConstructorError(None, None, "an alias within its own anchor", node.start_mark)
        self._inside.add(node)
        if isinstance(node, MappingNode):
            plain: Any = self._mapping(node, path)
        else:
            plain = self._sequence(node, path)
        self._inside.remove(node)
        return plain

    def _scalar(self, node: ScalarNode) -> Any:
        try:
            return self._constructor.construct_object(node)
        except (ValueError, LookupError) as error:  # of what makes numbers, dates and booleans
            said = f"{node.value!r} is no {str(node.tag).rpartition(':')[2]}"
            raise ConstructorError(None, None, said, node.start_mark) from error

    def _sequence(self, node: Node, path: Path_) -> list[Any]:
        for index, item in enumerate(node.value):
            self._lines[*path, index] = item.start_mark.line + 1
        return [self.of(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path_) -> dict[Any, Any]:
        """Its keys and those that it merges (`<<: *defaults`), which come first and give way."""
        self._constructor.flatten_mapping(node)
        plain: dict[Any, Any] = {}
        merged, own = len(node.merge or ()), set()
        for index, (key_node, value_node) in enumerate(node.value):
            mark = key_node.start_mark
            if not isinstance(key_node, ScalarNode):
                raise ConstructorError(None, None, "a key that is no scalar", mark)
            key = self._scalar(key_node)
            if key in own:
                raise DuplicateKeyError(None, None, f'found duplicate key "{key}"', mark)
            if index >= merged:
                own.add(key)
            self._lines[*path, key] = mark.line + 1
            plain[key] = self.of(value_node, (*path, key))
        return plain
