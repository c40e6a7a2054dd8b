"""Small configurations, and reading them."""

from pathlib import Path

import pytest

from penstock.base import ConfigError
from penstock.ingest import IngestConfig
from penstock.ingest._load import load_config

ALONE = """\
source: {path: in}
schema: {fields: [{name: id, type: int64}]}
sink: {table_uri: out}
"""


def load(tmp_path: Path, *texts: str, **environ: str) -> IngestConfig:
    files = []
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        files.append(file)
    return load_config(files, environ=environ)


def pipeline(key: str, source: str, table: str, extra: str = "") -> str:
    return (
        f'pipelines:\n  {key}:\n    sources: {{main: {{path: "{source}"}}}}\n'
        f"    schema: {{fields: [{{name: id, type: int64}}]}}\n    sink: {{table_uri: '{table}'}}\n{extra}"
    )


def problems(tmp_path: Path, *texts: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *texts, **environ)
    return [str(found).replace(f"{tmp_path}/", "") for found in sorted(caught.value.problems)]
