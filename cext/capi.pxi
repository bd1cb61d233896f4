# What of CPython's C API the core uses. Included by dispatch.pyx.

cdef extern from *:
    """
    #define aldis_new_method(type, definition) PyDescr_NewMethod((PyTypeObject *)(type), definition)
    #define aldis_reraise() NULL

    #ifdef Py_GIL_DISABLED
    #define ALDIS_HAS_GIL 0
    #else
    #define ALDIS_HAS_GIL 1
    #endif

    /* What a weak reference leads to, a new reference; NULL without an error where it is gone. */
    static inline PyObject *aldis_deref(PyObject *reference) {
    #ifdef Py_GIL_DISABLED
        PyObject *found;
        if (PyWeakref_GetRef(reference, &found) < 0) PyErr_Clear();
        return found;
    #else
        PyObject *found = ((PyWeakReference *)reference)->wr_object;
        return found == Py_None || Py_REFCNT(found) == 0 ? NULL : Py_NewRef(found);  /* 0: it is being deallocated */
    #endif
    }

    /* A tuple of what weak references lead to; None where one is gone. */
    static PyObject *aldis_take(PyObject *references, PyObject *const *args, Py_ssize_t nargs) {
        Py_ssize_t count = PyTuple_GET_SIZE(references);
        PyObject *taken = PyTuple_New(count);
        if (taken == NULL) return NULL;
        for (Py_ssize_t i = 0; i < count; i++) {
            PyObject *reference = PyTuple_GET_ITEM(references, i);
            PyObject *found = PyWeakref_CheckRef(reference) ? aldis_deref(reference) : NULL;
            if (found == NULL) {
                Py_DECREF(taken);
                return Py_NewRef(Py_None);
            }
            PyTuple_SET_ITEM(taken, i, found);
        }
        return taken;
    }

    static PyMethodDef aldis_taking = {"take", (PyCFunction)(void (*)(void))aldis_take, METH_FASTCALL, NULL};
    #define aldis_new_snapshot(references) PyCFunction_NewEx(&aldis_taking, references, NULL)

    enum { ALDIS_OTHER = 1, ALDIS_MONITORED = 2 };

    /* Is the code of functions what it was, and `with_tools`: does a tool monitor it? `sources` are functions, or weak
       references to them. */
    static inline int aldis_look(PyObject *sources, PyObject *codes, int with_tools) {
        int found = 0;
        Py_ssize_t count = PyTuple_GET_SIZE(sources);
        for (Py_ssize_t i = 0; i < count; i++) {
            PyObject *source = PyTuple_GET_ITEM(sources, i);
            PyObject *code = PyTuple_GET_ITEM(codes, i);
            if (PyFunction_Check(source)) {
                if (PyFunction_GET_CODE(source) != code) found |= ALDIS_OTHER;
            } else {
    #ifdef Py_GIL_DISABLED
                PyObject *function = aldis_deref(source);
                if (function != NULL && PyFunction_GET_CODE(function) != code) found |= ALDIS_OTHER;
                Py_XDECREF(function);
    #else
                PyObject *function = ((PyWeakReference *)source)->wr_object;  /* nothing runs meanwhile: borrowed */
                if (function != Py_None && PyFunction_Check(function) && PyFunction_GET_CODE(function) != code)
                    found |= ALDIS_OTHER;
    #endif
            }
    #if PY_VERSION_HEX >= 0x030C0000
            _PyCoMonitoringData *data = with_tools ? ((PyCodeObject *)code)->_co_monitoring : NULL;
            if (data != NULL) {
                const unsigned char *local = (const unsigned char *)&data->local_monitors;
                for (size_t byte = 0; byte < sizeof(data->local_monitors); byte++)
                    if (local[byte]) found |= ALDIS_MONITORED;
            }
    #endif
        }
        return found;
    }

    /* Does a profiler look at what is called? -1: ask in Python. A change of monitoring, or of the profiler, has another
       version. A tool that goes has none, so that there is one is not kept. */
    #if PY_VERSION_HEX >= 0x030D0000
    static uintptr_t aldis_version = 1;
    static int aldis_tools = 0;
    static inline int aldis_tools_are_on(void) {
        uintptr_t version = PyThreadState_Get()->eval_breaker & ~(uintptr_t)0xff;
        return version == aldis_version ? aldis_tools : -1;
    }
    static inline void aldis_note_tools(int are_on) {
        PyThreadState *thread = PyThreadState_Get();
        aldis_tools = are_on;
        aldis_version = are_on && thread->c_profilefunc == NULL ? 1 : thread->eval_breaker & ~(uintptr_t)0xff;
    }
    #else
    static inline int aldis_tools_are_on(void) {
    #if PY_VERSION_HEX >= 0x030C0000
        return -1;
    #else
        return PyThreadState_Get()->cframe->use_tracing != 0;
    #endif
    }
    static inline void aldis_note_tools(int are_on) {}
    #endif
    """
    object new_snapshot "aldis_new_snapshot"(object references)
    int look "aldis_look"(PyObject *sources, PyObject *codes, bint with_tools) noexcept
    PyObject *list_item "PyList_GET_ITEM"(PyObject *list, Py_ssize_t index) noexcept
    PyObject *tuple_item "PyTuple_GET_ITEM"(PyObject *tuple, Py_ssize_t index) noexcept
    bint HAS_GIL "ALDIS_HAS_GIL"
    int OTHER "ALDIS_OTHER"
    int MONITORED "ALDIS_MONITORED"
    int known_tools "aldis_tools_are_on"() noexcept
    void note_tools "aldis_note_tools"(int are_on) noexcept
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
    object PyCFunction_NewEx(PyMethodDef *definition, object self, object module)

    ctypedef enum PySendResult:
        PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    PySendResult PyIter_Send(PyObject *iterator, PyObject *value, PyObject **result)
    object PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t count, PyObject *names)
    PyObject *PyMethod_GET_FUNCTION(object method)
    PyObject *PyMethod_GET_SELF(object method)
    tuple PyTuple_New(Py_ssize_t size)
    void PyTuple_SET_ITEM(object value, Py_ssize_t index, PyObject *item)
    bint PyMethod_Check(object value)
    bint PyUnicode_Check(object value)
    bint PyLong_Check(object value)
    bint PyCoro_CheckExact(object value)
    bint PyUnicode_CHECK_INTERNED(PyObject *value)
    PyObject *Py_NewRef(PyObject *value)
    object PyLong_FromVoidPtr(void *address)
    PyObject **PySequence_Fast_ITEMS(object value)
    void Py_DECREF(PyObject *value)
