# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The floor that dispatch is measured against: a C loop that calls receivers, and does nothing else.

Used by the benchmarks and ``python -m aldis bench``; aldis itself does not import it.
"""

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN, PYGEN_ERROR, PYGEN_NEXT
    PySendResult PyIter_Send(PyObject *iterator, PyObject *value, PyObject **result) except PYGEN_ERROR
    object PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t count, PyObject *names)
    void Py_DECREF(PyObject *value)

cdef tuple NAMES = ("instance", "model_instance", "values", "column_values", "is_update", "is_migration")


def keywords(tuple receivers, sender, instance, model_instance, values, column_values, is_update, is_migration):
    """Call each receiver with the sender and six keywords, their names a constant tuple."""
    cdef PyObject *args[7]
    args[0], args[1], args[2] = <PyObject *>sender, <PyObject *>instance, <PyObject *>model_instance
    args[3], args[4] = <PyObject *>values, <PyObject *>column_values
    args[5], args[6] = <PyObject *>is_update, <PyObject *>is_migration
    for receiver in receivers:
        PyObject_Vectorcall(<PyObject *>receiver, args, 1, <PyObject *>NAMES)


def keywords_async(tuple receivers, sender, instance, model_instance, values, column_values, is_update, is_migration):
    """The same, each coroutine driven to its end."""
    cdef PyObject *args[7]
    cdef PyObject *result
    args[0], args[1], args[2] = <PyObject *>sender, <PyObject *>instance, <PyObject *>model_instance
    args[3], args[4] = <PyObject *>values, <PyObject *>column_values
    args[5], args[6] = <PyObject *>is_update, <PyObject *>is_migration
    for receiver in receivers:
        coroutine = PyObject_Vectorcall(<PyObject *>receiver, args, 1, <PyObject *>NAMES)
        PyIter_Send(<PyObject *>coroutine, <PyObject *>None, &result)
        Py_DECREF(result)


def named(tuple receivers, sender, instance, model_instance, values, column_values, is_update, is_migration):
    """Call each receiver with the sender and the instance, by position."""
    cdef PyObject *args[2]
    args[0], args[1] = <PyObject *>sender, <PyObject *>instance
    for receiver in receivers:
        PyObject_Vectorcall(<PyObject *>receiver, args, 2, NULL)


def named_async(tuple receivers, sender, instance, model_instance, values, column_values, is_update, is_migration):
    """The same, each coroutine driven to its end."""
    cdef PyObject *args[2]
    cdef PyObject *result
    args[0], args[1] = <PyObject *>sender, <PyObject *>instance
    for receiver in receivers:
        coroutine = PyObject_Vectorcall(<PyObject *>receiver, args, 2, NULL)
        PyIter_Send(<PyObject *>coroutine, <PyObject *>None, &result)
        Py_DECREF(result)
