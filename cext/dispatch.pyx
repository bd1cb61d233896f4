# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The compiled core: receiver lookup and invocation. The twin of ``src/aldis/dispatch/_pure.py``: the same story.

What makes it fast, with what it buys for one send of six keywords to one receiver (blinker 1.9 takes about 2100 ns):

- a plan of receivers per sender, kept until the next connect, instead of two set unions and a generator (700 ns);
- the coroutine test and the signature read at connect, not at each call (300 ns a receiver);
- one argument array for all receivers, handed over as the caller's own vectorcall passed it, and a constant tuple of
  keyword names, instead of a dictionary packed and unpacked (150 ns a receiver);
- a coroutine is started at once and driven by ``PyIter_Send``: where none suspends, no awaitable is made (300 ns).
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

import warnings
import weakref
from collections.abc import Coroutine
from inspect import getdoc, iscoroutinefunction

import blinker

from aldis.dispatch import _pure_emitters as pure_emitters
from aldis.dispatch._pure import send as pure_send, send_async as pure_send_async
from aldis.dispatch.deferral import Deferred
from aldis.dispatch.receiver import accepts, annotate, arrange, positional_twin

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
    PyObject *PyDict_GetItem(PyObject *mapping, PyObject *key)
    dict PyDict_Copy(dict value)
    bint PyUnicode_CHECK_INTERNED(PyObject *value)
    PyObject *Py_NewRef(PyObject *value)
    object PyLong_FromVoidPtr(void *address)
    Py_ssize_t PyList_GET_SIZE(object value)
    PyObject *PyList_GET_ITEM(object value, Py_ssize_t index)
    PyObject **PySequence_Fast_ITEMS(object value)
    void Py_DECREF(PyObject *value)

ANY_KEY = 0
"""The key of :data:`blinker.ANY` among the plans: no object has the address 0."""

cdef enum:
    LINES = 64  # of a signal's cache of plans, by address: a find costs 2 ns instead of 40, and no allocation
    MOST_SHAPES = 64  # sets of keywords that a plan remembers; a caller that sends ``**row`` could have any number
    SMALL = 16  # arguments that are picked on the C stack; more go through a list

cdef object MISSING = object()
cdef str TWIN = "__aldis_twin__"
cdef object WeakMethod = weakref.WeakMethod
cdef object foreign_signal = blinker.Signal


def sender_key(object sender):
    """Return what a sender is known by: an address (an ``int``), or for ``str``, ``int`` and bound methods a value."""
    if PyUnicode_Check(sender):
        return sender
    if PyLong_Check(sender):
        return (sender,)
    if PyMethod_Check(sender):
        return PyLong_FromVoidPtr(PyMethod_GET_FUNCTION(sender)), PyLong_FromVoidPtr(PyMethod_GET_SELF(sender))
    return PyLong_FromVoidPtr(<void *>sender)


cdef inline bint known_by_address(object sender):
    return not (PyUnicode_Check(sender) or PyLong_Check(sender) or PyMethod_Check(sender))


@cython.final
@cython.no_gc_clear
@cython.freelist(8)
cdef class Packed:
    """The dict of keywords that the receivers of one send get copies of: made for the first, kept for the next."""

    cdef PyObject *keywords
    cdef dict values


@cython.final
cdef class Call:
    """How the arguments of one set of keywords reach one receiver."""

    cdef bint is_async
    cdef bint after_commit
    cdef bint has_twin
    cdef Py_ssize_t positional
    cdef Py_ssize_t count
    cdef tuple keywords
    cdef tuple order
    cdef Py_ssize_t small[SMALL]

    def __cinit__(self, Receiver receiver, tuple names):
        cdef Py_ssize_t i
        order, self.positional, self.keywords, names_all = arrange(receiver.accepts, names)
        self.is_async = receiver.is_async
        self.after_commit = receiver.after_commit
        self.order = order or tuple(range(len(names) + 1))
        self.count = len(self.order)
        for i in range(min(self.count, SMALL)):
            self.small[i] = self.order[i]
        live = receiver.live()
        function = getattr(live, "__func__", live)
        self.has_twin = names_all and self.count < SMALL and positional_twin(function) is not None
        if order is None:
            self.order = None

    cdef object call(self, PyObject *receiver, PyObject *const *args, Packed packed, bint last):
        """Call ``receiver`` with its part of ``args``: the sender, then the values in the order of the names.

        The ``last`` of a send gets the packed dict itself, 45 ns sooner than a copy.
        """
        cdef PyObject *picked[SMALL + 1]
        cdef PyObject *keywords = <PyObject *>self.keywords
        cdef PyObject *twin
        cdef Py_ssize_t i
        if self.has_twin:
            if packed.keywords != keywords:
                self.pack(args, packed)
            if PyMethod_Check(<object>receiver):
                twin = twin_of(PyMethod_GET_FUNCTION(<object>receiver))
                picked[0] = PyMethod_GET_SELF(<object>receiver)
            else:
                twin = twin_of(receiver)
                picked[0] = NULL
            if twin != NULL:
                for i in range(self.positional):
                    picked[i + 1] = args[self.small[i]]
                values = packed.values if last else PyDict_Copy(packed.values)
                picked[self.positional + 1] = <PyObject *>values
                if picked[0] == NULL:
                    return PyObject_Vectorcall(twin, picked + 1, self.positional + 1, NULL)
                return PyObject_Vectorcall(twin, picked, self.positional + 2, NULL)
        if self.order is None:
            return PyObject_Vectorcall(receiver, args, self.positional, keywords)
        if self.count <= SMALL:
            for i in range(self.count):
                picked[i] = args[self.small[i]]
            return PyObject_Vectorcall(receiver, picked, self.positional, keywords)
        many = [<object>args[<Py_ssize_t>index] for index in self.order]
        return PyObject_Vectorcall(receiver, PySequence_Fast_ITEMS(many), self.positional, keywords)

    cdef int pack(self, PyObject *const *args, Packed packed) except -1:
        """Make the dict of what does not go by position."""
        cdef Py_ssize_t i
        packed.values = {}
        packed.keywords = <PyObject *>self.keywords
        for i in range(self.count - self.positional):
            packed.values[self.keywords[i]] = <object>args[self.small[self.positional + i]]
        return 0


cdef inline PyObject *twin_of(PyObject *function) noexcept:
    """Return the positional twin that hangs on a function, as long as it is of the function's own code."""
    cdef PyObject *namespace
    cdef PyObject *known
    if not PyFunction_Check(function):
        return NULL  # a wrapper's callable, in the receiver's place
    namespace = (<PyFunctionObject *>function).func_dict
    known = NULL if namespace == NULL else PyDict_GetItem(namespace, <PyObject *>TWIN)
    if known == NULL or PyTuple_GET_ITEM(<object>known, 0) != PyFunction_GET_CODE(function):
        return NULL
    return PyTuple_GET_ITEM(<object>known, 1)


@cython.final
cdef class Receiver:
    """A connected receiver: the callable or the weak reference to it, and what it accepts."""

    cdef readonly object reference
    cdef readonly object accepts
    cdef readonly bint is_async
    cdef readonly bint is_weak
    cdef readonly bint after_commit
    cdef object function
    cdef dict calls

    def __init__(self, receiver, reference, accepted, after_commit=False):
        self.reference = reference
        self.accepts = accepted
        self.after_commit = after_commit
        self.is_async = iscoroutinefunction(receiver)
        self.is_weak = isinstance(reference, weakref.ref)
        # WeakMethod is called in Python, 300 ns; the two references behind it are read here in 20.
        self.function = weakref.ref(receiver.__func__) if isinstance(reference, WeakMethod) else None
        self.calls = {}

    cpdef object live(self):
        """Return what to call, or ``None`` when it is gone."""
        if not self.after_commit:
            return self.itself()
        receiver = self.itself()
        return None if receiver is None else Deferred(receiver)

    cpdef object itself(self):
        """Return the callable that was connected, or ``None`` when it is gone."""
        cdef PyObject *found = NULL
        if not self.is_weak:
            return self.reference
        if not deref(self.reference, &found):
            return None
        owner = <object>found
        Py_DECREF(found)
        if self.function is None:
            return owner
        if not deref(self.function, &found):
            return None
        function = <object>found
        Py_DECREF(found)
        return PyMethod_New(function, owner)

    cdef Call call(self, tuple names):
        """Return how a send of ``names`` reaches this receiver."""
        found = self.calls.get(names)
        if found is None:
            if len(self.calls) >= MOST_SHAPES:
                self.calls.clear()
            found = self.calls[names] = Call(self, names)
        return <Call>found


@cython.final
cdef class Plan:
    """The receivers of one sender, in order, until the next connect or disconnect."""

    cdef readonly tuple receivers
    cdef Py_ssize_t count
    cdef tuple strong
    cdef tuple recent
    cdef dict shapes

    def __init__(self, receivers):
        self.receivers = tuple(receivers)
        self.count = len(self.receivers)
        if not any([(<Receiver>receiver).is_weak for receiver in self.receivers]):
            self.strong = tuple([(<Receiver>receiver).live() for receiver in self.receivers])

    cdef object live(self):
        """Return the callables, ``None`` for one that is gone; the send that asked keeps them until it ends."""
        if self.strong is not None:
            return self.strong
        return [(<Receiver>receiver).live() for receiver in self.receivers]

    cdef tuple calls(self, tuple names):
        """Return how a send of ``names`` reaches each of the receivers."""
        cdef tuple recent
        with cython.critical_section(self):
            recent = self.recent
        if recent is not None and PyTuple_GET_ITEM(recent, 0) == <PyObject *>names:
            return <tuple>PyTuple_GET_ITEM(recent, 1)
        return self.shape(names)

    cdef tuple shape(self, tuple names):
        if self.shapes is None:
            self.shapes = {}
        found = self.shapes.get(names)
        if found is None:
            if len(self.shapes) >= MOST_SHAPES:
                self.shapes.clear()
            found = self.shapes[names] = tuple([(<Receiver>receiver).call(names) for receiver in self.receivers])
        recent = (names, found)
        with cython.critical_section(self):
            self.recent = recent
        return <tuple>found


cdef Plan NOBODY = Plan(())


@cython.no_gc_clear
cdef class Dispatch:
    """The hot half of a signal: who receives what a sender sends. Bookkeeping is in ``signal.py``."""

    cdef public bint is_muted
    cdef readonly dict _plans
    cdef void **senders
    cdef list lines
    cdef size_t generation

    def __cinit__(self, *args, **kwargs):
        self._plans = {ANY_KEY: None}

    def __dealloc__(self):
        PyMem_Free(self.senders)

    def _make_plan(self, key):
        raise NotImplementedError

    def _forget(self, key):
        """Have the plan of ``key`` made again by the next send; for ``ANY_KEY`` all plans."""
        if key == ANY_KEY:
            for other in list(self._plans):
                self._plans[other] = None
        elif self._plans.get(key, MISSING) is None:
            return  # not made since it was last forgotten: nothing of it is in the cache
        else:
            self._plans[key] = None
        self.wipe()

    def _drop(self, key):
        """Let the sender of ``key`` have no plan of its own."""
        self._plans.pop(key, None)
        self.wipe()

    cdef void wipe(self) noexcept:
        """Empty the cache. What was in it is let go last: that may run code of the user's, which may send."""
        cdef size_t line
        cdef list _old
        with cython.critical_section(self):
            self.generation += 1
            _old = self.lines
            self.lines = None
            if self.senders != NULL:
                for line in range(LINES):
                    self.senders[line] = NULL

    cdef Plan find(self, object sender):
        """Return the plan of ``sender``, from the cache where it is there."""
        cdef size_t line
        cdef Plan plan = None
        if not known_by_address(sender):
            return self.seek(sender)
        line = (<size_t><void *>sender >> 4) % LINES
        with cython.critical_section(self):
            if self.lines is not None and self.senders[line] == <void *>sender:
                plan = <Plan>PyList_GET_ITEM(self.lines, line)
        return self.remember(sender, line) if plan is None else plan

    cdef Plan remember(self, object sender, size_t line):
        """Find the plan in the dictionary, and keep it in the cache unless somebody connected meanwhile."""
        cdef size_t generation = self.generation
        cdef Plan plan = self.seek(sender)
        cdef list lines = [NOBODY] * LINES if self.lines is None else None
        with cython.critical_section(self):
            if self.senders == NULL:
                self.senders = <void **>PyMem_Calloc(LINES, sizeof(void *))
            if self.generation == generation and self.senders != NULL:
                if self.lines is None:
                    self.lines = lines
                if self.lines is not None:
                    self.lines[line] = plan
                    self.senders[line] = <void *>sender
        return plan

    cdef Plan seek(self, object sender):
        key = sender_key(sender)
        if key not in self._plans:
            key = ANY_KEY
        plan = self._plans.get(key)
        return <Plan>self._make_plan(key) if plan is None else <Plan>plan

    def _find(self, sender):
        """Return the plan of ``sender``."""
        return self.find(sender)

    def has_receivers_for(self, sender):
        """Tell whether a send by ``sender`` would call anybody.

        Costs less than building one keyword: ask before computing what nobody may want. As in blinker, a receiver
        that is weakly referenced and gone may still count until it is noticed.

        Args:
            sender: The sender; :data:`ANY` asks for the receivers of any sender.

        Example:
            >>> import aldis
            >>> signal = aldis.Signal()
            >>> signal.has_receivers_for("me")
            False
        """
        return self.find(sender).count > 0


cdef Plan plan_for(object signal, object sender):
    """Return the plan of ``sender`` for any signal; for a foreign one, made from what it says."""
    if isinstance(signal, Dispatch):
        return NOBODY if (<Dispatch>signal).is_muted else (<Dispatch>signal).find(sender)
    if not isinstance(signal, foreign_signal):
        raise TypeError(f"cannot emit through {signal!r}: it is a {type(signal).__name__}, not a signal.")
    if signal.is_muted:
        return NOBODY
    return Plan([Receiver(receiver, receiver, accepts(receiver)) for receiver in signal.receivers_for(sender)])


cdef object emit(object signal, PyObject *const *args, tuple names):
    """Call the receivers of a lifecycle signal; return ``None``, or what is to be awaited for the rest.

    ``args`` are the sender and the values, in the order of ``names``.
    """
    cdef object sender = <object>args[0]
    cdef Plan plan = plan_for(signal, sender)
    cdef Py_ssize_t i, count = plan.count
    cdef PyObject **receivers
    cdef PyObject *receiver = NULL
    cdef PyObject *yielded
    cdef PySendResult outcome
    cdef Call call
    if count == 0:
        return None
    live = plan.live()
    calls = plan.calls(names)
    packed = Packed.__new__(Packed)
    receivers = PySequence_Fast_ITEMS(live)
    try:
        for i in range(count):
            receiver = receivers[i]
            if receiver == <PyObject *>None:
                continue
            call = <Call>PyTuple_GET_ITEM(calls, i)
            result = call.call(receiver, args, packed, i == count - 1)
            if result is None:
                continue
            if PyCoro_CheckExact(result):
                waiting = result
            elif call.is_async:
                waiting = iterator(result)
            else:
                continue
            outcome = PyIter_Send(<PyObject *>waiting, <PyObject *>None, &yielded)
            if outcome == PYGEN_RETURN:
                Py_DECREF(yielded)
            elif outcome == PYGEN_NEXT:
                return rest(signal, args, names, live, calls, i, waiting, yielded)
            else:
                reraise()
    except Exception as error:
        annotate(error, signal, sender, <object>receiver)
        raise
    return None


cdef Sending rest(
    object signal, PyObject *const *args, tuple names, object live, tuple calls,
    Py_ssize_t position, object waiting, PyObject *yielded,
):
    """Return the rest of an emission whose receiver at ``position`` has suspended."""
    cdef Sending sending = Sending.__new__(Sending)
    sending.yielded = <object>yielded
    Py_DECREF(yielded)
    sending.signal = signal
    sending.arguments = arguments_of(args[0], args + 1, len(names), -1)
    sending.live, sending.calls = live, calls
    sending.position = position + 1
    sending.running = waiting
    sending.state = YIELDED
    return sending


cdef enum:
    CREATED, YIELDED, STARTED, EXECUTING, CLOSED


@cython.final
cdef class Sending:
    """An asynchronous send: awaits the receivers one after the other, in the task and context that await it.

    A coroutine in all but its type (:class:`collections.abc.Coroutine`): ``await`` it, or give it to
    :func:`asyncio.create_task`, ``gather``, ``wait_for``.
    """

    cdef object signal
    cdef tuple arguments
    cdef tuple names
    cdef object live
    cdef tuple calls
    cdef Py_ssize_t position
    cdef list results
    cdef Packed packed
    cdef object running
    cdef object yielded
    cdef object wrapper
    cdef int state
    cdef object __weakref__

    def __cinit__(self):
        self.packed = Packed.__new__(Packed)

    def __await__(self):
        """Return what ``await`` iterates: the send itself."""
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on with ``value`` as the result of what was awaited; return what is awaited next."""
        cdef PyObject *result = NULL
        return told(am_send(self, value, &result), result)

    def throw(self, kind, value=None, traceback=None):
        """Raise an exception where the receiver that is awaited waits; return what is awaited next."""
        cdef PyObject *result = NULL
        if isinstance(value, BaseException):
            error = value
        else:
            error = kind() if value is None and isinstance(kind, type) else kind
        if traceback is not None:
            error = error.with_traceback(traceback)
        if self.state >= EXECUTING:
            raise self.misuse()
        if self.state == CREATED:
            self.close()
            raise error
        return told(self.go_on(None, error, &result), result)

    def close(self):
        """Close the receiver that is awaited; call no other."""
        if self.state == EXECUTING:
            raise self.misuse()
        running = self.running
        self.end()
        if hasattr(running, "close"):
            running.close()

    cdef object misuse(self):
        if self.state == EXECUTING:
            return ValueError("coroutine already executing")
        return RuntimeError("cannot reuse already awaited coroutine")

    cdef void end(self) noexcept:
        self.state = CLOSED
        self.signal = self.running = self.yielded = self.wrapper = self.live = None
        self.arguments = self.calls = ()

    cdef PySendResult go_on(self, object value, object error, PyObject **result) except? PYGEN_ERROR:
        """Resume the receiver that is awaited, then call and await those after it; tell how that ended."""
        cdef PySendResult outcome
        cdef Call call
        cdef object receiver = None
        cdef object live = self.live
        cdef Py_ssize_t count = 0 if live is None else len(live)
        self.state = EXECUTING
        try:
            while True:
                if self.running is not None:
                    receiver = live[self.position - 1]
                    if error is not None:
                        outcome = throw_into(self.running, error, result)
                    else:
                        outcome = PyIter_Send(<PyObject *>self.running, <PyObject *>value, result)
                    if outcome == PYGEN_NEXT:
                        self.state = STARTED
                        return PYGEN_NEXT
                    if outcome == PYGEN_ERROR:
                        reraise()
                    returned = <object>result[0]
                    Py_DECREF(result[0])
                    self.running = value = error = None
                    self.keep(receiver, returned)
                if self.position == count:
                    break
                receiver = live[self.position]
                call = <Call>self.calls[self.position]
                self.position += 1
                if receiver is not None:
                    self.invoke(receiver, call)
        except BaseException as failure:
            if receiver is not None and isinstance(failure, Exception):
                annotate(failure, self.signal, self.arguments[0], receiver)
            self.end()
            if isinstance(failure, StopIteration):
                raise RuntimeError("coroutine raised StopIteration") from failure
            raise
        result[0] = Py_NewRef(<PyObject *>self.results)
        self.end()
        return PYGEN_RETURN

    cdef int invoke(self, object receiver, Call call) except -1:
        """Call ``receiver``; leave in ``running`` what is to be awaited."""
        target = receiver
        if self.results is not None and not call.is_async:
            if self.wrapper is None:
                raise RuntimeError("Cannot send to a non-coroutine function.")
            target = self.wrapper(receiver)
        result = call.call(
            <PyObject *>target, PySequence_Fast_ITEMS(self.arguments), self.packed, self.position == len(self.calls)
        )
        if PyCoro_CheckExact(result):
            self.running = result
        elif result is None and call.after_commit:
            self.keep(receiver, result)
        elif self.results is not None or call.is_async:
            self.running = iterator(result)
        else:
            self.keep(receiver, result)
        return 0

    cdef void keep(self, object receiver, object result):
        if self.results is not None:
            self.results.append((receiver.receiver if isinstance(receiver, Deferred) else receiver, result))

    def __del__(self):
        if self.state == CREATED:
            warnings.warn("coroutine 'send_async' was never awaited", RuntimeWarning, stacklevel=1, source=self)
        elif self.state == YIELDED:
            warnings.warn("coroutine 'rest' was never awaited", RuntimeWarning, stacklevel=1, source=self)


Coroutine.register(Sending)


cdef PySendResult am_send(Sending self, object value, PyObject **result) except? PYGEN_ERROR:
    """Go on, as ``await`` does it: the end is told by a return value, where a StopIteration would cost 400 ns."""
    cdef Plan plan
    if self.state == STARTED:
        return self.go_on(value, None, result)
    if self.state >= EXECUTING:
        raise self.misuse()
    if value is not None:
        raise TypeError("can't send non-None value to a just-started coroutine")
    if self.state == YIELDED:
        self.state = STARTED
        result[0] = Py_NewRef(<PyObject *>self.yielded)
        self.yielded = None
        return PYGEN_NEXT
    plan = plan_for(self.signal, self.arguments[0])
    self.live, self.calls = plan.live(), plan.calls(self.names)
    return self.go_on(None, None, result)


set_am_send(Sending, <void *>am_send)


cdef object told(PySendResult outcome, PyObject *result):
    """Return what was yielded, or raise StopIteration with what was returned."""
    value = <object>result
    Py_DECREF(result)
    if outcome == PYGEN_NEXT:
        return value
    raise StopIteration(value)


cdef object iterator(object awaitable):
    """Return what ``await`` would iterate."""
    try:
        return type(awaitable).__await__(awaitable)
    except AttributeError:
        raise TypeError(f"object {type(awaitable).__name__} can't be used in 'await' expression") from None


cdef PySendResult throw_into(object waiting, object error, PyObject **result) except? PYGEN_ERROR:
    """Throw ``error`` into an awaited iterator; tell the outcome as ``PyIter_Send`` does."""
    cdef PySendResult outcome = PYGEN_NEXT
    try:
        if not hasattr(waiting, "throw"):
            raise error
        found = waiting.throw(error)
    except StopIteration as stop:
        found, outcome = stop.value, PYGEN_RETURN
    result[0] = Py_NewRef(<PyObject *>found)
    return outcome


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
            named = (<object>receiver).receiver if call.after_commit else <object>receiver
            results.append((named, call.call(<PyObject *>target, args, packed, i == plan.count - 1)))
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
        return emit(<object>args[0], args + 1, names)
    bound = bind(emitter, names, args, nargs, kwnames)
    return emit(bound[0], PySequence_Fast_ITEMS(bound) + 1, names)


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


cdef object new_emitter(str name, tuple names, void *function):
    """Make a Python function of an emitter."""
    text = f"(signal, sender, {', '.join(names)})"
    return PyCFunction_NewEx(define(getattr(pure_emitters, name), text, function), NULL, __name__)


include "emitters.pyx"
