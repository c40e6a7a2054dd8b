"""Write the table of powers of five that the compiled decoder rounds numbers with.

Each entry is the 128 most significant bits of 5**exponent: truncated for positive exponents,
rounded up for negative ones, as the proof of the method asks for.
Source: D. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience
51 (2021); N. Mushtak and D. Lemire, "Fast number parsing without fallback", ibid. 53 (2023).

Usage: python tools/make_powers.py > src/penstock/ingest/_native/powers.h
"""

import sys
from collections.abc import Iterator

SMALLEST, LARGEST = -342, 308

HEAD = f"""\
/* Written by tools/make_powers.py: the 128 most significant bits of 5^{SMALLEST} to 5^{LARGEST}. */
#ifndef PENSTOCK_POWERS_H
#define PENSTOCK_POWERS_H

#include <stdint.h>

#define SMALLEST_POWER ({SMALLEST})
#define LARGEST_POWER {LARGEST}

typedef struct Power {{
    uint64_t high;
    uint64_t low;
}} Power;

static const Power POWERS_OF_FIVE[LARGEST_POWER - SMALLEST_POWER + 1] = {{"""

TAIL = """\
};

#endif"""


def significand(exponent: int) -> int:
    """The 128 most significant bits of 5**exponent."""
    power = int(5 ** abs(exponent))
    if exponent >= 0:
        shift = power.bit_length() - 128
        return power >> shift if shift > 0 else power << -shift
    bits = (power - 1).bit_length()
    reciprocal: int = (1 << (bits + 127 if exponent >= -27 else 2 * bits + 128)) // power + 1
    return reciprocal >> max(reciprocal.bit_length() - 128, 0)


def lines() -> Iterator[str]:
    """The header file, line by line."""
    yield HEAD
    for exponent in range(SMALLEST, LARGEST + 1):
        value = significand(exponent)
        yield f"    {{UINT64_C({value >> 64:#018x}), UINT64_C({value & (1 << 64) - 1:#018x})}},"
    yield TAIL


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
