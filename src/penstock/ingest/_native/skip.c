#include "skip.h"

#include "number.h"

static bool is_not_a_number(const uint8_t *at)
{
    const uint8_t *word = at + (*at == '-');
    return strncmp((const char *)at, "NaN", 3) == 0 ||
           strncmp((const char *)word, "Infinity", 8) == 0;
}

const uint8_t *value_check_start(const uint8_t *at, Fault *fault)
{
    if (is_not_a_number(at)) {
        return fail(fault, ERROR_NOT_A_NUMBER, at);
    }
    const bool starts = *at == '"' || *at == '{' || *at == '[' || *at == '-' || is_digit(*at) ||
                        is_null(at) || is_true(at) || is_false(at);
    return starts ? at : fail(fault, ERROR_SYNTAX, at);
}

/* The digits at `at`, at least one. */
static const uint8_t *digits_skip(const uint8_t *at, Fault *fault)
{
    if (!is_digit(*at)) {
        return fail(fault, ERROR_SYNTAX, at);
    }
    while (is_digit(*at)) {
        at++;
    }
    return at;
}

static const uint8_t *number_skip(const uint8_t *at, Fault *fault)
{
    at += *at == '-';
    at = *at == '0' ? at + 1 : digits_skip(at, fault);
    if (at != NULL && *at == '.') {
        at = digits_skip(at + 1, fault);
    }
    if (at != NULL && (*at | 0x20) == 'e') {
        at += at[1] == '-' || at[1] == '+' ? 2 : 1;
        at = digits_skip(at, fault);
    }
    return at;
}

static const uint8_t *scalar_skip(const uint8_t *at, Fault *fault)
{
    if (*at == '"') {
        return text_skip(at + 1, fault);
    }
    if (is_digit(*at)) {
        return number_skip(at, fault);
    }
    if (value_check_start(at, fault) == NULL) {
        return NULL;
    }
    if (*at == '-') {
        return number_skip(at, fault);
    }
    return at + (*at == 'f' ? 5 : 4);
}

/* A key and its colon; the place where the value starts. */
static const uint8_t *key_skip(const uint8_t *at, Fault *fault)
{
    if (*at != '"') {
        return fail(fault, ERROR_SYNTAX, at);
    }
    at = text_skip(at + 1, fault);
    if (at == NULL) {
        return NULL;
    }
    at = skip_blanks(at);
    return *at == ':' ? skip_blanks(at + 1) : fail(fault, ERROR_SYNTAX, at);
}

/* The brackets that are open: one bit each, set for an object. */
static bool is_object(const uint8_t *brackets, size_t open)
{
    return brackets[(open - 1) / 8] >> ((open - 1) % 8) & 1;
}

static void bracket_push(uint8_t *brackets, size_t open, bool object)
{
    const uint8_t bit = (uint8_t)(1u << (open % 8));
    uint8_t *byte = &brackets[open / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
}

/* Behind a value: closes what ends here. The place of the next value, or behind the outermost. */
static const uint8_t *next_value(const uint8_t *at, const uint8_t *brackets, size_t *open,
                                 Fault *fault)
{
    while (*open > 0) {
        const bool object = is_object(brackets, *open);
        at = skip_blanks(at);
        if (*at == ',') {
            at = skip_blanks(at + 1);
            return object ? key_skip(at, fault) : at;
        }
        if (*at != (object ? '}' : ']')) {
            return fail(fault, ERROR_SYNTAX, at);
        }
        at++;
        --*open;
    }
    return at;
}

const uint8_t *value_skip(const uint8_t *at, uint8_t *brackets, size_t room, Fault *fault)
{
    size_t open = 0;
    do {
        if (*at == '{' || *at == '[') {
            const bool object = *at == '{';
            if (open >= room) {
                return fail(fault, ERROR_DEPTH, at);
            }
            at = skip_blanks(at + 1);
            if (*at != (object ? '}' : ']')) {
                bracket_push(brackets, open++, object);
                at = object ? key_skip(at, fault) : at;
                continue;
            }
            at++;
        } else {
            at = scalar_skip(at, fault);
        }
        if (at != NULL) {
            at = next_value(at, brackets, &open, fault);
        }
    } while (at != NULL && open > 0);
    return at;
}
