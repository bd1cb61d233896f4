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


cdef tuple sent(object self, tuple names, object wrapper, PyObject *const *args):
    """Return a send as one tuple: the signal, the names, the wrapper; then the sender and the values."""
    cdef Py_ssize_t i, count = PyTuple_GET_SIZE(names) + 1
    cdef tuple send = PyTuple_New(SENDER + count)
    PyTuple_SET_ITEM(send, 0, Py_NewRef(<PyObject *>self))
    PyTuple_SET_ITEM(send, 1, Py_NewRef(<PyObject *>names))
    PyTuple_SET_ITEM(send, 2, Py_NewRef(<PyObject *>wrapper))
    for i in range(count):
        PyTuple_SET_ITEM(send, SENDER + i, Py_NewRef(args[i]))
    return send


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
    if nargs != 1 or find_name(names, "_async_wrapper") >= 0:
        names, arguments, wrapper = unpack(pure_send, "_async_wrapper", self, args, nargs, kwnames)
        args = PySequence_Fast_ITEMS(arguments)
    callee = (<Dispatch>self).callee(<object>args[0], OF_SEND, names, wrapper is None)
    if callee is None:
        return []
    if isinstance(callee, Plan):
        values = {names[i]: <object>args[i + 1] for i in range(len(names))}
        return self._send(callee, <object>args[0], wrapper, values)
    return PyObject_Vectorcall(<PyObject *>callee, args, len(names) + 1, NULL)


cdef object c_send_async(object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    cdef tuple names = () if kwnames == NULL else <tuple>kwnames
    cdef tuple arguments
    cdef object wrapper = None
    if nargs != 1 or find_name(names, "_sync_wrapper") >= 0:
        names, arguments, wrapper = unpack(pure_send_async, "_sync_wrapper", self, args, nargs, kwnames)
        args = PySequence_Fast_ITEMS(arguments)
    return sending(begin, sent(self, names, wrapper, args))


cdef object c_plan(object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    cdef PyObject *names = <PyObject *>None
    cdef PyObject *function
    if kwnames == NULL and (nargs == 1 or nargs == 2):
        if nargs == 2:
            names = args[1]
        if names == <PyObject *>None:
            names = <PyObject *>(<Dispatch>self)._names
        function = (<Dispatch>self).ready(args[0], OF_FIRE, names)
        if function != NULL:
            return <object>function
    keywords = () if kwnames == NULL else <tuple>kwnames
    return Dispatch.plan(
        self,
        *[<object>args[i] for i in range(nargs)],
        **{name: <object>args[nargs + at] for at, name in enumerate(keywords)},
    )


cdef list bind(Emitter emitter, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    """Return the arguments of an emission in order: the signal, the sender, the values.

    Arguments that do not fit are given to the pure twin of the emitter, whose error is then the same to the letter.
    """
    cdef tuple given = () if kwnames == NULL else <tuple>kwnames
    cdef tuple names = ("signal", "sender") + emitter.names
    cdef list bound = [MISSING] * (len(names) - emitter.optional) + [None] * emitter.optional
    cdef set seen = set(range(nargs))
    cdef Py_ssize_t i, at
    fits = len(names) - emitter.optional <= nargs + len(given) <= len(names)
    if fits:
        for i in range(nargs):
            bound[i] = <object>args[i]
        for i in range(len(given)):
            at = find_name(names, given[i])
            if at < 0 or at in seen:
                fits = False
                break
            seen.add(at)
            bound[at] = <object>args[nargs + i]
        for at in range(len(names)):
            fits = fits and bound[at] is not MISSING
    if not fits:
        positional = [<object>args[i] for i in range(nargs)]
        keywords = {given[i]: <object>args[nargs + i] for i in range(len(given))}
        emitter.twin(*positional, **keywords)
    return bound


@cython.final
cdef class Emitter:
    """What an emitter's C function knows: the names of its values, and its twin in Python."""

    cdef tuple names
    cdef Py_ssize_t optional  # so many of the last values may be left out: they are None then
    cdef object twin
    cdef object note
    cdef object start
    cdef object rest

    cdef object emit(self, Dispatch signal, PyObject *const *args):
        """Call the receivers; return ``None``, or what is to be awaited for the rest. ``args``: sender and values."""
        cdef object sender = <object>args[0]
        cdef object function = signal.callee(sender, OF_FIRE, self.names, True)
        cdef PyObject *yielded
        cdef PySendResult outcome
        if function is None:
            return None
        try:
            rest = PyObject_Vectorcall(<PyObject *>function, args, PyTuple_GET_SIZE(self.names) + 1, NULL)
            if rest is None:
                return None
            if not PyCoro_CheckExact(rest):
                return self.start(function, rest, sender)
            outcome = PyIter_Send(<PyObject *>rest, <PyObject *>None, &yielded)
            if outcome == PYGEN_ERROR:
                reraise()
            result = <object>yielded
            Py_DECREF(yielded)
            return None if outcome == PYGEN_RETURN else self.rest(rest, result, function, sender)
        except Exception as error:
            self.note(function, error, sender)
            raise


cdef object c_emit(object self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    cdef Emitter emitter = <Emitter>self
    cdef list bound
    if kwnames != NULL or nargs != PyTuple_GET_SIZE(emitter.names) + 2:
        bound = bind(emitter, args, nargs, kwnames)
        args, nargs = PySequence_Fast_ITEMS(bound), len(bound)
    if isinstance(<object>args[0], Dispatch):
        return emitter.emit(<Dispatch>args[0], args + 1)
    return PyObject_Vectorcall(<PyObject *>emitter.twin, args, nargs, NULL)


cdef PyMethodDef definitions[64]
cdef int defined = 0
cdef list texts = []


cdef PyMethodDef *define(object twin, object text, void *function) except NULL:
    """Describe a C function to Python, with the docstring of its pure twin; ``text`` is its signature."""
    global defined
    if defined == 64:
        raise RuntimeError("there is no room for another C function")
    cdef PyMethodDef *definition = &definitions[defined]
    defined += 1
    name, doc = twin.__name__.encode(), f"{twin.__name__}{text}\n--\n\n{getdoc(twin)}".encode()
    texts.append((name, doc))
    definition.ml_name, definition.ml_doc = name, doc
    definition.ml_meth = <PyCFunction>function
    definition.ml_flags = METH_FASTCALL | METH_KEYWORDS
    return definition


cdef PyMethodDef *plan_definition = define(Dispatch.plan, "($self, sender, names=None)", <void *>c_plan)
cdef PyMethodDef *send_definition = define(
    pure_send, "($self, sender=None, /, *, _async_wrapper=None, **kwargs)", <void *>c_send
)
cdef PyMethodDef *send_async_definition = define(
    pure_send_async, "($self, sender=None, /, *, _sync_wrapper=None, **kwargs)", <void *>c_send_async
)

send = new_method(Dispatch, send_definition)
send_async = new_method(Dispatch, send_async_definition)


def give_own_methods(cls):
    """Give a class of signals the C methods of its own type.

    CPython calls a C method at once for an object of exactly the type that has it, and for others only after a look.
    Each class gets a ``plan``, unless it or one of its bases has it in Python; ``send`` and ``send_async`` get the
    class that says that it has them, so that whoever replaces them there does so for the classes below it too.
    """
    plans = [each.__dict__["plan"] for each in cls.__mro__ if "plan" in each.__dict__]
    written = [each for each in plans if type(each) is not type(send)]
    cls.plan = written[0] if written else new_method(cls, plan_definition)
    if cls.__dict__.get("send") is send:
        cls.send = new_method(cls, send_definition)
    if cls.__dict__.get("send_async") is send_async:
        cls.send_async = new_method(cls, send_async_definition)


def new_emitter(twin, tuple names not None, note, start, rest):
    """Return an emitter in C.

    Args:
        twin: The same in Python.
        names: The names of the values, in order.
        note: Notes on an error at which receiver it came up: ``plans.note_of_last``.
        start: Starts what is no coroutine: ``plans.start``.
        rest: Awaits the rest of a coroutine that has begun: ``plans.rest``.
    """
    cdef Emitter emitter = Emitter.__new__(Emitter)
    emitter.names, emitter.twin, emitter.note, emitter.start, emitter.rest = names, twin, note, start, rest
    emitter.optional = len(twin.__defaults__ or ())
    told = [*names[: len(names) - emitter.optional], *(f"{name}=None" for name in names[len(names) - emitter.optional :])]
    text = f"($self, signal, sender, {', '.join(told)})"
    return PyCFunction_NewEx(define(twin, text, <void *>c_emit), emitter, "aldis.dispatch.emitters")
