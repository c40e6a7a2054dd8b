#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

/* Four sizes per power of two, from 256 bytes to 2^40: at most a quarter of a block is unused. */
#define SMALLEST_SHIFT 8
#define CLASSES (4 * 32)
#define ALIGNMENT 64

typedef struct Block {
    Pool *pool;
    struct Block *next;
    uint32_t class_;
} Block; /* its memory follows, ALIGNMENT bytes from its start */

struct Pool {
    pthread_mutex_t mutex;
    size_t out;  /* blocks that somebody holds */
    size_t kept; /* bytes in the lists */
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
#else
static bool memory_fails(void)
{
    return false;
}
#endif

void *memory_take(size_t size)
{
    return memory_fails() ? NULL : malloc(size);
}

void memory_give(void *block)
{
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

static void pool_delete(Pool *pool)
{
    for (uint32_t class_ = 0; class_ < CLASSES; class_++) {
        for (Block *block = pool->lists[class_]; block != NULL;) {
            Block *next = block->next;
            memory_give(block);
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

static Block *block_new(Pool *pool, uint32_t class_)
{
    const size_t size = class_size(class_) + ALIGNMENT;
    Block *block = memory_fails() ? NULL : aligned_alloc(ALIGNMENT, size);
    if (block != NULL) {
        *block = (Block){pool, NULL, class_};
    }
    return block;
}

void *pool_take(Pool *pool, size_t size, size_t *capacity)
{
    const uint32_t class_ = class_of(size);
    if (class_ == CLASSES) {
        return NULL;
    }
    *capacity = class_size(class_);
    pthread_mutex_lock(&pool->mutex);
    Block *block = pool->lists[class_];
    if (block != NULL) {
        pool->lists[class_] = block->next;
        pool->kept -= *capacity;
    }
    pool->out++;
    pthread_mutex_unlock(&pool->mutex);
    if (block == NULL) {
        block = block_new(pool, class_);
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
    const bool keeps = !pool->dropped && pool->kept + size <= POOL_KEEPS;
    if (keeps) {
        block->next = pool->lists[block->class_];
        pool->lists[block->class_] = block;
        pool->kept += size;
    }
    pool->out--;
    const bool last = pool->dropped && pool->out == 0;
    pthread_mutex_unlock(&pool->mutex);
    if (!keeps) {
        memory_give(block);
    }
    if (last) {
        pool_delete(pool);
    }
}
