"""A directory with a configuration and files, as a user has them."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from deltalake import DeltaTable

CONFIG = """\
pipelines:
  p:
    sources: {{main: {{path: in, settle_secs: 0, poll_interval_secs: 0.05}}}}
    schema: {{{schema}fields: [{{name: id, type: int64, nullable: false}}, {{name: v, type: {type}}}]}}
    sink: {{table_uri: lake/t{extra_sink}}}
    plan: {{max_files: {max_files}, max_age: 0}}
    error_handling: {{max_failures: {max_failures}, bad_lines: {bad_lines}}}
"""


class Workplace:
    """Files in `in`, a table in `lake/t`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "c.yaml"
        self.configure()

    def configure(
        self,
        *,
        max_files: int = 2,
        max_failures: int = 0,
        bad_lines: str = "row",
        kind: str = "string",
        extra_sink: str = "",
        schema: str = "",
    ) -> None:
        self.config.write_text(
            CONFIG.format(
                max_files=max_files,
                max_failures=max_failures,
                bad_lines=bad_lines,
                type=kind,
                extra_sink=extra_sink,
                schema=schema,
            )
        )

    def put(self, name: str, ids: Iterable[int], *bad: str) -> Path:
        """A file with a row per id, and the bad lines behind them."""
        lines = [json.dumps({"id": i, "v": f"{i:06}"}) for i in ids] + list(bad)
        return self.put_bytes(name, gzip.compress("".join(f"{x}\n" for x in lines).encode()))

    def put_bytes(self, name: str, content: bytes) -> Path:
        """Whole at once, as a follower may look at any instant."""
        path, made = self.root / "in" / name, self.root / "being-written"
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
        return made.replace(path)

    def rows(self) -> list[int]:
        """The ids in the table, sorted; doubled ones stand twice."""
        dataset = DeltaTable(str(self.root / "lake/t")).to_pyarrow_dataset()
        return sorted(dataset.to_table(columns=["id"]).column("id").to_pylist())
