# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The compiled core: receiver lookup and invocation. The twin of ``src/aldis/dispatch/_pure.py``: the same story.

What makes it fast (docs/dispatch.md tells the story, docs/benchmarks.md the figures):

- a plan of receivers per sender, kept until the next connect, instead of two set unions and a generator a send;
- the coroutine test and the signature read at connect, not at each call;
- one argument array for all receivers, handed over as the caller's own vectorcall passed it;
- a dict of keywords that is made once, and that each receiver with ``**kwargs`` gets by its positional twin;
- a coroutine is started at once and driven by ``PyIter_Send``: where none suspends, no awaitable is made.
"""

cimport cython
from cpython.dict cimport PyDict_Next, PyDict_SetItem, PyDict_Size
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
from aldis.dispatch.batching import Batched
from aldis.dispatch.deferral import Deferred, behind
from aldis.dispatch.delivery import Watched, stand_in
from aldis.dispatch.failures import annotate
from aldis.dispatch.receiver import accepts, arrange, positional_twin

include "capi.pxi"

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


@cython.no_gc_clear
@cython.freelist(8)
cdef class Packed:
    """The dict of keywords of a send, or of a series: one receiver after the other gets it, as if it were made anew.

    A receiver that has kept it keeps it, and the next gets a copy; what a receiver has changed is put back.
    """

    cdef PyObject *keywords
    cdef dict values


@cython.final
cdef class Call:
    """How the arguments of one set of keywords reach one receiver."""

    cdef bint is_async
    cdef bint after_commit
    cdef bint stands_in
    cdef bint has_twin
    cdef Py_ssize_t positional
    cdef Py_ssize_t count
    cdef tuple keywords
    cdef tuple twin
    cdef PyObject *function
    cdef int small[SMALL]
    cdef tuple order
    cdef dict template

    def __cinit__(self, Receiver receiver, tuple names):
        cdef Py_ssize_t i
        order, self.positional, self.keywords, names_all = arrange(receiver.accepts, names)
        self.is_async = receiver.is_async
        self.after_commit = receiver.after_commit
        self.stands_in = receiver.after_commit or receiver.batched
        self.order = order or tuple(range(len(names) + 1))
        self.count = len(self.order)
        for i in range(min(self.count, SMALL)):
            self.small[i] = self.order[i]
        live = receiver.live()
        function = getattr(live, "__func__", live)
        self.has_twin = names_all and self.count < SMALL and positional_twin(function) is not None
        if self.has_twin and not receiver.is_weak:
            self.function = <PyObject *>function
            self.twin = function.__dict__[TWIN]  # the receiver keeps both alive as long as this is
        self.template = dict.fromkeys(self.keywords or ())
        if order is None:
            self.order = None

    cdef object call(self, PyObject *receiver, PyObject *const *args, Packed packed):
        """Call ``receiver`` with its part of ``args``: the sender, then the values in the order of the names."""
        cdef PyObject *picked[SMALL + 1]
        cdef PyObject *keywords = <PyObject *>self.keywords
        cdef PyObject *twin
        cdef Py_ssize_t i
        if self.has_twin:
            self.pack(args, packed)
            if PyMethod_Check(<object>receiver):
                twin = self.twin_of(PyMethod_GET_FUNCTION(<object>receiver))
                picked[0] = PyMethod_GET_SELF(<object>receiver)
            else:
                twin = self.twin_of(receiver)
                picked[0] = NULL
            if twin != NULL:
                for i in range(self.positional):
                    picked[i + 1] = args[self.small[i]]
                picked[self.positional + 1] = <PyObject *>packed.values
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

    cdef inline PyObject *twin_of(self, PyObject *function) noexcept:
        """Return the positional twin of a function, as long as it is of the function's own code."""
        if not PyFunction_Check(function):
            return NULL  # a wrapper's callable, in the receiver's place
        if function != self.function:
            return twin_on(function)
        if PyTuple_GET_ITEM(self.twin, 0) != PyFunction_GET_CODE(function):
            return NULL
        return PyTuple_GET_ITEM(self.twin, 1)

    cdef int pack(self, PyObject *const *args, Packed packed) except -1:
        """Have a dict of what does not go by position, which nobody else has."""
        cdef Py_ssize_t i
        if packed.keywords == <PyObject *>self.keywords:
            if Py_REFCNT(<PyObject *>packed.values) > 1:
                packed.values = PyDict_Copy(packed.values)
            if self.renew(args, packed.values):
                return 0
        packed.values = PyDict_Copy(self.template)  # has the room: seven keys into an empty dict make it grow once
        packed.keywords = <PyObject *>self.keywords
        for i in range(self.count - self.positional):
            packed.values[self.keywords[i]] = <object>args[self.small[self.positional + i]]
        return 0

    cdef bint renew(self, PyObject *const *args, dict values) except -1:
        """Put into a dict what another row has, and what a receiver has changed; tell whether its keys are ours."""
        cdef PyObject *key
        cdef PyObject *value
        cdef PyObject *wanted
        cdef Py_ssize_t i = 0, place = 0
        if PyDict_Size(values) != self.count - self.positional:
            return False
        while PyDict_Next(values, &place, &key, &value):
            if key != PyTuple_GET_ITEM(self.keywords, i):
                return False
            wanted = args[self.small[self.positional + i]]
            if value != wanted:
                PyDict_SetItem(values, <object>key, <object>wanted)
            i += 1
        return True


cdef inline PyObject *twin_on(PyObject *function) noexcept:
    """Return the positional twin that hangs on a function, as long as it is of the function's own code."""
    cdef PyObject *namespace
    cdef PyObject *known
    namespace = (<PyFunctionObject *>function).func_dict
    known = NULL if namespace == NULL else PyDict_GetItemWithError(namespace, <PyObject *>TWIN)
    if known == NULL:
        PyErr_Clear()
        return NULL
    if PyTuple_GET_ITEM(<object>known, 0) != PyFunction_GET_CODE(function):
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
    cdef readonly bint batched
    cdef readonly bint is_plain
    cdef readonly Py_ssize_t priority
    cdef object function
    cdef dict calls

    def __init__(self, receiver, reference, accepted, after_commit=False, batched=False, priority=0):
        self.reference = reference
        self.accepts = accepted
        self.after_commit = after_commit
        self.batched = batched
        self.priority = priority
        self.is_plain = not (after_commit or batched or priority)
        self.is_async = iscoroutinefunction(receiver)
        self.is_weak = isinstance(reference, weakref.ref)
        # WeakMethod is called in Python, 300 ns; the two references behind it are read here in 20.
        self.function = weakref.ref(receiver.__func__) if isinstance(reference, WeakMethod) else None
        self.calls = {}

    cpdef object live(self):
        """Return what to call, or ``None`` when it is gone."""
        receiver = self.itself()
        if receiver is None or not (self.after_commit or self.batched):
            return receiver
        if self.batched:
            receiver = Batched(receiver)
        return Deferred(receiver) if self.after_commit else receiver

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

    def deliver(self, target, sender, dict keywords not None):
        """Call ``target``, this receiver or what stands for it, with its part of ``keywords``."""
        arguments = (sender, *keywords.values())
        call = self.call(tuple(keywords))
        return call.call(<PyObject *>target, PySequence_Fast_ITEMS(arguments), Packed.__new__(Packed))


@cython.final
cdef class Plan:
    """The receivers of one sender, in order, until the next connect or disconnect."""

    cdef readonly tuple receivers
    cdef object watched
    cdef Py_ssize_t count
    cdef tuple strong
    cdef tuple recent
    cdef dict shapes

    def __init__(self, receivers, watched=None):
        self.receivers = tuple(receivers)
        self.watched = watched
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
    records = [Receiver(receiver, receiver, accepts(receiver)) for receiver in signal.receivers_for(sender)]
    return Plan(records, stand_in(signal, records))


cdef dict keywords_of(tuple names, PyObject *const *args):
    """Return the values after the sender by their names: what is watched is called in Python."""
    cdef Py_ssize_t i
    return {names[i]: <object>args[i + 1] for i in range(len(names))}


@cython.final
cdef class Kept(Packed):
    """What a series keeps from row to row: the receivers of a plan too, until somebody connects or disconnects."""

    cdef Plan plan
    cdef object live
    cdef tuple calls


cdef object emit(object signal, PyObject *const *args, tuple names, Kept kept):
    """Call the receivers of a lifecycle signal; return ``None``, or what is to be awaited for the rest.

    ``args`` are the sender and the values, in the order of ``names``; ``kept`` is a series' own, or ``None``.
    """
    cdef object sender = <object>args[0]
    cdef Plan plan = plan_for(signal, sender)
    cdef Py_ssize_t i, count = plan.count
    cdef PyObject **receivers
    cdef PyObject *receiver = NULL
    cdef PyObject *yielded
    cdef PySendResult outcome
    cdef Call call
    cdef Packed packed
    cdef tuple calls
    if count == 0:
        return None
    if plan.watched is not None:
        return plan.watched(sender, **keywords_of(names, args))
    if kept is None:
        live, calls, packed = plan.live(), plan.calls(names), Packed.__new__(Packed)
    else:
        if kept.plan is not plan:
            kept.plan, kept.live, kept.calls = plan, plan.live(), plan.calls(names)
            kept.keywords = NULL  # it was the old plan's
        live, calls, packed = kept.live, kept.calls, kept
    receivers = PySequence_Fast_ITEMS(live)
    try:
        for i in range(count):
            receiver = receivers[i]
            if receiver == <PyObject *>None:
                continue
            call = <Call>PyTuple_GET_ITEM(calls, i)
            result = call.call(receiver, args, packed)
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


include "sending.pxi"
include "calling.pxi"
include "series.pxi"
