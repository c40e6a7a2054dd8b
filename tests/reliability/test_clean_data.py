"""Nothing goes wrong, and nothing is lost: what comes is in the table, once, whatever its name."""

import asyncio
import base64
from pathlib import Path
from random import Random

import pytest
from deltalake import DeltaTable

from penstock import ingest
from tests.ingest.workplace import Workplace
from tests.reliability.followers import following

pytestmark = pytest.mark.slow
_FULL_PART = 1_200_000


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.mark.case("0")
def test_every_output_is_committed_while_outputs_roll(place: Workplace) -> None:
    """An output that is finished late is committed by its plan, not by the order of names."""
    place.configure(max_files=4, extra_sink=", file_size_mb: 1, row_group_rows: 16")
    random = Random(1)
    for number in range(6):
        pad = base64.b64encode(random.randbytes(_FULL_PART)).decode()
        place.put(f"{random.randint(0, 999):03}-{number}.ndjson.gz", [])
        place.put(
            f"{random.randint(0, 999):03}-{number}x.ndjson.gz",
            range(number * 100, number * 100 + 99),
            f'{{"id": {number * 100 + 99}, "v": "{pad}"}}',
        )

    report = ingest.run(place.config)

    assert report.exit_code == 0
    assert place.rows() == list(range(600))
    stored = {path.name for path in (place.root / "lake/t").glob("*.parquet")}
    assert set(DeltaTable(str(place.root / "lake/t")).file_uris()) == {
        str(place.root / "lake/t" / name) for name in stored
    }
    assert len(stored) > report.pipelines[0].figures.plans


@pytest.mark.case("0")
def test_files_that_come_one_by_one_in_any_order_of_names_are_all_taken(place: Workplace) -> None:
    """A live follower, and names that mostly sort below those it has seen."""
    names = [f"{number:03}.ndjson.gz" for number in range(24)]
    Random(2).shuffle(names)

    async def follow() -> None:
        async with following(place) as follower:
            for number, name in enumerate(names):
                place.put(name, range(number * 10, number * 10 + 10))
                await asyncio.sleep(0.01)
            await follower.until_files(len(names))

    asyncio.run(follow())

    assert place.rows() == list(range(240))


@pytest.mark.case("once")
@pytest.mark.case("k14")
def test_a_run_over_nothing_ends_by_itself_and_well(place: Workplace) -> None:
    """So does one over a source that is not there yet."""
    assert ingest.run(place.config).exit_code == 0

    (place.root / "in").mkdir()
    report = ingest.run(place.config)

    assert report.exit_code == 0
    assert report.pipelines[0].ended == "completed"
    assert place.rows() == []
