#include "decode.h"

static bool reject(Decoded *decoded, const Rejected *rejected)
{
    if (decoded->rejected_count == decoded->rejected_room) {
        const size_t room = 2 * decoded->rejected_room + 16;
        Rejected *grown = memory_take(room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        if (decoded->rejected_count > 0) {
            memcpy(grown, decoded->rejected, decoded->rejected_count * sizeof *grown);
        }
        memory_give(decoded->rejected);
        decoded->rejected = grown;
        decoded->rejected_room = room;
    }
    decoded->rejected[decoded->rejected_count++] = *rejected;
    return true;
}

/* Record the line at `line`, whose fault is in walk->fault. */
static bool line_reject(Decoded *decoded, const Walk *walk, const Chunk *chunk,
                        const uint8_t *line, size_t length)
{
    const Fault *fault = &walk->fault;
    const bool too_long = length > walk->options.max_line;
    const Rejected rejected = {
        .line = chunk->first_line + decoded->lines,
        .offset = chunk->offset + decoded->batch.consumed,
        .length = length,
        .position = too_long ? walk->options.max_line : (size_t)(fault->at - line),
        .error = too_long ? ERROR_TOO_LONG : fault->error,
        .path = too_long || fault->field == NULL ? 0 : fault->field->path,
    };
    return reject(decoded, &rejected);
}

/* Decode the lines from `at` to `end`, which is behind a newline and PADDING readable bytes, or
 * the first of them if too many are bad.
 */
static bool lines_decode(Decoded *decoded, Walk *walk, const Chunk *chunk, const uint8_t *at,
                         const uint8_t *end)
{
    Batch *batch = &decoded->batch;
    while (at < end && decoded->rejected_count < MOST_REJECTED) {
        if (!rows_reserve(batch, &batch->rows, &batch->root)) {
            return false;
        }
        bool row = false;
        const bool first = chunk->offset + batch->consumed == 0;
        const uint8_t *newline = line_read(walk, at, first, &row);
        if (UNLIKELY(newline == NULL || (size_t)(newline - at) > walk->options.max_line)) {
            newline = memchr(at, '\n', (size_t)(end - at));
            column_clear_row(&batch->root, batch->rows.count);
            if (walk->fault.error == ERROR_NO_MEMORY ||
                !line_reject(decoded, walk, chunk, at, (size_t)(newline - at))) {
                return false;
            }
        } else {
            batch->rows.count += row;
            decoded->unknown += walk->unknown;
        }
        decoded->lines++;
        batch->consumed += (size_t)(newline - at) + 1;
        at = newline + 1;
    }
    return true;
}

/* Where the lines begin that end too near to the chunk's end to be read in place. */
static size_t tail_start(const Chunk *chunk)
{
    if (chunk->size <= PADDING) {
        return 0;
    }
    size_t at = chunk->size - PADDING;
    while (at > 0 && chunk->data[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* Decode the last lines from a copy that ends with a newline and padding. */
static bool tail_decode(Decoded *decoded, Walk *walk, const Chunk *chunk, size_t start)
{
    const size_t size = chunk->size - start;
    if (size == 0) {
        return true;
    }
    size_t capacity;
    uint8_t *copy = pool_take(decoded->batch.pool, size + 1 + PADDING, &capacity);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, chunk->data + start, size);
    memset(copy + size, 0, 1 + PADDING);
    const bool ends = copy[size - 1] == '\n';
    copy[ends ? size - 1 : size] = '\n';
    const bool done = lines_decode(decoded, walk, chunk, copy, copy + size + !ends);
    pool_give(copy);
    return done;
}

/* The column that takes what the schema has no place for; NULL: none. */
static Column *rescue_column(const Batch *batch)
{
    for (uint32_t index = 0; index < batch->root.field->children_count; index++) {
        if (batch->root.children[index].type == TYPE_RESCUE) {
            return &batch->root.children[index];
        }
    }
    return NULL;
}

static bool walk_open(Walk *walk, Batch *batch, const Options *options, size_t size)
{
    *walk = (Walk){.batch = batch, .options = *options, .scratch = {.pool = batch->pool}};
    walk->rescue.column = rescue_column(batch);
    /* No more brackets than bytes are ever open. */
    if (walk->options.max_depth > size) {
        walk->options.max_depth = size;
    }
    walk->brackets = memory_take(walk->options.max_depth / 8 + 1);
    if (walk->brackets == NULL) {
        return false;
    }
    memset(walk->brackets, 0, walk->options.max_depth / 8 + 1);
    return true;
}

bool decode(Decoded *decoded, const Chunk *chunk, const Field *schema, const Options *options,
            Pool *pool)
{
    memset(decoded, 0, sizeof *decoded);
    Walk walk;
    if (!batch_open(&decoded->batch, pool, schema, chunk->size) ||
        !walk_open(&walk, &decoded->batch, options, chunk->size)) {
        return false;
    }
    const size_t tail = tail_start(chunk);
    bool done = lines_decode(decoded, &walk, chunk, chunk->data, chunk->data + tail);
    if (done && decoded->batch.consumed == tail) {
        done = tail_decode(decoded, &walk, chunk, tail);
    }
    /* A last line without a newline was counted with one. */
    const size_t consumed = decoded->batch.consumed;
    decoded->size = consumed < chunk->size ? consumed : chunk->size;
    memory_give(walk.brackets);
    pool_give(walk.scratch.data);
    return done;
}

void decoded_clear(Decoded *decoded)
{
    batch_clear(&decoded->batch);
    memory_give(decoded->rejected);
}
