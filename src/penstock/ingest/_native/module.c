/* The Python side: one type, Decoder, whose decode() gives an Arrow array capsule.
 *
 * Only the stable ABI of 3.11 is used. Nothing is global: the type belongs to its module object,
 * and a decoder is not changed after it was made, so any number of threads may use one.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "decode.h"
#include "export.h"

typedef struct DecoderObject {
    PyObject_HEAD
    Field root;
    Options options;
    Pool *pool;
    PyObject *names; /* holds what the fields' names point into */
    bool ready;      /* all of it was made */
} DecoderObject;

/* --- the schema ------------------------------------------------------------------------- */

static bool field_set(Field *field, PyObject *description);

static bool children_set(Field *field, PyObject *children)
{
    const Py_ssize_t count = PyTuple_Size(children);
    if (count < 0) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    field->children = memory_take((size_t)count * sizeof *field->children);
    if (field->children == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memset(field->children, 0, (size_t)count * sizeof *field->children);
    field->children_count = (uint32_t)count;
    for (Py_ssize_t index = 0; index < count; index++) {
        if (!field_set(&field->children[index], PyTuple_GetItem(children, index))) {
            return false;
        }
    }
    if (field->type == TYPE_STRUCT && !field_index(field)) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

/* From (name, type, nullable, path, children). The name is borrowed from the description. */
static bool field_set(Field *field, PyObject *description)
{
    int type;
    int nullable;
    unsigned int path;
    Py_ssize_t size;
    PyObject *children;
    if (!PyArg_ParseTuple(description, "y#ipIO!", &field->name, &size, &type, &nullable, &path,
                          &PyTuple_Type, &children)) {
        return false;
    }
    const bool nested = type == TYPE_STRUCT || type == TYPE_LIST;
    const Py_ssize_t count = PyTuple_Size(children);
    if (type < 0 || type >= TYPES || nested != (count > 0) || (type == TYPE_LIST && count != 1)) {
        PyErr_Format(PyExc_ValueError, "type %d with %zd children is not a field", type, count);
        return false;
    }
    field->name_size = (size_t)size;
    field->type = (Type)type;
    field->nullable = nullable;
    field->path = path;
    if (type == TYPE_RESCUE) {
        key_text_set_none(&field->key);
    } else {
        key_text_set(&field->key, (const uint8_t *)field->name, field->name_size);
    }
    return children_set(field, children);
}

static int decoder_init(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"root", "max_depth", "max_line", "lenient", "epoch", NULL};
    DecoderObject *decoder = (DecoderObject *)self;
    PyObject *root;
    Py_ssize_t max_depth;
    Py_ssize_t max_line;
    unsigned int lenient;
    int epoch;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!nnIi", names, &PyTuple_Type, &root,
                                     &max_depth, &max_line, &lenient, &epoch)) {
        return -1;
    }
    if (decoder->pool != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a decoder is made once");
        return -1;
    }
    if (max_depth < 0 || max_line < 0) {
        PyErr_SetString(PyExc_ValueError, "limits are not negative");
        return -1;
    }
    decoder->options = (Options){(size_t)max_depth, (size_t)max_line, lenient, epoch};
    decoder->names = Py_NewRef(root);
    decoder->pool = pool_new();
    if (decoder->pool == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    decoder->ready = field_set(&decoder->root, root);
    return decoder->ready ? 0 : -1;
}

static void decoder_delete(PyObject *self)
{
    DecoderObject *decoder = (DecoderObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    field_clear(&decoder->root);
    if (decoder->pool != NULL) {
        pool_drop(decoder->pool);
    }
    Py_XDECREF(decoder->names);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* --- decoding --------------------------------------------------------------------------- */

static void capsule_delete(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release != NULL) {
        array->release(array);
    }
    memory_give(array);
}

static PyObject *capsule_of(Batch *batch)
{
    struct ArrowArray *array = memory_take(sizeof *array);
    if (array == NULL || !batch_export(batch, array)) {
        memory_give(array);
        return PyErr_NoMemory();
    }
    PyObject *capsule = PyCapsule_New(array, "arrow_array", capsule_delete);
    if (capsule == NULL) {
        array->release(array);
        memory_give(array);
    }
    return capsule;
}

/* A list of (line, offset, length, error, path, position). */
static PyObject *rejected_of(const Decoded *decoded)
{
    PyObject *list = PyList_New((Py_ssize_t)decoded->rejected_count);
    for (size_t index = 0; list != NULL && index < decoded->rejected_count; index++) {
        const Rejected *line = &decoded->rejected[index];
        PyObject *item = Py_BuildValue("(KKniIn)", (unsigned long long)line->line,
                                       (unsigned long long)line->offset,
                                       (Py_ssize_t)line->length, (int)line->error,
                                       (unsigned int)line->path, (Py_ssize_t)line->position);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)index, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* (array capsule, rejected lines, lines, unknown fields, size) */
static PyObject *result_of(Decoded *decoded)
{
    PyObject *rejected = rejected_of(decoded);
    if (rejected == NULL) {
        return NULL;
    }
    PyObject *capsule = capsule_of(&decoded->batch);
    if (capsule == NULL) {
        Py_DECREF(rejected);
        return NULL;
    }
    return Py_BuildValue("(NNKKn)", capsule, rejected, (unsigned long long)decoded->lines,
                         (unsigned long long)decoded->unknown, (Py_ssize_t)decoded->size);
}

static PyObject *decoder_decode(PyObject *self, PyObject *arguments)
{
    const DecoderObject *decoder = (DecoderObject *)self;
    if (!decoder->ready) {
        PyErr_SetString(PyExc_RuntimeError, "expected a decoder that was made, got one half-made");
        return NULL;
    }
    Py_buffer view;
    unsigned long long first_line;
    unsigned long long offset;
    if (!PyArg_ParseTuple(arguments, "y*KK", &view, &first_line, &offset)) {
        return NULL;
    }
    const Chunk chunk = {view.buf, (size_t)view.len, first_line, offset};
    if (chunk.size > LARGEST_CHUNK) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_ValueError, "expected a chunk below 2 GiB, got %zu bytes",
                            chunk.size);
    }
    Decoded decoded;
    bool done;
    Py_BEGIN_ALLOW_THREADS
    done = decode(&decoded, &chunk, &decoder->root, &decoder->options, decoder->pool);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    PyObject *result = done ? result_of(&decoded) : PyErr_NoMemory();
    decoded_clear(&decoded);
    return result;
}

/* --- the module ------------------------------------------------------------------------- */

static PyMethodDef decoder_methods[] = {
    {"decode", decoder_decode, METH_VARARGS,
     "decode(data, first_line, offset) -> (arrow_array capsule, rejected, lines, unknown, size)"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot decoder_slots[] = {
    {Py_tp_doc, "Decoder(root, max_depth, max_line, lenient, epoch): lines of JSON to an Arrow array."},
    {Py_tp_init, decoder_init},
    {Py_tp_dealloc, decoder_delete},
    {Py_tp_methods, decoder_methods},
    {0, NULL},
};

static PyType_Spec decoder_spec = {
    .name = "penstock.ingest._decoder_native.Decoder",
    .basicsize = sizeof(DecoderObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decoder_slots,
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &decoder_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    const int added = PyModule_AddObjectRef(module, "Decoder", type);
    Py_DECREF(type);
#ifdef SCAN_SSE2
    const char *path = "sse2";
#else
    const char *path = "plain";
#endif
    return added < 0 ? added : PyModule_AddStringConstant(module, "PATH", path);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_decoder_native",
    .m_doc = "The compiled decoder; see _compiled_decoder.py.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__decoder_native(void)
{
    return PyModuleDef_Init(&module_definition);
}
