"""A board that fetches from one place of an S3 server and stores in another."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from random import Random

from penstock.kanban import Operator, Token
from penstock.storage import ObjectStore, open_store
from tests.ingest.kills import KillServer
from tests.kanban.filter_kills import FilterCase, FilterKills

CONTENT = Random(5).randbytes(3_000_000)


def place(bucket: str, folder: Path) -> str:
    """A prefix of this test's own."""
    return f"s3://{bucket}/{folder.name}"


def opened(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store behind a prefix."""
    return open_store(url, options)


def references(options: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The options with the secret by reference, as a configuration must have it."""
    secret = next(key for key in options if "secret" in key.lower())
    (folder / "secret").write_text(options[secret])
    return {**options, secret: f"${{file:{folder}/secret}}"}


def downloads_survive_kills(
    server: KillServer, url: str, options: Mapping[str, str], folder: Path
) -> FilterKills:
    """Kill a Downloader everywhere."""
    opened(f"{url}/in", options).put("b1.gpg", CONTENT)
    args = {"source": f"{url}/in/{{barcode}}.gpg", "free": 0}
    points = {"download.block", "download.fetched", "download.published"}
    settings = {"storage_options": references(options, folder)}
    case = FilterCase("Downloader", args, lambda _: [Token("b1")], points, settings)
    campaign = FilterKills(server, case, folder)
    campaign.run()
    return campaign


def uploads_survive_kills(
    server: KillServer, url: str, options: Mapping[str, str], folder: Path
) -> FilterKills:
    """Kill an Uploader everywhere; what it stores is looked at after each."""

    def fill(root: Path) -> list[Token]:
        opened(f"{url}/out", options).delete("b1.zst")
        (root / "work" / "b1.zst").write_bytes(CONTENT)
        return [Token("b1")]

    args = {"target": f"{url}/out/{{barcode}}.zst"}
    points = {"upload.stored", "upload.verified", "upload.removed"}
    settings = {"storage_options": references(options, folder)}
    campaign = FilterKills(server, FilterCase("Uploader", args, fill, points, settings), folder)
    campaign.run()
    assert opened(f"{url}/out", options).get("b1.zst") == CONTENT
    return campaign


def operator(folder: Path, config: Mapping[str, object]) -> Operator:
    """A board of this configuration."""
    (folder / "penstock.kanban.yaml").write_text(json.dumps(config))
    return Operator(folder / "penstock.kanban.yaml", os.environ)
