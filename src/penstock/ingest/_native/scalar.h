/* Reads the value of a column that is neither a struct nor a list, from its first byte.
 *
 * A part of walk.c, included there alone, so that the compiler has all of a line's work in view.
 * Each reader checks the kind, writes the value at `row`, and returns the place behind it; the
 * row's mark is set already, and only null changes it.
 */
#ifndef PENSTOCK_SCALAR_H
#define PENSTOCK_SCALAR_H

#include "base64.h"
#include "instant.h"
#include "number.h"
#include "real.h"
#include "skip.h"
#include "walk.h"

/* A value of another kind than its column's, or none at all. */
static COLD const uint8_t *mismatch(Walk *walk, const uint8_t *at)
{
    return value_check_start(at, &walk->fault) == NULL ? NULL
                                                       : fail(&walk->fault, ERROR_TYPE, at);
}

static inline const uint8_t *null_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (!is_null(at)) {
        return mismatch(walk, at);
    }
    if (!column->nullable) {
        return fail(&walk->fault, ERROR_NULL, at);
    }
    column->marks[row] = MARK_NULL;
    return at + 4;
}

/* A string with its escapes replaced, and a quote behind it, in walk->scratch. */
static inline const uint8_t *scratch_read(Walk *walk, const uint8_t *at, size_t *length)
{
    if (*at != '"') {
        return mismatch(walk, at);
    }
    const uint8_t *end = text_read(at + 1, &walk->scratch, length, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    if (walk->scratch.capacity - *length < PADDING &&
        !text_reserve(&walk->scratch, *length, PADDING)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    walk->scratch.data[*length] = '"';
    return end;
}

static inline bool allows(const Walk *walk, Leniency leniency)
{
    return (walk->options.lenient & leniency) != 0;
}

/* --- numbers ---------------------------------------------------------------------------- */

/* A string whose text is a number, and nothing else. */
static COLD const uint8_t *quoted_number_read(Walk *walk, const uint8_t *at, Number *number)
{
    size_t length = 0;
    const uint8_t *end = scratch_read(walk, at, &length);
    if (end == NULL) {
        return NULL;
    }
    Fault unread;
    const uint8_t *text = walk->scratch.data;
    return number_read(text, number, &unread) == text + length
               ? end
               : fail(&walk->fault, ERROR_TYPE, at);
}

static inline const uint8_t *any_number_read(Walk *walk, const uint8_t *at, Number *number)
{
    if (LIKELY(is_digit(*at) || (*at == '-' && is_digit(at[1])))) {
        return number_read(at, number, &walk->fault);
    }
    if (*at == '"' && allows(walk, READ_QUOTED)) {
        return quoted_number_read(walk, at, number);
    }
    if (*at != '-' || value_check_start(at, &walk->fault) == NULL) {
        return mismatch(walk, at);
    }
    return number_read(at, number, &walk->fault);
}

static inline const uint8_t *integer_read(Walk *walk, const uint8_t *at, int bits, int64_t *value)
{
    const uint8_t *end = short_integer_read(at, value);
    if (LIKELY(end != NULL) && (bits == 64 || *value == (int32_t)*value)) {
        return end;
    }
    Number number;
    end = any_number_read(walk, at, &number);
    if (end == NULL) {
        return NULL;
    }
    const int64_t most = bits == 64 ? INT64_MAX : INT32_MAX;
    bool fraction = false;
    bool fits;
    if (number.integral) {
        fits = number_to_integer(&number, -most - 1, most, value);
    } else if (allows(walk, READ_WHOLE)) {
        fits = number_scale(&number, 0, -most - 1, most, value, &fraction);
    } else {
        return fail(&walk->fault, ERROR_TYPE, at);
    }
    if (!fits) {
        return fail(&walk->fault, ERROR_RANGE, at);
    }
    return fraction ? fail(&walk->fault, ERROR_TYPE, at) : end;
}

static inline const uint8_t *int32_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    int64_t value = 0;
    at = integer_read(walk, at, 32, &value);
    ((int32_t *)column->values)[row] = (int32_t)value;
    return at;
}

static inline const uint8_t *int64_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    return integer_read(walk, at, 64, (int64_t *)column->values + row);
}

static inline const uint8_t *float32_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Number number;
    const uint8_t *end = any_number_read(walk, at, &number);
    if (end != NULL && !number_to_float32(&number, (float *)column->values + row)) {
        return fail(&walk->fault, ERROR_RANGE, at);
    }
    return end;
}

static inline const uint8_t *float64_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Number number;
    const uint8_t *end = short_real_read(at, (double *)column->values + row);
    if (LIKELY(end != NULL)) {
        return end;
    }
    end = any_number_read(walk, at, &number);
    if (end != NULL && !number_to_float64(&number, (double *)column->values + row)) {
        return fail(&walk->fault, ERROR_RANGE, at);
    }
    return end;
}

static inline const uint8_t *boolean_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (is_true(at)) {
        ((uint8_t *)column->values)[row] = MARK_VALUE;
        return at + 4;
    }
    return is_false(at) ? at + 5 : mismatch(walk, at);
}

/* --- text ------------------------------------------------------------------------------- */

static inline void text_settle(Column *column, size_t row, size_t length)
{
    column->text.used += length;
    *column_length(column, row) = (int32_t)length;
}

static inline const uint8_t *string_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '"')) {
        return mismatch(walk, at);
    }
    size_t length = 0;
    at = text_read(at + 1, &column->text, &length, &walk->fault);
    if (LIKELY(at != NULL)) {
        text_settle(column, row, length);
    }
    return at;
}

static inline const uint8_t *binary_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    if (UNLIKELY(*at != '"')) {
        return mismatch(walk, at);
    }
    size_t length = 0;
    const uint8_t *end = text_read(at + 1, &column->text, &length, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    /* The column's text may have no memory yet if nothing was ever put into it. */
    if (length > 0 && !base64_decode(column->text.data + column->text.used, length, &length)) {
        return fail(&walk->fault, ERROR_TYPE, at);
    }
    text_settle(column, row, length);
    return end;
}

static inline const uint8_t *json_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Text *text = &column->text;
    const uint8_t *end =
        value_skip(at, walk->brackets, walk->options.max_depth - walk->depth, &walk->fault);
    if (end == NULL) {
        return NULL;
    }
    const size_t length = (size_t)(end - at);
    if (text->capacity - text->used < length && !text_reserve(text, text->used, length)) {
        return fail(&walk->fault, ERROR_NO_MEMORY, at);
    }
    memcpy(text->data + text->used, at, length);
    text_settle(column, row, length);
    return end;
}

/* --- times ------------------------------------------------------------------------------ */

/* A timestamp as a number. */
static COLD const uint8_t *epoch_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Number number;
    const uint8_t *end = any_number_read(walk, at, &number);
    if (end == NULL) {
        return NULL;
    }
    bool finer;
    int64_t *micros = (int64_t *)column->values + row;
    const bool fits = number_scale(&number, walk->options.epoch, FIRST_INSTANT, LAST_INSTANT,
                                   micros, &finer);
    return fits && (!finer || allows(walk, CUT_FINER)) ? end
                                                       : fail(&walk->fault, ERROR_RANGE, at);
}

/* Any time that cannot be read as it stands: it has escapes, or a fault. */
static COLD const uint8_t *time_read_slowly(Walk *walk, Column *column, size_t row,
                                            const uint8_t *at)
{
    if (*at != '"' && column->type == TYPE_TIMESTAMP && allows(walk, READ_EPOCH)) {
        return epoch_read(walk, column, row, at);
    }
    size_t length = 0;
    const uint8_t *end = scratch_read(walk, at, &length);
    if (end == NULL) {
        return NULL;
    }
    const uint8_t *text = walk->scratch.data;
    Error error = ERROR_TYPE;
    const uint8_t *text_end =
        column->type == TYPE_DATE
            ? date_read(text, (int32_t *)column->values + row, &error)
            : timestamp_read(text, allows(walk, CUT_FINER), (int64_t *)column->values + row,
                             &error);
    if (text_end == NULL) {
        return fail(&walk->fault, error, at);
    }
    return text_end == text + length ? end : fail(&walk->fault, ERROR_TYPE, at);
}

static inline const uint8_t *timestamp_value_read(Walk *walk, Column *column, size_t row,
                                           const uint8_t *at)
{
    Error error;
    int64_t *micros = (int64_t *)column->values + row;
    const uint8_t *end =
        LIKELY(*at == '"') ? timestamp_read(at + 1, allows(walk, CUT_FINER), micros, &error)
                             : NULL;
    return LIKELY(end != NULL) ? end + 1 : time_read_slowly(walk, column, row, at);
}

static inline const uint8_t *date_value_read(Walk *walk, Column *column, size_t row, const uint8_t *at)
{
    Error error;
    int32_t *days = (int32_t *)column->values + row;
    const uint8_t *end = LIKELY(*at == '"') ? date_read(at + 1, days, &error) : NULL;
    return LIKELY(end != NULL) ? end + 1 : time_read_slowly(walk, column, row, at);
}

#endif
