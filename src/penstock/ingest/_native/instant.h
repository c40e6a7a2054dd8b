/* Reads dates and timestamps of ISO 8601.
 *
 * `YYYY-MM-DD`; for a timestamp also `T` or a space, `hh:mm:ss`, `.` and digits, and `Z`,
 * `+hh:mm` or `-hh:mm`. No time is midnight, no zone is UTC. Years 0001 to 9999, in UTC too.
 */
#ifndef PENSTOCK_INSTANT_H
#define PENSTOCK_INSTANT_H

#include "base.h"

#define FIRST_INSTANT (INT64_C(-719162) * 86400000000)               /* 0001-01-01 */
#define LAST_INSTANT (INT64_C(2932897) * 86400000000 - INT64_C(1)) /* 9999-12-31 */

/* Both read up to a closing quote and return its place, or NULL with the error:
 * ERROR_TYPE if the form is another, ERROR_RANGE if there is no such time.
 * A text that holds the quote's byte itself ends there: compare the place with its end.
 */
const uint8_t *date_read(const uint8_t *at, int32_t *days, Error *error);

/* Microseconds since 1970; with `cut`, finer digits are dropped where they would be refused. */
const uint8_t *timestamp_read(const uint8_t *at, bool cut, int64_t *micros, Error *error);

#endif
