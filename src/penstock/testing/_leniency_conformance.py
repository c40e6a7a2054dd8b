"""What every decoder promises about the lines that it is asked to let through, as tests."""

import pyarrow as pa

from penstock.ingest import Decoder, DecoderOptions, LineError
from penstock.testing._decoder_cases import CUT, REQUIRED, SCHEMA
from penstock.testing._decoder_checks import (
    acceptance,
    checked,
    rejection,
    report,
    rescuing,
    row_of,
    schema_of,
    unequal,
    whole,
)
from penstock.testing._decoder_leniency import KEEP_LAST, LENIENT, NOT_KEPT
from penstock.testing._decoder_lines import BAD, GOOD, NOT_RESCUED, RESCUED, WHOLE

_STRICT = DecoderOptions()


class LeniencyConformance:
    """A part of `DecoderConformance`: options and the rescue column."""

    def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
        """A decoder of the kind under test."""
        raise NotImplementedError

    def test_digits_finer_than_a_microsecond_are_cut_where_asked(self) -> None:
        """Cut, not rounded."""
        decoder = self.make_decoder(
            schema_of([{"name": "t", "type": "timestamp"}]), DecoderOptions(finer_timestamps="cut")
        )
        lines = b"\n".join(b'{"t":%s}' % text for text, _ in CUT)
        found = [row["t"] for row in decoder.decode(whole(lines)).batch.to_pylist()]
        report(unequal(found, [value for _, value in CUT]))

    def test_each_leniency_lets_through_what_it_names_and_nothing_else(self) -> None:
        """One option at a time, and the pairs that meet in one value."""
        differences = []
        for chosen, column, text, outcome in LENIENT:
            decoder = self.make_decoder(schema_of(SCHEMA), DecoderOptions(**chosen))
            line = b'{"%s":%s' % (column.encode(), text)
            if isinstance(outcome, LineError):
                differences += rejection(decoder, line, outcome, column)
                continue
            found = checked(decoder.decode(whole(line + b"}"))).batch.to_pylist()
            differences += unequal(found, [row_of(decoder.schema, {column: outcome})])
        report(differences)

    def test_a_number_that_is_none_is_a_fault_where_null_may_not_stand(self) -> None:
        """Nothing could stand for it."""
        fields = [{"name": "f", "type": "float64", "nullable": False}]
        decoder = self.make_decoder(schema_of(fields), DecoderOptions(not_a_number="nullify"))
        report(rejection(decoder, b'{"f":~NaN}', LineError.NOT_A_NUMBER, "f"))

    def test_the_last_of_repeated_keys_counts_where_asked(self) -> None:
        """Nothing of those before is left; a missing member is not made up for by a repeated one."""
        options = DecoderOptions(duplicate_keys="last")
        decoder = self.make_decoder(schema_of(SCHEMA), options)
        together = checked(decoder.decode(whole(b"\n".join(line for line, _, _ in KEEP_LAST))))
        differences = unequal(
            together.batch.to_pylist(),
            [row_of(decoder.schema, values) for _, values, _ in KEEP_LAST],
        )
        differences += unequal(
            [together.unknown_fields], [sum(unknown for _, _, unknown in KEEP_LAST)]
        )
        differences += [found for case in NOT_KEPT for found in rejection(decoder, *case)]
        required = self.make_decoder(schema_of(REQUIRED), options)
        twice = b'{"i":1,"i":2,"j":1,"l":[],"o":{"id":1}~}'
        differences += rejection(required, twice, LineError.MISSING, "s")
        differences += acceptance(required, b'{"s":"b",' + WHOLE[1:])
        report(differences)

    def test_what_no_column_has_a_place_for_is_rescued_where_asked(self) -> None:
        """Byte for byte, each case alone and all in one chunk; unknown fields still count."""
        decoder = self.make_decoder(rescuing(SCHEMA), _STRICT)
        wanted = [
            row_of(decoder.schema, {**values, "_rescued": text}) for _, values, text in RESCUED
        ]
        differences = []
        for (line, _, _), row in zip(RESCUED, wanted, strict=True):
            decoded = checked(decoder.decode(whole(line)))
            differences += unequal(decoded.batch.to_pylist(), [row])
        lines = [line for line, _, _ in RESCUED]
        together = checked(decoder.decode(whole(b"\n".join(lines))))
        differences += unequal(together.batch.to_pylist(), wanted)
        dropping = self.make_decoder(schema_of(SCHEMA), _STRICT)
        for line, _, unknown in GOOD:
            one, other = decoder.decode(whole(line)), dropping.decode(whole(line))
            differences += unequal([one.unknown_fields], [unknown])
            if not one.batch.select(other.batch.schema.names).equals(other.batch):
                differences.append(f"{line!r} has another row where fields are rescued")
        report(differences)

    def test_a_line_that_is_no_json_or_lacks_a_value_is_rejected_despite_rescue(self) -> None:
        """And leaves nothing in the rescue column, though some of it was rescued before."""
        decoder = self.make_decoder(rescuing(SCHEMA), _STRICT)
        differences = [found for case in NOT_RESCUED for found in rejection(decoder, *case)]
        bad = [line.replace(b"~", b"") for line, _, _ in (*NOT_RESCUED, *BAD)]
        good = b'{"u":[1],"i":"x"}'
        mixed = b"\n".join(b'{"u":1,"l":["x"],' + line[1:] + b"\n" + good for line in bad)
        rows = checked(decoder.decode(whole(mixed))).batch.to_pylist()
        row = row_of(decoder.schema, {"_rescued": '{"u":[1],"i":"x"}'})
        differences += unequal([found for found in rows if found == row], [row] * len(bad))
        report(differences)
