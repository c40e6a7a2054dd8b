#include "instant.h"

#define MICROS_A_SECOND INT64_C(1000000)
#define MICROS_A_MINUTE (60 * MICROS_A_SECOND)
#define MICROS_A_DAY (1440 * MICROS_A_MINUTE)

/* What was read so far. `fits` turns false where the form is right and there is no such time. */
typedef struct Instant {
    int64_t days;
    int64_t micros;
    bool fits;
} Instant;

/* Two digits, or -1. */
static int two_digits(const uint8_t *at)
{
    const unsigned tens = (unsigned)at[0] - '0';
    const unsigned ones = (unsigned)at[1] - '0';
    return tens < 10 && ones < 10 ? (int)(tens * 10 + ones) : -1;
}

static int days_in_month(int year, int month)
{
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return DAYS[month - 1] + (month == 2 && leap);
}

/* Days since 1970. March is the first month here, so that a leap day is a year's last. */
static int64_t days_of(int year, int month, int day)
{
    const int64_t shifted = year - (month <= 2);
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + of_year - 719468;
}

static const uint8_t *day_read(const uint8_t *at, Instant *instant)
{
    const int century = two_digits(at);
    if (century < 0) {
        return NULL;
    }
    const int rest = two_digits(at + 2);
    if (rest < 0 || at[4] != '-') {
        return NULL;
    }
    const int month = two_digits(at + 5);
    if (month < 0 || at[7] != '-') {
        return NULL;
    }
    const int day = two_digits(at + 8);
    if (day < 0) {
        return NULL;
    }
    const int year = century * 100 + rest;
    instant->fits = year > 0 && month > 0 && month < 13 && day > 0 &&
                    day <= days_in_month(year, month);
    instant->days = days_of(year, month, day);
    return at + 10;
}

/* `hh:mm`, in microseconds. */
static const uint8_t *minutes_read(const uint8_t *at, int64_t *micros, Instant *instant)
{
    const int hour = two_digits(at);
    if (hour < 0 || at[2] != ':') {
        return NULL;
    }
    const int minute = two_digits(at + 3);
    if (minute < 0) {
        return NULL;
    }
    instant->fits = instant->fits && hour < 24 && minute < 60;
    *micros = (hour * 60 + minute) * MICROS_A_MINUTE;
    return at + 5;
}

static const uint8_t *fraction_read(const uint8_t *at, bool cut, Instant *instant)
{
    int64_t unit = MICROS_A_SECOND;
    const uint8_t *start = at;
    for (; is_digit(*at); at++) {
        unit /= 10;
        instant->micros += unit * (*at - '0');
        instant->fits = instant->fits && (cut || unit > 0 || *at == '0');
    }
    return at == start ? NULL : at;
}

static const uint8_t *zone_read(const uint8_t *at, Instant *instant)
{
    if (*at == 'Z') {
        return at + 1;
    }
    if (*at != '+' && *at != '-') {
        return at;
    }
    const int64_t sign = *at == '+' ? -1 : 1;
    int64_t offset = 0;
    at = minutes_read(at + 1, &offset, instant);
    instant->micros += sign * offset;
    return at;
}

static const uint8_t *clock_read(const uint8_t *at, bool cut, Instant *instant)
{
    at = minutes_read(at, &instant->micros, instant);
    if (at == NULL || *at != ':') {
        return NULL;
    }
    const int second = two_digits(at + 1);
    if (second < 0) {
        return NULL;
    }
    instant->fits = instant->fits && second < 60;
    instant->micros += second * MICROS_A_SECOND;
    at += 3;
    if (*at == '.') {
        at = fraction_read(at + 1, cut, instant);
    }
    return at == NULL ? NULL : zone_read(at, instant);
}

/* The form was read up to `at`: it must end there. */
static const uint8_t *settle(const uint8_t *at, const Instant *instant, Error *error)
{
    if (at == NULL || *at != '"') {
        *error = ERROR_TYPE;
        return NULL;
    }
    if (!instant->fits) {
        *error = ERROR_RANGE;
        return NULL;
    }
    return at;
}

const uint8_t *date_read(const uint8_t *at, int32_t *days, Error *error)
{
    Instant instant = {0};
    at = settle(day_read(at, &instant), &instant, error);
    *days = (int32_t)instant.days;
    return at;
}

const uint8_t *timestamp_read(const uint8_t *at, bool cut, int64_t *micros, Error *error)
{
    Instant instant = {0};
    at = day_read(at, &instant);
    if (at != NULL && (*at == 'T' || *at == ' ')) {
        at = clock_read(at + 1, cut, &instant);
    }
    *micros = instant.days * MICROS_A_DAY + instant.micros;
    instant.fits = instant.fits && *micros >= FIRST_INSTANT && *micros <= LAST_INSTANT;
    return settle(at, &instant, error);
}
