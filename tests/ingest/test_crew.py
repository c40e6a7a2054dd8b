"""What a reload may change, and what it may not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.base import ConfigError
from penstock.ingest import IngestOptions
from penstock.ingest._crew import Crew
from penstock.topology import FailurePolicy
from tests.ingest.configs import load, pipeline


def _crew(tmp_path: Path, text: str, *, ends: bool = False) -> Crew:
    return Crew(load(tmp_path, text), lambda _: IngestOptions(tmp_path), None, ends=ends)


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("metrics.address", "metrics: {address: 'h:1'}", "metrics: {address: 'h:2'}"),
        ("metrics.address", "metrics: {address: 'h:1'}", ""),
        ("state_dir", "state_dir: s1", "state_dir: s2"),
        ("global.total_concurrency", "", "global: {total_concurrency: 2}"),
        ("global.poll_jitter_secs", "global: {}", "global: {poll_jitter_secs: 2}"),
        ("global.connection_pooling", "global: {}", "global: {connection_pooling: false}"),
        (
            "global.supervision.drain_deadline",
            "global: {supervision: {drain_deadline: 1m}}",
            "global: {supervision: {drain_deadline: 2m}}",
        ),
    ],
)
def test_what_holds_to_the_end_of_the_process_is_refused_with_its_key(
    tmp_path: Path, key: str, before: str, after: str
) -> None:
    """Each by itself; nothing else of such a configuration is taken over."""
    crew = _crew(tmp_path, f"{before}\n{pipeline('a', 'in', 't')}")
    held = crew.config
    changed = load(tmp_path, f"{after}\n{pipeline('b', 'in', 't')}")

    with pytest.raises(ConfigError, match="cannot be changed while it runs") as caught:
        crew.follow(changed)

    assert [(found.key, found.line) for found in caught.value.problems] == [(key, 1)]
    assert crew.config is held


def test_a_pipeline_that_is_written_differently_and_means_the_same_is_the_same(
    tmp_path: Path,
) -> None:
    """Comments, order and units are no reason to drain."""
    extra = "    plan: {max_age: 1m}\n"
    crew = _crew(tmp_path, pipeline("a", "in", "t", extra))
    [one] = crew.specs()

    [other] = crew.follow(
        load(tmp_path, "# moved\n" + pipeline("a", "./in/", "t", extra.replace("1m", "60")))
    )
    [third] = crew.follow(load(tmp_path, pipeline("a", "in", "t", extra.replace("1m", "61"))))

    assert one.configuration == other.configuration
    assert one.configuration != third.configuration


def test_how_it_is_looked_after_is_no_part_of_what_it_is(tmp_path: Path) -> None:
    """It is taken over without a drain; and work that ends is not begun anew."""
    crew = _crew(tmp_path, pipeline("a", "in", "t"))
    [one] = crew.specs()

    own = "    supervision: {on_failure: stop_all}\n"
    [other] = crew.follow(load(tmp_path, pipeline("a", "in", "t", own)))
    [ending] = replace(crew, config=load(tmp_path, pipeline("a", "in", "t")), ends=True).specs()

    assert one.configuration == other.configuration
    assert one.supervision.on_failure is FailurePolicy.RESTART
    assert other.supervision.on_failure is FailurePolicy.STOP_ALL
    assert ending.supervision.on_failure is FailurePolicy.ISOLATE
