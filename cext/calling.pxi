# The C functions behind ``send``, ``send_async`` and the emitters: they get their arguments as the caller's vectorcall
# passed them, and no dictionary is packed. Included by dispatch.pyx.

cdef Py_ssize_t find_name(tuple names, str word) except -2:
    """Return where ``word`` stands in ``names``, or -1. Names in a program's text are interned: one comparison each."""
    cdef Py_ssize_t i
    cdef PyObject *name
    for i in range(len(names)):
        name = PyTuple_GET_ITEM(names, i)
        if name == <PyObject *>word or (not PyUnicode_CHECK_INTERNED(name) and <object>name == word):
            return i
    return -1


cdef tuple arguments_of(PyObject *sender, PyObject *const *values, Py_ssize_t count, Py_ssize_t leave_out):
    """Return the sender and ``count`` values as a tuple, without the value at ``leave_out`` (-1: none)."""
    cdef Py_ssize_t i, to = 1
    cdef tuple arguments = PyTuple_New(count + (leave_out < 0))
    PyTuple_SET_ITEM(arguments, 0, Py_NewRef(sender))
    for i in range(count):
        if i != leave_out:
            PyTuple_SET_ITEM(arguments, to, Py_NewRef(values[i]))
            to += 1
    return arguments


cdef tuple unpack(object twin, str word, object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    """Return the names, the sender with the values, and the wrapper, of the arguments of a send.

    Arguments that do not fit are given to the pure ``twin``, whose error is then the same to the letter.
    """
    cdef tuple names = () if kwnames == NULL else <tuple>kwnames
    cdef Py_ssize_t i, at = find_name(names, word)
    if nargs > 1:
        twin(self, *[<object>args[i] for i in range(nargs)], **{name: None for name in names})
    arguments = arguments_of(args[0] if nargs else <PyObject *>None, args + nargs, len(names), at)
    if at < 0:
        return names, arguments, None
    return names[:at] + names[at + 1:], arguments, <object>args[nargs + at]


cdef object c_send(object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    cdef tuple names = () if kwnames == NULL else <tuple>kwnames
    cdef tuple arguments
    cdef object wrapper = None
    cdef Py_ssize_t i
    cdef Plan plan
    cdef Call call
    cdef PyObject **receivers
    cdef PyObject *receiver = NULL
    cdef list results = []
    if nargs != 1 or find_name(names, "_async_wrapper") >= 0:
        names, arguments, wrapper = unpack(pure_send, "_async_wrapper", self, args, nargs, kwnames)
        args = PySequence_Fast_ITEMS(arguments)
    plan = plan_for(self, <object>args[0])
    if plan.count == 0:
        return results
    if plan.watched is not None:
        return plan.watched.send(<object>args[0], wrapper, keywords_of(names, args))
    live, calls = plan.live(), plan.calls(names)
    packed = Packed.__new__(Packed)
    receivers = PySequence_Fast_ITEMS(live)
    try:
        for i in range(plan.count):
            receiver = receivers[i]
            if receiver == <PyObject *>None:
                continue
            call = <Call>PyTuple_GET_ITEM(calls, i)
            target = <object>receiver
            if call.is_async:
                if wrapper is None:
                    raise RuntimeError("Cannot send to a coroutine function.")
                target = wrapper(target)
            named = behind(<object>receiver) if call.stands_in else <object>receiver
            results.append((named, call.call(<PyObject *>target, args, packed)))
    except Exception as error:
        annotate(error, self, <object>args[0], <object>receiver)
        raise
    return results


cdef object c_send_async(object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    cdef Sending sending = Sending.__new__(Sending)
    sending.state = CLOSED  # until its arguments are known to fit
    sending.names, sending.arguments, sending.wrapper = unpack(
        pure_send_async, "_sync_wrapper", self, args, nargs, kwnames
    )
    sending.signal, sending.results, sending.state = self, [], CREATED
    return sending


cdef list bind(str emitter, tuple names, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    """Return the arguments of an emission in order: the signal, the sender, the values.

    Arguments that do not fit are given to the pure twin of ``emitter``, whose error is then the same to the letter.
    """
    cdef tuple given = () if kwnames == NULL else <tuple>kwnames
    cdef list bound = [MISSING] * (len(names) + 2)
    cdef Py_ssize_t i, at
    names = ("signal", "sender") + names
    fits = nargs + len(given) == len(names)
    if fits:
        for i in range(nargs):
            bound[i] = <object>args[i]
        for i in range(len(given)):
            at = find_name(names, given[i])
            if at < 0 or bound[at] is not MISSING:
                fits = False
                break
            bound[at] = <object>args[nargs + i]
    if not fits:
        positional = [<object>args[i] for i in range(nargs)]
        keywords = {given[i]: <object>args[nargs + i] for i in range(len(given))}
        getattr(pure_emitters, emitter)(*positional, **keywords)
    return bound


cdef object emit_bound(str emitter, tuple names, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    """Emit with arguments as the caller gave them."""
    if kwnames == NULL and nargs == PyTuple_GET_SIZE(names) + 2:
        return emit(<object>args[0], args + 1, names, None)
    bound = bind(emitter, names, args, nargs, kwnames)
    return emit(bound[0], PySequence_Fast_ITEMS(bound) + 1, names, None)


cdef PyMethodDef definitions[64]
cdef int defined = 0
cdef list texts = []


cdef PyMethodDef *define(object twin, object text, void *function) except NULL:
    """Describe a C function to Python, with the docstring of its pure twin; ``text`` is its signature."""
    global defined
    cdef PyMethodDef *definition = &definitions[defined]
    defined += 1
    name, doc = twin.__name__.encode(), f"{twin.__name__}{text}\n--\n\n{getdoc(twin)}".encode()
    texts.append((name, doc))
    definition.ml_name, definition.ml_doc = name, doc
    definition.ml_meth = <PyCFunction>function
    definition.ml_flags = METH_FASTCALL | METH_KEYWORDS
    return definition


send = new_method(
    Dispatch, define(pure_send, "($self, sender=None, /, *, _async_wrapper=None, **kwargs)", <void *>c_send)
)
send_async = new_method(
    Dispatch, define(pure_send_async, "($self, sender=None, /, *, _sync_wrapper=None, **kwargs)", <void *>c_send_async)
)


cdef dict PARAMETERS = {}


cdef object new_emitter(str name, tuple names, void *function):
    """Make a Python function of an emitter."""
    PARAMETERS[name] = names
    text = f"(signal, sender, {', '.join(names)})"
    return PyCFunction_NewEx(define(getattr(pure_emitters, name), text, function), NULL, __name__)


include "emitters.pyx"
