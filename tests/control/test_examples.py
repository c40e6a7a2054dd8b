"""The pipelines in `examples/` do what they say."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from penstock.control import RunView, WorkspaceSettings, open_workspace
from penstock.workflow import Pipeline

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "pipelines"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(home: Path, file: str, **params: Any) -> RunView:
    async def main() -> RunView:
        settings = WorkspaceSettings(home / ".penstock", home, {"PATH": os.environ["PATH"]})
        async with open_workspace(settings) as workspace, workspace.working():
            pipeline = Pipeline.from_file(home / file)
            found, _ = await workspace.runs.start("t", pipeline, params)
            await asyncio.wait_for(workspace.engine.wait("t", found), 60)
            return await workspace.runs.view("t", found)

    return asyncio.run(main())


@pytest.mark.slow
def test_a_day_of_sales_is_summed_up_and_published(home: Path) -> None:
    """Running the day again replaces it, and leaves the other days alone."""
    orders = [("mon", "a", 2.0), ("mon", "a", 3.0), ("mon", "b", 1.0), ("tue", "a", 9.0)]
    columns = zip(*orders, strict=True)
    table = pa.table(dict(zip(("day", "shop", "amount"), map(list, columns), strict=True)))
    write_deltalake(str(home / "lake/orders"), table)

    for day in ("mon", "tue", "mon"):
        view = run(home, "daily_sales.yaml", day=day)
        assert view.state == "SUCCEEDED", view

    found = DeltaTable(str(home / "lake/daily_sales")).to_pyarrow_table().to_pylist()
    assert sorted((row["day"], row["shop"], row["orders"], row["amount"]) for row in found) == [
        ("mon", "a", 2, 5.0),
        ("mon", "b", 1, 1.0),
        ("tue", "a", 1, 9.0),
    ]
    assert json.loads((home / "published/mon.json").read_text()) == {"day": "mon", "shops": 2}


def test_a_trip_is_booked_or_given_back_whole(home: Path) -> None:
    assert run(home, "trip.yaml").state == "SUCCEEDED"
    view = run(home, "trip.yaml", hotel_is_full=True)

    assert (view.state, view.compensation) == ("FAILED", "done")
    assert [step.state for step in view.steps] == ["COMPENSATED", "COMPENSATED", "FAILED"]
    lines = (home / "trip.log").read_text().splitlines()
    assert lines[-2:] == ["give back car", "give back flight"]


def test_pictures_are_scaled_side_by_side_and_one_may_fail(home: Path) -> None:
    view = run(home, "thumbnails.yaml")

    assert view.state == "SUCCEEDED"
    assert [(step.state, step.items) for step in view.steps] == [
        ("WARNED", "3/4"),
        ("SUCCEEDED", ""),
    ]
