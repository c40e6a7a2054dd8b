#include "rescue.h"

/* Digits of the largest item's number, and the quotes around them. */
#define NUMBER_SIZE 22

/* Offsets of columns have 32 bits, and rescued text may be longer than the chunk it is from. */
static bool bytes_add(Rescue *rescue, const void *bytes, size_t size)
{
    Text *text = &rescue->column->text;
    const size_t used = text->used + rescue->length;
    if (size > INT32_MAX - used ||
        (text->capacity - used < size && !text_reserve(text, used, size))) {
        return false;
    }
    memcpy(text->data + used, bytes, size);
    rescue->length += size;
    return true;
}

/* What a list's item is called. */
static bool number_add(Rescue *rescue, size_t number)
{
    char digits[NUMBER_SIZE];
    size_t at = sizeof digits;
    digits[--at] = '"';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    digits[--at] = '"';
    return bytes_add(rescue, digits + at, sizeof digits - at);
}

/* The key or number of what is read in a frame, its colon, and a comma before it if need be. */
static bool label_add(Rescue *rescue, const Frame *frame)
{
    const Text *text = &rescue->column->text;
    /* A value never ends with an opening brace. */
    if (text->data[text->used + rescue->length - 1] != '{' && !bytes_add(rescue, ",", 1)) {
        return false;
    }
    if (frame->key == NULL) {
        return number_add(rescue, frame->items->count - frame->first) &&
               bytes_add(rescue, ":", 1);
    }
    /* The key was read before: it has no fault. */
    Fault none;
    const uint8_t *end = text_skip(frame->key + 1, &none);
    return bytes_add(rescue, frame->key, (size_t)(end - frame->key)) &&
           bytes_add(rescue, ":", 1);
}

/* Write the brackets down to `frame` that were not written before. */
static bool frame_open(Rescue *rescue, Frame *frame)
{
    if (frame->open) {
        return true;
    }
    if (frame->above != NULL &&
        !(frame_open(rescue, frame->above) && label_add(rescue, frame->above))) {
        return false;
    }
    frame->open = true;
    return bytes_add(rescue, "{", 1);
}

bool rescue_value(Rescue *rescue, const uint8_t *at, const uint8_t *end)
{
    return frame_open(rescue, rescue->inmost) && label_add(rescue, rescue->inmost) &&
           bytes_add(rescue, at, (size_t)(end - at));
}

bool rescue_close(Rescue *rescue)
{
    return bytes_add(rescue, "}", 1);
}

void rescue_settle(Rescue *rescue, size_t row)
{
    Column *column = rescue->column;
    column->text.used += rescue->length;
    *column_length(column, row) = (int32_t)rescue->length;
    column->marks[row] = MARK_VALUE;
}
