"""What a decoder must make of single values and lines, as tables.

A tilde in a rejected line marks where its fault must be noticed, and is taken out of it.
"""

from datetime import UTC, date, datetime
from typing import Any

from penstock.ingest import LineError as E

SCHEMA = (
    {"name": "i", "type": "int64"},
    {"name": "n", "type": "int32"},
    {"name": "f", "type": "float64"},
    {"name": "g", "type": "float32"},
    {"name": "s", "type": "string"},
    {"name": "b", "type": "boolean"},
    {"name": "t", "type": "timestamp"},
    {"name": "d", "type": "date"},
    {"name": "j", "type": "json"},
    {"name": "x", "type": "binary"},
    {"name": "l", "type": "list<int64>"},
    {"name": "m", "type": "list<list<string>>"},
    {
        "name": "o",
        "type": "struct",
        "fields": [
            {"name": "id", "type": "int64", "nullable": False},
            {"name": "tag", "type": "string"},
            {"name": "in", "type": "struct", "fields": [{"name": "v", "type": "float64"}]},
        ],
    },
    {
        "name": "p",
        "type": "list<struct>",
        "fields": [
            {"name": "k", "type": "string", "nullable": False},
            {"name": "w", "type": "list<date>"},
        ],
    },
)
"""Columns of every type, all nullable at the top, named by one letter."""

REQUIRED = (
    {"name": "i", "type": "int64", "nullable": False},
    {"name": "s", "type": "string", "nullable": False},
    {"name": "j", "type": "json", "nullable": False},
    {"name": "l", "type": "list<int32>", "nullable": False},
    {
        "name": "o",
        "type": "struct",
        "nullable": False,
        "fields": [
            {"name": "id", "type": "int64", "nullable": False},
            {"name": "tag", "type": "string"},
        ],
    },
    {"name": "e", "type": "string"},
)
"""Columns that are not nullable."""


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day come first


ACCEPTED: tuple[tuple[str, bytes, Any], ...] = (
    *(
        ("i", text, int(text))
        for text in (
            *(b"0", b"-0", b"7", b"-7", b"10", b"12345678", b"123456789", b"1234567890123456"),
            *(b"999999999999999999", b"1000000000000000000", b"9223372036854775807"),
            *(b"-9223372036854775808", b"-1000000000000000000", b"100000000", b"99999999"),
        )
    ),
    ("i", b"null", None),
    ("n", b"2147483647", 2147483647),
    ("n", b"-2147483648", -2147483648),
    ("n", b"0", 0),
    *(
        ("f", text, float(text))
        for text in (
            *(b"0", b"-0", b"-0.0", b"1", b"1.5", b"-1.5", b"1e3", b"1E3", b"1e+3", b"1e-3"),
            *(b"0.1", b"0.2", b"0.30000000000000004", b"3.141592653589793", b"1.0e0", b"0e0"),
            *(b"1.7976931348623157e308", b"1.7976931348623158e308", b"-1.7976931348623157e308"),
            *(b"1.797693134862315807e308", b"2.2250738585072014e-308", b"2.2250738585072011e-308"),
            *(b"4.9e-324", b"5e-324", b"2.4703282292062328e-324", b"2.4703282292062327e-324"),
            *(b"1e-400", b"-1e-400", b"0e999999999999", b"1e-999999999999", b"0.000001e6"),
            *(b"9007199254740993", b"9007199254740992.5", b"9007199254740993.0000000001"),
            *(b"123456789012345678901234567890", b"0.000000000000000000000000000001"),
            *(b"8.5e22", b"1e22", b"1e23", b"7.2057594037927933e16", b"6.02214076e23"),
            *(b"1.00000000000000011102230246251565", b"1.00000000000000011102230246251566"),
            *(b"9223372036854775808", b"18446744073709551616", b"0." + b"1" * 900),
            *(b"1" * 300, b"0." + b"0" * 300 + b"1", b"100000000000000000000000e-20"),
        )
    ),
    ("g", b"1.5", 1.5),
    ("g", b"0.1", float.fromhex("0x1.99999ap-4")),
    ("g", b"16777217", 16777216.0),
    ("g", b"16777217.0000000000000001", 16777218.0),
    ("g", b"16777219", 16777220.0),
    ("g", b"16777218.9999999999999999", 16777218.0),
    ("g", b"1.00000005960464477539062500", 1.0),
    ("g", b"1.00000005960464477539062501", float.fromhex("0x1.000002p+0")),
    ("g", b"1.00000017881393432617187499", float.fromhex("0x1.000002p+0")),
    ("g", b"1.00000017881393432617187500", float.fromhex("0x1.000004p+0")),
    ("g", b"-1.00000005960464477539062501", -float.fromhex("0x1.000002p+0")),
    ("g", b"3.4028234663852886e38", float.fromhex("0x1.fffffep+127")),
    ("g", b"3.4028235677973366e38", float.fromhex("0x1.fffffep+127")),
    ("g", b"340282356779733661637539395458142568447.9", float.fromhex("0x1.fffffep+127")),
    ("g", b"-340282356779733661637539395458142568447.9", -float.fromhex("0x1.fffffep+127")),
    ("g", b"1e-45", float.fromhex("0x1p-149")),
    ("g", b"7.006492321624085e-46", 0.0),
    ("g", b"7.006492321624085354618e-46", 0.0),
    ("g", b"7.0064923216240854e-46", float.fromhex("0x1p-149")),
    ("g", b"1e-60", 0.0),
    ("g", b"1.1754942807573643e-38", float.fromhex("0x1p-126")),
    ("b", b"true", True),
    ("b", b"false", False),
    ("b", b"null", None),
    ("s", b'""', ""),
    ("s", b'"plain"', "plain"),
    ("s", b'"' + b"0123456789abcdef" * 5 + b'"', "0123456789abcdef" * 5),
    ("s", rb'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
    ("s", rb'"\u0041\u00e9\u20ac"', "A\u00e9\u20ac"),
    ("s", rb'"\u0000"', "\x00"),
    ("s", rb'"a\u0000b"', "a\x00b"),
    ("s", rb'"\ud83d\ude00"', "\U0001f600"),
    ("s", rb'"\uD800\uDC00\uDBFF\uDFFF"', "\U00010000\U0010ffff"),
    ("s", rb'"\uffff\uFFFE\ud7ff\ue000"', "\uffff\ufffe\ud7ff\ue000"),
    ("s", '"grün €uro 漢字 😀"'.encode(), "grün €uro 漢字 😀"),
    (
        "s",
        '"\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"'.encode(),
        "\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff",
    ),
    ("s", '"\ufeff"'.encode(), "\ufeff"),
    ("s", b'"{[,:]}"', "{[,:]}"),
    ("s", rb'"\\"', "\\"),
    ("s", rb'"\\\\\""', '\\\\"'),
    ("s", b'"\x7f"', "\x7f"),
    *(
        (
            "s",
            b'"' + b"a" * length + "é".encode() + rb"\n" + b"b" * length + b'"',
            "a" * length + "é\n" + "b" * length,
        )
        for length in (6, 7, 8, 13, 14, 15, 16, 29, 30, 31, 32, 33, 63, 64, 65)
    ),
    ("t", b'"2024-02-29"', _at(2024, 2, 29)),
    ("t", b'"2024-02-29T12:34:56"', _at(2024, 2, 29, 12, 34, 56)),
    ("t", b'"2024-02-29 12:34:56"', _at(2024, 2, 29, 12, 34, 56)),
    ("t", b'"2024-02-29T12:34:56Z"', _at(2024, 2, 29, 12, 34, 56)),
    ("t", b'"2024-02-29T12:34:56+00:00"', _at(2024, 2, 29, 12, 34, 56)),
    ("t", b'"2024-02-29T12:34:56-00:00"', _at(2024, 2, 29, 12, 34, 56)),
    ("t", b'"2024-02-29T12:34:56+02:30"', _at(2024, 2, 29, 10, 4, 56)),
    ("t", b'"2024-02-29T23:34:56-08:00"', _at(2024, 3, 1, 7, 34, 56)),
    ("t", b'"2024-02-29T12:34:56.7"', _at(2024, 2, 29, 12, 34, 56, 700000)),
    ("t", b'"2024-02-29T12:34:56.789012Z"', _at(2024, 2, 29, 12, 34, 56, 789012)),
    ("t", b'"2024-02-29T12:34:56.789012000Z"', _at(2024, 2, 29, 12, 34, 56, 789012)),
    ("t", b'"2024-02-29 12:34:56.000001+23:59"', _at(2024, 2, 28, 12, 35, 56, 1)),
    ("t", b'"0001-01-01T00:00:00"', _at(1, 1, 1)),
    ("t", b'"9999-12-31T23:59:59.999999"', _at(9999, 12, 31, 23, 59, 59, 999999)),
    ("t", b'"1969-12-31T23:59:59.999999Z"', _at(1969, 12, 31, 23, 59, 59, 999999)),
    ("t", b'"1900-03-01"', _at(1900, 3, 1)),
    ("t", rb'"2024\u002d02-29"', _at(2024, 2, 29)),
    ("t", b"null", None),
    ("d", b'"2024-02-29"', date(2024, 2, 29)),
    ("d", b'"0001-01-01"', date(1, 1, 1)),
    ("d", b'"9999-12-31"', date(9999, 12, 31)),
    ("d", b'"1969-12-31"', date(1969, 12, 31)),
    ("d", b'"2000-02-29"', date(2000, 2, 29)),
    ("j", b"1", "1"),
    ("j", b'"a"', '"a"'),
    ("j", b"true", "true"),
    ("j", b"null", None),
    ("j", b"{}", "{}"),
    ("j", b"[]", "[]"),
    ("j", b'{ "a" : [ 1 , 2.50 ],"a":null}', '{ "a" : [ 1 , 2.50 ],"a":null}'),
    ("j", b"1e999999", "1e999999"),
    ("j", b"-0.00", "-0.00"),
    ("j", rb'"\u00e9\/"', r'"\u00e9\/"'),
    ("j", '{"ключ":"漢字"}'.encode(), '{"ключ":"漢字"}'),
    ("j", b'[[[[[[]]]]],{"a":{"b":{}}}]', '[[[[[[]]]]],{"a":{"b":{}}}]'),
    ("x", b'""', b""),
    ("x", b'"AA=="', b"\x00"),
    ("x", b'"AAE="', b"\x00\x01"),
    ("x", b'"AAEC"', b"\x00\x01\x02"),
    ("x", b'"+/+/"', b"\xfb\xff\xbf"),
    ("x", rb'"\/\/\/\/"', b"\xff\xff\xff"),
    ("x", b"null", None),
    ("l", b"[]", []),
    ("l", b"[ ]", []),
    ("l", b"[1]", [1]),
    ("l", b"[1,null,3]", [1, None, 3]),
    ("l", b" [ 1 ,\t2\r] ", [1, 2]),
    ("l", b"null", None),
    ("m", b'[[],["a"],null,["b",null]]', [[], ["a"], None, ["b", None]]),
    ("o", b"null", None),
    ("o", b'{"id":1}', {"id": 1, "tag": None, "in": None}),
    ("o", b'{"in":{"v":1.5},"tag":"x","id":1}', {"id": 1, "tag": "x", "in": {"v": 1.5}}),
    ("o", b'{"id":1,"in":{}}', {"id": 1, "tag": None, "in": {"v": None}}),
    ("o", b'{"id":1,"in":null,"?":{"id":"x","id":2}}', {"id": 1, "tag": None, "in": None}),
    ("o", rb'{"\u0069d":1}', {"id": 1, "tag": None, "in": None}),
    ("p", b"[]", []),
    (
        "p",
        b'[{"k":"a"},null,{"k":"b","w":["2024-01-01",null]}]',
        [{"k": "a", "w": None}, None, {"k": "b", "w": [date(2024, 1, 1), None]}],
    ),
)
"""Column of `SCHEMA`, JSON text of the value, and the value that a row then holds."""

CUT = (
    (b'"2024-01-01T00:00:00.1234567Z"', _at(2024, 1, 1, 0, 0, 0, 123456)),
    (b'"2024-01-01T00:00:00.999999999Z"', _at(2024, 1, 1, 0, 0, 0, 999999)),
    (b'"1960-01-01T00:00:00.999999999999Z"', _at(1960, 1, 1, 0, 0, 0, 999999)),
    (b'"2024-01-01T00:00:00.0000009"', _at(2024, 1, 1)),
)
"""Timestamps with `finer_timestamps="cut"`."""

REJECTED_VALUES: tuple[tuple[str, bytes, E], ...] = (
    *(("i", b"~" + text, E.TYPE) for text in (b"1.5", b"1.0", b"1e3", b"1E0", b"0e0", b"-0.0", b"99999999999999999999.5")),
    *(("i", b"~" + text, E.TYPE) for text in (b'"12"', b"true", b"false", b"{}", b"[1]", b'"x', b'{"id":}', b"[")),
    *(("i", b"~" + text, E.RANGE) for text in (b"9223372036854775808", b"-9223372036854775809", b"10000000000000000000", b"18446744073709551616", b"1" * 20, b"-" + b"9" * 5000)),
    *(("n", b"~" + text, E.RANGE) for text in (b"2147483648", b"-2147483649", b"9223372036854775807", b"4294967296")),
    *(("f", b"~" + text, E.RANGE) for text in (b"1e400", b"-1e400", b"1.797693134862315808e308", b"1e99999999999999999999", b"9" * 400)),
    *(("f", b"~" + text, E.TYPE) for text in (b'"1.5"', b"true", b"[]", b"{}", b'"NaN"')),
    *(("g", b"~" + text, E.RANGE) for text in (b"3.4028235677973367e38", b"340282356779733661637539395458142568448", b"-1e39", b"1e400")),
    *((column, b"~" + text, E.NOT_A_NUMBER) for column in "ifgsbtdjxlop" for text in (b"NaN", b"Infinity", b"-Infinity")),
    *((column, b"~" + text, E.SYNTAX) for column in "ifgsbtdjxlop" for text in (b"nul", b"tru", b"fals", b"nan", b"Inf", b"+1", b".5", b"'a'", b"None", b"True", b"\xff", b"\x00")),
    *((column, text, E.SYNTAX) for column in "ifgj" for text in (b"-~", b"-~a", b"-~.5", b"1.~", b"1.~e5", b"1e~", b"1e+~", b"1E-~x", b"1.5e~")),
    *(("s", b"~" + text, E.TYPE) for text in (b"1", b"-1", b"true", b"{}", b"[]", b"-x")),
    *(("b", b"~" + text, E.TYPE) for text in (b"1", b"0", b'"true"', b"{}", b"[]")),
    ("b", b"~TRUE", E.SYNTAX),
    *((column, b'"ab~\x01c"', E.CONTROL_CHARACTER) for column in "stdjx"),
    *(("s", b'"~' + bytes([code]) + b'"', E.CONTROL_CHARACTER) for code in range(0x20) if code != 0x0A),
    *((column, rb'"ab~\q"', E.ESCAPE) for column in "stdjx"),
    *(("s", text, E.ESCAPE) for text in (rb'"~\u12"', rb'"~\u12g4"', rb'"~\x41"', rb'"~\U0041"', rb'"~\'"', b'"~\\\x01"', rb'"~\ "', b'"~\\\xff"', rb'"~\u-123"', rb'"~\u 123"')),
    *(("s", text, E.ESCAPE) for text in (rb'"~\ud800"', rb'"~\ud800x"', rb'"~\ud800\n"', rb'"~\ud800\u0041"', rb'"~\ud800\ud800"', rb'"~\udc00"', rb'"~\udfff\ud800"', rb'"a~\ud83d\ude0"', rb'"\ud83d\ude00~\ude00"', rb'"~\ud800', b'"~\\ud800\\', rb'"~\ud800\udc0')),
    *((column, rb'"~\ud800"', E.ESCAPE) for column in "tdjx"),
    *(("s", b'"a~' + bad + b'b"', E.UTF8) for bad in (b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xfe", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3(", b"\xe2(\xa1", b"\xe2\x82(", b"\xf0\x9f(\x80")),
    *((column, b'"~\xff"', E.UTF8) for column in "tdjx"),
    ("s", '"é€😀~'.encode() + b'\xff"', E.UTF8),
    ("s", b'"' + b"a" * 40 + b'~\xff"', E.UTF8),
    ("s", b'"~\xe2\x82\x01"', E.UTF8),
    ("s", b'"~\x01\xff\\q"', E.CONTROL_CHARACTER),
    ("s", b'"~\xff\x01"', E.UTF8),
    ("s", b'"~\xc3', E.UTF8),
    ("s", b'"~\xc3\\n"', E.UTF8),
    *(("t", b"~" + text, E.TYPE) for text in (b"1704067200", b"1704067200.5", b"true", b"{}", b'""', b'" 2024-01-01"', b'"2024-01-01 "', b'"2024-1-1"', b'"20240101"', b'"2024-01-01T"', b'"2024-01-01T10"', b'"2024-01-01T10:00"', b'"2024-01-01  10:00:00"', b'"2024-01-01t10:00:00"', b'"2024-01-01T10:00:00z"', b'"2024-01-01T10:00:00."', b'"2024-01-01T10:00:00,5"', b'"2024-01-01T10:00:00+02"', b'"2024-01-01T10:00:00+0200"', b'"2024-01-01T10:00:00 +02:00"', b'"2024-01-01T10:00:00+02:00:00"', b'"2024-01-01Z"', b'"2024/01/01"', b'"+2024-01-01"', b'"12024-01-01"', b'"now"', b'"2024-01-01T10:00:00Z\\n"', b'"1704067200"')),
    *(("t", b"~" + text, E.RANGE) for text in (b'"2024-02-30"', b'"2023-02-29"', b'"1900-02-29"', b'"2024-13-01"', b'"2024-00-01"', b'"2024-01-00"', b'"2024-01-32"', b'"2024-04-31"', b'"0000-01-01"', b'"2024-01-01T24:00:00"', b'"2024-01-01T10:60:00"', b'"2024-01-01T10:00:60"', b'"2024-01-01T10:00:99"', b'"2024-01-01T10:00:00+24:00"', b'"2024-01-01T10:00:00-10:60"', b'"0001-01-01T00:00:00+00:01"', b'"9999-12-31T23:59:59-00:01"', b'"2024-01-01T10:00:00.1234567"', b'"2024-01-01T10:00:00.0000001Z"', b'"2024-01-01T10:00:00.00000000000000000001"')),
    ("t", '~"\uff12\uff10\uff12\uff14-01-01"'.encode(), E.TYPE),
    *(("d", b"~" + text, E.TYPE) for text in (b"19000", b'""', b'"2024-1-1"', b'"2024-01-01T00:00:00"', b'"01-01-2024"', b'"20240101"', b'"2024-01-01 "', b"true", b"[]")),
    *(("d", b"~" + text, E.RANGE) for text in (b'"2024-02-30"', b'"2023-02-29"', b'"2024-13-01"', b'"2024-00-10"', b'"0000-12-31"', b'"2024-06-31"')),
    *(("x", b"~" + text, E.TYPE) for text in (b"1", b'"A"', b'"AA"', b'"AAA"', b'"AA="', b'"AAAA="', b'"===="', b'"=AAA"', b'"AA==AA=="', b'"AB=="', b'"AAB="', b'"A-_A"', b'"AA A"', b'" AAAA"', b'"AAAA\\n"', b'"\xc3\xa9AA"', b'"AAAAA==="')),
    *(("j", text, E.SYNTAX) for text in (b"{~x}", b'{"a"~}', b'{"a":~}', b'{"a":1 ~"b":2}', b'{"a":1,~}', b"[1,~]", b"[~,1]", b"[1 ~2]", b"[1~}", b'{"a":1~]', b"{~1:2}", b"{~,}", b"[~", b"[1~", b"[1,~", b"{~", b'{"a~', b'{"a"~', b'{"a":~', b'{"a":1~', b'{"a":1,~', b'"a~', b'"a\\~', b'"a\\u12~', b"[[~:]]", b'{"a"~=1}', b"[true~1]", b'{"a":~nu}', b"[~tru]")),
    *(("l", text, E.SYNTAX) for text in (b"[1,~]", b"[~,1]", b"[1 ~2]", b"[1~}", b"[~", b"[1~", b"[1,~", b"[~}", b"[1,~,2]", b"[1~:2]")),
    *(("l", text, E.TYPE) for text in (b"~{}", b'~"[]"', b"~1", b"~true", b'[1,~"2"]', b"[~1.5]", b"[~[1]]", b"[~{}]")),
    ("l", b"[1,~9223372036854775808]", E.RANGE),
    *(("o", text, E.SYNTAX) for text in (b'{"id":1,~}', b"{~,}", b'{"id":1~;}', b"{~id:1}", b'{"id" ~1}', b'{"id":1~]', b'{"id":1~', b'{"id":1,~')),
    *(("o", text, E.TYPE) for text in (b"~[]", b'~"{}"', b"~1")),
    *(("p", text, E.TYPE) for text in (b"~{}", b"[~1]", b"[~[]]")),
)  # fmt: skip
"""Column of `SCHEMA`, JSON text of its value, and the fault; the column at fault is that one."""

AFTER_VALUES = (
    *((column, text) for column in "ifgj" for text in (b"0~1", b"-0~1", b"1~_000", b"0~x10", b"1~a")),
    *((column, text) for column in "fgj" for text in (b"1.5~.5", b"1e5~.5", b"1.5~x", b"1e5~e5")),
    *(("b", text) for text in (b"true~x", b"false~1", b"true~false", b"null~1")),
    *(("s", text) for text in (b'"a"~b', b'"a"~"b"', b'"a" ~:', b"null~x", b'"a"~')),
    *(("l", text) for text in (b"[1]~]", b"[]~1", b"[] ~[]")),
    *(("o", text) for text in (b'{"id":1}~x', b'{"id":1} ~{}')),
)  # fmt: skip
"""Column of `SCHEMA`, and the text of its value with something after it: `syntax` in no column."""
