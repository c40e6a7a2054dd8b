/* Decodes base64 as RFC 4648 has it: the standard alphabet, padded, unused bits zero. */
#ifndef PENSTOCK_BASE64_H
#define PENSTOCK_BASE64_H

#include "base.h"

/* Decode `length` bytes in place. False: they are not base64, and are spoilt. */
bool base64_decode(uint8_t *bytes, size_t length, size_t *decoded);

#endif
