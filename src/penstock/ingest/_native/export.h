/* Hands filled columns over through the Arrow C Data Interface.
 *
 * Source: https://arrow.apache.org/docs/format/CDataInterface.html
 */
#ifndef PENSTOCK_EXPORT_H
#define PENSTOCK_EXPORT_H

#include "column.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

/* Move the columns of `batch` into `out`, a struct array with a child per column. False: no
 * memory; `out` is then released, and the batch is still to be cleared, as it is after success.
 */
bool batch_export(Batch *batch, struct ArrowArray *out);

#endif
