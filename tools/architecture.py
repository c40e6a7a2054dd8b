"""The rules of the house that neither the linter nor the import contract can say.

Each rule is a function that returns one sentence per fault; `tests/test_architecture.py` applies
them to the code, and to planted faults.
"""

import ast
import inspect
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = "penstock"
DOOR_NAMES = 25
# Flow is the one room that user code is written against: its names are the product.
WIDER_DOORS = {"penstock.flow": 36}
FUNCTION_LINES = 60
CLASS_LINES = 300

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(folder: Path) -> list[Path]:
    """Every Python file below `folder`."""
    return sorted(folder.rglob("*.py"))


def oversized(path: Path, lines: int) -> Iterator[str]:
    """What is over its budget: the file, a function, a class."""
    text = path.read_text(encoding="utf-8")
    count = len(text.splitlines())
    if count > lines:
        yield f"{path}: {count} lines, expected at most {lines}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _Function):
            yield from _long(path, node, "function", FUNCTION_LINES)
        elif isinstance(node, ast.ClassDef):
            yield from _long(path, node, "class", CLASS_LINES)


def _long(path: Path, node: _Function | ast.ClassDef, kind: str, most: int) -> Iterator[str]:
    count = (node.end_lineno or node.lineno) - node.lineno + 1
    if count > most:
        place = f"{path}:{node.lineno}"
        yield f"{place}: {kind} {node.name} has {count} lines, expected at most {most}"


def inner_imports(path: Path, allowed: Collection[str] = ()) -> Iterator[str]:
    """Imports inside functions; `allowed` lists the ones there must be, as `module in function`."""
    for function in ast.walk(_parsed(path)):
        if not isinstance(function, _Function):
            continue
        for node in ast.walk(function):
            for module in _imported(node):
                if f"{module} in {function.name}" not in allowed:
                    yield f"{path}:{node.lineno}: import of {module} inside {function.name}"  # type: ignore[attr-defined]  # an import has a line


def side_entrances(path: Path, room: str) -> Iterator[str]:
    """Imports that enter another room, or the package itself, by anything but a room's door."""
    for node in ast.walk(_parsed(path)):
        for module in _imported(node):
            parts = module.split(".")
            if parts[0] != PACKAGE or (len(parts) > 1 and parts[1] == room):
                continue
            if len(parts) != 2:
                yield f"{path}:{node.lineno}: expected an import from a room's door, got {module}"  # type: ignore[attr-defined]  # an import has a line


def exposed_files(room: Path) -> Iterator[str]:
    """Files of a room whose names do not start with an underscore."""
    for path in sources(room):
        if not path.name.startswith("_"):
            yield f"{path}: expected a name with an underscore: only the door is public"


def banned_calls(path: Path) -> Iterator[str]:
    """Patching by name and sleeping, which tests do without."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "unittest.mock", "mock"}:
            named = {alias.name for alias in node.names} & {"sleep", "patch"}
            yield from (f"{path}:{node.lineno}: import of {name}" for name in sorted(named))
        elif isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if text == "time.sleep" or text.endswith("mock.patch") or text == "mocker.patch":
                yield f"{path}:{node.lineno}: use of {text}"


def door_faults(door: ModuleType) -> Iterator[str]:
    """What is wrong with a room's public module, seen at run time."""
    if not (door.__doc__ or "").strip():
        yield f"{door.__name__}: expected a docstring: owns, promises, does not"
    names = getattr(door, "__all__", None)
    if names is None:
        yield f"{door.__name__}: expected __all__"
        return
    if list(names) != sorted(names, key=_rank):
        yield f"{door.__name__}: expected __all__ to be sorted"
    most = WIDER_DOORS.get(door.__name__, DOOR_NAMES)
    if len(names) > most:
        yield f"{door.__name__}: {len(names)} names, expected at most {most}"
    for name in names:
        yield from _undocumented(f"{door.__name__}.{name}", getattr(door, name, None))


def _rank(name: str) -> tuple[int, str]:
    """The linter's order: constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _undocumented(path: str, value: object) -> Iterator[str]:
    if value is None:
        yield f"{path}: named in __all__, but not there"
    elif inspect.isroutine(value) and not inspect.getdoc(value):
        yield f"{path}: expected a docstring"
    elif inspect.isclass(value):
        # A class says for itself what it is (a dataclass would else show its signature); a method
        # that implements a contract inherits the contract's docstring.
        said = (value.__doc__ or "").strip()
        if not said or said.startswith(f"{value.__name__}("):
            yield f"{path}: expected a docstring"
        for name, member in vars(value).items():
            if _public_method(name, member) and not _inherits_docstring(value, name):
                yield f"{path}.{name}: expected a docstring"


def _inherits_docstring(cls: type, name: str) -> bool:
    return any(vars(base)[name].__doc__ for base in cls.__mro__ if name in vars(base))


def _public_method(name: str, member: object) -> bool:
    kinds = (property, classmethod, staticmethod)
    return not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, kinds))


def _imported(node: ast.AST) -> list[str]:
    """The modules that one import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    return []


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
