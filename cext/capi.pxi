# What of CPython's C API the core uses. Included by dispatch.pyx.

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030D0000
    static inline int aldis_deref(PyObject *ref, PyObject **out) {
        PyObject *object = PyWeakref_GetObject(ref);
        if (object == NULL) return -1;
        *out = object == Py_None ? NULL : Py_NewRef(object);
        return *out != NULL;
    }
    #else
    #define aldis_deref PyWeakref_GetRef
    #endif
    #define aldis_new_method(type, definition) PyDescr_NewMethod((PyTypeObject *)(type), definition)
    #define aldis_reraise() NULL
    static void aldis_set_am_send(PyObject *type, void *function) {
        ((PyTypeObject *)type)->tp_as_async->am_send = (sendfunc)function;
        PyType_Modified((PyTypeObject *)type);
    }
    """
    int deref "aldis_deref"(object reference, PyObject **out) except -1
    void set_am_send "aldis_set_am_send"(object type, void *function)
    PyObject *reraise "aldis_reraise"() except NULL  # the error that a call of the C API has set
    object new_method "aldis_new_method"(object type, PyMethodDef *definition)

cdef extern from "Python.h":
    ctypedef PyObject *(*PyCFunction)(PyObject *, PyObject *)
    struct PyMethodDef:
        const char *ml_name
        PyCFunction ml_meth
        int ml_flags
        const char *ml_doc
    int METH_FASTCALL, METH_KEYWORDS
    object PyCFunction_NewEx(PyMethodDef *definition, PyObject *self, object module)

    ctypedef enum PySendResult:
        PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    PySendResult PyIter_Send(PyObject *iterator, PyObject *value, PyObject **result)
    object PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t count, PyObject *names)
    object PyMethod_New(object function, object self)
    PyObject *PyMethod_GET_FUNCTION(object method)
    PyObject *PyMethod_GET_SELF(object method)
    tuple PyTuple_New(Py_ssize_t size)
    void PyTuple_SET_ITEM(object value, Py_ssize_t index, PyObject *item)
    bint PyMethod_Check(object value)
    bint PyUnicode_Check(object value)
    bint PyLong_Check(object value)
    bint PyCoro_CheckExact(object value)
    ctypedef struct PyFunctionObject:
        PyObject *func_dict
    bint PyFunction_Check(PyObject *value)
    PyObject *PyFunction_GET_CODE(PyObject *function)
    PyObject *PyDict_GetItemWithError(PyObject *mapping, PyObject *key)
    void PyErr_Clear()
    dict PyDict_Copy(dict value)
    bint PyUnicode_CHECK_INTERNED(PyObject *value)
    PyObject *Py_NewRef(PyObject *value)
    Py_ssize_t Py_REFCNT(PyObject *value)
    object PyLong_FromVoidPtr(void *address)
    Py_ssize_t PyList_GET_SIZE(object value)
    bint PyList_CheckExact(object value)
    object PyContextVar_Set(object variable, object value)
    PyObject *PyList_GET_ITEM(object value, Py_ssize_t index)
    PyObject **PySequence_Fast_ITEMS(object value)
    void Py_DECREF(PyObject *value)
