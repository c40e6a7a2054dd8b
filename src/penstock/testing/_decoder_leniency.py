"""What a decoder must make of values that it is asked to let through, as tables."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.ingest import LineError as E

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _after(**since: int) -> datetime:
    return _EPOCH + timedelta(**since)


_CUT = {"finer_timestamps": "cut"}
_WHOLE = {"whole_fractions": "read"}
_QUOTED = {"quoted_numbers": "read"}
_NULLIFY = {"not_a_number": "nullify"}
_SECONDS = {"epoch_timestamps": "seconds"}
_MILLIS = {"epoch_timestamps": "milliseconds"}
_MICROS = {"epoch_timestamps": "microseconds"}
_NANOS = {"epoch_timestamps": "nanoseconds"}

LENIENT: tuple[tuple[Mapping[str, Any], str, bytes, Any], ...] = (
    *(
        (_WHOLE, "i", text, value)
        for text, value in (
            *((b"1", 1), (b"1.0", 1), (b"-1.000", -1), (b"1e3", 1000), (b"1.5e1", 15)),
            *((b"0.0", 0), (b"-0.0", 0), (b"0e999999999999", 0), (b"1200e-2", 12)),
            *((b"9223372036854775807.0", 2**63 - 1), (b"-9223372036854775808.0", -(2**63))),
            *((b"9.223372036854775807e18", 2**63 - 1), (b"0.00001e5", 1)),
            *((b"1." + b"0" * 60, 1), (b"0." + b"0" * 60 + b"1e61", 1)),
            *((b"1" + b"0" * 60 + b"e-60", 1), (b"1e00000000000000000000001", 10)),
        )
    ),
    *(
        (_WHOLE, "i", b"~" + text, E.TYPE)
        for text in (b"1.5", b"1e-1", b"0.1", b"-0.5", b"1." + b"0" * 60 + b"1", b"1e-999999999999")
    ),
    *(
        (_WHOLE, "i", b"~" + text, E.RANGE)
        for text in (
            b"9223372036854775808.0",
            b"1e19",
            b"2e19",
            b"1e20",
            b"1e999999999999999999999",
            b"-1e19",
        )
    ),
    (_WHOLE, "n", b"2147483647.0", 2**31 - 1),
    (_WHOLE, "n", b"~2147483648.0", E.RANGE),
    (_WHOLE, "n", b"~2147483648", E.RANGE),
    (_WHOLE, "i", b'~"1.0"', E.TYPE),
    (_WHOLE, "t", b"~1.0", E.TYPE),
    *(
        (_QUOTED, column, text, value)
        for column, text, value in (
            *(("i", b'"12"', 12), ("i", b'"-9223372036854775808"', -(2**63)), ("n", b'"0"', 0)),
            *(("i", rb'"\u0031\u0032"', 12), ("f", b'"1.5"', 1.5), ("f", b'"-0.0"', -0.0)),
            *(("g", b'"16777217"', 16777216.0), ("f", b'"1e3"', 1000.0), ("f", b"1.5", 1.5)),
            *(("f", b'"0.' + b"3" * 900 + b'"', 1 / 3), ("s", b'"12"', "12"), ("l", b'["1"]', [1])),
        )
    ),
    *(
        (_QUOTED, "i", b"~" + text, E.TYPE)
        for text in (
            *(b'""', b'" 1"', b'"1 "', b'"1x"', b'"+1"', b'"01"', b'"1.0"', b'"-"', b'"1e"'),
            *(b'"null"', b'"NaN"', b'"1\\n"', rb'"1\u0000"', rb'"1\""', b"true", b"1.0", b"[]"),
            *(b'"\xd9\xa1"', b'"99999999999999999999x"'),
        )
    ),
    (_QUOTED, "i", b'~"9223372036854775808"', E.RANGE),
    (_QUOTED, "n", b'~"2147483648"', E.RANGE),
    (_QUOTED, "f", b'~"1e400"', E.RANGE),
    (_QUOTED, "i", rb'"1~\x"', E.ESCAPE),
    (_QUOTED, "i", b'"1~\xff"', E.UTF8),
    (_QUOTED, "i", b'"1~', E.SYNTAX),
    (_QUOTED, "b", b'~"true"', E.TYPE),
    (_QUOTED, "t", b'~"1704067200"', E.TYPE),
    (_QUOTED | _WHOLE, "i", b'"1.0"', 1),
    (_QUOTED | _WHOLE, "i", b'~"1.5"', E.TYPE),
    (_QUOTED | _SECONDS, "t", b'~"1704067200"', E.TYPE),
    *(
        (_NULLIFY, column, text, None)
        for column in "fg"
        for text in (b"NaN", b"Infinity", b"-Infinity")
    ),
    (_NULLIFY, "f", b"1.5", 1.5),
    *((_NULLIFY, column, b"~NaN", E.NOT_A_NUMBER) for column in "instbdjxlo"),
    (_NULLIFY, "j", b"[~NaN]", E.NOT_A_NUMBER),
    (_NULLIFY, "f", b"~nan", E.SYNTAX),
    (_NULLIFY, "f", b"-~Inf", E.SYNTAX),
    (_NULLIFY, "f", b'~"NaN"', E.TYPE),
    (_NULLIFY, "o", b'{"id":1,"in":{"v":NaN}}', {"id": 1, "tag": None, "in": {"v": None}}),
    (_SECONDS, "t", b"0", _EPOCH),
    (_SECONDS, "t", b"-1", _after(seconds=-1)),
    (_SECONDS, "t", b"1704067200", datetime(2024, 1, 1, tzinfo=UTC)),
    (_SECONDS, "t", b"1704067200.5", datetime(2024, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)),
    (_SECONDS, "t", b"1.704067200123456e9", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    (_SECONDS, "t", b"0.0000010000", _after(microseconds=1)),
    (_SECONDS, "t", b'"2024-01-01"', datetime(2024, 1, 1, tzinfo=UTC)),
    (_SECONDS, "t", b"-62135596800", datetime(1, 1, 1, tzinfo=UTC)),
    (_SECONDS, "t", b"253402300799.999999", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    (_SECONDS, "t", b"~-62135596800.000001", E.RANGE),
    (_SECONDS, "t", b"~253402300800", E.RANGE),
    (_SECONDS, "t", b"~1e400", E.RANGE),
    (_SECONDS, "t", b"~0.0000001", E.RANGE),
    (_SECONDS, "t", b"~true", E.TYPE),
    (_SECONDS, "t", b"~NaN", E.NOT_A_NUMBER),
    (_SECONDS, "t", b"-~", E.SYNTAX),
    (_SECONDS, "t", b"1.~", E.SYNTAX),
    (_SECONDS, "t", b"~-Infinity", E.NOT_A_NUMBER),
    (_SECONDS, "d", b"~1704067200", E.TYPE),
    (_SECONDS | _CUT, "t", b"1.9999999", _after(microseconds=1_999_999)),
    (_SECONDS | _CUT, "t", b"-1.9999999", _after(microseconds=-1_999_999)),
    (_SECONDS | _CUT, "t", b"-0.0000009", _EPOCH),
    (_SECONDS | _CUT, "t", b"~253402300800.0000001", E.RANGE),
    (_MILLIS, "t", b"1704067200123", datetime(2024, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)),
    (_MILLIS, "t", b"0.001", _after(microseconds=1)),
    (_MILLIS, "t", b"~0.0001", E.RANGE),
    (_MICROS, "t", b"1704067200123456", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    (_MICROS, "t", b"~0.1", E.RANGE),
    (_NANOS, "t", b"1704067200123456000", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    (_NANOS, "t", b"~1704067200123456001", E.RANGE),
    (_NANOS | _CUT, "t", b"1704067200123456001", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    (_NANOS | _CUT, "t", b"-999", _EPOCH),
)
"""Options, column of the nullable schema, JSON text of a value, and the value or (with the tilde) its fault."""

KEEP_LAST: tuple[tuple[bytes, dict[str, Any], int], ...] = (
    (b'{"i":1,"i":2}', {"i": 2}, 0),
    (rb'{"i":1,"\u0069":2,"i":3}', {"i": 3}, 0),
    (b'{"s":"long enough","s":"a","s":null}', {}, 0),
    (b'{"s":null,"s":"a"}', {"s": "a"}, 0),
    (b'{"l":[1,2,3],"l":[4]}', {"l": [4]}, 0),
    (b'{"m":[["a","b"],[]],"x":"AAAA","m":[["c"]],"x":""}', {"m": [["c"]], "x": b""}, 0),
    (b'{"o":{"id":1,"tag":"t","?":0},"o":{"id":2}}', {"o": {"id": 2, "tag": None, "in": None}}, 1),
    (b'{"o":{"id":1,"id":2}}', {"o": {"id": 2, "tag": None, "in": None}}, 0),
    (b'{"o":{"id":1},"o":null}', {}, 0),
    (
        b'{"p":[{"k":"a","k":"b","w":[null]},{"k":"c"}],"i":1}',
        {"i": 1, "p": [{"k": "b", "w": [None]}, {"k": "c", "w": None}]},
        0,
    ),
    (b'{"j":{"a":1},"j":[]}', {"j": "[]"}, 0),
)
"""Line for the nullable schema with `duplicate_keys="last"`, its row, and its unknown fields."""

NOT_KEPT: tuple[tuple[bytes, E, str], ...] = (
    (b'{"i":~"x","i":1}', E.TYPE, "i"),
    (b'{"i":1,"i":~"x"}', E.TYPE, "i"),
    (b'{"i":1,"i"~}', E.SYNTAX, ""),
    (b'{"o":{"tag":"a","tag":"b"~}}', E.MISSING, "o.id"),
    (b'{"o":{"id":1,"id":~null}}', E.NULL, "o.id"),
    (b'{"o":{"id":1},"o":{~}}', E.MISSING, "o.id"),
)
"""Line for the same that is rejected all the same, and the column at fault."""
