"""The filters that come along, and how a class is found by its name."""

import sys
from importlib import import_module, reload
from pathlib import Path

from penstock.base import MissingExtraError, suggest
from penstock.kanban._filter import Filter

BUILT_IN = {
    "Archiver": "penstock.kanban._filter_archive",
    "Collector": "penstock.kanban._filter_split",
    "Decryptor": "penstock.kanban._filter_decrypt",
    "Downloader": "penstock.kanban._filter_download",
    "Extractor": "penstock.kanban._filter_extract",
    "Modifier": "penstock.kanban._filter_modify",
    "Monitor": "penstock.kanban._filter_monitor",
    "PythonFunction": "penstock.kanban._filter_modify",
    "Shell": "penstock.kanban._filter_shell",
    "Splitter": "penstock.kanban._filter_split",
    "Uploader": "penstock.kanban._filter_upload",
}


def find_class(name: str, root: Path) -> type[Filter]:
    """The class of a filter: built in, or `module:Class`, looked for in the configuration's directory too.

    Raises:
        ValueError: There is no such class, or it is no filter.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in BUILT_IN:
            raise ValueError(
                f"unknown class {name!r}; {suggest(name, sorted(BUILT_IN))} "
                "A class of your own is written module:Class"
            )
        module, attribute = BUILT_IN[name], name
    return _checked(load(module, attribute, root), name)


def load(module: str, attribute: str, root: Path) -> object:
    """An attribute of a module, which may lie in the configuration's directory.

    Raises:
        ValueError: The module cannot be imported, or has no such attribute.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        found = import_module(module)
        if not hasattr(found, attribute):
            found = reload(found)  # it may have been written since a running board read it
        return getattr(found, attribute)
    except MissingExtraError as error:
        raise ValueError(str(error)) from error
    except Exception as error:
        raise ValueError(
            f"{module}:{attribute} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _checked(found: object, name: str) -> type[Filter]:
    if not (isinstance(found, type) and issubclass(found, Filter)):
        raise ValueError(  # noqa: TRY004 - a wrong value in a file
            f"{name!r} is no filter; derive it from penstock.kanban.Filter"
        )
    return found
