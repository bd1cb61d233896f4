# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The compiled core: who receives what a sender sends, and the entry of a send. The twin of ``dispatch/_pure.py``.

The receivers are called by plans, rendered Python functions that both cores share (``dispatch/plans.py``). C is for
what Python is slow at: to find the plan of a sender (20 ns), to ask whether each receiver's code is what it was (one
nanosecond a receiver, 55 in Python), to take many weak references at once, and to hand the arguments of a send to the
plan without a dict.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from inspect import getdoc
from types import CellType

from aldis.dispatch._pure import send as pure_send, send_async as pure_send_async
from aldis.dispatch.ledger import LEDGER
from aldis.dispatch.sending import send_async as coroutine_of_send
from aldis.dispatch.twins import tools_are_on as tools_in_python

include "capi.pxi"

ANY_KEY = 0
"""The key of :data:`blinker.ANY` among the plans: no object has the address 0."""

cdef enum:
    OF_FIRE, OF_SEND, OF_SEND_ASYNC

FIRE, SEND, SEND_ASYNC = OF_FIRE, OF_SEND, OF_SEND_ASYNC

ASKS_IN_PLAN = False
"""Whether the code of the receivers is what it was, is asked where the plan is found."""

cdef enum:
    LINES = 64  # of a signal's cache of plans, by address: a find costs 2 ns instead of 40, and no allocation
    MOST_NAMES = 64  # sets of keywords that a plan remembers; a caller that sends ``**row`` could have any number

cdef enum:
    SENDER = 3  # where the sender is in the tuple of a send, and its values after it

cdef object MISSING = object()


def sender_key(object sender):
    """Return what a sender is known by: an address (an ``int``), or for ``str``, ``int`` and bound methods a value."""
    if PyUnicode_Check(sender):
        return sender
    if PyLong_Check(sender):
        return (sender,)
    if PyMethod_Check(sender):
        return PyLong_FromVoidPtr(PyMethod_GET_FUNCTION(sender)), PyLong_FromVoidPtr(PyMethod_GET_SELF(sender))
    return PyLong_FromVoidPtr(<void *>sender)


cdef inline bint known_by_address(object sender) noexcept:
    return not (PyUnicode_Check(sender) or PyLong_Check(sender) or PyMethod_Check(sender))


cdef class Asked:
    """The functions whose code decides how a receiver is called, and what that code was when it was read."""

    cdef readonly tuple sources
    cdef readonly tuple codes

    def __cinit__(self, *args, **kwargs):
        self.sources = self.codes = ()

    def read(self, tuple sources not None, tuple codes not None):
        """Take note of the functions, or of weak references to them, and of their code."""
        if len(sources) != len(codes):
            raise ValueError("each function has one code object")
        with cython.critical_section(self):
            self.sources, self.codes = sources, codes

    def is_as_read(self):
        """Tell whether the code is what it was; of what is gone, it is."""
        cdef tuple sources, codes
        with cython.critical_section(self):
            sources, codes = self.sources, self.codes
        return not look(<PyObject *>sources, <PyObject *>codes, False)


def snapshot(tuple references not None):
    """Return a function that takes weakly referenced objects all at once: two nanoseconds each, 15 in Python.

    Args:
        references: Weak references; what is none counts as one that leads nowhere.

    Returns:
        A function without arguments, which returns a tuple of the objects, or ``None`` where one of them is gone.
    """
    return new_snapshot(references)


@cython.final
cdef class Plan:
    """The receivers of one sender, in order, until the next connect or disconnect; and the functions that call them."""

    cdef object __weakref__
    cdef readonly tuple receivers
    cdef readonly object watched
    cdef readonly bint is_void
    cdef public bint has_twins
    cdef public tuple asked
    cdef Py_ssize_t count
    cdef tuple sources  # of all receivers: to ask them in one loop takes a nanosecond each
    cdef tuple codes
    cdef tuple fired
    cdef tuple sent
    cdef tuple sent_async
    cdef dict functions
    cdef dict loops
    cdef object cell

    def __init__(self, receivers, watched=None):
        self.receivers = tuple(receivers)
        self.watched = watched
        self.asked = ()
        self.count = len(self.receivers)
        if self.count == 1:  # the record's own tuples: many senders have one receiver
            self.sources, self.codes = (<Asked?>self.receivers[0]).sources, (<Asked?>self.receivers[0]).codes
        else:
            self.sources = tuple([source for each in self.receivers for source in (<Asked?>each).sources])
            self.codes = tuple([code for each in self.receivers for code in (<Asked?>each).codes])

    def void(self):
        """Take note that somebody has connected or disconnected since it was made, or muted the signal."""
        self.is_void = True
        if self.cell is not None:
            self.cell.cell_contents = True

    def void_cell(self):
        """Return a cell that holds whether the plan is void: a loop over rows asks it after each, in one nanosecond."""
        with cython.critical_section(self):
            if self.cell is None:
                self.cell = CellType(False)
        if self.is_void:
            self.cell.cell_contents = True
        return self.cell

    def loop(self, tuple shape):
        """Return the loop over rows for a shape of their columns; ``None`` where there is none yet."""
        with cython.critical_section(self):
            return None if self.loops is None else self.loops.get(shape)

    def remember_loop(self, tuple shape, loop):
        """Keep the loop over rows for a shape of their columns."""
        with cython.critical_section(self):
            if self.loops is None or len(self.loops) >= MOST_NAMES:
                self.loops = {}
            self.loops[shape] = loop

    def remember(self, int kind, tuple names, bint with_twins, function):
        """Keep the function for a set of names; ``None`` for one that has to be delivered the slow way."""
        with cython.critical_section(self):
            if with_twins:
                # Of the first set of names there is no entry in the dict, which most plans never need.
                recent = (names, function)
                if kind == OF_FIRE:
                    recent, self.fired = self.fired, recent
                elif kind == OF_SEND:
                    recent, self.sent = self.sent, recent
                else:
                    recent, self.sent_async = self.sent_async, recent
                if recent is None:
                    return
                self.keep(kind, recent[0], True, recent[1])
            self.keep(kind, names, with_twins, function)

    def take_over(self, Plan other not None, int kind, tuple names not None, bint with_twins):
        """Have the function that another plan of the same receivers has for a set of names; ``None``: it has none."""
        if other.is_void or other.watched is not None or self.watched is not None or other.receivers != self.receivers:
            return None
        if other.has_twins and tools_are_on():
            return None
        function = other.remembered(kind, names, with_twins)
        if function is MISSING or function is None:
            return None
        self.has_twins = self.has_twins or other.has_twins
        self.remember(kind, names, with_twins, function)
        return function

    cdef int keep(self, int kind, object names, bint with_twins, object function) except -1:
        if self.functions is None or len(self.functions) >= MOST_NAMES:
            self.functions = {}
        self.functions[kind, with_twins, names] = function
        return 0

    cdef inline object remembered(self, int kind, tuple names, bint with_twins):
        """Return the function for a set of names; ``MISSING`` where there is none yet."""
        cdef tuple recent
        cdef dict functions
        with cython.critical_section(self):
            recent = self.fired if kind == OF_FIRE else self.sent if kind == OF_SEND else self.sent_async
            functions = self.functions
        if with_twins and recent is not None:
            if PyTuple_GET_ITEM(recent, 0) == <PyObject *>names or recent[0] == names:
                return <object>PyTuple_GET_ITEM(recent, 1)
        return MISSING if functions is None else functions.get((kind, with_twins, names), MISSING)


cdef bint tools_are_on() except -1:
    """Tell whether a profiler looks at what is called: it is to see the functions, not their twins."""
    cdef int known = known_tools()
    if known < 0:
        known = tools_in_python()
        note_tools(known)
    return known


@cython.no_gc_clear
cdef class Dispatch:
    """The hot half of a signal: who receives what a sender sends. Bookkeeping is in ``bookkeeping.py``."""

    cdef bint muted
    cdef readonly dict _plans
    cdef public object _names
    cdef void **senders
    cdef list lines

    def __cinit__(self, *args, **kwargs):
        self._plans = {ANY_KEY: None}

    def __dealloc__(self):
        PyMem_Free(self.senders)

    @property
    def is_muted(self):
        """Nobody is called."""
        return self.muted

    @is_muted.setter
    def is_muted(self, muted):
        self.muted = bool(muted)
        with LEDGER:
            self._void()

    def _make_plan(self, key):
        raise NotImplementedError

    def _find_by_bases(self, sender):
        raise NotImplementedError

    def _render(self, plan, kind, names, with_twins):
        raise NotImplementedError

    def _names_of(self, sender):
        raise NotImplementedError

    def _renew(self, records):
        raise NotImplementedError

    def _share_plans(self, Dispatch other not None):
        """Have the plans of another signal, which shares its receivers."""
        self._plans = other._plans

    def _void(self):
        """Have all plans made again."""
        for key, plan in list(self._plans.items()):
            if plan is not None:
                (<Plan>plan).void()
                self._plans[key] = None
        self.wipe()

    def _forget(self, key):
        """Have the plan of ``key`` made again by the next send; for ``ANY_KEY`` all plans."""
        if key == ANY_KEY:
            self._void()
            return
        # A sender without a plan of its own had that of everybody.
        known = self._plans.get(key, MISSING)
        if known is MISSING:
            known = self._plans[ANY_KEY]
            self._plans[ANY_KEY] = None
        self._plans[key] = None
        if known is not None:
            (<Plan>known).void()
            self.wipe()

    def _drop(self, key):
        """Let the sender of ``key`` have no plan of its own."""
        known = self._plans.pop(key, None)
        if known is not None:
            (<Plan>known).void()
        self.wipe()

    @cython.final
    cdef void wipe(self) noexcept:
        """Empty the cache. What was in it is let go last: that may run code of the user's, which may send."""
        cdef size_t line
        cdef list _old
        with cython.critical_section(self):
            _old = self.lines
            self.lines = None
            if self.senders != NULL:
                for line in range(LINES):
                    self.senders[line] = NULL

    @cython.final
    cdef inline Plan find(self, object sender):
        """Return the plan of ``sender``, from the cache where it is there."""
        cdef size_t line
        cdef Plan plan = None
        if not known_by_address(sender):
            return self.seek(sender)
        line = (<size_t><void *>sender >> 4) % LINES
        with cython.critical_section(self):
            if self.lines is not None and self.senders[line] == <void *>sender:
                plan = <Plan>list_item(<PyObject *>self.lines, line)
        return self.remember(sender, line) if plan is None or plan.is_void else plan

    @cython.final
    cdef Plan remember(self, object sender, size_t line):
        """Find the plan in the dictionary, and keep it in the cache."""
        cdef Plan plan = self.seek(sender)
        cdef list lines = [None] * LINES if self.lines is None else None
        with cython.critical_section(self):
            if self.senders == NULL:
                self.senders = <void **>PyMem_Calloc(LINES, sizeof(void *))
            if self.senders != NULL:
                if self.lines is None:
                    self.lines = lines
                if self.lines is not None:
                    self.lines[line] = plan
                    self.senders[line] = <void *>sender
        return plan

    @cython.final
    cdef Plan seek(self, object sender):
        key = sender_key(sender)
        everybody = self._plans[ANY_KEY]  # read first: whoever connects to the sender after this voids it
        plan = self._plans.get(key, MISSING)
        if plan is MISSING:
            if self._bases:
                found = self._find_by_bases(sender)
                if found is not None:
                    return <Plan?>found
            plan = everybody
        return <Plan?>self._make_plan(key) if plan is None else <Plan>plan

    def _find(self, sender):
        """Return the plan of ``sender``."""
        return self.find(sender)

    @cython.final
    cdef inline PyObject *ready(self, PyObject *sender, int kind, PyObject *names) noexcept:
        """Return what calls the receivers, where it is at hand; ``None`` where nobody listens; NULL: seek it.

        The reference is borrowed. For the sake of speed no reference is counted; nothing of Python runs.
        """
        cdef size_t line = (<size_t>sender >> 4) % LINES
        cdef PyObject *plan
        cdef PyObject *recent
        cdef int found
        if not HAS_GIL or self.muted or self.senders == NULL or self.senders[line] != <void *>sender:
            return NULL
        if not known_by_address(<object>sender) or self.lines is None:
            return NULL
        plan = list_item(<PyObject *>self.lines, line)
        if plan == <PyObject *>None or (<Plan>plan).is_void:
            return NULL
        if (<Plan>plan).count == 0:
            return <PyObject *>None
        recent = <PyObject *>(<Plan>plan).fired
        if kind != OF_FIRE:
            recent = <PyObject *>(<Plan>plan).sent if kind == OF_SEND else <PyObject *>(<Plan>plan).sent_async
        if recent == <PyObject *>None or tuple_item(recent, 0) != names:
            return NULL
        found = look(<PyObject *>(<Plan>plan).sources, <PyObject *>(<Plan>plan).codes, (<Plan>plan).has_twins)
        if found or ((<Plan>plan).has_twins and known_tools() != 0):
            return NULL
        if tuple_item(recent, 1) == <PyObject *>None:  # the receivers are called the slow way
            return NULL
        return tuple_item(recent, 1)

    @cython.final
    cdef inline Plan heard(self, object sender, int *found):
        """Return the plan of a sender that somebody listens to, its receivers' code being what it was; or ``None``."""
        cdef Plan plan
        if self.muted:
            return None
        plan = self.find(sender)
        if plan.count == 0:
            return None
        found[0] = look(<PyObject *>plan.sources, <PyObject *>plan.codes, plan.has_twins)
        if found[0] & OTHER:
            self._renew(plan.receivers)
            plan = self.find(sender)
        return plan

    @cython.final
    cdef inline object callee(self, object sender, int kind, tuple names, bint is_rendered):
        """Return what calls the receivers; ``None`` where nobody listens; their plan, if they are called the slow way.

        ``is_rendered``: a function may call them.
        """
        cdef PyObject *known = self.ready(<PyObject *>sender, kind, <PyObject *>names)
        cdef int found = 0
        cdef Plan plan
        if known == <PyObject *>None or (known != NULL and is_rendered):
            return <object>known
        plan = self.heard(sender, &found)
        if plan is None or not is_rendered:
            return plan
        function = self.function(plan, kind, names, found)
        return plan if function is None else function

    @cython.final
    cdef inline object function(self, Plan plan, int kind, tuple names, int found):
        """Return what calls the receivers of a plan; ``None``: they are called the slow way."""
        cdef bint with_twins = not plan.has_twins or not (found & MONITORED or tools_are_on())
        function = plan.remembered(kind, names, with_twins)
        return self._render(plan, kind, names, with_twins) if function is MISSING else function

    @cython.binding(False)
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

    @cython.binding(False)
    def plan(self, sender, names=None):
        """Return what calls the receivers of ``sender``, or ``None`` where nobody listens, or the signal is muted.

        See the pure core's.
        """
        if names is None:
            names = self._names
        if names is None:
            if not self.find(sender).count or self.muted:
                return None
            names = self._names_of(sender)
        return self.callee(sender, OF_FIRE, <tuple?>names, True)


@cython.binding(False)
@cython.always_allow_keywords(False)
def begin_sending(tuple send not None):
    """Return the coroutine of a send, or ``None`` where nobody listens: what ``send_async`` begins with."""
    cdef object wrapper = <object>PyTuple_GET_ITEM(send, 2)
    cdef Dispatch signal = <Dispatch>PyTuple_GET_ITEM(send, 0)
    cdef tuple names = <tuple>PyTuple_GET_ITEM(send, 1)
    cdef object sender = <object>PyTuple_GET_ITEM(send, SENDER)
    callee = signal.callee(sender, OF_SEND_ASYNC, names, wrapper is None)
    if callee is None:
        return None
    if isinstance(callee, Plan):
        return signal._send_async(callee, sender, wrapper, dict(zip(names, send[SENDER + 1:])))
    return PyObject_Vectorcall(
        <PyObject *>callee, PySequence_Fast_ITEMS(send) + SENDER, PyTuple_GET_SIZE(names) + 1, NULL
    )


cdef object begin = begin_sending
cdef object sending = coroutine_of_send


include "calling.pxi"
