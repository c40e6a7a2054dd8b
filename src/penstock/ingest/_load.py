"""Read configuration files: merged, expanded, checked as a whole, all problems at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.base import ConfigError, Document, Interpolator, Problem, Value, read_yaml
from penstock.ingest._config import (
    LONE_PIPELINE,
    ConfigFile,
    MetricsConfig,
    PipelineConfig,
)
from penstock.ingest._conflicts import conflicts
from penstock.ingest._refused_config import refuse
from penstock.topology import GlobalConfig

_ENDINGS = (".yaml", ".yml")


class IngestConfig(Value):
    """All that was configured, checked."""

    pipelines: Mapping[str, PipelineConfig]
    """By key, in the order in which they were written."""

    shared: GlobalConfig
    """What all pipelines share."""

    metrics: MetricsConfig | None
    """Where metrics are served; None serves none."""

    state_dir: Path
    """Where local state is kept; it need not exist yet."""

    files: tuple[Path, ...]
    """The files this was read from, in the order in which they were read."""


class _Read(Value):
    """One file as far as it could be read."""

    document: Document
    directory: Path
    model: ConfigFile | None
    problems: tuple[Problem, ...]


def load_config(paths: Sequence[Path | str], *, environ: Mapping[str, str]) -> IngestConfig:
    """Read files, and directories of files, into one configuration.

    Files come first, in the order given, then the `.yaml` and `.yml` files of each directory,
    sorted by name. A file that is named twice is read once. Pipelines add up, and one key in two
    files is a problem; of several `global`, `metrics` and `state_dir` the last one holds. Relative
    paths start from the directory of the file they are written in.

    Args:
        paths: Files and directories, at least one.
        environ: The variables for `${NAME}`.

    Raises:
        ConfigError: All that is wrong in all the files, with file, line and suggestion.
    """
    files, problems = _files(paths)
    read: list[_Read] = []
    for file in files:
        try:
            read.append(_read(file, environ))
        except ConfigError as error:
            problems += error.problems
    for found in read:
        problems += found.problems
    problems += _repeated_keys(read)
    problems += conflicts([(found.document, found.directory) for found in read])
    if not problems and not any(found.model and found.model.all_pipelines() for found in read):
        problems.append(_nothing_to_do(files))
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
    return _merged([found.model for found in read if found.model], files)


def _files(paths: Sequence[Path | str]) -> tuple[list[Path], list[Problem]]:
    given = [Path(path) for path in paths]
    found = [path for path in given if not path.is_dir()]
    problems = []
    for directory in (path for path in given if path.is_dir()):
        inside = sorted(path for path in directory.iterdir() if path.suffix in _ENDINGS)
        found += inside
        if not inside:
            problems.append(
                Problem(str(directory), 0, "", "holds no configuration", "add a .yaml file to it")
            )
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values()), problems


def _read(file: Path, environ: Mapping[str, str]) -> _Read:
    document = read_yaml(file)
    directory = file.absolute().parent
    problems: list[Problem] = []
    if document.data is not None and not isinstance(document.data, dict):
        message = f"expected keys such as 'pipelines', got {type(document.data).__name__}"
        return _Read(document, directory, None, (document.problem((), message),))
    try:
        document = document.map_strings(Interpolator(environ, directory=directory).expand)
    except ConfigError as error:
        problems += error.problems
    document, refused = refuse(document)
    problems += refused
    try:
        model = ConfigFile.from_document(document, context={"directory": directory})
    except ConfigError as error:
        known = {(problem.line, problem.key) for problem in problems}
        problems += [found for found in error.problems if (found.line, found.key) not in known]
        model = None
    return _Read(document, directory, model, tuple(problems))


def _repeated_keys(read: Sequence[_Read]) -> list[Problem]:
    first: dict[str, str] = {}
    problems = []
    for found in read:
        for key, path in _keys(found.document):
            place = f"{found.document.file}:{found.document.line(path)}"
            if key in first:
                message = f"the pipeline {key!r} is already at {first[key]}"
                problems.append(
                    found.document.problem(path, message, "give one of them another key")
                )
            first.setdefault(key, place)
    return problems


def _keys(document: Document) -> list[tuple[str, tuple[str | int, ...]]]:
    data = document.data if isinstance(document.data, dict) else {}
    pipelines = data.get("pipelines")
    keys: list[tuple[str, tuple[str | int, ...]]] = [
        (str(key), ("pipelines", key)) for key in (pipelines if isinstance(pipelines, dict) else ())
    ]
    return [*keys, *([(LONE_PIPELINE, ("source",))] if "source" in data else [])]


def _nothing_to_do(files: Sequence[Path]) -> Problem:
    names = ", ".join(str(file) for file in files)
    return Problem(names, 0, "", "there is no pipeline", "run `penstock init` for one that works")


def _merged(models: Sequence[ConfigFile], files: Sequence[Path]) -> IngestConfig:
    pipelines = {key: value for model in models for key, value in model.all_pipelines().items()}
    shared = [model.global_ for model in models if model.global_ is not None]
    metrics = [model.metrics for model in models if model.metrics is not None]
    state_dirs = [Path(model.state_dir) for model in models if model.state_dir is not None]
    return IngestConfig(
        pipelines=pipelines,
        shared=shared[-1] if shared else GlobalConfig(),
        metrics=metrics[-1] if metrics else None,
        state_dir=state_dirs[-1] if state_dirs else files[0].absolute().parent / ".penstock",
        files=tuple(files),
    )
