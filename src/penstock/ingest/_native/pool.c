#define _POSIX_C_SOURCE 200809L /* posix_memalign */

#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

/* Four sizes per power of two, from 256 bytes to 2^40: at most a quarter of a block is unused. */
#define SMALLEST_SHIFT 8
#define CLASSES (4 * 32)
#define ALIGNMENT 64
/* Blocks start at so many different offsets, in turn: columns are written row by row, side by
 * side, and at equal offsets in their pages they would drive each other out of the cache.
 */
#define SKEWS 16

/* In a test build blocks have no byte to spare and are not kept, so that a sanitizer sees every
 * step beyond one.
 */
#ifdef PENSTOCK_EXACT
#define EXACT true
#else
#define EXACT false
#endif

typedef struct Block {
    Pool *pool;
    struct Block *next;
    uint32_t class_;
    uint32_t skew; /* bytes before it in what was allocated */
} Block; /* its memory follows, ALIGNMENT bytes from its start */

struct Pool {
    pthread_mutex_t mutex;
    size_t out;  /* blocks that somebody holds */
    size_t kept; /* bytes in the lists */
    uint32_t skew; /* of the next new block */
    bool dropped;
    Block *lists[CLASSES];
};

#ifdef PENSTOCK_FAULTS
#include <stdatomic.h>
/* Only in a test build: the n-th allocation from now fails, once. 0: none. */
static atomic_long memory_countdown;

__attribute__((visibility("default"))) void penstock_fail_allocation(long nth)
{
    atomic_store(&memory_countdown, nth);
}

__attribute__((visibility("default"))) long penstock_allocations_left(void)
{
    return atomic_load(&memory_countdown);
}

static bool memory_fails(void)
{
    return atomic_load(&memory_countdown) > 0 && atomic_fetch_sub(&memory_countdown, 1) == 1;
}

/* How many blocks are allocated and not yet freed. */
static atomic_long memory_blocks;

__attribute__((visibility("default"))) long penstock_allocated_blocks(void)
{
    return atomic_load(&memory_blocks);
}

static void memory_count(const void *block, int change)
{
    atomic_fetch_add(&memory_blocks, block == NULL ? 0 : change);
}
#else
static bool memory_fails(void)
{
    return false;
}

static void memory_count(const void *block, int change)
{
    (void)block;
    (void)change;
}
#endif

void *memory_take(size_t size)
{
    void *block = memory_fails() ? NULL : malloc(size);
    memory_count(block, 1);
    return block;
}

void memory_give(void *block)
{
    memory_count(block, -1);
    free(block);
}

static size_t class_size(uint32_t class_)
{
    const size_t power = (size_t)1 << (SMALLEST_SHIFT + class_ / 4);
    return power + power / 4 * (class_ % 4);
}

static uint32_t class_of(size_t size)
{
    uint32_t class_ = 0;
    while (class_ < CLASSES && class_size(class_) < size) {
        class_++;
    }
    return class_;
}

Pool *pool_new(void)
{
    Pool *pool = memory_take(sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        memory_give(pool);
        return NULL;
    }
    return pool;
}

static void block_delete(Block *block)
{
    memory_give((uint8_t *)block - block->skew);
}

static void pool_delete(Pool *pool)
{
    for (uint32_t class_ = 0; class_ < CLASSES; class_++) {
        for (Block *block = pool->lists[class_]; block != NULL;) {
            Block *next = block->next;
            block_delete(block);
            block = next;
        }
    }
    pthread_mutex_destroy(&pool->mutex);
    memory_give(pool);
}

void pool_drop(Pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->dropped = true;
    const bool last = pool->out == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (last) {
        pool_delete(pool);
    }
}

static Block *block_of(void *memory)
{
    return (Block *)((uint8_t *)memory - ALIGNMENT);
}

static void *block_memory(Block *block)
{
    return (uint8_t *)block + ALIGNMENT;
}

static Block *block_new(Pool *pool, uint32_t class_, size_t size, uint32_t skew)
{
    void *raw = NULL;
    if (memory_fails() || posix_memalign(&raw, ALIGNMENT, skew + ALIGNMENT + size) != 0) {
        return NULL;
    }
    memory_count(raw, 1);
    Block *block = (Block *)((uint8_t *)raw + skew);
    *block = (Block){pool, NULL, class_, skew};
    return block;
}

void *pool_take(Pool *pool, size_t size, size_t *capacity)
{
    const uint32_t class_ = class_of(size);
    if (class_ == CLASSES) {
        return NULL;
    }
    *capacity = EXACT ? size : class_size(class_);
    pthread_mutex_lock(&pool->mutex);
    Block *block = pool->lists[class_];
    if (block != NULL) {
        pool->lists[class_] = block->next;
        pool->kept -= *capacity;
    }
    pool->out++;
    const uint32_t skew = pool->skew;
    pool->skew = (skew + ALIGNMENT) % (SKEWS * ALIGNMENT);
    pthread_mutex_unlock(&pool->mutex);
    if (block == NULL) {
        block = block_new(pool, class_, *capacity, skew);
    }
    if (block == NULL) {
        pthread_mutex_lock(&pool->mutex);
        pool->out--;
        pthread_mutex_unlock(&pool->mutex);
        return NULL;
    }
    return block_memory(block);
}

void pool_give(void *memory)
{
    if (memory == NULL) {
        return;
    }
    Block *block = block_of(memory);
    Pool *pool = block->pool;
    const size_t size = class_size(block->class_);
    pthread_mutex_lock(&pool->mutex);
    const bool keeps = !EXACT && !pool->dropped && pool->kept + size <= POOL_KEEPS;
    if (keeps) {
        block->next = pool->lists[block->class_];
        pool->lists[block->class_] = block;
        pool->kept += size;
    }
    pool->out--;
    const bool last = pool->dropped && pool->out == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (!keeps) {
        block_delete(block);
    }
    if (last) {
        pool_delete(pool);
    }
}
