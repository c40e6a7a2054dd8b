"""What every decoder promises, as tests: the contract stands in `ReferenceDecoder`'s module."""

from itertools import pairwise

import pyarrow as pa

from penstock.ingest import Chunk, Decoded, DecoderOptions, FieldConfig, LineError, RejectedLine
from penstock.testing._decoder_cases import (
    ACCEPTED,
    AFTER_VALUES,
    REJECTED_VALUES,
    REQUIRED,
    SCHEMA,
)
from penstock.testing._decoder_checks import (
    acceptance,
    checked,
    rejection,
    report,
    row_of,
    same,
    schema_of,
    unequal,
    whole,
)
from penstock.testing._decoder_lines import BAD, BAD_REQUIRED, GOOD, WHOLE
from penstock.testing._leniency_conformance import LeniencyConformance
from penstock.testing._line_generator import generate

_STRICT = DecoderOptions()
_BOM = b"\xef\xbb\xbf"


class DecoderConformance(LeniencyConformance):
    """Subclass this and say how your decoder is made; each test reports all its differences.

    >>> class TestMine(DecoderConformance):
    ...     def make_decoder(self, schema, options):
    ...         return MyDecoder(schema, options)
    """

    generated_seeds = 60
    """How many generated schemas the round trip tries."""

    def test_every_accepted_value_gives_exactly_its_value(self) -> None:
        """One row per case in one chunk: types, limits, rounding, escapes, nesting."""
        decoder = self.make_decoder(schema_of(SCHEMA), _STRICT)
        lines = [b'{"%s":%s}' % (column.encode(), text) for column, text, _ in ACCEPTED]
        decoded = decoder.decode(whole(b"\n".join(lines)))
        found = checked(decoded).batch.to_pylist()
        differences = [f"rejected {bad}: {lines[bad.line - 1]!r}" for bad in decoded.rejected]
        if not differences:
            for (column, text, value), row in zip(ACCEPTED, found, strict=True):
                wanted = row_of(decoder.schema, {column: value})
                if not same(row, wanted):
                    differences.append(
                        f"{column} {text!r}: expected {value!r}, got {row[column]!r}"
                    )
        report(differences)

    def test_every_rejected_value_is_named_by_class_column_and_position(self) -> None:
        """Each alone in its chunk, and again with its object closed where that changes nothing."""
        decoder = self.make_decoder(schema_of(SCHEMA), _STRICT)
        differences = []
        for column, text, error in REJECTED_VALUES:
            line = b'{"%s":%s' % (column.encode(), text)
            differences += rejection(decoder, line, error, column)
            if error is not LineError.SYNTAX:
                differences += rejection(decoder, line + b"}", error, column)
        for column, text in AFTER_VALUES:
            line = b'{"%s":%s' % (column.encode(), text)
            differences += rejection(decoder, line, LineError.SYNTAX, "")
        report(differences)

    def test_good_lines_give_their_row_and_count_their_unknown_fields(self) -> None:
        """White space, order of keys, projection."""
        decoder = self.make_decoder(schema_of(SCHEMA), _STRICT)
        differences = []
        for line, values, unknown in GOOD:
            decoded = checked(decoder.decode(whole(line)))
            differences += unequal(decoded.batch.to_pylist(), [row_of(decoder.schema, values)])
            if decoded.unknown_fields != unknown:
                differences.append(f"{line!r}: {decoded.unknown_fields} unknown, not {unknown}")
        report(differences)

    def test_bad_lines_are_named_by_their_first_fault(self) -> None:
        """Structure, skipped values, duplicates, missing members, order of faults."""
        nullable = self.make_decoder(schema_of(SCHEMA), _STRICT)
        required = self.make_decoder(schema_of(REQUIRED), _STRICT)
        differences = [found for case in BAD for found in rejection(nullable, *case)]
        differences += [found for case in BAD_REQUIRED for found in rejection(required, *case)]
        report(differences)

    def test_a_bad_line_costs_itself_only(self) -> None:
        """Every kind of bad line between good ones: nothing of it is left in any column."""
        decoder = self.make_decoder(schema_of(SCHEMA), _STRICT)
        good = [line for line, _, _ in GOOD]
        bad = [line.replace(b"~", b"") for line, _, _ in BAD]
        bad += [
            b'{"%s":%s' % (c.encode(), text.replace(b"~", b"")) for c, text, _ in REJECTED_VALUES
        ]
        mixed = [line for pair in zip(bad, good * len(bad), strict=False) for line in pair]
        decoded = checked(decoder.decode(whole(b"\n".join(mixed) + b"\n", 1001, 5000)))
        wanted = decoder.decode(whole(b"\n".join(mixed[1::2])))
        offsets = [5000]
        for line in mixed:
            offsets.append(offsets[-1] + len(line) + 1)
        places = [(1001 + at, offsets[at], len(mixed[at])) for at in range(0, len(mixed), 2)]
        differences = unequal([(r.line, r.offset, r.length) for r in decoded.rejected], places)
        if not decoded.batch.equals(wanted.batch):
            differences.append("the good lines give other rows beside bad ones than alone")
        if decoded.unknown_fields != wanted.unknown_fields:
            differences.append("unknown fields of rejected lines were counted")
        if decoded.lines != len(mixed):
            differences.append(f"{decoded.lines} lines, not {len(mixed)}")
        report(differences)

    def test_half_written_values_of_a_bad_line_leave_no_trace(self) -> None:
        """The fault comes last, after every column and several list items were read."""
        decoder = self.make_decoder(schema_of(REQUIRED), _STRICT)
        start = b'{"i":7,"s":"long enough to matter \xc3\xa9","j":[1,2],"l":[1,2,3],"o":{"id":9,"tag":"t"}'
        lines = [WHOLE, start, start + b',"e":1}', WHOLE, start + b"}}", start + b',"l":[]}', WHOLE]
        decoded = checked(decoder.decode(whole(b"\n".join(lines))))
        row = {"i": 1, "s": "a", "j": "1", "l": [], "o": {"id": 1, "tag": None}, "e": None}
        report(unequal(decoded.batch.to_pylist(), [row] * 3))

    def test_lines_and_offsets_are_counted_through_blanks_and_line_ends(self) -> None:
        """Blank lines, CRLF, a last line without newline, the place of a chunk in its file."""
        decoder = self.make_decoder(schema_of([{"name": "i", "type": "int64"}]), _STRICT)
        data = b'{"i":1}\r\n\r\n\n \t\nx\r\n{"i":2}\n\n{"i":3'
        decoded = decoder.decode(whole(data, 41, 1_000_000_000_000))
        wanted = (
            RejectedLine(45, 1_000_000_000_015, 2, LineError.SYNTAX, "", 0),
            RejectedLine(48, 1_000_000_000_027, 6, LineError.SYNTAX, "", 6),
        )
        differences = unequal(decoded.rejected, wanted)
        differences += unequal(decoded.batch.to_pylist(), [{"i": 1}, {"i": 2}])
        differences += unequal([decoded.lines], [8])
        for data, lines in ((b"", 0), (b"\n", 1), (b" ", 1), (b"\n\n", 2), (b" \r\n\t", 2)):
            empty = decoder.decode(whole(data))
            differences += unequal([empty.lines, empty.batch.num_rows], [lines, 0])
            differences += unequal(empty.rejected, ())
        report(differences)

    def test_a_mark_of_byte_order_stands_only_at_the_start_of_a_file(self) -> None:
        """Elsewhere it is a fault; positions count it."""
        decoder = self.make_decoder(schema_of([{"name": "i", "type": "int64"}]), _STRICT)
        first = decoder.decode(whole(_BOM + b'{"i":1}\n' + _BOM + b'{"i":2}\n'))
        wanted = (RejectedLine(2, 11, 10, LineError.BOM, "", 0),)
        differences = unequal(first.batch.to_pylist(), [{"i": 1}])
        differences += unequal(first.rejected, wanted)
        later = decoder.decode(whole(_BOM + b'{"i":1}\n', 2, 100)).rejected
        differences += unequal(later, (RejectedLine(2, 100, 10, LineError.BOM, "", 0),))
        twice = decoder.decode(whole(_BOM + _BOM + b"{}")).rejected
        differences += unequal(twice, (RejectedLine(1, 0, 8, LineError.SYNTAX, "", 3),))
        typed = decoder.decode(whole(_BOM + b'{"i":"1"}')).rejected
        differences += unequal(typed, (RejectedLine(1, 0, 12, LineError.TYPE, "i", 8),))
        for blank in (_BOM, _BOM + b" \r"):
            differences += unequal(decoder.decode(whole(blank)).rejected, ())
        differences += rejection(decoder, b"~\xef\xbb{}", LineError.SYNTAX, "")
        report(differences)

    def test_nesting_is_limited_everywhere(self) -> None:
        """In typed columns, JSON text and unknown fields alike; the row's own object counts."""
        decoder = self.make_decoder(schema_of(SCHEMA), DecoderOptions(max_depth=5))
        differences = []
        for name, column in (("j", "j"), ("u", "")):
            start = b'{"%s":' % name.encode()
            differences += acceptance(decoder, start + b"[[[[]]]]}")
            differences += acceptance(decoder, start + b'{"a":[{"b":{}},[[1]]]}}')
            differences += rejection(decoder, start + b"[[[[~[]]]]]}", LineError.DEPTH, column)
            differences += rejection(decoder, start + b"[[[[~{", LineError.DEPTH, column)
            differences += rejection(
                decoder, start + b'{"a":[[],{"b":{"c":~{', LineError.DEPTH, column
            )
        shallow = self.make_decoder(schema_of(SCHEMA), DecoderOptions(max_depth=2))
        differences += acceptance(shallow, b'{"l":[1],"o":{"id":1},"m":[],"j":{}}')
        differences += rejection(shallow, b'{"m":[~["a"]]}', LineError.DEPTH, "m")
        differences += rejection(shallow, b'{"m":[~{}]}', LineError.TYPE, "m")
        differences += rejection(shallow, b'{"o":{"id":1,"in":~{}}}', LineError.DEPTH, "o.in")
        differences += rejection(shallow, b'{"p":[~{"k":"a"}]}', LineError.DEPTH, "p")
        usual = self.make_decoder(schema_of(SCHEMA), _STRICT)
        differences += acceptance(usual, b'{"u":' + b"[" * 199 + b"]" * 199 + b"}")
        deep = b'{"u":' + b"[" * 199 + b"~" + b"[" * 4801
        differences += rejection(usual, deep, LineError.DEPTH, "")
        differences += rejection(usual, deep.replace(b"[", b'{"":'), LineError.DEPTH, "")
        report(differences)

    def test_a_line_over_the_limit_is_not_looked_at(self) -> None:
        """Blank or not; a line of just the limit is read."""
        decoder = self.make_decoder(schema_of(SCHEMA), DecoderOptions(max_line_bytes=16))
        differences = acceptance(decoder, b'{"s":"12345678"}')
        differences += rejection(decoder, b'{"s":"12345678" ~}', LineError.TOO_LONG, "")
        differences += rejection(decoder, b" " * 16 + b"~ ", LineError.TOO_LONG, "")
        differences += rejection(decoder, b"\xff" * 16 + b"~\xff", LineError.TOO_LONG, "")
        differences += rejection(decoder, b'{"s":"12345678"}~\r', LineError.TOO_LONG, "")
        data = b'{"i":1}\n' + b"x" * 17 + b'\n{"i":2}'
        differences += unequal([decoder.decode(whole(data)).batch.num_rows], [2])
        report(differences)

    def test_any_buffer_serves_as_a_chunk_and_none_is_kept(self) -> None:
        """`bytes`, `bytearray`, and a view into the middle of a larger buffer."""
        decoder = self.make_decoder(schema_of([{"name": "s", "type": "string"}]), _STRICT)
        line = b'{"s":"kept or not"}\nx\n'
        array = bytearray(b"###" + line + b'"}###')
        view = memoryview(array)[3 : 3 + len(line)]
        decoded = [decoder.decode(Chunk(data, 1, 0)) for data in (line, bytearray(line), view)]
        array[:] = b"!" * len(array)
        differences = []
        for found in decoded:
            differences += unequal(found.batch.to_pylist(), [{"s": "kept or not"}])
            differences += unequal([found.lines, len(found.rejected)], [2, 1])
        report(differences)

    def test_a_decoder_keeps_nothing_between_chunks(self) -> None:
        """A chunk with rows and faults before it changes nothing, nor do names of odd length."""
        long = "k" * 300
        fields = [{"name": name, "type": "int64"} for name in ("é€", 'q"\\', long, "\x01", " ")]
        decoder = self.make_decoder(schema_of(fields), _STRICT)
        line = f'{{"é€":1,"q\\"\\\\":2,"{long}":3,"\\u0001":4," ":5}}'
        before = decoder.decode(whole(line.encode()))
        decoder.decode(whole(b'{"\xc3\xa9\xe2\x82\xac":9}\n{" ":x\n{"u":1}'))
        after = decoder.decode(whole(line.encode()))
        wanted = dict(zip((field["name"] for field in fields), range(1, 6), strict=True))
        differences = unequal(before.batch.to_pylist(), [wanted])
        differences += unequal(after.batch.to_pylist(), [wanted])
        report(differences + unequal([after.unknown_fields, len(after.rejected)], [0, 0]))

    def test_generated_rows_come_back_as_they_were_written(self) -> None:
        """Schemas of any shape; the batch is sound to the last buffer."""
        differences = []
        for seed in range(self.generated_seeds):
            case = generate(seed)
            decoded = checked(self.make_decoder(case.schema, _STRICT).decode(case.chunk()))
            differences += [f"seed {seed}: {bad}" for bad in decoded.rejected]
            pairs = zip(decoded.batch.to_pylist(), case.rows, strict=False)
            differences += [
                f"seed {seed}: expected {row!r}, got {found!r}"
                for found, row in pairs
                if not same(found, row)
            ]
            differences += unequal([decoded.batch.num_rows], [len(case.rows)])
            differences += unequal([decoded.unknown_fields], [case.unknown_fields])
        report(differences)

    def test_any_division_into_chunks_gives_the_same_rows_and_rejections(self) -> None:
        """Numbers and offsets go on from chunk to chunk."""
        decoder = self.make_decoder(schema_of(SCHEMA), _STRICT)
        lines = [line.replace(b"~", b"") for line, _, _ in (*BAD, *GOOD)]
        data = b"\n".join(lines)
        at_once = decoder.decode(whole(data))
        ends = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10), len(data)]
        pieces = [
            decoder.decode(Chunk(data[start:end], number, start))
            for number, (start, end) in enumerate(pairwise(ends), 1)
        ]
        rows = [row for piece in pieces for row in piece.batch.to_pylist()]
        differences = unequal(rows, at_once.batch.to_pylist())
        rejected = tuple(bad for piece in pieces for bad in piece.rejected)
        report(differences + unequal(rejected, at_once.rejected))

    def test_very_many_bad_lines_are_handed_over_in_pieces(self) -> None:
        """Each call ends behind the last rejected line that it may hold; nothing is lost between."""
        decoder = self.make_decoder(schema_of([{"name": "i", "type": "int64"}]), _STRICT)
        most = Decoded.MOST_REJECTED
        data = b'{"i":1}\n' + b"x\n" * (2 * most - 1) + b'\n{"i":2}\nx\n\n{"i":3}\nx'
        pieces: list[Decoded] = []
        done, line = 0, 1
        while done < len(data):
            pieces.append(decoder.decode(Chunk(data[done:], line, done)))
            done, line = done + pieces[-1].size, line + pieces[-1].lines
        differences = unequal([len(piece.rejected) for piece in pieces], [most, most, 1])
        differences += unequal([piece.lines for piece in pieces], [most + 1, most + 2, 3])
        differences += unequal([piece.size for piece in pieces], [2 * most + 8, 2 * most + 9, 10])
        rows = [row["i"] for piece in pieces for row in piece.batch.to_pylist()]
        numbers = [bad.line for piece in pieces for bad in piece.rejected]
        wanted = [*range(2, 2 * most + 1), 2 * most + 3, 2 * most + 6]
        report(differences + unequal(rows, [1, 2, 3]) + unequal(numbers, wanted))

    def test_the_batch_has_the_schema_as_it_was_given(self) -> None:
        """Metadata and nullability included, and every type has its place."""
        schema = schema_of(
            [*SCHEMA, *({**field, "name": f"r{field['name']}"} for field in REQUIRED)]
        )
        decoder = self.make_decoder(schema, _STRICT)
        batch = decoder.decode(whole(b"")).batch
        report(
            [
                f"{found} is not the schema that was given"
                for found in (decoder.schema, batch.schema)
                if not found.equals(schema, check_metadata=True)
            ]
        )

    def test_all_of_every_single_type_can_stand_alone(self) -> None:
        """One column only, so that no neighbour hides a fault of its buffers."""
        differences = []
        for column, text, value in ACCEPTED:
            field = next(field for field in SCHEMA if field["name"] == column)
            schema = pa.schema([FieldConfig.model_validate(field).to_arrow()])
            line = b'{"%s":%s}' % (column.encode(), text)
            decoded = checked(self.make_decoder(schema, _STRICT).decode(whole(line)))
            if not same(decoded.batch.to_pylist(), [{column: value}]):
                differences.append(f"{line!r} alone gives {decoded.batch.to_pylist()!r}")
        report(differences)
