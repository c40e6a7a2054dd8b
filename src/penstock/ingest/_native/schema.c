#include "schema.h"

#include "pool.h"

static bool key_is_plain(const uint8_t *name, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (name[index] < 0x20 || name[index] == '"' || name[index] == '\\') {
            return false;
        }
    }
    return size + 3 <= KEY_SIZE;
}

void key_text_set_none(KeyText *key)
{
    memset(key, 0, sizeof *key);
    key->text[0] = 0xFF;
    key->blocks = 1;
}

void key_text_set(KeyText *key, const uint8_t *name, size_t size)
{
    key_text_set_none(key);
    if (!key_is_plain(name, size)) {
        return;
    }
    key->text[0] = '"';
    memcpy(key->text + 1, name, size);
    memcpy(key->text + 1 + size, "\":", 2);
    key->length = (uint32_t)size + 3;
    key->blocks = (key->length + KEY_BLOCK - 1) / KEY_BLOCK;
    memset(key->mask, 0xFF, key->length);
}

/* FNV-1a. Names come from the user's own schema, so nobody gains by making them collide. */
static uint32_t name_hash(const uint8_t *name, size_t size)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t index = 0; index < size; index++) {
        hash = (hash ^ name[index]) * UINT32_C(16777619);
    }
    return hash ^ hash >> 15;
}

bool field_index(Field *field)
{
    uint32_t room = 4;
    while (room < 2 * field->children_count) {
        room *= 2;
    }
    field->names = memory_take(room * sizeof *field->names);
    if (field->names == NULL) {
        return false;
    }
    memset(field->names, 0, room * sizeof *field->names);
    field->names_mask = room - 1;
    for (uint32_t index = 0; index < field->children_count; index++) {
        const Field *child = &field->children[index];
        if (child->type == TYPE_RESCUE) {
            continue;
        }
        uint32_t slot = name_hash((const uint8_t *)child->name, child->name_size);
        while (field->names[slot & field->names_mask] != 0) {
            slot++;
        }
        field->names[slot & field->names_mask] = index + 1;
        field->required += !child->nullable;
    }
    return true;
}

uint32_t field_find(const Field *field, const uint8_t *name, size_t size)
{
    uint32_t slot = name_hash(name, size);
    for (;; slot++) {
        const uint32_t entry = field->names[slot & field->names_mask];
        if (entry == 0) {
            return NO_CHILD;
        }
        const Field *child = &field->children[entry - 1];
        if (child->name_size == size && memcmp(child->name, name, size) == 0) {
            return entry - 1;
        }
    }
}

void field_clear(Field *field)
{
    for (uint32_t index = 0; index < field->children_count; index++) {
        field_clear(&field->children[index]);
    }
    memory_give(field->children);
    memory_give(field->names);
}
