#include "text.h"

bool text_reserve(Text *text, size_t used, size_t more)
{
    size_t capacity = 2 * text->capacity;
    capacity = capacity < text->hint ? text->hint : capacity;
    capacity = capacity < used + more ? used + more : capacity;
    uint8_t *data = pool_take(text->pool, capacity, &capacity);
    if (data == NULL) {
        return false;
    }
    if (used > 0) {
        memcpy(data, text->data, used);
    }
    pool_give(text->data);
    text->data = data;
    text->capacity = capacity;
    return true;
}

static bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The length of the sequence that starts at `at`, a byte above 0x7F; 0 if it is not one.
 * The second byte alone decides about overlong forms, surrogates and the upper end.
 */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    const uint8_t lead = at[0];
    if (lead < 0xC2 || lead > 0xF4 || left < 2 || !continues(at[1])) {
        return 0;
    }
    if (lead < 0xE0) {
        return 2;
    }
    if (left < 3 || !continues(at[2])) {
        return 0;
    }
    if (lead < 0xF0) {
        const bool overlong = lead == 0xE0 && at[1] < 0xA0;
        const bool surrogate = lead == 0xED && at[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    const bool overlong = lead == 0xF0 && at[1] < 0x90;
    const bool beyond = lead == 0xF4 && at[1] > 0x8F;
    return left < 4 || !continues(at[3]) || overlong || beyond ? 0 : 4;
}

const uint8_t *utf8_fault(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (*at < 0x80) {
            const bool ascii =
                end - at >= 8 && (load8(at) & UINT64_C(0x8080808080808080)) == 0;
            at += ascii ? 8 : 1;
            continue;
        }
        const size_t length = utf8_sequence(at, (size_t)(end - at));
        if (length == 0) {
            return at;
        }
        at += length;
    }
    return NULL;
}

static unsigned utf8_write(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* The value of a hexadecimal digit; above 15 for any other byte. */
static uint32_t hex_digit(uint8_t byte)
{
    const uint8_t letter = (uint8_t)((byte | 0x20) - 'a');
    return is_digit(byte) ? (uint32_t)(byte - '0') : letter < 6 ? letter + 10u : 16u;
}

/* Reads up to four hexadecimal digits; returns how many there are. */
static unsigned hex_read(const uint8_t *at, uint32_t *code)
{
    unsigned count = 0;
    *code = 0;
    while (count < 4 && hex_digit(at[count]) < 16) {
        *code = *code << 4 | hex_digit(at[count++]);
    }
    return count;
}

static const uint8_t *unicode_read(const uint8_t *at, uint32_t *code, Fault *fault)
{
    const uint8_t *end = at + 2 + hex_read(at + 2, code);
    if (end < at + 6) {
        return *end == '\n' ? fail(fault, ERROR_SYNTAX, end) : fail(fault, ERROR_ESCAPE, at);
    }
    if (*code < 0xD800 || *code > 0xDFFF) {
        return end;
    }
    uint32_t low = 0;
    const bool pair = *code < 0xDC00 && end[0] == '\\' && end[1] == 'u' &&
                      hex_read(end + 2, &low) == 4;
    if (!pair || low < 0xDC00 || low > 0xDFFF) {
        return fail(fault, ERROR_ESCAPE, at);
    }
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return end + 6;
}

/* Reads the escape whose backslash stands at `at`. */
static const uint8_t *escape_read(const uint8_t *at, uint32_t *code, Fault *fault)
{
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
        *code = at[1];
        return at + 2;
    case 'b':
        *code = '\b';
        return at + 2;
    case 'f':
        *code = '\f';
        return at + 2;
    case 'n':
        *code = '\n';
        return at + 2;
    case 'r':
        *code = '\r';
        return at + 2;
    case 't':
        *code = '\t';
        return at + 2;
    case 'u':
        return unicode_read(at, code, fault);
    case '\n':
        return fail(fault, ERROR_SYNTAX, at + 1);
    default:
        return fail(fault, ERROR_ESCAPE, at);
    }
}

/* The bytes up to the next quote, backslash or control character; faults: utf8. */
static const uint8_t *plain_skip(const uint8_t *at, Fault *fault)
{
    const uint8_t *start = at;
    uint64_t high = 0;
    Scan block = scan(at);
    while (block.stop == 0) {
        high |= block.high;
        at += SCAN_WIDTH;
        block = scan(at);
    }
    at += scan_first(block.stop);
    if (UNLIKELY((high | scan_high_before_stop(block)) != 0)) {
        const uint8_t *bad = utf8_fault(start, at);
        return bad == NULL ? at : fail(fault, ERROR_UTF8, bad);
    }
    return at;
}

static const uint8_t *control_fault(const uint8_t *at, Fault *fault)
{
    return fail(fault, *at == '\n' ? ERROR_SYNTAX : ERROR_CONTROL_CHARACTER, at);
}

const uint8_t *text_skip(const uint8_t *at, Fault *fault)
{
    uint32_t code;
    while ((at = plain_skip(at, fault)) != NULL && *at != '"') {
        if (*at != '\\') {
            return control_fault(at, fault);
        }
        at = escape_read(at, &code, fault);
        if (at == NULL) {
            return NULL;
        }
    }
    return at == NULL ? NULL : at + 1;
}

const uint8_t *text_read_slowly(const uint8_t *at, Text *text, size_t *length, Fault *fault)
{
    size_t used = text->used;
    for (;;) {
        const uint8_t *end = plain_skip(at, fault);
        if (end == NULL) {
            return NULL;
        }
        const size_t run = (size_t)(end - at);
        if (text->capacity - used < run + 4 && !text_reserve(text, used, run + 4)) {
            return fail(fault, ERROR_NO_MEMORY, at);
        }
        memcpy(text->data + used, at, run);
        used += run;
        if (*end == '"') {
            *length = used - text->used;
            return end + 1;
        }
        if (*end != '\\') {
            return control_fault(end, fault);
        }
        uint32_t code = 0;
        at = escape_read(end, &code, fault);
        if (at == NULL) {
            return NULL;
        }
        used += utf8_write(code, text->data + used);
    }
}
