"""Keys of other programs: accepted with their meaning, or refused with what to write instead."""

import pytest

from penstock.base import parse_yaml
from penstock.ingest._refused_config import refuse

ELSEWHERE = """\
source: {source_uri: a, max_concurrent_files: 1, batch_size: 1, use_watermark: false, checkpoint: {interval_files: 1}}
sink: {path: a, row_group_size_bytes: 1, partition_by: {prefix_template: a}, rollover_timeout_secs: 1,
  part_size_mb: 1, min_multipart_size_mb: 1, max_concurrent_parts: 1}
schema: {infer: true, coerce_conflicts_to_utf8: true}
sink_parallelism: 4
metrics: {enabled: true}
max_concurrent_parts: 8
tables:
  t: {table_uri: a, poll_interval_secs: 1, partition_by: {}, partition_filter: {}, delta_checkpoint_interval: 1,
    schema_evolution: merge, storage_options: {}, max_concurrent_uploads: 1, app_id: x}
"""


@pytest.mark.case("k07")
@pytest.mark.case("k24")
def test_each_of_them_is_refused_with_what_to_write_instead() -> None:
    _, problems = refuse(parse_yaml(ELSEWHERE, file="x.yaml"))

    keys = {problem.key for problem in problems}
    assert len(keys) == len(problems) == 27
    assert all(problem.hint for problem in problems)


def test_nobody_hears_of_them_twice() -> None:
    document, _ = refuse(parse_yaml(ELSEWHERE, file="x.yaml"))

    assert document.data == {"source": {}, "sink": {}, "schema": {}, "metrics": {}}


@pytest.mark.parametrize("place", ["sources.main", "source"])
def test_they_are_found_in_every_pipeline(place: str) -> None:
    text = "pipelines:\n  a:\n    " + ": {".join([*place.split("."), "batch_size: 1"])
    text += "}" * (place.count(".") + 1)

    _, [problem] = refuse(parse_yaml(text, file="x.yaml"))

    assert problem.key == f"pipelines.a.{place}.batch_size"


def test_a_value_that_asks_for_what_happens_anyway_is_passed_over() -> None:
    text = (
        "source: {use_watermark: true}\nschema: {infer: false, coerce_conflicts_to_utf8: false}\n"
    )

    document, problems = refuse(parse_yaml(text, file="x.yaml"))

    assert problems == []
    assert document.data == {"source": {}, "schema": {}}
