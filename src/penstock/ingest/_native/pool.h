/* Memory for columns: blocks that are handed out again instead of being mapped afresh.
 *
 * Fresh pages cost more than the copying they are for, so a released block is kept, up to
 * POOL_KEEPS bytes in all. Blocks are released by whoever drops the last reference to an Arrow
 * array, in any thread and without the GIL: a mutex guards the lists, and the pool lives until
 * its decoder and its last block are gone.
 */
#ifndef PENSTOCK_POOL_H
#define PENSTOCK_POOL_H

#include "base.h"

#define POOL_KEEPS (64u << 20)

typedef struct Pool Pool;

/* NULL: no memory. */
Pool *pool_new(void);

/* The decoder lets go. Blocks may still be out. */
void pool_drop(Pool *pool);

/* At least `size` bytes, aligned to 64, undefined; `*capacity` bytes are usable. NULL: no memory. */
void *pool_take(Pool *pool, size_t size, size_t *capacity);

/* Give a block of any pool back; NULL does nothing. */
void pool_give(void *block);

/* malloc and free, so that the tests can make each allocation fail once. */
void *memory_take(size_t size);
void memory_give(void *block);

#endif
