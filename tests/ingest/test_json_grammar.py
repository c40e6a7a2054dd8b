"""The grammar of RFC 8259 to the letter, where values are only checked: the same in all decoders.

Cases are written for the two places that take any value: json columns and unknown fields.
"""

import json

import pyarrow as pa
import pytest

from penstock.ingest import Chunk, LineError, SchemaConfig
from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.ingest._reference_decoder import ReferenceDecoder
from tools import native

_SCHEMA = SchemaConfig.model_validate(
    {"fields": [{"name": "j", "type": "json"}, {"name": "i", "type": "int64"}]}
).to_arrow()

DECODERS = {
    "reference": ReferenceDecoder(_SCHEMA),
    "vector": CompiledDecoder(_SCHEMA),
    "plain": CompiledDecoder(_SCHEMA, native=native.build("plain")),
}

GRAMMATICAL = (
    *("0", "-0", "1", "-1", "10", "123456789012345678901234567890", "0.0", "-0.0", "0.1", "1.50"),
    *("1e1", "1E1", "1e+1", "1e-1", "1E+01", "1e00", "0e0", "0.0e-0", "1.5E+300", "1e99999999999"),
    *("true", "false", "null", '""', '" "', '"a"', '"\\""', '"\\\\"', '"\\/"', '"/"'),
    *('"\\b\\f\\n\\r\\t"', '"\\u0000"', '"\\u001f"', '"\\uABCD"', '"\\uabcd"', '"\\u00e9"'),
    *('"\\ud800\\udc00"', '"\\uDBFF\\uDFFF"', '"\\ud83d\\ude00\\ud83d\\ude00"', '"\\\\u0041"'),
    *('"\\\\ud800"', '"é"', '"€"', '"😀"', '"\x7f"', '"\u0080"', '"\u2028\u2029"', '"\ufeff"'),
    *('"\uffff"', '"\U0010ffff"', '"[{,:}]"', '"' + "a" * 1000 + '"', '"' + "é" * 1000 + '"'),
    *("[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[null]", '["a",1,true,null,{},[]]', "[[],[[]]]"),
    *("{}", "{ }", '{"a":1}', '{ "a" : 1 }', '{"a":1,"b":2}', '{"a":1,"a":2}', '{"":0}'),
    *('{"a":{"b":{"c":[{"d":null}]}}}', '{"\\u0061":1}', '{"é":[{"€":{}}]}', '[{},{"a":[]}]'),
    *("[" * 190 + "]" * 190, '{"a":' * 190 + "1" + "}" * 190, "[" + "1," * 500 + "1]"),
    *("[\t1\t,\r2 ]", '{\t"a"\r:\t1\r}', "[-1,-1.5,-1e5]", '["\\t\\u0009"]', "[0,0.5,0e5]"),
)  # fmt: skip

UNGRAMMATICAL = (
    *("", "+1", "01", "-01", "00", "1.", ".1", "-.1", "1.e1", "1e", "1e+", "1e-", "1.5e", "1.5e+"),
    *("--1", "- 1", "1 2", "1,", "0x10", "0b1", "1_000", "1f", "1e1.5", "1.2.3", "1e1e1", "½", "\uff11"),
    *("-", "+", ".", "e1", "-e1", "1/2", "Inf", "nan", "-nan", "-NaN", "NULL", "Null", "nul", "nulll"),
    *("True", "TRUE", "tru", "truee", "fals", "yes", "undefined", "None", "'a'", "`a`", "a", "\\u0031"),
    *('"', '"a', '"\\"', '"\\', '"\\x41"', '"\\a"', '"\\0"', '"\\\'"', '"\\U0041"', '"\\u"'),
    *('"\\u1"', '"\\u12"', '"\\u123"', '"\\u123g"', '"\\u 123"', '"\\u{1f600}"', '"\\uD800"'),
    *('"\\uDC00"', '"\\uD800\\u0041"', '"\\uD800\\uD800"', '"\\uD800a"', '"\\uD800\\n"', '"a"b"'),
    *('"\x00"', '"\x01"', '"\t"', '"\r"', '"\x1f"', '"a" "b"', '""""', "\x00", "\x0b1", "\x0c1", "\u00a01"),
    *("[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1}", "[1]]", "[[1]", "[1;2]"),
    *("{", "}", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,"a":1}', '{"a":1]', '{"a":1}}'),
    *('{"a"}', '{"a",1}', '{"a" 1}', '{"a"::1}', '{"a":}', "{:1}", "{1:2}", "{a:1}", "{'a':1}", '{"a":1 "b":2}'),
    *('{"a":1,,"b":2}', "{null:1}", '{"a":1;"b":2}', "{[]:1}", "{{}:1}", '{"a":1:2}', "[:]", "{[}]", "[{]}"),
    *("// 1", "/**/1", "1/**/", "[1]//", "#1", "<1>", "(1)", "[1],", "{} {}"),
)  # fmt: skip


def _lines(value: str) -> list[bytes]:
    """The value in a json column, and in an unknown field."""
    return [f'{{"{key}":{value},"i":1}}'.encode() for key in ("j", "u")]


@pytest.mark.parametrize("name", DECODERS)
def test_what_the_grammar_has_is_accepted_and_kept_as_it_is(name):
    """Byte for byte in a json column."""
    decoder = DECODERS[name]
    for value in GRAMMATICAL:
        json.loads(value)
        kept, dropped = (decoder.decode(Chunk(line, 1, 0)).batch for line in _lines(value))
        assert kept.to_pylist() == [{"j": None if value == "null" else value, "i": 1}], value
        assert dropped.to_pylist() == [{"j": None, "i": 1}], value


@pytest.mark.parametrize("name", DECODERS)
def test_what_the_grammar_lacks_costs_its_line_and_not_the_next(name):
    """Also where the value is not wanted at all."""
    decoder = DECODERS[name]
    for value in UNGRAMMATICAL:
        for line in _lines(value):
            decoded = decoder.decode(Chunk(line + b'\n{"i":2}\n', 1, 0))
            assert decoded.batch.to_pylist() == [{"j": None, "i": 2}], line
            assert decoded.rejected[0].length == len(line), line


@pytest.mark.parametrize("name", DECODERS)
def test_numbers_that_json_lacks_and_others_have_are_named(name):
    """As they come from programs, not from damage."""
    for value in ("NaN", "Infinity", "-Infinity", "[NaN]", '{"a":-Infinity}'):
        for line in _lines(value):
            decoded = DECODERS[name].decode(Chunk(line, 1, 0))
            assert [bad.error for bad in decoded.rejected] == [LineError.NOT_A_NUMBER], line


def test_every_number_of_a_hard_list_is_rounded_as_by_the_c_library():
    """The reference asks the C library; the compiled decoder has methods of its own."""
    schema = pa.schema([("f", pa.float64()), ("g", pa.float32())])
    texts = [
        text
        for exponent in range(-330, 312, 3)
        for text in (
            f"1e{exponent}",
            f"9.999999999999999e{exponent}",
            f"9007199254740993e{exponent - 16}",
            f"4503599627370497.5e{exponent - 16}",
            f"7.450580596923828125e{exponent}",
            f"2.22507385850720113605740979670913197593481954635164564e{exponent}",
        )
    ]
    lines = b"\n".join(b'{"%s":%s}' % (key, t.encode()) for t in texts for key in (b"f", b"g"))
    wanted = ReferenceDecoder(schema).decode(Chunk(lines, 1, 0))

    found = CompiledDecoder(schema).decode(Chunk(lines, 1, 0))

    assert found.batch.equals(wanted.batch)
    assert found.rejected == wanted.rejected
