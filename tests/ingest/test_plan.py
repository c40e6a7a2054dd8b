"""What a stored plan means, for the version that wrote it and for later ones."""

import pytest

from penstock.base import RecordError
from penstock.ingest._plan import DictionaryUse, IntegerEncoding, Plan, WriterSettings


@pytest.mark.case("k15")
def test_a_plan_of_the_first_version_is_read_and_means_what_it_meant():
    """It says nothing of levels and encodings; what it stands for was written as the defaults say."""
    old = (
        b'{"format":1,"pipeline":"p","seq":1,"lane":"penstock/p","table_id":"t","schema_id":"s",'
        b'"planned_at":"2024-01-01T00:00:00Z","files":[],'
        b'"writer":{"codec":"zstd","file_size":1,"row_group_rows":1,"spill_limit":1}}'
    )
    writer = Plan.decode(old, place="plans/1.json").writer
    assert writer.compression_level is None
    assert writer.dictionary == "strings"
    assert writer.integer_encoding == "plain"
    assert writer.strands == 1


def test_a_plan_with_an_encoding_of_a_newer_version_is_refused():
    """To write it in another way would give other bytes than the rival who knows it."""
    with pytest.raises(RecordError, match=r"'new' - at .*integer_encoding"):
        WriterSettings.decode(
            b'{"codec":"zstd","file_size":1,"row_group_rows":1,"spill_limit":1,"integer_encoding":"new"}',
            place="plans/1.json",
        )


def test_a_plan_keeps_how_its_files_are_written():
    settings = WriterSettings(
        codec="zstd",
        file_size=1,
        row_group_rows=1,
        spill_limit=1,
        compression_level=-3,
        dictionary=DictionaryUse.SAMPLED,
        integer_encoding=IntegerEncoding.DELTA,
    )
    assert WriterSettings.decode(settings.encode(), place="plans/1.json") == settings
