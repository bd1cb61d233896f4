# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""What is done to every row of a bulk operation. The twin of ``src/aldis/orm/mapping/_pure_rows.py``: the same story.

A row of ten thousand takes some microseconds in all, and each of these loops was half of one or more in Python
(docs/benchmarks.md): a datetime's ISO text alone.
"""

from cpython.datetime cimport (
    PyDateTime_DATE_GET_HOUR,
    PyDateTime_DATE_GET_MICROSECOND,
    PyDateTime_DATE_GET_MINUTE,
    PyDateTime_DATE_GET_SECOND,
    PyDateTime_GET_DAY,
    PyDateTime_GET_MONTH,
    PyDateTime_GET_YEAR,
    datetime_tzinfo,
    import_datetime,
)
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next, PyDict_Size
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.ref cimport Py_DECREF
from cpython.tuple cimport PyTuple_GET_ITEM

import datetime as datetimes

from aldis.orm.mapping import _pure_rows as pure

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)
    unsigned char *PyUnicode_1BYTE_DATA(object text)
    ctypedef struct PyTypeObject:
        PyObject *(*tp_alloc)(PyTypeObject *kind, Py_ssize_t length)
    PyObject *PyList_GET_ITEM(object values, Py_ssize_t place)
    PyObject *Py_NewRef(PyObject *value)
    PyObject *Py_TYPE(PyObject *value)
    tuple PyTuple_New(Py_ssize_t length)
    void PyTuple_SET_ITEM(PyObject *items, Py_ssize_t position, PyObject *value)

import_datetime()

cdef object datetime = datetimes.datetime

cdef enum:
    WIDE = 64  # names of a row that are picked on the C stack; more take the road of the twin
    ISO = 26  # characters of 2026-01-02 03:04:05.000006


cdef inline void digits(unsigned char *to, int number, int count) noexcept:
    """Write a number with leading zeros."""
    cdef int i
    for i in range(count - 1, -1, -1):
        to[i] = 48 + number % 10
        number //= 10


cdef object iso_of(object value):
    """Return the text of a datetime."""
    text = PyUnicode_New(ISO, 127)
    cdef unsigned char *to = PyUnicode_1BYTE_DATA(text)
    digits(to, PyDateTime_GET_YEAR(value), 4)
    to[4] = c"-"
    digits(to + 5, PyDateTime_GET_MONTH(value), 2)
    to[7] = c"-"
    digits(to + 8, PyDateTime_GET_DAY(value), 2)
    to[10] = c" "
    digits(to + 11, PyDateTime_DATE_GET_HOUR(value), 2)
    to[13] = c":"
    digits(to + 14, PyDateTime_DATE_GET_MINUTE(value), 2)
    to[16] = c":"
    digits(to + 17, PyDateTime_DATE_GET_SECOND(value), 2)
    to[19] = c"."
    digits(to + 20, PyDateTime_DATE_GET_MICROSECOND(value), 6)
    return text


def iso(values, otherwise):
    cdef list found = []
    for value in values:
        if type(value) is datetime and datetime_tzinfo(value) is None:
            found.append(iso_of(value))
        else:
            found.append(otherwise(value))
    return found


cdef inline bint is_name(PyObject *key, tuple names, Py_ssize_t place):
    """Tell whether a key is the name at a place: those of attributes are interned, and mostly the same object."""
    return key == PyTuple_GET_ITEM(names, place) or <object>key == names[place]


cdef inline bint has_names(dict row, tuple names):
    """Tell whether a dict has these names, in this order."""
    cdef Py_ssize_t position = 0, place = 0
    cdef PyObject *key
    cdef PyObject *value
    if PyDict_Size(row) != len(names):
        return False
    while PyDict_Next(row, &position, &key, &value):
        if not is_name(key, names, place):
            return False
        place += 1
    return True


def names(list rows not None):
    cdef dict row
    cdef tuple last = None
    cdef set found = set()
    for row in rows:
        if last is None or not has_names(row, last):
            last = tuple(row)
            found.add(last)
    return found


def pick(
    list loaded not None,
    tuple names not None,
    Py_ssize_t leave_out,
    list columns not None,
    list makes not None,
    bint keep=True,
):
    cdef Py_ssize_t count = len(names), place, position, i, to
    cdef PyObject *values[WIDE]
    cdef PyObject *key
    cdef PyObject *value
    cdef dict row, written
    cdef tuple given
    cdef list found = [], all_written = []
    if count > WIDE:
        return pure.pick(loaded, names, leave_out, columns, makes, keep)
    for row in loaded:
        if PyDict_Size(row) != count:
            return None
        position = place = 0
        while PyDict_Next(row, &position, &key, &value):
            if not is_name(key, names, place):
                return None
            values[place] = value
            place += 1
        if keep:
            given = PyTuple_New(count - (leave_out >= 0))
            to = 0
            for i in range(count):
                if i != leave_out:
                    PyTuple_SET_ITEM(<PyObject *>given, to, Py_NewRef(values[i]))
                    to += 1
            found.append(given)
        written = {}
        for pair in columns:
            place = (<tuple>pair)[1]
            written[(<tuple>pair)[0]] = <object>values[place]
        all_written.append(written)
    if makes:  # of no row before all are known to be alike; and what they run may change the dicts that are read above
        for written in all_written:
            for pair in makes:
                written[(<tuple>pair)[0]] = (<tuple>pair)[1]()
    return found, all_written


def values_of(list rows not None):
    cdef Py_ssize_t position
    cdef PyObject *key
    cdef PyObject *value
    cdef dict row
    cdef tuple last = None
    cdef list all_names = [], values = []
    for row in rows:
        if last is None or not has_names(row, last):
            last = tuple(row)
        all_names.append(last)
        position = 0
        while PyDict_Next(row, &position, &key, &value):
            values.append(<object>value)
    return all_names, values


def is_unaltered(dict row not None, dict was not None):
    cdef Py_ssize_t position = 0, other = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef PyObject *old_key
    cdef PyObject *old_value
    if PyDict_Size(row) != PyDict_Size(was):
        return False
    while PyDict_Next(row, &position, &key, &value):
        PyDict_Next(was, &other, &old_key, &old_value)
        if value != old_value or (key != old_key and <object>key != <object>old_key):
            return False
    return True


def altered(list rows not None, list all_names not None, list values not None):
    cdef Py_ssize_t i, position, place, begin = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef dict row
    cdef tuple names
    cdef bint is_same
    cdef list found = []
    for i in range(len(rows)):
        row, names = rows[i], all_names[i]
        is_same = PyDict_Size(row) == len(names)
        place = position = 0
        while is_same and PyDict_Next(row, &position, &key, &value):
            is_same = value == PyList_GET_ITEM(values, begin + place) and is_name(key, names, place)
            place += 1
        if not is_same:
            found.append((i, dict(zip(names, values[begin:begin + len(names)]))))
        begin += len(names)
    return found


def fill(list loaded not None, list written not None, list pairs not None):
    cdef Py_ssize_t i
    cdef dict values, row
    for i in range(len(loaded)):
        values, row = loaded[i], written[i]
        for pair in <tuple>pairs[i]:
            name, key = <tuple>pair
            if values.get(name) is None and key in row:
                values[name] = row[key]


def types(list rows not None):
    cdef PyObject *last[WIDE]
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t position, place
    cdef dict row
    cdef set found = set()
    for place in range(WIDE):
        last[place] = NULL
    for row in rows:
        position = place = 0
        while PyDict_Next(row, &position, &key, &value):
            if place >= WIDE or Py_TYPE(value) != last[place]:
                found.add(<object>Py_TYPE(value))
                if place < WIDE:
                    last[place] = Py_TYPE(value)
            place += 1
    return found


def has_one(list rows not None, list names not None):
    cdef dict row
    for row in rows:
        for name in names:
            if name in row:
                return True
    return False


def has_value(list rows not None, str name not None, value, set plain not None):
    cdef PyObject *each
    cdef PyObject *last = NULL
    cdef dict row
    for row in rows:
        each = PyDict_GetItemWithError(row, name)
        if each == NULL:
            continue
        if Py_TYPE(each) != last:
            if <object>Py_TYPE(each) not in plain:
                return True
            last = Py_TYPE(each)
        held = <object>each
        if PyObject_RichCompareBool(held, value, Py_EQ):
            return True
    return False


cdef object pair_of(type kind, object old, object new):
    """Return a named tuple of two values, as ``tuple.__new__`` makes it of a pair."""
    cdef PyObject *pair = (<PyTypeObject *>kind).tp_alloc(<PyTypeObject *>kind, 2)
    if pair == NULL:
        raise MemoryError
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(<PyObject *>old))
    PyTuple_SET_ITEM(pair, 1, Py_NewRef(<PyObject *>new))
    found = <object>pair
    Py_DECREF(found)  # that of the allocation
    return found


cdef class ChangesOf:
    """The iterator that ``changes_of`` returns."""

    cdef type kind
    cdef tuple names, old, new, equal
    cdef Py_ssize_t row, end

    def __init__(self, type kind not None, columns, rows):
        self.kind = kind
        self.names = tuple([name for name, _, _, _ in columns])
        self.old = tuple([tuple(old) for _, old, _, _ in columns])
        self.new = tuple([tuple(new) for _, _, new, _ in columns])
        self.equal = tuple([same for _, _, _, same in columns])
        self.row, self.end = rows.start, rows.stop

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t i, row = self.row
        cdef dict found
        if row >= self.end:
            raise StopIteration
        self.row = row + 1
        found = {}
        for i in range(len(self.names)):
            same = self.equal[i]
            if same is None or same[row] is not True:
                found[self.names[i]] = pair_of(self.kind, (<tuple>self.old[i])[row], (<tuple>self.new[i])[row])
        return found


def changes_of(kind, columns, rows):
    return ChangesOf(kind, columns, rows)


for name in pure.__all__:
    globals()[name].__doc__ = getattr(pure, name).__doc__
