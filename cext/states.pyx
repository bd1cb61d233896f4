# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""What is done to every instance of a bulk operation. The twin of ``src/aldis/orm/mapping/_pure_states.py``: the same.

SQLAlchemy keeps an instance's key, its history and its flags in the instance's state.
"""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next, PyDict_Size, PyDict_Update
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool

from weakref import ref

from aldis.orm.mapping import _pure_states as pure


cdef dict differing(columns, committed, dict values, dict equals, set plain, is_sql, unknown):
    """Return the values that differ from their old ones, by column key."""
    # The old values are of a class of their own while attributes are being set: see mapping/settable.py.
    cdef PyObject *before
    cdef dict found = {}
    for name, key in columns:
        if key is None:
            continue
        before = PyDict_GetItemWithError(committed, name)
        if before == NULL:
            continue
        old, value = <object>before, values[name]
        if (
            old is unknown
            or (type(value) not in plain and is_sql(value))
            or equals[name](value, old) is not True
        ):
            found[key] = value
    return found


def unequal(columns, committed, dict values not None, dict equals not None, set plain not None, is_sql, unknown):
    return differing(columns, committed, values, equals, plain, is_sql, unknown)


def unequal_of_all(
    columns,
    keys,
    list states not None,
    list loaded not None,
    dict equals not None,
    set plain not None,
    is_sql,
    unknown,
):
    cdef Py_ssize_t i
    cdef list found = []
    for i in range(len(states)):
        committed = states[i].committed_state
        pairs = columns if len(committed) > 1 else [(name, keys.get(name)) for name in committed]
        found.append(differing(pairs, committed, loaded[i], equals, plain, is_sql, unknown))
    return found


cdef dict others(dict values, str name):
    """Return a copy of a dict without one name."""
    cdef Py_ssize_t position = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef dict found = {}
    while PyDict_Next(values, &position, &key, &value):
        if key != <PyObject *>name and <object>key != name:
            found[<object>key] = <object>value
    return found


def without(dict values not None, str name not None):
    return others(values, name)


def snapshots(list states not None, list loaded not None, str name not None, nothing):
    cdef Py_ssize_t i
    cdef list keys = [], values = [], committed = [], modified = [], expired = []
    for i in range(len(states)):
        state = states[i]
        if "info" in state.__dict__:
            return None
        keys.append(state.key)
        values.append(others(loaded[i], name))
        committed.append(state.committed_state.copy())
        modified.append(state.modified)
        names = state.expired_attributes
        expired.append(frozenset(names) if names else nothing)
    return keys, values, committed, modified, expired


def renew(
    list states not None, list loaded not None, list column_values not None, attributes, tuple primary_key not None
):
    cdef Py_ssize_t i, position
    cdef PyObject *key
    cdef PyObject *value
    cdef dict row, values
    cdef list left = []
    for i in range(len(states)):
        row = column_values[i]
        if not row:
            continue
        state = states[i]
        if "_pending_mutations" in state.__dict__ or state._deleted or has_any(row, primary_key):
            left.append(i)
            continue
        values, committed, expired = loaded[i], state.committed_state, state.expired_attributes
        position = 0
        while PyDict_Next(row, &position, &key, &value):
            name = <object>key if attributes is None else attributes[<object>key]
            if name in committed:
                del committed[name]
            if expired:
                expired.discard(name)
            values[name] = <object>value
        state.modified = state.expired = False
        if committed:
            left.append(i)
    return left


cdef bint has_any(dict row, tuple keys):
    """Tell whether a dict has one of the keys."""
    for key in keys:
        if key in row:
            return True
    return False


def had_value(states, str name not None, value, unknown):
    cdef PyObject *old
    for state in states:
        committed = state.committed_state
        old = PyDict_GetItemWithError(committed, name)
        if old == NULL:
            values = state.dict
            old = PyDict_GetItemWithError(values, name)
        held = unknown if old == NULL else <object>old
        if held is unknown or PyObject_RichCompareBool(held, value, Py_EQ):
            return True
    return False


def load(
    make,
    manager,
    state_class,
    str state_name not None,
    rows,
    tuple names not None,
    tuple places not None,
    Py_ssize_t width,
    identity,
    frozenset unread not None,
):
    cdef Py_ssize_t i, count = len(names)
    cdef dict values
    cdef list found = []
    cdef object model = None, new = None, new_state = None
    if state_class is not None:
        model = manager.class_
        new, new_state = model.__new__, state_class.__new__
    for row in rows:
        if state_class is None:
            instance = make()
            values = instance.__dict__
            state = values[state_name]
            state.expired_attributes.update(unread)
        else:
            instance = new(model)
            values = instance.__dict__
            state = new_state(state_class)
            values[state_name] = state
            state.class_ = model
            state.manager = manager
            state.obj = ref(instance, state._cleanup)
            state.committed_state = {}
            state.expired_attributes = set(unread)
        for i in range(count):
            values[names[i]] = row[places[i]]
        state.key = (identity, (row[0],) if width == 1 else tuple([row[i] for i in range(width)]), None)
        found.append(instance)
    return found


def mark(
    list instances not None,
    list states not None,
    list written not None,
    list sizes not None,
    attributes,
    tuple primary_key not None,
    identity,
    no_value,
):
    cdef Py_ssize_t i, position, size
    cdef PyObject *key
    cdef PyObject *value
    cdef dict values, row, record
    cdef list committed = []
    cdef bint is_first
    for i in range(len(instances)):
        values, row, state = instances[i].__dict__, written[i], states[i]
        if attributes is None:
            PyDict_Update(values, row)
        else:
            position = 0
            while PyDict_Next(row, &position, &key, &value):
                values[attributes[<object>key]] = <object>value
        record = state.committed_state
        state.key = (identity, tuple([row[name] for name in primary_key]), None)
        state.committed_state = {}
        state.modified = False
        size = sizes[i]
        is_first = PyDict_Size(record) == size
        position = 0
        while is_first and PyDict_Next(record, &position, &key, &value):
            is_first = value == <PyObject *>no_value
        committed.append(None if is_first else record)
    return committed


for name in pure.__all__:
    globals()[name].__doc__ = getattr(pure, name).__doc__
