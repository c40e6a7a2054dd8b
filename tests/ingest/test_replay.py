"""Dead letters go through again: each once, whoever dies, with what is wrong with them left."""

from pathlib import Path

import pytest

from penstock import ingest
from penstock.base import Failpoints
from penstock.ingest._notebook import _wait
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
LATER = ['{"id": 7, "v": 1}', '{"id": 8, "v": 2}', "nonsense"]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """One good row, two lines that a corrected schema takes, one that nothing takes, one torn file."""
    made = Workplace(tmp_path)
    made.configure(kind="string")
    made.put("a.ndjson.gz", [], '{"id": 1, "v": "x"}', *LATER)
    made.put_bytes("torn.ndjson.gz", b"torn")
    assert ingest.run(made.config).exit_code == 0
    made.configure(kind="json")
    return made


def letters(place: Workplace) -> list[tuple[str, int, str]]:
    found = ingest.dead_letters(place.config)
    return sorted((letter.name, letter.line, letter.error_class) for letter in found)


def test_lines_that_are_right_now_become_rows_and_the_others_stay(place: Workplace) -> None:
    before = letters(place)

    report = ingest.replay(place.config)

    assert report.exit_code == 0
    assert report.pipelines[0].figures.records_processed == 2
    assert place.rows() == [1, 7, 8]
    assert before == [
        ("a.ndjson.gz", 2, "type"),
        ("a.ndjson.gz", 3, "type"),
        ("a.ndjson.gz", 4, "syntax"),
        ("torn.ndjson.gz", 0, "not-compressed"),
    ]
    assert letters(place) == [before[2], before[3]]


def test_replaying_again_adds_nothing(place: Workplace) -> None:
    for _ in range(3):
        ingest.replay(place.config)

    assert place.rows() == [1, 7, 8]
    assert letters(place) == [("a.ndjson.gz", 4, "syntax"), ("torn.ndjson.gz", 0, "not-compressed")]


@pytest.mark.parametrize(
    "point", ["plan.written", "output.stored", "letters.stored", "seal.written", "commit.after"]
)
def test_a_replay_that_dies_is_finished_once(place: Workplace, point: str) -> None:
    """By the next run of any kind: a replay is a plan like any other."""
    settings = ingest.RunSettings(
        replay=ingest.Inspector(ingest.validate(place.config)).replayable(),
        failpoints=Failpoints.parse(f"{point}=error"),
    )
    died = _wait(ingest.run_ingest(ingest.validate(place.config), settings))

    ingest.run(place.config)
    ingest.replay(place.config)

    assert died.exit_code == 1
    assert place.rows() == [1, 7, 8]
    assert letters(place) == [("a.ndjson.gz", 4, "syntax"), ("torn.ndjson.gz", 0, "not-compressed")]


def test_an_unknown_pipeline_is_named(place: Workplace) -> None:
    with pytest.raises(Exception, match="there is no such pipeline"):
        ingest.replay(place.config, pipelines=["q"])
