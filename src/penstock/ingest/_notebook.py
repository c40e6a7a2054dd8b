"""Ingestion from Python: the same as the command line, with values instead of text.

from penstock import ingest
report = ingest.run("penstock.yaml")
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from penstock.base import Failpoints
from penstock.ingest._dead_letters import DeadLetter
from penstock.ingest._file_states import FileRow
from penstock.ingest._inspect import Inspector
from penstock.ingest._load import IngestConfig, load_config
from penstock.ingest._run import IngestReport, RunSettings, run_ingest

T = TypeVar("T")
Given = IngestConfig | Path | str | Sequence[Path | str]
"""A configuration, or the files and directories it is written in."""


def validate(config: Given, *, environ: Mapping[str, str] | None = None) -> IngestConfig:
    """Read and check a configuration.

    Args:
        config: Files and directories; a configuration that has been read is returned as it is.
        environ: The variables for `${NAME}`; those of this process by default.

    Raises:
        ConfigError: All that is wrong, with file, line and suggestion.
    """
    if isinstance(config, IngestConfig):
        return config
    paths = [config] if isinstance(config, (Path, str)) else config
    return load_config(paths, environ=os.environ if environ is None else environ)


def run(config: Given, *, once: bool = True, failpoints: Failpoints | None = None) -> IngestReport:
    """Ingest what is there, or, with `once=False`, follow until a signal comes; also in a notebook.

    Raises:
        ConfigError: The configuration is wrong; nothing was done.
    """
    settings = RunSettings(once=once, failpoints=failpoints or Failpoints())
    return _wait(run_ingest(validate(config), settings))


def files(config: Given) -> list[FileRow]:
    """The state of every file that is there or was ever taken."""
    return Inspector(validate(config)).files()


def dead_letters(config: Given) -> Iterator[DeadLetter]:
    """The dead letters that no replay has taken."""
    return Inspector(validate(config)).dead_letters()


def replay(config: Given, *, pipelines: Sequence[str] = ()) -> IngestReport:
    """Put the lines of dead letters through again, each once, as the configuration now says.

    What is still wrong with a line is a new dead letter. Files that gave no row, and lines whose
    bytes were not kept whole, stay dead letters: give them under new names.

    Args:
        config: Usually with a corrected schema.
        pipelines: Keys; all by default.
    """
    checked = validate(config)
    letters = Inspector(checked).replayable(pipelines)
    return _wait(run_ingest(checked, RunSettings(replay=letters)))


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own, in another thread where this one has a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    done: list[T] = []
    failures: list[BaseException] = []

    def target() -> None:
        try:
            done.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller
            failures.append(error)

    thread = threading.Thread(target=target, name="penstock ingest")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return done[0]
